/** The clock is passed in everywhere, so that tests can move it and a verifier can judge the past. */
export type Clock = () => number

/** RFC 3339 in UTC with milliseconds: the one spelling of a time in every Holdfast format. */
export function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString()
}

/** Only the spelling that `isoTime` prints; anything else is `null`. */
export function parseIsoTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return null
  const unixMs = Date.parse(text)
  return Number.isNaN(unixMs) || isoTime(unixMs) !== text ? null : unixMs
}

const unitsMs: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

/** `90s`, `15m`, `24h`, `7d`; `null` for anything else. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  if (match === null) return null
  return Number(match[1]) * unitsMs[match[2]!]!
}
