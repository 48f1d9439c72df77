/**
 * RITA's published beacon score: the mean of four parts from 0 to 1. Times and sizes: each the mean of 1 − |Bowley's
 * skewness| and (median − MAD) / median. Duration: how much of the period it lasted, or its longest run of hours
 * out of 12, when there are 6 hours at least. Histogram: over the hours of the day, 1 − the coefficient of variation,
 * or the share of hours that have one of the two commonest counts.
 */
import { hourMs, hourOfDay, type Period } from './period.ts'
import { bowleySkew, median, medianDistance } from './statistics.ts'

export type BeaconScore = {
  readonly total: number
  readonly times: number
  readonly sizes: number
  readonly duration: number
  readonly hours: number
  /** Hours in which anything started. */
  readonly seenHours: number
}

/** Spreads of the quartiles below these are the clock's and the header's, not skewness. */
const leastSpreadMs = 1000
const leastSpreadBytes = 10
const leastHours = 6
const idealRunHours = 12

export function beaconScore(
  sortedIntervals: Float64Array,
  sortedSizes: Float64Array,
  starts: Float64Array,
  period: Period,
): BeaconScore {
  const times = (steadiness(sortedIntervals) + 1 - Math.abs(bowleySkew(sortedIntervals, leastSpreadMs))) / 2
  const sizes = (steadiness(sortedSizes) + 1 - Math.abs(bowleySkew(sortedSizes, leastSpreadBytes))) / 2
  const { duration, hours, seenHours } = spread(starts, period)
  return { total: (times + sizes + duration + hours) / 4, times, sizes, duration, hours, seenHours }
}

/** (median − MAD) / median, from 0 to 1. */
function steadiness(sorted: Float64Array): number {
  const middle = median(sorted)
  return middle <= 0 ? 0 : Math.max(0, (middle - medianDistance(sorted, middle)) / middle)
}

function spread(starts: Float64Array, period: Period): Pick<BeaconScore, 'duration' | 'hours' | 'seenHours'> {
  const counts = new Float64Array(24)
  let seenHours = 0
  let run = 0
  let longestRun = 0
  let before = -2
  for (let i = 0; i < starts.length; i++) {
    const hour = Math.floor(starts[i]! / hourMs)
    counts[hourOfDay(period, starts[i]!)]! += 1
    if (hour === before) continue
    seenHours += 1
    run = hour === before + 1 ? run + 1 : 1
    longestRun = Math.max(longestRun, run)
    before = hour
  }
  const lasted = starts.length === 0 ? 0 : starts[starts.length - 1]! - starts[0]!
  const whole = Math.max(1, period.untilUnixMs - period.fromUnixMs)
  const duration =
    seenHours < leastHours ? 0 : Math.min(1, Math.max(lasted / whole, longestRun / idealRunHours))
  return { duration, hours: Math.max(flatness(counts), bimodality(counts)), seenHours }
}

function flatness(counts: Float64Array): number {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  if (mean === 0) return 0
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length
  return Math.max(0, 1 - Math.sqrt(variance) / mean)
}

/** Two flat heights: an agent that rests at night. Counts within a tenth are one height. */
function bimodality(counts: Float64Array): number {
  const heights = Float64Array.from(counts.filter(count => count > 0)).sort()
  if (heights.length < leastHours) return 0
  const runs: number[] = []
  for (let i = 0; i < heights.length; ) {
    let j = i
    while (j < heights.length && heights[j]! <= heights[i]! * 1.1) j++
    runs.push(j - i)
    i = j
  }
  runs.sort((a, b) => b - a)
  return (runs[0]! + (runs[1] ?? 0)) / heights.length
}
