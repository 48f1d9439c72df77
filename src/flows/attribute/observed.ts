import type { CountryCode } from '../../core/ids.ts'
import type { Place } from '../locate/locate.ts'

/** One observer's record of a connection that left, in one direction. */
export type Segment = {
  readonly startUnixMs: number
  readonly endUnixMs: number
  readonly ipBytes: number
  readonly packets: number
  /** What TCP carried, where the input shows it exactly. */
  readonly payloadBytes: number | null
  /** Exporter and the way it looked: what tells a second sight of the same packets from more packets. */
  readonly observer: string
  /** Packets that were really seen, and how many each stands for. */
  readonly sampledPackets: number
  readonly samplingRate: number
}

/** All that was seen of one 5-tuple in one direction, from a server of the inventory to a place abroad or in doubt. */
export type Observed = {
  readonly server: string
  readonly home: CountryCode
  readonly srcAddr: string
  readonly srcPort: number
  readonly dstAddr: string
  readonly dstPort: number
  readonly protocol: number
  readonly place: Place
  /** The server speaks for others: its role in the inventory says so. */
  readonly isTranslator: boolean
  readonly segments: Segment[]
}

export function directedKey(srcAddr: string, srcPort: number, dstAddr: string, dstPort: number): string {
  return `${srcAddr} ${srcPort} ${dstAddr} ${dstPort}`
}
