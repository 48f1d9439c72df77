/**
 * Fuzzes the decoders in a thread of its own: the thread above sees when an input takes too long and takes it away.
 * An input is kept when it makes a block of the decoders run that never ran before.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { hasCode } from '../../src/core/errors.ts'
import { parseAddress } from '../../src/flows/address.ts'
import { readColumns, readInput } from '../../src/flows/decode/read-input.ts'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import { createObserverBook } from '../../src/flows/observer.ts'
import { watchCoverage } from './coverage.ts'
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
const latestUnixMs = 8.64e15

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const random = createRandom(seed)
const coverage = watchCoverage(url => url.includes('/src/flows/'))
const corpus: Buffer[] = [...seedInputs(), ...given.map(bytes => Buffer.from(bytes))]
let runs = 0

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Everything that must hold for any input; a string is what does not. */
async function check(input: Buffer): Promise<string | null> {
  const bytes = input.subarray(0, maxInputBytes)
  Atomics.store(current.head, 1, bytes.length)
  current.bytes.set(bytes)
  Atomics.store(current.head, 0, Math.floor(Date.now() / 1000))
  const size = random(4) === 0 ? 1 + random(200) : 65_536
  const started = performance.now()
  let fault: string | null = null
  try {
    const reading = readInput('input', chunks(bytes, size))
    let step = await reading.next()
    while (step.done !== true) {
      for (const record of step.value) fault ??= wrongRecord(record)
      step = await reading.next()
    }
    if (step.value.bytes !== bytes.length) fault ??= 'not all bytes were read'
    if (JSON.stringify(step.value).length > 1_000_000) fault ??= 'notes without bound'
    if (random(8) === 0)
      for await (const _ of readColumns('input', chunks(bytes, size), null, createObserverBook()));
  } catch (error) {
    if (!hasCode(error, 'bad-input'))
      fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const tookMs = performance.now() - started
  // Generous, for compression and a busy machine: this is about quadratic time.
  if (tookMs > 1500 + bytes.length * 0.05) fault ??= `took ${Math.round(tookMs)} ms for ${bytes.length} bytes`
  runs += 1
  return fault
}

function wrongRecord(record: FlowRecord): string | null {
  const { packets, ipBytes, payloadBytes, original, startUnixMs, endUnixMs, srcPort, dstPort, protocol } =
    record
  for (const count of [packets, ipBytes, original.bytes, original.packets, payloadBytes ?? 0]) {
    if (!Number.isSafeInteger(count) || count < 0) return `a counter of ${count}`
  }
  for (const time of [startUnixMs, endUnixMs]) {
    if (!Number.isFinite(time) || Math.abs(time) > latestUnixMs) return `a time of ${time}`
  }
  if (startUnixMs > endUnixMs) return `ends (${endUnixMs}) before it starts (${startUnixMs})`
  for (const port of [srcPort, dstPort]) if (!(port >= 0 && port <= 65_535)) return `a port of ${port}`
  if (!(protocol >= 0 && protocol <= 255)) return `a protocol of ${protocol}`
  if (parseAddress(record.srcAddr) === null || parseAddress(record.dstAddr) === null) return 'no address'
  if (!(record.sampling.rate >= 1)) return `a sampling rate of ${record.sampling.rate}`
  return record.exporter.length > 512 ? 'an exporter without bound' : null
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
