import { type ByteBasis, type FlowRecord, MAX_RECORD_BYTES, TCP, UDP } from '../flow-record.ts'
import type { Notes } from './notes.ts'
import type { Sampling } from './sampling.ts'
import { latestUnixMs } from './timestamps.ts'

/** What a log counted of one direction. */
export type WayCounts = { readonly bytes: number; readonly packets: number; readonly basis: ByteBasis }

export type TwoWay = Pick<
  FlowRecord,
  | 'srcAddr'
  | 'dstAddr'
  | 'srcPort'
  | 'dstPort'
  | 'protocol'
  | 'startUnixMs'
  | 'endUnixMs'
  | 'exporter'
  | 'direction'
> & { readonly sampling: Sampling; readonly there: WayCounts | null; readonly back: WayCounts | null }

/** One row of a log as the flows of each direction that it counts. */
export function addTwoWay(into: FlowRecord[], row: TwoWay, what: string, notes: Notes): void {
  const before = into.length
  const isRead =
    addWay(into, row, row.there, false, what, notes) && addWay(into, row, row.back, true, what, notes)
  if (isRead && into.length === before) notes.setAside('record of no bytes')
}

function addWay(
  into: FlowRecord[],
  row: TwoWay,
  counts: WayCounts | null,
  isBack: boolean,
  what: string,
  notes: Notes,
): boolean {
  if (counts === null || (counts.bytes === 0 && counts.packets === 0)) return true
  const { rate } = row.sampling
  if (counts.bytes * rate > MAX_RECORD_BYTES || counts.packets * rate > MAX_RECORD_BYTES) {
    notes.unread(`${what}: counter too large to be true`)
    return false
  }
  const { srcAddr, dstAddr, srcPort, dstPort, protocol, startUnixMs, endUnixMs, exporter } = row
  const opposite = row.direction === null ? null : row.direction === 'in' ? 'out' : 'in'
  into.push({
    srcAddr: isBack ? dstAddr : srcAddr,
    dstAddr: isBack ? srcAddr : dstAddr,
    srcPort: isBack ? dstPort : srcPort,
    dstPort: isBack ? srcPort : dstPort,
    protocol,
    packets: Math.round(counts.packets * rate),
    ipBytes: Math.round(ipBytesOf(counts, protocol, srcAddr) * rate),
    payloadBytes: null,
    original: counts,
    startUnixMs: Math.min(startUnixMs, endUnixMs),
    endUnixMs: Math.min(endUnixMs, latestUnixMs),
    direction: isBack ? opposite : row.direction,
    exporter,
    sampling: row.sampling,
  })
  return true
}

/** An Ethernet header; that a frame's checksum or a VLAN tag was counted too, nobody can tell. */
const frameHeaderBytes = 14

/** Other bases are brought to IP bytes by the headers that each packet has at least. */
function ipBytesOf({ bytes, packets, basis }: WayCounts, protocol: number, address: string): number {
  if (basis === 'ip') return bytes
  if (basis === 'frame') return Math.max(0, bytes - packets * frameHeaderBytes)
  const transport = protocol === TCP ? 20 : protocol === UDP ? 8 : 0
  return bytes + packets * ((address.includes(':') ? 40 : 20) + transport)
}
