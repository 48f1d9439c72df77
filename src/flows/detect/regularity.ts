/**
 * Are starts more regular than chance? Connections at random moments (a Poisson process) have intervals whose
 * MAD / median is 0.69, of sums of two 0.485, of three 0.395, with a standard error near 0.65 / √n (simulated).
 * What is below that by five standard errors, or for few intervals by a chance of one in a million, is a rhythm.
 */
import { lowerBound, median, medianDistance } from './statistics.ts'

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

/** `starts` ascending, no two the same. */
export function findRhythm(starts: Float64Array): Rhythm | null {
  let best: Rhythm | null = null
  for (const { cycle, byChance, mostSpread } of cycles) {
    const sums = intervals(starts, cycle)
    if (sums.length < leastIntervals) break
    sums.sort()
    const middle = median(sums)
    if (middle < leastPeriodMs) continue
    const jitter = medianDistance(sums, middle)
    const limit = Math.min(mostSpread, spreadLimit(sums.length / cycle, byChance))
    if (jitter / middle > limit) continue
    best = { periodMs: middle, jitterMs: jitter, cycle, skippedShare: 0, sorted: sums }
    break
  }
  return best ?? foldedRhythm(starts)
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
const binsPerE = 20
const leastFolded = 24

/**
 * Where many beats are missing, intervals are multiples of the period. Chance leaves remainders evenly from 0 to half
 * a period, a quarter on average (0.144 either way); these must be far nearer, and hardly an interval shorter than
 * the period.
 */
function foldedRhythm(starts: Float64Array): Rhythm | null {
  const all = intervals(starts, 1)
  if (all.length < leastFolded) return null
  all.sort()
  const period = commonest(all)
  if (period < leastPeriodMs) return null
  let near = 0
  let remainders = 0
  let beats = 0
  const upTo = lowerBound(all, period * (mostBeatsMissed + 0.5))
  const from = lowerBound(all, period * 0.6)
  for (let i = from; i < upTo; i++) {
    const times = all[i]! / period
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
  return { periodMs: period, jitterMs: mean * period, cycle: 1, skippedShare, sorted: all }
}

/** The mean of the intervals in and beside the fullest bin, bins being twentieths of a factor e. */
function commonest(sorted: Float64Array): number {
  const counts = new Map<number, number>()
  for (let i = 0; i < sorted.length; i++) {
    const bin = Math.floor(Math.log(sorted[i]!) * binsPerE)
    counts.set(bin, (counts.get(bin) ?? 0) + 1)
  }
  let best = 0
  let most = -1
  for (const bin of counts.keys()) {
    const here = (counts.get(bin - 1) ?? 0) + counts.get(bin)! + (counts.get(bin + 1) ?? 0)
    if (here > most || (here === most && bin < best)) [best, most] = [bin, here]
  }
  const from = lowerBound(sorted, Math.exp((best - 1) / binsPerE))
  const until = lowerBound(sorted, Math.exp((best + 2) / binsPerE))
  let sum = 0
  for (let i = from; i < until; i++) sum += sorted[i]!
  return until > from ? sum / (until - from) : 0
}
