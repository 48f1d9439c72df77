import { type ColumnSpecs, type Columns, makeColumns } from '../columns.ts'
import { batchRows, type FlowColumns, flowSpecs } from '../flow-columns.ts'
import { createSumTable } from './sum-table.ts'

/** A record of bytes that left, or may have: from which server (its number in the inventory), from and to which socket. */
export const abroadSpecs = { server: 'u32', ...flowSpecs } as const satisfies ColumnSpecs

/** Bytes between a server and an address, summed: several rows of one pair add up. */
export const pairSpecs = { server: 'u32', address: 'address', ipBytes: 'f64' } as const satisfies ColumnSpecs

/** Bytes that a server sent and that stayed in the country, by the hour they began in. */
export const hourSpecs = { server: 'u32', hour: 'u32', ipBytes: 'f64' } as const satisfies ColumnSpecs

export type AbroadColumns = Columns<typeof abroadSpecs>
export type PairColumns = Columns<typeof pairSpecs>
export type HourColumns = Columns<typeof hourSpecs>

/** Takes rows. The columns are the caller's again when it returns. */
export type AttributedRows = {
  readonly abroad: (columns: AbroadColumns, rows: number) => void
  /** Received by a server from an address abroad. */
  readonly received: (columns: PairColumns, rows: number) => void
  /** Sent by a server to a domestic host that the inventory does not hold. */
  readonly outsiders: (columns: PairColumns, rows: number) => void
  readonly domestic: (columns: HourColumns, rows: number) => void
}

/** Fills columns and hands them on. */
export function createAbroadBatch(take: AttributedRows['abroad']) {
  const columns = makeColumns(abroadSpecs, batchRows)
  let rows = 0
  return {
    add(server: number, from: FlowColumns, at: number): void {
      if (rows === batchRows) this.flush()
      const row = rows++
      columns.server[row] = server
      for (let i = 0; i < 4; i++) {
        columns.src[row * 4 + i] = from.src[at * 4 + i]!
        columns.dst[row * 4 + i] = from.dst[at * 4 + i]!
      }
      columns.srcPort[row] = from.srcPort[at]!
      columns.dstPort[row] = from.dstPort[at]!
      columns.protocol[row] = from.protocol[at]!
      columns.startUnixMs[row] = from.startUnixMs[at]!
      columns.endUnixMs[row] = from.endUnixMs[at]!
      columns.ipBytes[row] = from.ipBytes[at]!
      columns.packets[row] = from.packets[at]!
      columns.payloadBytes[row] = from.payloadBytes[at]!
      columns.observer[row] = from.observer[at]!
      columns.sampledPackets[row] = from.sampledPackets[at]!
      columns.samplingRate[row] = from.samplingRate[at]!
    },
    flush(): void {
      if (rows > 0) take(columns, rows)
      rows = 0
    },
  }
}

const pairLimit = 200_000

/** Sums by server and address, handed on in parts so that a scan of the whole Internet takes no more memory than a little. */
export function createPairSums(take: AttributedRows['received']) {
  // IPv4 is nearly all there is.
  const v4 = createSumTable(pairLimit)
  const v6 = new Map<string, { server: number; words: Uint32Array; ipBytes: number }>()
  const flush = (): void => {
    const columns = makeColumns(pairSpecs, v4.size + v6.size)
    let row = 0
    v4.forEach((server, address, ipBytes) => {
      columns.server[row] = server
      columns.address[row * 4] = address
      columns.address[row * 4 + 1] = 0xffff
      columns.ipBytes[row] = ipBytes
      row += 1
    })
    for (const { server, words, ipBytes } of v6.values()) {
      columns.server[row] = server
      columns.address.set(words, row * 4)
      columns.ipBytes[row] = ipBytes
      row += 1
    }
    if (row > 0) take(columns, row)
    v4.clear()
    v6.clear()
  }
  return {
    /** The address of row `row` of `words`. */
    add(server: number, words: Uint32Array, row: number, ipBytes: number): void {
      const at = row * 4
      if (v4.size + v6.size >= pairLimit) flush()
      if (words[at + 1] === 0xffff && words[at + 2] === 0 && words[at + 3] === 0) {
        v4.add(server, words[at]!, ipBytes)
        return
      }
      const ofRow = words.slice(at, at + 4)
      const key = `${server} ${ofRow.join(' ')}`
      const known = v6.get(key)
      if (known === undefined) v6.set(key, { server, words: ofRow, ipBytes })
      else known.ipBytes += ipBytes
    },
    flush,
  }
}

/** Sums by server and hour. */
export function createHourSums(take: AttributedRows['domestic']) {
  const sums = createSumTable(pairLimit)
  const flush = (): void => {
    const columns = makeColumns(hourSpecs, sums.size)
    let row = 0
    sums.forEach((server, hour, ipBytes) => {
      columns.server[row] = server
      columns.hour[row] = hour
      columns.ipBytes[row] = ipBytes
      row += 1
    })
    if (row > 0) take(columns, row)
    sums.clear()
  }
  return {
    add(server: number, unixMs: number, ipBytes: number): void {
      if (sums.size >= pairLimit) flush()
      sums.add(server, Math.min(Math.max(0, Math.floor(unixMs / 3_600_000)), 0xffff_ffff), ipBytes)
    },
    flush,
  }
}
