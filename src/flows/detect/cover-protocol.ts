import { TCP, UDP } from '../flow-record.ts'
import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayMs } from './period.ts'
import { carriedText, countText, facts, rounded, targetOf, targetText } from './words.ts'

/** Protocols whose inside no flow record shows, by IP protocol number and by UDP port (IANA). */
const tunnelProtocols = new Set([4, 41, 47, 50, 115, 137])
const tunnelPorts = new Set([500, 1194, 1701, 4500, 51_820])
/** Protocols that servers use: the rest are a way to be overlooked. */
const usualProtocols = new Set([1, TCP, UDP, 58])
const leastTunnel = 100_000

/** 48 bytes of NTP, 20 of a key; with Network Time Security (RFC 8915) 250 to 350. */
const ntsBytes = 350
const leastTimeExcess = 20_000
/** The shortest interval that clients keep up is 8 s (RFC 5905 allows 16 s). */
const mostTimePacketsADay = 20_000

const leastAnswered = 100_000

type Cover = { readonly pattern: number; readonly carried: number; readonly what: string }

/** One protocol in the clothes of another, or one whose inside cannot be seen. */
export function coverProtocol(channel: Channel, context: PairContext): Found | null {
  const cover = time(channel, context) ?? tunnel(channel) ?? unasked(channel, context)
  if (cover === null) return null
  const destination = targetOf(context.pair, channel.service)
  return {
    kind: 'cover-protocol',
    destination,
    score: 100 * cover.pattern * weightOf(cover.carried),
    ...facts(channel),
    reason: `${targetText(destination)}: ${cover.what}; ${carriedText(channel.sum.bytes, cover.carried)}, in ${countText(channel.sum.connections, 'connection')}.`,
    evidence: rounded({
      packets: channel.sum.packets,
      meanPacketBytes: channel.sum.bytes / Math.max(1, channel.sum.packets),
      carriedBytes: cover.carried,
    }),
  }
}

function time(channel: Channel, { pair, period }: PairContext): Cover | null {
  if (channel.class !== 'time') return null
  const { carried } = channel.sum
  if (carried >= leastTimeExcess) {
    let packets = 0
    let bytes = 0
    for (let i = 0; i < channel.length; i++) {
      if (channel.carried[i]! === 0) continue
      packets += channel.packets[i]!
      bytes += channel.bytes[i]!
    }
    const mean = bytes / Math.max(1, packets)
    const limit = ntsBytes + (pair.dstAddr.includes(':') ? 20 : 0)
    const isNts = mean <= limit
    const what = `${countText(packets, 'packet')} to set the clock have ${Math.round(mean)} B on average, where NTP has 76${isNts ? ' (secured NTP up to 350)' : ''}`
    return { pattern: isNts ? 0.6 : 0.95, carried, what }
  }
  const days = Math.min(period.days, Math.max(1, (channel.sum.untilUnixMs - channel.startUnixMs[0]!) / dayMs))
  const perDay = channel.sum.packets / days
  if (perDay <= mostTimePacketsADay) return null
  const what = `${countText(perDay, 'packet')} a day to set the clock, where one in 16 s makes 5400`
  return { pattern: 0.7, carried: channel.sum.bytes, what }
}

function tunnel({ service: { protocol, port, role }, sum }: Channel): Cover | null {
  if (sum.carried < leastTunnel || role !== 'sent') return null
  if (tunnelProtocols.has(protocol) || (protocol === UDP && port !== null && tunnelPorts.has(port))) {
    return { pattern: 0.8, carried: sum.carried, what: 'a tunnel, whose inside the records do not show' }
  }
  if (usualProtocols.has(protocol)) return null
  return { pattern: 0.85, carried: sum.carried, what: `IP protocol ${protocol}, which hardly anything uses` }
}

/** Answers to nobody: the source port is a service's, and nothing was asked. Needs inbound records. */
function unasked({ service, sum }: Channel, { pair }: PairContext): Cover | null {
  if (service.role !== 'answered' || pair.receivedBytes === null || sum.carried < leastAnswered) return null
  // Acknowledgements alone are a hundredth of what they acknowledge.
  if (pair.receivedBytes >= sum.bytes / 200) return null
  const what = `sent as if in answer, but only ${humanBytes(pair.receivedBytes)} came from there`
  return { pattern: 0.9, carried: sum.carried, what }
}
