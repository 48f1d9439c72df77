import { TCP, UDP } from '../flow-record.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { hourMs } from './period.ts'
import { carriedText, countText, facts, rounded, targetOf, targetText, timeText } from './words.ts'

/** RITA's steps, and how clear a sign each is: many honest sessions last hours. */
const steps: readonly (readonly [hours: number, pattern: number])[] = [
  [12, 0.8],
  [8, 0.65],
  [4, 0.5],
  [1, 0.3],
]
/** Fewer packets than one in five minutes is no connection that lasts, but a port that was used again. */
const leastPacketsAnHour = 12

/** Connections that stay open for hours: a shell, a tunnel, a stream. */
export function longConnection(channel: Channel, { pair }: PairContext): Found | null {
  const { protocol } = channel.service
  if ((protocol !== TCP && protocol !== UDP) || channel.class === 'time' || channel.class === 'names')
    return null
  let longest = 0
  let count = 0
  let bytes = 0
  let carried = 0
  for (let i = 0; i < channel.length; i++) {
    const lasted = channel.endUnixMs[i]! - channel.startUnixMs[i]!
    if (lasted < hourMs || channel.connections[i]! > 1) continue
    if (channel.packets[i]! < (lasted / hourMs) * leastPacketsAnHour) continue
    count += 1
    bytes += channel.bytes[i]!
    carried += channel.carried[i]!
    longest = Math.max(longest, lasted)
  }
  if (count === 0) return null
  const [hours, pattern] = steps.find(([least]) => longest >= least * hourMs)!
  const destination = targetOf(pair, channel.service)
  return {
    kind: 'long-connection',
    destination,
    score: 100 * pattern * weightOf(carried),
    ...facts(channel),
    connections: count,
    bytes: Math.round(bytes),
    reason: `${countText(count, 'connection')} of an hour or more to ${targetText(destination)}, the longest ${timeText(longest)}; ${carriedText(bytes, carried)}.`,
    evidence: rounded({ longestMs: longest, stepHours: hours, carriedBytes: carried }),
  }
}
