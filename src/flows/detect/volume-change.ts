import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext, ServerWideDetector } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayMs, dayOf, type Period } from './period.ts'
import { median, medianDistance } from './statistics.ts'
import { countText, rounded } from './words.ts'

const leastDays = 10
/** Added to each day before the logarithm is taken: below it, more or less is nothing. */
const floorBytes = 100_000
const leastChange = 1_000_000
/** MAD × this is the standard deviation where days are log-normal. */
const toDeviation = 1.4826
/** Days are never more alike than a tenth. */
const leastDeviation = 0.1
const burstDeviations = 6
const leastBurstFactor = 3
const mostBurstDays = 3
const stepDeviations = 7
const leastStepFactor = 2
const leastStepDays = 5
const burstPattern = 0.8
const stepPattern = 0.75
/** More visitors is the commonest reason for more answers. */
const mostAnswered = 55

/** Bytes abroad by day: a day, or from a day on, far above what is usual for this server. */
export function createVolumeChange(period: Period): ServerWideDetector {
  const series = { data: new Float64Array(period.days), answers: new Float64Array(period.days) }
  const connections = { data: 0, answers: 0 }
  return {
    pair(channels: readonly Channel[], _context: PairContext) {
      for (const channel of channels) {
        const name = channel.class
        if (name !== 'data' && name !== 'answers') continue
        const days = series[name]
        connections[name] += channel.sum.connections
        for (let i = 0; i < channel.length; i++) {
          days[dayOf(period, channel.startUnixMs[i]!)]! += channel.carried[i]!
        }
      }
    },
    finish: () =>
      (['data', 'answers'] as const).flatMap(name => {
        const found = judge(series[name], name === 'answers', period, connections[name])
        return found === null ? [] : [found]
      }),
  }
}

function judge(days: Float64Array, isAnswers: boolean, period: Period, connections: number): Found | null {
  if (days.length < leastDays) return null
  const logs = days.map(bytes => Math.log(bytes + floorBytes))
  const change = findStep(days, logs) ?? findBursts(days, logs)
  if (change === null) return null
  const { pattern, excess, deviations, from, count, usual, largest } = change
  const firstDay = Math.floor((period.fromUnixMs + period.offsetMs) / dayMs) + from
  const dayStart = firstDay * dayMs - period.offsetMs
  const day = new Date(firstDay * dayMs).toISOString().slice(0, 10)
  const score = 100 * pattern * weightOf(excess)
  const what = isAnswers ? 'Answers sent abroad' : 'Data sent abroad'
  const when =
    change.what === 'step'
      ? `rose on ${day} from ${humanBytes(usual)} to ${humanBytes(largest)} a day and stayed there for ${countText(count, 'day')}`
      : `reached ${humanBytes(largest)} on ${day}${count > 1 ? ` and rose on ${countText(count - 1, 'other day')}` : ''}, where ${humanBytes(usual)} is usual`
  return {
    kind: 'volume-change',
    destination: null,
    score: isAnswers ? Math.min(mostAnswered, score) : score,
    fromUnixMs: Math.max(period.fromUnixMs, dayStart),
    untilUnixMs: Math.min(period.untilUnixMs, change.what === 'step' ? period.untilUnixMs : dayStart + dayMs),
    connections,
    bytes: Math.round(excess),
    reason: `${what} ${when}: ${humanBytes(excess)} more than usual in all, ${deviations.toFixed(0)} robust deviations.`,
    evidence: rounded({
      usualDayBytes: usual,
      changedDayBytes: largest,
      changedDays: count,
      excessBytes: excess,
      deviations,
      isAnswers: isAnswers ? 1 : 0,
      isStep: change.what === 'step' ? 1 : 0,
    }),
  }
}

type Change = {
  readonly what: 'step' | 'burst'
  readonly pattern: number
  readonly excess: number
  readonly deviations: number
  readonly from: number
  readonly count: number
  readonly usual: number
  readonly largest: number
}

function findBursts(days: Float64Array, logs: Float64Array): Change | null {
  const sorted = logs.slice().sort()
  const middle = median(sorted)
  const deviation = Math.max(leastDeviation, toDeviation * medianDistance(sorted, middle))
  const usual = median(days.slice().sort())
  let [count, excess, at, largest] = [0, 0, -1, 0]
  for (let i = 0; i < days.length; i++) {
    const isBurst =
      (logs[i]! - middle) / deviation >= burstDeviations &&
      days[i]! - usual >= leastChange &&
      days[i]! >= usual * leastBurstFactor
    if (!isBurst) continue
    count += 1
    excess += days[i]! - usual
    if (days[i]! > largest) [largest, at] = [days[i]!, i]
  }
  // More than a few are no exception, but how this server is.
  if (count === 0 || count > mostBurstDays) return null
  const deviations = (logs[at]! - middle) / deviation
  return { what: 'burst', pattern: burstPattern, excess, deviations, from: at, count, usual, largest }
}

/** The split that leaves the days nearest to their own medians, if these then differ by more than chance. */
function findStep(days: Float64Array, logs: Float64Array): Change | null {
  let from = -1
  let least = Number.POSITIVE_INFINITY
  for (let split = leastStepDays; split <= days.length - leastStepDays; split++) {
    const rest = restsOf(logs, split).rests.reduce((sum, value) => sum + value, 0)
    if (rest < least) [least, from] = [rest, split]
  }
  if (from < 0) return null
  const { low, high, rests } = restsOf(logs, from)
  const deviation = Math.max(leastDeviation, toDeviation * median(rests.sort()))
  // A median of n has 1.25 times the standard error of their mean.
  const error = 1.25 * deviation * Math.sqrt(1 / from + 1 / (days.length - from))
  const deviations = (high - low) / error
  const usual = median(days.slice(0, from).sort())
  const largest = median(days.slice(from).sort())
  if (
    high - low < Math.log(leastStepFactor) ||
    deviations < stepDeviations ||
    largest - usual < leastChange
  ) {
    return null
  }
  const excess = days.slice(from).reduce((sum, bytes) => sum + Math.max(0, bytes - usual), 0)
  const count = days.length - from
  return { what: 'step', pattern: stepPattern, excess, deviations, from, count, usual, largest }
}

function restsOf(logs: Float64Array, split: number): { low: number; high: number; rests: Float64Array } {
  const low = median(logs.slice(0, split).sort())
  const high = median(logs.slice(split).sort())
  return { low, high, rests: logs.map((value, i) => Math.abs(value - (i < split ? low : high))) }
}
