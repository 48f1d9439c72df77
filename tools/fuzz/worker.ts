/**
 * Fuzzes the decoders in a thread of its own: the thread above sees when an input takes too long and takes it away.
 * An input is kept when it makes a block of the decoders run that never ran before.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { watchCoverage } from './coverage.ts'
import { brokenInvariant } from './invariants.ts'
import { createRandom, maxInputBytes, mutate } from './mutate.ts'
import { seedInputs } from './seeds.ts'

const {
  seed,
  shared,
  corpus: given,
} = workerData as {
  seed: number
  shared: SharedArrayBuffer
  corpus: readonly Uint8Array[]
}
/** What runs now: when it began (seconds), its length, and its bytes, for whoever has to stop this thread. */
const current = { head: new Int32Array(shared, 0, 2), bytes: new Uint8Array(shared, 8) }
const batchSize = 24
const maxHeapBytes = 512 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const random = createRandom(seed)
const coverage = watchCoverage(url => url.includes('/src/flows/'))
const corpus: Buffer[] = [...seedInputs(), ...given.map(bytes => Buffer.from(bytes))]
let runs = 0

async function check(input: Buffer): Promise<string | null> {
  const bytes = input.subarray(0, maxInputBytes)
  Atomics.store(current.head, 1, bytes.length)
  current.bytes.set(bytes)
  Atomics.store(current.head, 0, Math.floor(Date.now() / 1000))
  runs += 1
  return brokenInvariant(bytes, random(4) === 0 ? 1 + random(200) : 65_536)
}

async function runOne(input: Buffer): Promise<void> {
  const fault = await check(input)
  if (fault !== null) parentPort!.postMessage({ kind: 'finding', fault, input: Uint8Array.from(input) })
}

for (const input of corpus) await runOne(input)
coverage.fresh()
let reportedMs = 0
for (;;) {
  const batch = Array.from({ length: batchSize }, () => {
    // Half of the time one of the newest: what was just found is least explored.
    const newest = random(2) === 0 ? Math.max(0, corpus.length - 50) : 0
    const base = corpus[newest + random(corpus.length - newest)]!
    return mutate(base, corpus[random(corpus.length)]!, random)
  })
  for (const input of batch) await runOne(input)
  if (coverage.fresh() > 0) {
    // Which one was it? Counts reach further one by one, so whatever is still new is kept.
    for (const input of batch) {
      await runOne(input)
      if (coverage.fresh() > 0 && corpus.length < 20_000) {
        corpus.push(input)
        parentPort!.postMessage({ kind: 'kept', input: Uint8Array.from(input) })
      }
    }
  }
  if (performance.now() - reportedMs > 2000) {
    reportedMs = performance.now()
    if (process.memoryUsage().heapUsed > maxHeapBytes) {
      collect()
      const { heapUsed } = process.memoryUsage()
      if (heapUsed > maxHeapBytes)
        parentPort!.postMessage({ kind: 'finding', fault: `heap of ${heapUsed} bytes`, input: batch.at(-1)! })
    }
    parentPort!.postMessage({ kind: 'progress', runs, blocks: coverage.blocks(), corpus: corpus.length })
  }
}
