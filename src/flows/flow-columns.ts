import { wordsOf } from './address-words.ts'
import { type ColumnSpecs, type Columns, makeColumns } from './columns.ts'
import type { FlowRecord } from './flow-record.ts'
import type { ObserverBook } from './observer.ts'

/** Flow records as columns: what is read by the million. Each means what the field of `FlowRecord` means. */
export const flowSpecs = {
  src: 'address',
  dst: 'address',
  srcPort: 'u16',
  dstPort: 'u16',
  protocol: 'u8',
  startUnixMs: 'f64',
  endUnixMs: 'f64',
  ipBytes: 'f64',
  packets: 'f64',
  /** -1 where the input does not show it. */
  payloadBytes: 'f64',
  /** `observerId` of exporter and direction. */
  observer: 'f64',
  /** Before the sampling rate was applied. */
  sampledPackets: 'f64',
  samplingRate: 'f64',
} as const satisfies ColumnSpecs

export type FlowColumns = Columns<typeof flowSpecs>

export type FlowBatch = { readonly columns: FlowColumns; readonly rows: number }

/** Rows of one batch of columns. */
export const batchRows = 8192

/** Packs records into columns; the batches that it gives are valid until the next call. */
export function createPacker(observers: ObserverBook) {
  const columns = makeColumns(flowSpecs, batchRows)
  return {
    *pack(records: readonly FlowRecord[]): Generator<FlowBatch> {
      let rows = 0
      for (const record of records) {
        if (rows === batchRows) {
          yield { columns, rows }
          rows = 0
        }
        if (packRow(columns, rows, record, observers)) rows += 1
      }
      if (rows > 0) yield { columns, rows }
    },
  }
}

function packRow(columns: FlowColumns, row: number, record: FlowRecord, observers: ObserverBook): boolean {
  const src = wordsOf(record.srcAddr)
  const dst = wordsOf(record.dstAddr)
  if (src === null || dst === null) return false
  columns.src.set(src, row * 4)
  columns.dst.set(dst, row * 4)
  columns.srcPort[row] = record.srcPort
  columns.dstPort[row] = record.dstPort
  columns.protocol[row] = record.protocol
  columns.startUnixMs[row] = record.startUnixMs
  columns.endUnixMs[row] = record.endUnixMs
  columns.ipBytes[row] = record.ipBytes
  columns.packets[row] = record.packets
  columns.payloadBytes[row] = record.payloadBytes ?? -1
  columns.observer[row] = observers.idOf(record.exporter, record.direction)
  columns.sampledPackets[row] = record.original.packets
  columns.samplingRate[row] = record.sampling.rate
  return true
}
