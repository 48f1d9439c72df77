/** How numbers in a log count time; `auto` tells by their size, which is safe for dates after 1973. */
export type TimeUnit = 'auto' | 's' | 'ms' | 'us' | 'ns'

const perMs: Readonly<Record<Exclude<TimeUnit, 'auto'>, number>> = { s: 0.001, ms: 1, us: 1000, ns: 1e6 }
/** The latest date that there is: what comes after it cannot be printed. */
export const latestUnixMs = 8.64e15

/** Milliseconds since 1970 of a number in a log; `null` when it is no date. */
export function numberUnixMs(value: number, unit: TimeUnit = 'auto'): number | null {
  if (!Number.isFinite(value) || value < 0) return null
  const ms =
    unit === 'auto'
      ? value < 1e11
        ? value * 1000
        : value < 1e14
          ? value
          : value < 1e17
            ? value / 1000
            : value / 1e6
      : value / perMs[unit]
  return ms <= latestUnixMs ? Math.floor(ms + 1e-4) : null
}

const isoLike =
  /^(\d{4})[-/](\d\d?)[-/](\d\d?)[T ](\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$/

/** ISO 8601 and what is near to it, or a number; without a zone it is UTC. `null` when it is no date. */
export function textUnixMs(text: string, unit: TimeUnit = 'auto'): number | null {
  const plain = plainUnixMs(text)
  if (!Number.isNaN(plain)) return plain
  if (/^\d+(?:\.\d*)?$/.test(text)) return numberUnixMs(Number(text), unit)
  const match = isoLike.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone = 'Z'] = match
  const date = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  )
  const ms = date + Math.floor(Number(`0.${fraction || '0'}`) * 1000) - zoneMs(zone)
  return Number.isFinite(ms) ? ms : null
}

function zoneMs(zone: string): number {
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(zone)
  if (match === null) return 0
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0)
  return (match[1] === '-' ? -minutes : minutes) * 60_000
}

/** `2024-05-01T10:00:00`, with a space for the T, a fraction or a Z: nearly every date of a log, without a pattern. */
function plainUnixMs(text: string): number {
  const isPlain =
    text.length >= 19 &&
    text.charCodeAt(4) === 45 &&
    text.charCodeAt(7) === 45 &&
    (text.charCodeAt(10) === 84 || text.charCodeAt(10) === 32) &&
    text.charCodeAt(13) === 58 &&
    text.charCodeAt(16) === 58
  if (!isPlain) return Number.NaN
  let ms = 0
  let at = 19
  if (text.charCodeAt(at) === 46) {
    let scale = 100
    for (at += 1; at < text.length && at < 29; at++) {
      const digit = text.charCodeAt(at) - 48
      if (digit < 0 || digit > 9) break
      ms += digit * scale
      scale /= 10
    }
    ms = Math.floor(ms + 1e-6)
  }
  if (at < text.length && !(at + 1 === text.length && text.charCodeAt(at) === 90)) return Number.NaN
  const year = digits(text, 0) * 100 + digits(text, 2)
  return (
    Date.UTC(
      year,
      digits(text, 5) - 1,
      digits(text, 8),
      digits(text, 11),
      digits(text, 14),
      digits(text, 17),
    ) + ms
  )
}

function digits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}
