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
/** A few names of content networks are long at any server. */
const usualLongShare = 0.02
const clearLongShare = 0.1
const leastLong = 50
const leastExcess = 20_000
/** More a day to one resolver than a busy server asks (100,000 questions and more). */
const mostADay = 10_000_000
/**
 * Questions of a server average 70 to 95 bytes. Names of a cluster that leak to a resolver make more than this too, so
 * it is a remark and no suspicion.
 */
const longMeanBytes = 108
const leastQuestions = 2000
const meanPattern = 0.6

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
  const meanOfAll = channel.sum.bytes / Math.max(1, channel.sum.packets)
  const isLongish = !isTcp && channel.sum.packets >= leastQuestions && meanOfAll >= longMeanBytes + more
  if (!isLong && !isMuch && !isLongish) return null
  const mean = longQuestions === 0 ? 0 : longBytes / longQuestions
  const clear = isTcp ? 3 * longConnectionBytes : clearQuestionBytes + more
  const ratio =
    pair.receivedBytes === null
      ? null
      : channel.sum.bytes / Math.max(1, channel.sum.bytes + pair.receivedBytes)
  // Answers repeat the question, so an honest resolver sends more than it gets.
  const outward = ratio !== null && ratio > 0.55 ? 0.1 : 0
  const share = longQuestions / Math.max(1, isTcp ? channel.sum.connections : channel.sum.packets)
  const length = 0.5 + 0.2 * ramp(mean, long, clear) + 0.2 * ramp(share, usualLongShare, clearLongShare)
  const byLength = isLong ? (length + outward) * weightOf(longBytes) : 0
  const byVolume = isMuch
    ? (0.5 + 0.3 * ramp(perDay, mostADay, 10 * mostADay) + outward) * weightOf(channel.sum.bytes)
    : 0
  const destination = targetOf(pair, channel.service)
  const unit = isTcp ? 'connection' : 'packet'
  const lengthText = isLong
    ? `${countText(longQuestions, unit)} of ${Math.round(mean)} B on average, where names need ${isTcp ? 'less than ' : ''}${long} B at most`
    : isMuch
      ? `${humanBytes(perDay)} a day`
      : `${Math.round(meanOfAll)} B on average, where 70 to 95 are usual`
  return {
    kind: 'dns-tunnel',
    destination,
    score: 100 * Math.max(byLength, byVolume, isLongish ? meanPattern * weightOf(channel.sum.bytes) : 0),
    ...facts(channel),
    reason: `Questions to ${targetText(destination)} that could carry data: ${lengthText}; ${humanBytes(channel.sum.bytes)} in ${countText(channel.sum.packets, 'packet')}${ratio === null ? '' : `, ${Math.round(100 * ratio)} % of the bytes of both directions going out`}.`,
    evidence: rounded({
      packets: channel.sum.packets,
      longQuestions,
      meanBytes: meanOfAll,
      meanLongBytes: mean,
      excessBytes: excess,
      bytesADay: perDay,
      ...(ratio === null ? {} : { outwardShare: ratio }),
    }),
  }
}
