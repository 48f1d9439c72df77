const steps = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Three figures in decimal units: `0 B`, `812 B`, `1.23 MB`. */
export function humanBytes(bytes: number): string {
  let value = Math.abs(bytes)
  let step = 0
  while (value >= 999.5 && step < steps.length - 1) {
    value /= 1000
    step += 1
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${bytes < 0 ? '−' : ''}${value.toFixed(digits)} ${steps[step]}`
}

export function humanCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ')
}

export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %'
  const value = (100 * part) / whole
  return value < 0.1
    ? '< 0.1 %'
    : value > 99.9 && part < whole
      ? '> 99.9 %'
      : `${value.toFixed(value < 10 ? 1 : 0)} %`
}

/** The English name of a country, or the code itself where it has none. */
export function countryName(code: string): string {
  try {
    return regionNames.of(code) ?? code
  } catch {
    return code
  }
}

const regionNames = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' })

export function placeName(country: string | null, candidates: readonly string[]): string {
  if (country !== null) return countryName(country)
  return candidates.length === 0 ? 'unknown' : candidates.map(countryName).join(' or ')
}
