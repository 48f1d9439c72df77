import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayOf } from './period.ts'
import { median, medianDistance } from './statistics.ts'
import { countText, rounded, targetOf, targetText } from './words.ts'

/** What the innocence threshold lets pass in all: a sum above it is looked for in small pieces. */
const leastTotal = 1_000_000
/** A larger day is found by its volume. */
const mostADay = 1_000_000
const leastDays = 10
const leastShareOfDays = 1 / 3
/** Less on a day is a look whether something is there. */
const leastADay = 1000
/** A client there that fetches a little each day; volume and schedule see it too. */
const mostAnswered = 55

/** A little each day to the same address, which no day gives away and the sum does. */
export function slowDrip(channels: readonly Channel[], { pair, period }: PairContext): Found | null {
  let rows = 0
  let carried = 0
  let largest: Channel | null = null
  for (const channel of channels) {
    if (!isData(channel)) continue
    rows += channel.length
    carried += channel.sum.carried
    if (largest === null || channel.sum.carried > largest.sum.carried) largest = channel
  }
  if (largest === null || rows < leastDays || carried < leastTotal || period.days < leastDays) return null
  if (carried > period.days * mostADay) return null
  const byDay = new Float64Array(period.days)
  const drips = channels.filter(isData)
  for (const channel of drips) {
    for (let i = 0; i < channel.length; i++) {
      byDay[dayOf(period, channel.startUnixMs[i]!)]! += channel.carried[i]!
    }
  }
  const days = byDay.filter(bytes => bytes >= leastADay).sort()
  const most = days[days.length - 1] ?? 0
  if (most >= mostADay || days.length < leastDays || days.length < period.days * leastShareOfDays) return null
  const usual = median(days)
  const spread = medianDistance(days, usual) / usual
  const pattern = spread <= 0.3 ? 0.9 : 0.8
  const destination = targetOf(pair, largest.service)
  const score = 100 * pattern * weightOf(carried)
  const connections = drips.reduce((sum, channel) => sum + channel.sum.connections, 0)
  return {
    kind: 'slow-drip',
    destination,
    score: largest.service.role === 'answered' ? Math.min(mostAnswered, score) : score,
    fromUnixMs: drips.reduce((first, { startUnixMs }) => Math.min(first, startUnixMs[0]!), Infinity),
    untilUnixMs: drips.reduce((last, { sum }) => Math.max(last, sum.untilUnixMs), 0),
    connections,
    bytes: Math.round(drips.reduce((sum, channel) => sum + channel.sum.bytes, 0)),
    reason: `${humanBytes(carried)} of data to ${targetText(destination)} in ${countText(days.length, 'day')}, ${humanBytes(usual)} on a usual day and never more than ${humanBytes(most)}, in ${countText(connections, 'connection')}.`,
    evidence: rounded({
      carriedBytes: carried,
      days: days.length,
      usualDayBytes: usual,
      largestDayBytes: most,
      daySpreadPart: spread,
    }),
  }
}

function isData(channel: Channel): boolean {
  return channel.class === 'data' || channel.class === 'answers'
}
