import type { CountryCode } from '../../core/ids.ts'

/** Countries of several zones whose people nearly all live by one: islands far away, or one official time. */
const mainZones: Readonly<Record<string, string>> = {
  CL: 'America/Santiago',
  CN: 'Asia/Shanghai',
  EC: 'America/Guayaquil',
  ES: 'Europe/Madrid',
  FR: 'Europe/Paris',
  NL: 'Europe/Amsterdam',
  NZ: 'Pacific/Auckland',
  PT: 'Europe/Lisbon',
}

/**
 * Minutes that the country's clocks are ahead of UTC at that moment; `null` where its zones differ, for a guess would
 * make nights of days. The engine's own table of zones (Unicode CLDR and the tz database).
 */
export function homeOffsetMinutes(country: CountryCode, unixMs: number): number | null {
  const main = mainZones[country]
  const zones = main === undefined ? zonesOf(country) : [main]
  const offsets = new Set(zones.map(zone => offsetOf(zone, unixMs)))
  const [only = null] = offsets
  return offsets.size === 1 ? only : null
}

function zonesOf(country: CountryCode): readonly string[] {
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & {
    readonly getTimeZones?: () => readonly string[] | undefined
  }
  return locale.getTimeZones?.() ?? []
}

function offsetOf(timeZone: string, unixMs: number): number | null {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  const name = format.formatToParts(unixMs).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  if (name === 'GMT') return 0
  const match = /^GMT([+-])(\d\d):(\d\d)$/.exec(name)
  if (match === null) return null
  const minutes = Number(match[2]) * 60 + Number(match[3])
  return match[1] === '-' ? -minutes : minutes
}
