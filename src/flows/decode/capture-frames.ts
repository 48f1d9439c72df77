import type { FlowRecord } from '../flow-record.ts'
import { emptyPacket, readIpPacket } from './ip-packet.ts'
import { linkTypes } from './link-layer.ts'
import type { Notes } from './notes.ts'
import { PacketFlows } from './packet-flows.ts'

/** What pcap and pcapng share once a frame is found: link header, IP packet, flow. One for each interface. */
export type FrameSink = {
  readonly add: (frame: Buffer, wireBytes: number, unixMs: number) => void
  readonly takeDone: () => readonly FlowRecord[]
  readonly endAll: () => readonly FlowRecord[]
}

export function createFrameSink(linkType: number, exporter: string, notes: Notes): FrameSink {
  const flows = new PacketFlows(exporter)
  const packet = emptyPacket()
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
      if (fault !== null) notes.unread(fault, wireBytes)
      else flows.add(frame, packet, wireBytes, unixMs, start.direction)
    },
    takeDone: () => flows.takeDone(),
    endAll: () => flows.endAll(),
  }
}

/** A length past this is damage: nobody captures frames this large, and the next frame could not be found. */
export const maxFrameBytes = 1024 * 1024
