import type { CsvMapping } from '../../src/flows/decode/csv-mapping.ts'
import type { ReadInput } from '../../src/flows/decode/read-input.ts'
import { readColumns, readInput } from '../../src/flows/decode/read-input.ts'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import type { NameSink } from '../../src/flows/names/sighting.ts'
import { createObserverBook } from '../../src/flows/observer.ts'

/** Reads bytes as the audit reads a file, in chunks of this size. */
export async function readFlows(
  bytes: Uint8Array,
  chunkBytes = 65_536,
  mapping: CsvMapping | null = null,
): Promise<{ records: FlowRecord[]; input: ReadInput }> {
  const records: FlowRecord[] = []
  const reading = readInput('input', chunks(bytes, chunkBytes), mapping)
  let step = await reading.next()
  while (step.done !== true) {
    records.push(...step.value)
    step = await reading.next()
  }
  return { records, input: step.value }
}

/** Reads bytes to their end, for the names in them. */
export async function readColumnsOf(bytes: Uint8Array, names: NameSink): Promise<ReadInput> {
  const reading = readColumns('input', chunks(bytes, 65_536), null, createObserverBook(), names)
  let step = await reading.next()
  while (step.done !== true) step = await reading.next()
  return step.value
}

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

/** `src:port>dst:port/protocol packets/bytes`, to compare lists of flows at a glance. */
export function flowLine(record: FlowRecord): string {
  const { srcAddr, srcPort, dstAddr, dstPort, protocol, packets, ipBytes } = record
  return `${srcAddr}:${srcPort}>${dstAddr}:${dstPort}/${protocol} ${packets}/${ipBytes}`
}
