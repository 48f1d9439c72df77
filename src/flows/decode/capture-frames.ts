import { type FlowRecord, UDP } from '../flow-record.ts'
import type { CapturedExports } from './captured-exports.ts'
import { emptyPacket, readIpPacket } from './ip-packet.ts'
import { linkTypes } from './link-layer.ts'
import type { Notes } from './notes.ts'
import { PacketFlows } from './packet-flows.ts'
import { unsampled } from './sampling.ts'

/** What pcap and pcapng share once a frame is found: link header, IP packet, flow. One for each interface. */
export type FrameSink = {
  readonly add: (frame: Buffer, wireBytes: number, unixMs: number) => void
  readonly takeDone: () => readonly FlowRecord[]
  readonly endAll: () => readonly FlowRecord[]
}

export function createFrameSink(
  linkType: number,
  exporter: string,
  exports: CapturedExports,
  notes: Notes,
): FrameSink {
  const flows = new PacketFlows()
  const packet = emptyPacket()
  const observer = { id: 0, exporter, sampling: unsampled }
  const parseLink = linkTypes[linkType]
  return {
    add(frame, wireBytes, unixMs) {
      if (parseLink === undefined) {
        notes.unread(`link type ${linkType} is not one we read`, wireBytes)
        return
      }
      const start = parseLink(frame)
      if (typeof start === 'string') {
        if (start.startsWith('not IP')) notes.setAside(start, 1, wireBytes)
        else notes.unread(start, wireBytes)
        return
      }
      const fault = readIpPacket(frame, start.at, Math.max(0, wireBytes - start.at), packet)
      if (fault !== null) {
        notes.unread(fault, wireBytes)
        return
      }
      // A packet that carries an export crossed the wire like any other, and is counted like any other: else
      // whoever dresses data up as exports would not be seen.
      flows.add(frame, packet, wireBytes, unixMs, start.direction, observer)
      if (packet.protocol === UDP) exports.add(frame, packet, unixMs)
    },
    takeDone: () => flows.takeDone(),
    endAll: () => flows.endAll(),
  }
}

/** A length past this is damage: nobody captures frames this large, and the next frame could not be found. */
export const maxFrameBytes = 1024 * 1024
