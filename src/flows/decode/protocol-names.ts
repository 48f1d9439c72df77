/** IP protocols by the names that tools print (IANA's registry; case and hyphens do not matter). */
const numbers: Readonly<Record<string, number>> = {
  hopopt: 0,
  icmp: 1,
  igmp: 2,
  ipip: 4,
  ipv4: 4,
  ipencap: 4,
  tcp: 6,
  t: 6,
  egp: 8,
  igp: 9,
  udp: 17,
  u: 17,
  dccp: 33,
  ipv6: 41,
  '6in4': 41,
  ipv6route: 43,
  ipv6frag: 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  icmp6: 58,
  icmpv6: 58,
  ipv6icmp: 58,
  ipv6nonxt: 59,
  ipv6opts: 60,
  eigrp: 88,
  ospf: 89,
  ospfigp: 89,
  etherip: 97,
  pim: 103,
  ipcomp: 108,
  vrrp: 112,
  carp: 112,
  l2tp: 115,
  sctp: 132,
  udplite: 136,
  mplsinip: 137,
}

/** A protocol's number from its name or number; 0 when it is neither, as for a protocol not known. */
export function protocolNumber(text: string | number | null | undefined): number {
  if (typeof text === 'number') return Number.isInteger(text) && text >= 0 && text <= 255 ? text : 0
  if (text === null || text === undefined) return 0
  // Tools that know a column's numbers only as fractions write 6.0.
  if (/^\d{1,3}(?:\.0+)?$/.test(text)) return protocolNumber(Number(text))
  return numbers[text.toLowerCase().replace(/[-_\s]/g, '')] ?? 0
}
