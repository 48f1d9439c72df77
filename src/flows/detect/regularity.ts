/**
 * Are starts more regular than chance? Connections at random moments (a Poisson process) have intervals whose
 * MAD / median is 0.69, of sums of two 0.485, of three 0.395, with a standard error near 0.65 / √n (simulated).
 * What is below that by five standard errors, or for few intervals by a chance of one in a million, is a rhythm.
 */
import { median, medianDistance } from './statistics.ts'

export type Rhythm = {
  /** Of the whole pattern: for two alternating intervals, their sum. */
  readonly periodMs: number
  /** Half of the beats are this near to it. */
  readonly jitterMs: number
  /** Intervals that one period is the sum of. */
  readonly cycle: number
  /** Of the beats that the period asks for, the part that is not there. */
  readonly skippedShare: number
  /** The intervals that were judged, sorted. */
  readonly sorted: Float64Array
}

const leastIntervals = 5
const cycles = [
  { cycle: 1, byChance: 0.69, mostSpread: 0.5 },
  { cycle: 2, byChance: 0.485, mostSpread: 0.25 },
  { cycle: 3, byChance: 0.395, mostSpread: 0.2 },
] as const
const standardErrors = 5 * 0.65
/** ln of one in a million: an audit looks at this many pairs. */
const logChance = Math.log(1e-6)
/** Shorter than this is one action's several connections. */
const leastPeriodMs = 1500

/**
 * `starts` ascending, none nearer than `gapMs` to the one before. Moments by chance that were thinned so are a dead
 * time and then chance again, so the gap is taken off before intervals are judged.
 */
export function findRhythm(starts: Float64Array, gapMs: number): Rhythm | null {
  for (const { cycle, byChance, mostSpread } of cycles) {
    const sums = intervals(starts, cycle)
    if (sums.length < leastIntervals) break
    const limit = Math.min(mostSpread, spreadLimit(sums.length / cycle, byChance))
    const deadMs = cycle * gapMs
    if (!mayBeNear(sums, limit, deadMs)) continue
    sums.sort()
    const middle = median(sums)
    if (middle < leastPeriodMs) continue
    const jitter = medianDistance(sums, middle)
    if (jitter > limit * Math.max(0, middle - deadMs)) continue
    return { periodMs: middle, jitterMs: jitter, cycle, skippedShare: 0, sorted: sums }
  }
  return foldedRhythm(starts, gapMs)
}

const sampleSize = 255

/** Most pairs have no rhythm, and a median of a sample shows it without sorting all. */
function mayBeNear(values: Float64Array, limit: number, deadMs: number): boolean {
  const middle = median(sample(values, sampleSize).sort())
  const most = limit * Math.max(0, middle - deadMs) + 0.02 * middle
  let near = 0
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]! - middle) <= most) near += 1
  return near >= values.length * 0.45
}

/** Evenly spaced, in a stride that no short cycle divides. */
function sample(values: Float64Array, most: number): Float64Array {
  if (values.length <= 2 * most) return values.slice()
  const out = new Float64Array(most)
  const stride = (values.length - 1) / (most - 1)
  for (let i = 0; i < most; i++) out[i] = values[Math.floor(i * stride)]!
  return out
}

function spreadLimit(independent: number, byChance: number): number {
  const large = byChance - standardErrors / Math.sqrt(independent)
  // Half of n intervals within ± x of the median by chance: at most C(n, n/2) (0.7 x)^(n/2), for x small.
  const small = Math.exp((2 * logChance) / independent) * ((Math.PI * independent) / 2) ** (1 / independent)
  return Math.max(large, small / 2.8)
}

function intervals(starts: Float64Array, cycle: number): Float64Array {
  const out = new Float64Array(Math.max(0, starts.length - cycle))
  for (let i = 0; i < out.length; i++) out[i] = starts[i + cycle]! - starts[i]!
  return out
}

const mostBeatsMissed = 10
const leastFolded = 24
/** Nearer to the gap, every interval is a multiple of about one. */
const leastGaps = 3

/**
 * Where many beats are missing, intervals are multiples of the period. Chance leaves remainders evenly from 0 to half
 * a period, a quarter on average (0.144 either way); these must be far nearer, and hardly an interval shorter than
 * the period.
 */
function foldedRhythm(starts: Float64Array, gapMs: number): Rhythm | null {
  const all = intervals(starts, 1)
  if (all.length < leastFolded) return null
  const period = commonest(sample(all, modeSample).sort())
  if (period < Math.max(leastPeriodMs, leastGaps * gapMs)) return null
  let near = 0
  let remainders = 0
  let beats = 0
  for (let i = 0; i < all.length; i++) {
    const times = all[i]! / period
    if (times < 0.6 || times > mostBeatsMissed + 0.5) continue
    const whole = Math.max(1, Math.round(times))
    near += 1
    beats += whole
    remainders += Math.abs(times - whole)
  }
  if (near < leastFolded || near / all.length < 0.9) return null
  const mean = remainders / near
  if (mean > Math.min(0.12, 0.25 - (6 * 0.144) / Math.sqrt(near))) return null
  // All within one period and no multiples is what the plain test has refused already.
  const skippedShare = 1 - near / beats
  if (skippedShare < 0.1) return null
  return { periodMs: period, jitterMs: mean * period, cycle: 1, skippedShare, sorted: all.sort() }
}

const modeSample = 1023

/** The mean of those in the narrow band (an eighth of a factor e) that holds the most. */
function commonest(sorted: Float64Array): number {
  const factor = Math.exp(1 / 8)
  let from = 0
  let until = 0
  let bestFrom = 0
  let most = 0
  for (; from < sorted.length; from++) {
    while (until < sorted.length && sorted[until]! <= sorted[from]! * factor) until++
    if (until - from > most) [most, bestFrom] = [until - from, from]
  }
  let sum = 0
  for (let i = bestFrom; i < bestFrom + most; i++) sum += sorted[i]!
  return most === 0 ? 0 : sum / most
}
