/** The phrases that the reasons of all detectors share. */
import { TCP, UDP } from '../flow-record.ts'
import { humanBytes, humanCount, placeName } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Destination, Service } from './detection.ts'
import { hourMs } from './period.ts'
import type { PairTraffic } from './traffic.ts'

export function targetOf(pair: PairTraffic, service: Service | null): Destination {
  return { address: pair.dstAddr, place: pair.place, service }
}

/** `203.0.113.9 in Germany, port 443`; of answers, `…, from the server's own port 443`. */
export function targetText(destination: Destination): string {
  const { address, place, service } = destination
  const where = placeName(place.country, place.candidates)
  const name = address === null ? `AS${place.asn ?? '?'} in ${where}` : `${address} in ${where}`
  return service === null ? name : `${name}, ${serviceText(service)}`
}

export function serviceText({ protocol, port, role }: Service): string {
  const kind = protocol === TCP ? 'TCP' : protocol === UDP ? 'UDP' : protocolNames[protocol]
  const name = kind ?? `IP protocol ${protocol}`
  if (port === null) return protocol === TCP || protocol === UDP ? `${name}, many ports` : name
  return role === 'answered' ? `answers from its ${name} port ${port}` : `${name} port ${port}`
}

const protocolNames: Readonly<Record<number, string>> = {
  1: 'ICMP',
  4: 'IPv4 in IP',
  41: 'IPv6 in IP',
  47: 'GRE',
  50: 'ESP',
  58: 'ICMPv6',
  115: 'L2TP',
  132: 'SCTP',
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${humanCount(Math.round(count))} ${Math.round(count) === 1 ? one : many}`
}

/** `4.2 s`, `5 min`, `6.5 h`, `3 days`. */
export function timeText(ms: number): string {
  if (ms < 120_000) return `${trim(ms / 1000)} s`
  if (ms < 2 * hourMs) return `${trim(ms / 60_000)} min`
  return ms < 72 * hourMs ? `${trim(ms / hourMs)} h` : `${trim(ms / (24 * hourMs))} days`
}

/** `10.9 MB, of which 8.6 MB are more than headers`. */
export function carriedText(bytes: number, carried: number): string {
  return `${humanBytes(bytes)}, of which ${humanBytes(carried)} could be data`
}

/** The fields of a detection that are the same for all detectors of one channel. */
export function facts(channel: Channel) {
  return {
    fromUnixMs: channel.startUnixMs[0]!,
    untilUnixMs: channel.sum.untilUnixMs,
    connections: channel.sum.connections,
    bytes: Math.round(channel.sum.bytes),
  }
}

/** Evidence is for people: five figures are enough, and the same on every machine. */
export function rounded(values: Readonly<Record<string, number>>): Record<string, number> {
  const out: Record<string, number> = {}
  for (const [name, value] of Object.entries(values)) {
    out[name] = Number.isInteger(value) ? value : Number(value.toPrecision(5))
  }
  return out
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)))
}
