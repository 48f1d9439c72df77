import type { IpPacket } from './ip-packet.ts'

/** The IPv4 and IPv6 records of sFlow: a packet that the agent has taken apart itself. A string is why it cannot. */
export function readSampledIp(data: Buffer, isIpv6: boolean, into: IpPacket): string | null {
  const addressLength = isIpv6 ? 16 : 4
  const portsAt = 8 + 2 * addressLength
  if (data.length < portsAt + 8) return 'sampled IP record cut off'
  into.addressLength = addressLength
  into.addressAt = 8
  into.protocol = data.readUInt32BE(4) & 0xff
  into.srcPort = data.readUInt32BE(portsAt) & 0xffff
  into.dstPort = data.readUInt32BE(portsAt + 4) & 0xffff
  // "The length of the IP packet excluding lower layer encapsulations".
  into.ipBytes = Math.min(data.readUInt32BE(0), 65_575)
  into.payloadBytes = 0
  into.fragment = 'none'
  into.fragmentId = 0
  return null
}
