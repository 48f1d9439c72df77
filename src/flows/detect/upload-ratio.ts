import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { ramp } from './statistics.ts'
import { carriedText, countText, rounded, targetOf, targetText } from './words.ts'

const leastCarried = 1_000_000
/** Of a full packet of 1500 bytes, what TCP carries; received packets are not counted, and mostly full. */
const receivedPayloadPart = 1448 / 1500
/** From here a client sends as a producer does; a page that is read lies near −0.9. */
const leastRatio = 0.2
const clearRatio = 0.8
const mostPattern = 0.9
/** Mail is sent and not fetched: that it goes out says little. */
const mailPorts: readonly (number | null)[] = [25, 465, 587]
const mostMail = 40

/**
 * Producer–consumer ratio, (sent − received) / (sent + received) of payload, from −1 to 1, oriented by whose server
 * it is. Only of what the server sent as a client: an answer is larger than its question by nature.
 */
export function uploadRatio(channels: readonly Channel[], { pair }: PairContext): Found | null {
  if (pair.receivedBytes === null) return null
  let carried = 0
  let largest: Channel | null = null
  for (const channel of channels) {
    if (channel.service.role !== 'sent' || channel.class !== 'data') continue
    carried += channel.sum.carried
    if (largest === null || channel.sum.carried > largest.sum.carried) largest = channel
  }
  if (largest === null || carried < leastCarried) return null
  const received = Math.max(0, pair.receivedBytes) * receivedPayloadPart
  const ratio = (carried - received) / (carried + received)
  if (!(ratio >= leastRatio)) return null
  const sent = channels.filter(({ service }) => service.role === 'sent')
  const bytes = sent.reduce((sum, channel) => sum + channel.sum.bytes, 0)
  const connections = sent.reduce((sum, channel) => sum + channel.sum.connections, 0)
  const destination = targetOf(pair, largest.service)
  const score = 100 * mostPattern * ramp(ratio, leastRatio - 0.6, clearRatio) * weightOf(carried)
  return {
    kind: 'upload-ratio',
    destination,
    score: mailPorts.includes(largest.service.port) ? Math.min(mostMail, score) : score,
    fromUnixMs: sent.reduce((first, { startUnixMs }) => Math.min(first, startUnixMs[0]!), Infinity),
    untilUnixMs: sent.reduce((last, { sum }) => Math.max(last, sum.untilUnixMs), 0),
    connections,
    bytes: Math.round(bytes),
    reason: `Sends more than it receives to ${targetText(destination)}: ${carriedText(bytes, carried)}, against ${humanBytes(received)} received (ratio ${ratio.toFixed(2)} from −1 to 1), in ${countText(connections, 'connection')}.`,
    evidence: rounded({ carriedBytes: carried, receivedPayloadBytes: received, ratio }),
  }
}
