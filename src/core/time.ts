/** The clock is passed in everywhere, so that tests can move it and a verifier can judge the past. */
export type Clock = () => number

/** RFC 3339 in UTC with milliseconds: the one spelling of a time in every Holdfast format. */
export function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString()
}

/** The minute of the time before: entries come in the order of their times, and seconds are easily added. */
let minuteText = ''
let minuteMs = 0

/** Only the spelling that `isoTime` prints; anything else is `null`. */
export function parseIsoTime(text: string): number | null {
  if (text.length === 24 && minuteText !== '' && text.startsWith(minuteText)) {
    const match = /^([0-5]\d)\.(\d{3})Z$/.exec(text.slice(17))
    return match === null ? null : minuteMs + Number(match[1]) * 1000 + Number(match[2])
  }
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return null
  const unixMs = Date.parse(text)
  if (Number.isNaN(unixMs) || isoTime(unixMs) !== text) return null
  minuteText = text.slice(0, 17)
  minuteMs = Math.floor(unixMs / 60_000) * 60_000
  return unixMs
}

const unitsMs: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

/** `90s`, `15m`, `24h`, `7d`; `null` for anything else. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  if (match === null) return null
  return Number(match[1]) * unitsMs[match[2]!]!
}
