/** On how many days one time of the day holds nearly all that was sent, and how likely that is by chance. */
import { hourMs, type Period } from './period.ts'
import { circularMean, logBinomialTail } from './statistics.ts'

export type Peaks = {
  /** Days with something sent, and of these the ones whose fullest hours lie in the window. */
  readonly days: number
  readonly inWindow: number
  /** Hours of the country's day: from, and how many. */
  readonly fromHour: number
  readonly widthHours: number
  /** Sunday 0; `null`: on more than one. */
  readonly weekday: number | null
  readonly weekendOnly: boolean
  readonly bytes: number
}

const leastDayBytes = 1000
/** A day has a peak when three hours hold this much of it. */
const peakShare = 0.7
const widths = [1, 2, 3, 4] as const
/** The chance that is accepted, as a logarithm: an audit looks at a million pairs, and at a thousand servers. */
export const logChances = { pair: Math.log(1e-6), server: Math.log(1e-4) } as const
const leastDays = 5
const leastShare = 0.8
const leastWeeks = 4
const leastWeekendDays = 8

/** What a window's chance is when nothing is known of the server but the clock. */
export type ChanceOf = (fromHour: number, widthHours: number) => number

/** `byHour`: bytes by hour of the country's clock from the period's first. `null`: no time of the day stands out. */
export function findPeaks(
  byHour: Float64Array,
  period: Period,
  chanceOf: ChanceOf,
  logChance: number,
): Peaks | null {
  const firstHour = Math.floor((period.fromUnixMs + period.offsetMs) / hourMs)
  const { peaks, bytes, days } = peaksByDay(byHour, firstHour)
  if (peaks.length < leastWeeks || peaks.length < days * leastShare) return null
  const weekdays = new Set(peaks.map(hour => (Math.floor(hour / 24) + 4) % 7))
  const [weekday = 0] = weekdays
  const weekendOnly = [...weekdays].every(day => day === 0 || day === 6)
  for (const widthHours of widths) {
    const { fromHour, inWindow } = fullest(peaks, widthHours)
    const found = { days, inWindow, fromHour, widthHours, weekendOnly, bytes }
    const isWeekly = weekdays.size === 1 && widthHours <= 2 && inWindow === days
    if (isWeekly && chanceOf(fromHour, widthHours) < 0.5) return { ...found, weekday }
    if (days < leastDays || inWindow < days * leastShare) continue
    const log = logBinomialTail(inWindow, days, chanceOf(fromHour, widthHours))
    if (log + Math.log(24 * widths.length) > logChance) continue
    return { ...found, weekday: weekdays.size === 1 ? weekday : null }
  }
  if (!weekendOnly || days < leastWeekendDays) return null
  return { days, inWindow: days, fromHour: 0, widthHours: 24, weekday: null, weekendOnly, bytes }
}

/** The fullest hour of each day that has a peak; days are cut where least is sent, so that midnight splits no job. */
function peaksByDay(byHour: Float64Array, firstHour: number) {
  const ofDay = new Float64Array(24)
  for (let i = 0; i < byHour.length; i++) ofDay[(firstHour + i) % 24]! += Math.sqrt(byHour[i]!)
  const { angle } = circularMean(ofDay)
  const cut = (Math.round((angle / (2 * Math.PI)) * 24 - 0.5) + 36) % 24
  const peaks: number[] = []
  let bytes = 0
  let days = 0
  const start = (((cut - firstHour) % 24) + 24) % 24
  for (let from = start - 24; from < byHour.length; from += 24) {
    let total = 0
    let best = -1
    let bestNear = 0
    let most = 0
    for (let i = Math.max(0, from); i < Math.min(byHour.length, from + 24); i++) {
      const here = byHour[i]!
      total += here
      const near = here + (byHour[i - 1] ?? 0) + (byHour[i + 1] ?? 0)
      if (here > most) [most, best, bestNear] = [here, i, near]
    }
    if (total < leastDayBytes) continue
    days += 1
    if (bestNear < total * peakShare) continue
    peaks.push(firstHour + best)
    bytes += bestNear
  }
  return { peaks, bytes, days }
}

function fullest(peaks: readonly number[], width: number): { fromHour: number; inWindow: number } {
  const counts = new Uint32Array(24)
  for (const hour of peaks) counts[hour % 24]! += 1
  let fromHour = 0
  let inWindow = -1
  for (let from = 0; from < 24; from++) {
    let sum = 0
    for (let i = 0; i < width; i++) sum += counts[(from + i) % 24]!
    if (sum > inWindow) [inWindow, fromHour] = [sum, from]
  }
  return { fromHour, inWindow }
}
