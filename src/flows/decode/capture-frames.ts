import { UDP } from '../flow-record.ts'
import { createPacketNames, type PacketNames } from '../names/packet-names.ts'
import type { NameSink } from '../names/sighting.ts'
import { type CapturedExports, createCapturedExports } from './captured-exports.ts'
import { emptyPacket, readIpPacket } from './ip-packet.ts'
import { linkTypes } from './link-layer.ts'
import type { Notes } from './notes.ts'
import { PacketFlows } from './packet-flows.ts'
import { unsampled } from './sampling.ts'
import { latestUnixMs } from './timestamps.ts'

/** The flows of one capture file, whatever its interfaces: one table, so that many interfaces cost no more. */
export type CaptureFlows = {
  readonly packets: PacketFlows
  readonly exports: CapturedExports
  /** `null`: nobody asks for names. */
  readonly names: PacketNames | null
  nextObserver: number
}

export function createCaptureFlows(notes: Notes, names: NameSink | null): CaptureFlows {
  return {
    packets: new PacketFlows(),
    exports: createCapturedExports(notes),
    names: names === null ? null : createPacketNames(names),
    nextObserver: 0,
  }
}

/** What pcap and pcapng share once a frame is found: link header, IP packet, flow. One for each interface. */
export type FrameSink = (frame: Buffer, wireBytes: number, unixMs: number) => void

export function createFrameSink(
  linkType: number,
  exporter: string,
  capture: CaptureFlows,
  notes: Notes,
): FrameSink {
  const packet = emptyPacket()
  const observer = { id: capture.nextObserver++, exporter, sampling: unsampled }
  const parseLink = linkTypes[linkType]
  return (frame, wireBytes, unixMs) => {
    if (parseLink === undefined) {
      notes.unread(`link type ${linkType} is not one we read`, wireBytes)
      return
    }
    if (!(unixMs >= 0 && unixMs <= latestUnixMs)) {
      notes.unread('frame of a date that cannot be', wireBytes)
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
    // A packet that carries an export crossed the wire like any other, and is counted like any other: else whoever
    // dresses data up as exports would not be seen.
    capture.packets.add(frame, packet, wireBytes, unixMs, start.direction, observer)
    if (packet.protocol === UDP) capture.exports.add(frame, packet, unixMs)
    capture.names?.add(frame, packet, unixMs)
  }
}

/** A length past this is damage: nobody captures frames this large, and the next frame could not be found. */
export const maxFrameBytes = 1024 * 1024
