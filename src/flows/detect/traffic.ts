import type { Place } from '../locate/locate.ts'

/**
 * Connections of one server with one address abroad, a column each; row `i` is one connection (or, where
 * `connections[i]` says so, several of one service and one hour). In order of `startUnixMs`; what is out of order is
 * sorted.
 */
export type Columns = {
  readonly length: number
  readonly startUnixMs: Float64Array
  readonly endUnixMs: Float64Array
  readonly ipBytes: Float64Array
  readonly packets: Float64Array
  /** Of `ipBytes`, what no entry accounts for, whether the place is certain or in doubt. Rows of 0 are left out. */
  readonly unexplained: Float64Array
  readonly protocol: Uint8Array
  readonly srcPort: Uint16Array
  readonly dstPort: Uint16Array
  /** `null`: each row is one. */
  readonly connections: Uint32Array | null
}

export type PairTraffic = {
  readonly dstAddr: string
  readonly place: Place
  readonly columns: Columns
  /** IP bytes from that address to the server; `null` when the records hold no inbound traffic at all. */
  readonly receivedBytes: number | null
}

/** What a server did apart from its pairs abroad. */
export type ServerTotals = {
  /**
   * IP bytes that it sent inside its country (local networks too), by hour of the period, from
   * `floor(periodFrom / 1 h)`; `null` when that was not kept. Schedules are judged against it.
   */
  readonly domesticBytesByHour: Float64Array | null
}
