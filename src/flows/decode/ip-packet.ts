import { TCP, UDP } from '../flow-record.ts'

/** One IP packet as the table of flows needs it. Written over for each packet: this is the hot path of captures. */
export type IpPacket = {
  addressLength: 4 | 16
  /** Source and destination follow each other in both headers. */
  addressAt: number
  protocol: number
  srcPort: number
  dstPort: number
  /** As its header says, never more than what was on the wire. */
  ipBytes: number
  payloadBytes: number
  fragment: 'none' | 'first' | 'later'
  fragmentId: number
  /** Where the transport header starts. */
  transportAt: number
}

export function emptyPacket(): IpPacket {
  return {
    addressLength: 4,
    addressAt: 0,
    protocol: 0,
    srcPort: 0,
    dstPort: 0,
    ipBytes: 0,
    payloadBytes: 0,
    fragment: 'none',
    fragmentId: 0,
    transportAt: 0,
  }
}

const maxExtensionHeaders = 16
const truncated = 'IP header cut off'

/** Fills `into` from the packet at `at`; `wireBytes` counts from there on the wire. A string is why it cannot. */
export function readIpPacket(frame: Buffer, at: number, wireBytes: number, into: IpPacket): string | null {
  if (frame.length <= at) return truncated
  const version = frame[at]! >> 4
  if (version === 4) return readIpv4(frame, at, wireBytes, into)
  if (version === 6) return readIpv6(frame, at, wireBytes, into)
  return 'IP version that is neither 4 nor 6'
}

function readIpv4(frame: Buffer, at: number, wireBytes: number, into: IpPacket): string | null {
  if (frame.length < at + 20) return truncated
  const headerBytes = (frame[at]! & 15) * 4
  if (headerBytes < 20) return 'IPv4 header length below 20'
  // Zero: the network card was to cut the packet up (TSO), so only the frame knows its length.
  const stated = frame.readUInt16BE(at + 2)
  into.addressLength = 4
  into.addressAt = at + 12
  into.protocol = frame[at + 9]!
  into.ipBytes = stated === 0 ? wireBytes : Math.min(stated, wireBytes)
  if (into.ipBytes < headerBytes) return 'IPv4 packet shorter than its header'
  const flags = frame.readUInt16BE(at + 6)
  const offset = flags & 0x1fff
  into.fragment = offset > 0 ? 'later' : (flags & 0x2000) !== 0 ? 'first' : 'none'
  into.fragmentId = frame.readUInt16BE(at + 4)
  readTransport(frame, at + headerBytes, into.ipBytes - headerBytes, into)
  return null
}

function readIpv6(frame: Buffer, at: number, wireBytes: number, into: IpPacket): string | null {
  if (frame.length < at + 40) return truncated
  const stated = frame.readUInt16BE(at + 4)
  into.addressLength = 16
  into.addressAt = at + 8
  into.ipBytes = stated === 0 ? wireBytes : Math.min(stated + 40, wireBytes)
  into.fragment = 'none'
  into.fragmentId = 0
  let next = frame[at + 6]!
  let offset = at + 40
  for (let i = 0; i < maxExtensionHeaders; i++) {
    // RFC 8200 section 4; RFC 4302 for the authentication header, whose length counts in fours.
    const isOptions = next === 0 || next === 43 || next === 60 || next === 135
    if (!isOptions && next !== 44 && next !== 51) break
    if (frame.length < offset + 8) break
    if (next === 44) {
      const field = frame.readUInt16BE(offset + 2)
      const fragmentOffset = field >> 3
      into.fragment = fragmentOffset > 0 ? 'later' : (field & 1) !== 0 ? 'first' : 'none'
      into.fragmentId = frame.readUInt32BE(offset + 4)
    }
    const length = next === 44 ? 8 : next === 51 ? (frame[offset + 1]! + 2) * 4 : (frame[offset + 1]! + 1) * 8
    next = frame[offset]!
    offset += length
    if (into.fragment === 'later') break
  }
  into.protocol = next
  readTransport(frame, offset, into.ipBytes - (offset - at), into)
  return null
}

function readTransport(frame: Buffer, at: number, bytes: number, into: IpPacket): void {
  into.transportAt = at
  into.srcPort = 0
  into.dstPort = 0
  into.payloadBytes = Math.max(0, bytes)
  if (into.fragment === 'later') return
  const hasPorts = into.protocol === TCP || into.protocol === UDP || into.protocol === 132
  if (!hasPorts || frame.length < at + 4) return
  into.srcPort = frame.readUInt16BE(at)
  into.dstPort = frame.readUInt16BE(at + 2)
  const headerBytes =
    into.protocol === TCP ? (frame.length > at + 12 ? Math.max(20, (frame[at + 12]! >> 4) * 4) : 20) : 8
  into.payloadBytes = Math.max(0, bytes - headerBytes)
}
