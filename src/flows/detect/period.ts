/** The time that the records cover, and the hours and days by which the server's country counts. */
export type Period = {
  readonly fromUnixMs: number
  readonly untilUnixMs: number
  readonly hours: number
  readonly days: number
  /** Added to UTC; 0 when the country's is not known. */
  readonly offsetMs: number
  /** `UTC`, or `UTC+05:30`: which hours a reason speaks of. */
  readonly zone: string
}

export const hourMs = 3_600_000
export const dayMs = 86_400_000
/** Ten years of hours: a record with a clock that is far off must not cost memory. */
const mostHours = 87_660

export function createPeriod(fromUnixMs: number, untilUnixMs: number, offsetMinutes: number | null): Period {
  const from = Number.isFinite(fromUnixMs) ? fromUnixMs : 0
  const until = Number.isFinite(untilUnixMs) ? Math.max(from, untilUnixMs) : from
  const offsetMs = (offsetMinutes ?? 0) * 60_000
  const spanHours = Math.floor((until + offsetMs) / hourMs) - Math.floor((from + offsetMs) / hourMs) + 1
  const spanDays = Math.floor((until + offsetMs) / dayMs) - Math.floor((from + offsetMs) / dayMs) + 1
  return {
    fromUnixMs: from,
    untilUnixMs: until,
    hours: Math.min(mostHours, spanHours),
    days: Math.min(Math.ceil(mostHours / 24) + 1, spanDays),
    offsetMs,
    zone: zoneName(offsetMinutes),
  }
}

/** Days of the country since the period's first, held within the period. */
export function dayOf(period: Period, unixMs: number): number {
  const first = Math.floor((period.fromUnixMs + period.offsetMs) / dayMs)
  const day = Math.floor((unixMs + period.offsetMs) / dayMs) - first
  return day < 0 ? 0 : day >= period.days ? period.days - 1 : day
}

/** The hour of the day there, 0 to 23. */
export function hourOfDay(period: Period, unixMs: number): number {
  return Math.floor(modulo(unixMs + period.offsetMs, dayMs) / hourMs)
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by
}

function zoneName(offsetMinutes: number | null): string {
  if (offsetMinutes === null || offsetMinutes === 0) return 'UTC'
  const minutes = Math.abs(offsetMinutes)
  const two = (value: number) => String(value).padStart(2, '0')
  return `UTC${offsetMinutes < 0 ? '−' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
