import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayMs } from './period.ts'
import { ramp } from './statistics.ts'
import { countText, facts, rounded, targetOf, targetText } from './words.ts'

/** An echo has 84 bytes; errors quote what they answer, 576 at most (RFC 1812, 4.3.2.3), and are few to one address. */
const largeBytes = 150
const clearBytes = 600
const leastPackets = 500
const leastExcess = 50_000
/** An echo each second makes 7.3 MB a day. */
const mostADay = 8_000_000

/** Data in echoes: packets larger than any that `ping` sends by itself, or more than one a second for days. */
export function icmpTunnel(channel: Channel, { pair, period }: PairContext): Found | null {
  if (channel.class !== 'icmp') return null
  const more = pair.dstAddr.includes(':') ? 20 : 0
  let packets = 0
  let bytes = 0
  let excess = 0
  for (let i = 0; i < channel.length; i++) {
    if (channel.bytes[i]! < channel.packets[i]! * (largeBytes + more)) continue
    packets += channel.packets[i]!
    bytes += channel.bytes[i]!
    excess += channel.carried[i]!
  }
  const lastedDays = Math.max(1, (channel.sum.untilUnixMs - channel.startUnixMs[0]!) / dayMs)
  const perDay = channel.sum.bytes / Math.min(lastedDays, period.days)
  const isLarge = (packets >= leastPackets && excess >= leastExcess) || excess >= 20 * leastExcess
  const isMuch = perDay > mostADay
  if (!isLarge && !isMuch) return null
  const mean = packets === 0 ? 0 : bytes / Math.max(1, packets)
  const bySize = isLarge ? (0.75 + 0.25 * ramp(mean, largeBytes, clearBytes)) * weightOf(bytes) : 0
  const byVolume = isMuch ? 0.7 * weightOf(channel.sum.bytes) : 0
  const destination = targetOf(pair, channel.service)
  const sizeText = isLarge
    ? `${countText(packets, 'packet')} of ${Math.round(mean)} B on average, where an echo has 84`
    : `${humanBytes(perDay)} a day, more than an echo each second`
  return {
    kind: 'icmp-tunnel',
    destination,
    score: 100 * Math.max(bySize, byVolume),
    ...facts(channel),
    reason: `${targetText(destination)} could carry data: ${sizeText}; ${humanBytes(channel.sum.bytes)} in all.`,
    evidence: rounded({
      packets: channel.sum.packets,
      largePackets: packets,
      meanLargeBytes: mean,
      excessBytes: excess,
      bytesADay: perDay,
    }),
  }
}
