import { TCP } from '../flow-record.ts'
import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { DNS_PORT, weightOf } from './payload.ts'
import { dayMs } from './period.ts'
import { ramp } from './statistics.ts'
import { countText, facts, rounded, targetOf, targetText } from './words.ts'

/**
 * Names are rarely longer than 80 characters, which makes a question of 130 bytes; tunnels fill the 255 that a name
 * may have. Questions count as long from here, on IPv4.
 */
const longQuestionBytes = 150
const clearQuestionBytes = 230
/** By TCP a connection is a question or two, with headers of its own. */
const longConnectionBytes = 700
const leastLong = 50
const leastExcess = 20_000
/** More a day to one resolver than a busy server asks (100,000 questions and more). */
const mostADay = 10_000_000

/** Data in questions to a name server abroad: too long, too many, or more out than in. */
export function dnsTunnel(channel: Channel, { pair, period }: PairContext): Found | null {
  if (channel.class !== 'names') return null
  const isTls = channel.service.port !== DNS_PORT
  const isTcp = channel.service.protocol === TCP
  const more = pair.dstAddr.includes(':') ? 20 : 0
  const long = isTcp ? longConnectionBytes : longQuestionBytes + more
  let longQuestions = 0
  let longBytes = 0
  let excess = 0
  for (let i = 0; i < channel.length; i++) {
    const packets = Math.max(1, channel.packets[i]!)
    const units = isTcp ? channel.connections[i]! : packets
    // DNS over TLS keeps connections and pads: only its volume says something.
    if (isTls || channel.bytes[i]! / units < long) continue
    longQuestions += units
    longBytes += channel.bytes[i]!
    excess += channel.carried[i]!
  }
  const lastedDays = Math.max(1, (channel.sum.untilUnixMs - channel.startUnixMs[0]!) / dayMs)
  const perDay = channel.sum.bytes / Math.min(lastedDays, period.days)
  const isLong = longQuestions >= leastLong && excess >= leastExcess
  const isMuch = perDay > mostADay
  if (!isLong && !isMuch) return null
  const mean = longQuestions === 0 ? 0 : longBytes / longQuestions
  const clear = isTcp ? 3 * longConnectionBytes : clearQuestionBytes + more
  const ratio =
    pair.receivedBytes === null
      ? null
      : channel.sum.bytes / Math.max(1, channel.sum.bytes + pair.receivedBytes)
  // Answers repeat the question, so an honest resolver sends more than it gets.
  const outward = ratio !== null && ratio > 0.55 ? 0.1 : 0
  const byLength = isLong ? (0.6 + 0.3 * ramp(mean, long, clear) + outward) * weightOf(longBytes) : 0
  const byVolume = isMuch
    ? (0.5 + 0.3 * ramp(perDay, mostADay, 10 * mostADay) + outward) * weightOf(channel.sum.bytes)
    : 0
  const destination = targetOf(pair, channel.service)
  const unit = isTcp ? 'connection' : 'packet'
  const lengthText = isLong
    ? `${countText(longQuestions, unit)} of ${Math.round(mean)} B on average, where names need ${isTcp ? 'less than ' : ''}${long} B at most`
    : `${humanBytes(perDay)} a day`
  return {
    kind: 'dns-tunnel',
    destination,
    score: 100 * Math.max(byLength, byVolume),
    ...facts(channel),
    reason: `Questions to ${targetText(destination)} that could carry data: ${lengthText}; ${humanBytes(channel.sum.bytes)} in ${countText(channel.sum.packets, 'packet')}${ratio === null ? '' : `, ${Math.round(100 * ratio)} % of the bytes of both directions going out`}.`,
    evidence: rounded({
      packets: channel.sum.packets,
      longQuestions,
      meanLongBytes: mean,
      excessBytes: excess,
      bytesADay: perDay,
      ...(ratio === null ? {} : { outwardShare: ratio }),
    }),
  }
}
