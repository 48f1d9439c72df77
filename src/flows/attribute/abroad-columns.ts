import { type ColumnSpecs, type Columns, makeColumns } from '../engine/columns.ts'

/** A record of bytes that left, or may have: from which server (its number in the inventory), from and to which socket. */
export const abroadSpecs = {
  server: 'u32',
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
  sampledPackets: 'f64',
  samplingRate: 'f64',
} as const satisfies ColumnSpecs

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

const batchRows = 8192

/** Fills columns and hands them on. */
export function createAbroadBatch(take: AttributedRows['abroad']) {
  const columns = makeColumns(abroadSpecs, batchRows)
  let rows = 0
  return {
    columns,
    /** The row to be filled next. */
    next(): number {
      if (rows === batchRows) this.flush()
      return rows++
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
  // IPv4, nearly all there is, as a number: server × 2^32 + address.
  const v4 = new Map<number, number>()
  const v6 = new Map<string, { server: number; words: readonly number[]; ipBytes: number }>()
  const flush = (): void => {
    const columns = makeColumns(pairSpecs, v4.size + v6.size)
    let row = 0
    for (const [key, ipBytes] of v4) {
      const server = Math.floor(key / 2 ** 32)
      columns.server[row] = server
      columns.address[row * 4] = key - server * 2 ** 32
      columns.address[row * 4 + 1] = 0xffff
      columns.ipBytes[row] = ipBytes
      row += 1
    }
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
    add(server: number, words: readonly number[], ipBytes: number): void {
      if (words[1] === 0xffff && words[2] === 0 && words[3] === 0) {
        const key = server * 2 ** 32 + words[0]!
        v4.set(key, (v4.get(key) ?? 0) + ipBytes)
      } else {
        const key = `${server} ${words.join(' ')}`
        const known = v6.get(key)
        if (known === undefined) v6.set(key, { server, words, ipBytes })
        else known.ipBytes += ipBytes
      }
      if (v4.size + v6.size >= pairLimit) flush()
    },
    flush,
  }
}

/** Sums by server and hour. */
export function createHourSums(take: AttributedRows['domestic']) {
  const sums = new Map<number, number>()
  const flush = (): void => {
    const columns = makeColumns(hourSpecs, sums.size)
    let row = 0
    for (const [key, ipBytes] of sums) {
      columns.server[row] = Math.floor(key / 2 ** 32)
      columns.hour[row] = key % 2 ** 32
      columns.ipBytes[row] = ipBytes
      row += 1
    }
    if (row > 0) take(columns, row)
    sums.clear()
  }
  return {
    add(server: number, unixMs: number, ipBytes: number): void {
      const hour = Math.min(Math.max(0, Math.floor(unixMs / 3_600_000)), 0xffff_ffff)
      const key = server * 2 ** 32 + hour
      sums.set(key, (sums.get(key) ?? 0) + ipBytes)
      if (sums.size >= pairLimit) flush()
    },
    flush,
  }
}
