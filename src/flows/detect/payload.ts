/**
 * How much of a connection could be data: what its packets hold beyond headers, or for name look-ups, time and ICMP
 * beyond what an honest packet of the kind holds. A download's acknowledgements carry nothing by this measure; up to
 * 24 bytes a packet escape it, which is why innocence has a limit for headers too.
 */
import { TCP, UDP } from '../flow-record.ts'

export const ICMP = 1
export const ICMPV6 = 58
export const DNS_PORT = 53
export const DNS_TLS_PORT = 853
export const NTP_PORT = 123

/** 20 of IPv4, 20 of TCP, 12 of timestamps. */
const tcpBytes = 52
/** An opening packet has 60, an acknowledgement of packets out of order 64: a connection of such says nothing. */
const quietTcpBytes = 64
const udpBytes = 28
/** A question of 80 characters with EDNS and its cookie; `ip6.arpa` names are that long. */
const nameBytes = 130
/** 48 of NTP (RFC 5905) and a message authentication code of 20. */
const timeBytes = 96
/** An echo as `ping` sends it; errors quote the packet they answer. */
const icmpBytes = 84
const ipv6More = 20

/** IP bytes of a packet that carries nothing that matters. */
export function usualPacketBytes(protocol: number, port: number | null, isIpv6: boolean): number {
  return usualIpv4(protocol, port) + (isIpv6 ? ipv6More : 0)
}

function usualIpv4(protocol: number, port: number | null): number {
  if (protocol === TCP) return tcpBytes
  if (protocol === UDP) return port === DNS_PORT ? nameBytes : port === NTP_PORT ? timeBytes : udpBytes
  return protocol === ICMP || protocol === ICMPV6 ? icmpBytes : 20
}

/** Connections whose packets are no larger than this on average carry nothing. */
export function quietPacketBytes(protocol: number, port: number | null, isIpv6: boolean): number {
  return protocol === TCP ? quietTcpBytes + (isIpv6 ? ipv6More : 0) : usualPacketBytes(protocol, port, isIpv6)
}

export function carriedBytes(bytes: number, packets: number, usual: number, quiet: number): number {
  return bytes <= packets * quiet ? 0 : bytes - packets * usual
}

/** Steps of the weight, interpolated on the logarithm of the bytes. */
const weights: readonly (readonly [carriedBytes: number, weight: number])[] = [
  [1e3, 0],
  [1e4, 0.3],
  [1e5, 0.55],
  [1e6, 0.65],
  [1e7, 0.72],
  [1e8, 0.8],
  [1e9, 0.9],
  [1e10, 1],
]

/** What a clear pattern counts for, by what it carried: a beacon of 5 kB is a curiosity. */
export function weightOf(carriedBytes: number): number {
  let [bytesBefore, weightBefore] = weights[0]!
  if (!(carriedBytes > bytesBefore)) return 0
  for (const [bytes, weight] of weights) {
    if (carriedBytes <= bytes && bytes > bytesBefore) {
      const part = Math.log(carriedBytes / bytesBefore) / Math.log(bytes / bytesBefore)
      return weightBefore + (weight - weightBefore) * part
    }
    bytesBefore = bytes
    weightBefore = weight
  }
  return weightBefore
}
