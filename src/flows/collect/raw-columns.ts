/** Flow records on their way into raw Parquet: hot path (`bench/collect.ts`). */
import { type AddressWords, wordsOf } from '../address-words.ts'
import { type ColumnSpecs, type Columns, makeColumns } from '../columns.ts'
import type { FlowRecord } from '../flow-record.ts'
import { hourMs } from './folder.ts'

export const rawSpecs = {
  src: 'address',
  dst: 'address',
  exporter: 'address',
  srcPort: 'u16',
  dstPort: 'u16',
  protocol: 'u8',
  /** A number of `ways`. */
  direction: 'u8',
  startUnixMs: 'f64',
  endUnixMs: 'f64',
  /** IP bytes and packets before the sampling rate. */
  bytes: 'f64',
  packets: 'f64',
  samplingRate: 'f64',
  /** Since 1970; `elsewhere` for what starts far from when it arrived. */
  hour: 'u32',
} as const satisfies ColumnSpecs

export type RawColumns = Columns<typeof rawSpecs>

export const ways = [null, 'in', 'out'] as const
export const elsewhere = 0

/**
 * A record lies in the folder of the hour in which its flow began, when that is near its arrival. A clock that is wrong,
 * or one who makes records up, must not make a folder for every hour that there ever was.
 */
const earliestMs = 12 * hourMs
const latestMs = hourMs

const rawBatchRows = 8192

export type RawPacker = {
  readonly add: (records: readonly FlowRecord[], arrivedUnixMs: number) => void
  readonly flush: () => void
  /** Rows by hour since the last `reset`. */
  readonly hours: ReadonlyMap<number, number>
  readonly rows: () => number
  readonly unreadable: () => number
  readonly reset: () => void
}

export function createRawPacker(take: (columns: RawColumns, rows: number) => void): RawPacker {
  const columns = makeColumns(rawSpecs, rawBatchRows)
  const hours = new Map<number, number>()
  let row = 0
  let rows = 0
  let unreadable = 0
  let exporter = ''
  let exporterWords: AddressWords | null = null

  const flush = (): void => {
    if (row === 0) return
    take(columns, row)
    row = 0
  }
  const pack = (record: FlowRecord, firstHour: number, lastHour: number): void => {
    const src = wordsOf(record.srcAddr)
    const dst = wordsOf(record.dstAddr)
    if (record.exporter !== exporter) {
      exporter = record.exporter
      exporterWords = wordsOf(exporter)
    }
    if (src === null || dst === null || exporterWords === null) {
      unreadable += 1
      return
    }
    const { rate } = record.sampling
    const startHour = Math.floor(record.startUnixMs / hourMs)
    const hour = startHour >= firstHour && startHour <= lastHour ? startHour : elsewhere
    columns.src.set(src, row * 4)
    columns.dst.set(dst, row * 4)
    columns.exporter.set(exporterWords, row * 4)
    columns.srcPort[row] = record.srcPort
    columns.dstPort[row] = record.dstPort
    columns.protocol[row] = record.protocol
    columns.direction[row] = record.direction === null ? 0 : record.direction === 'in' ? 1 : 2
    columns.startUnixMs[row] = record.startUnixMs
    columns.endUnixMs[row] = record.endUnixMs
    // Whole bytes times a rate of one or more, rounded, and back again: the same whole bytes.
    columns.bytes[row] = rate === 1 ? record.ipBytes : Math.round(record.ipBytes / rate)
    columns.packets[row] = record.original.packets
    columns.samplingRate[row] = rate
    columns.hour[row] = hour
    hours.set(hour, (hours.get(hour) ?? 0) + 1)
    rows += 1
    row += 1
    if (row === rawBatchRows) flush()
  }
  return {
    hours,
    flush,
    rows: () => rows,
    unreadable: () => unreadable,
    reset() {
      row = 0
      rows = 0
      unreadable = 0
      hours.clear()
    },
    add(records, arrivedUnixMs) {
      const firstHour = Math.max(1, Math.floor((arrivedUnixMs - earliestMs) / hourMs))
      const lastHour = Math.min(0xffff_ffff, Math.floor((arrivedUnixMs + latestMs) / hourMs))
      for (const record of records) pack(record, firstHour, lastHour)
    },
  }
}
