/**
 * Coverage-guided fuzzing of everything that reads flow records: `npm run fuzz -- --minutes 60 [--seed N]`.
 *
 * Whatever the bytes are: nothing is thrown but the refusal of an input, no input takes longer than its size allows, the
 * heap stays bounded, and what comes out are sane records. Inputs that break this are written to
 * `test-output/fuzz/`, to become tests; what was interesting is kept there too, and the next run begins with it.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { maxInputBytes } from './fuzz/mutate.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes ?? 15)
const folder = join(import.meta.dirname, '..', 'test-output', 'fuzz')
const corpusFolder = join(folder, 'corpus')
mkdirSync(corpusFolder, { recursive: true })
/** Longer than any input of its size may take: the thread hangs. */
const hangSeconds = 20

let seed = Number(values.seed ?? Date.now() % 1_000_000)
let runs = 0
const faults = new Map<string, number>()

type Message =
  | { readonly kind: 'finding'; readonly fault: string; readonly input: Uint8Array }
  | { readonly kind: 'kept'; readonly input: Uint8Array }
  | { readonly kind: 'progress'; readonly runs: number; readonly blocks: number; readonly corpus: number }

function save(into: string, input: Uint8Array): string {
  const path = join(into, `${createHash('sha256').update(input).digest('hex').slice(0, 16)}.bin`)
  if (!existsSync(path)) writeFileSync(path, input)
  return path
}

function report(fault: string, input: Uint8Array): void {
  // The numbers in it differ from input to input; the place does not.
  const kind = fault.split('\n').slice(0, 2).join(' ').replace(/\d+/g, 'N')
  const count = (faults.get(kind) ?? 0) + 1
  faults.set(kind, count)
  if (count <= 3) console.log(`FOUND ${save(folder, input)}\n${fault.split('\n').slice(0, 6).join('\n')}`)
}

const corpus = () => readdirSync(corpusFolder).map(name => readFileSync(join(corpusFolder, name)))
const endMs = Date.now() + minutes * 60_000
while (Date.now() < endMs) {
  const shared = new SharedArrayBuffer(8 + maxInputBytes)
  const head = new Int32Array(shared, 0, 2)
  Atomics.store(head, 0, Math.floor(Date.now() / 1000))
  const worker = new Worker(new URL('./fuzz/worker.ts', import.meta.url), {
    workerData: { seed: seed++, shared, corpus: corpus() },
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  let isRunning = true
  let before = 0
  worker.on('message', (message: Message) => {
    if (message.kind === 'finding') report(message.fault, message.input)
    else if (message.kind === 'kept') save(corpusFolder, message.input)
    else {
      runs += message.runs - before
      before = message.runs
      const left = Math.max(0, Math.round((endMs - Date.now()) / 1000))
      console.log(
        `${runs} inputs, ${message.blocks} blocks, corpus ${message.corpus}, ${faults.size} faults, ${left} s left`,
      )
    }
  })
  worker.on('error', error => {
    isRunning = false
    report(`the thread died: ${error.message}`, new Uint8Array(shared, 8, Atomics.load(head, 1)).slice())
  })
  while (isRunning && Date.now() < endMs) {
    await sleep(1000)
    if (Date.now() / 1000 - Atomics.load(head, 0) > hangSeconds) {
      report('hangs', new Uint8Array(shared, 8, Atomics.load(head, 1)).slice())
      break
    }
  }
  await worker.terminate()
}
console.log(
  faults.size === 0 ? `nothing found in ${runs} inputs` : `${faults.size} faults in ${runs} inputs:`,
)
for (const [kind, count] of faults) console.log(`  ${count} × ${kind}`)
process.exitCode = faults.size === 0 ? 0 : 1
