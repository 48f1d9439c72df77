/**
 * Ranges that providers publish of themselves, each in a form of its own: Amazon's ip-ranges.json, Google's cloud.json,
 * Azure's service tags, Oracle's public_ip_ranges.json, and geofeeds (RFC 8805), which many others publish. They say where
 * a service is run, which no database knows as well. What is global, or in a region that is not known, places nothing.
 */
import { HoldfastError } from '../../core/errors.ts'
import { type CountryCode, parseCountryCode } from '../../core/ids.ts'
import { type Cidr, CidrTable, parseCidr } from './cidr.ts'
import { countryOfRegion } from './provider-regions.ts'

export type ProviderPlace = {
  /** `null`: global, or of a region that is not known; a wider range says nothing of it either. */
  readonly country: CountryCode | null
  readonly name: string
}

export type ProviderRanges = {
  readonly table: CidrTable<ProviderPlace>
  readonly placed: number
  /** Global, or of a region that is not known. */
  readonly unplaced: number
}

type Range = { readonly prefix: unknown; readonly region: unknown; readonly provider: string }

/** Throws `bad-input` for a file in none of these forms. */
export function parseProviderRanges(
  files: readonly { readonly name: string; readonly text: string }[],
): ProviderRanges {
  const table = new CidrTable<ProviderPlace>()
  let placed = 0
  let unplaced = 0
  const add = (cidr: Cidr | null, country: CountryCode | null, name: string): void => {
    if (cidr === null || country === null) unplaced += 1
    else placed += 1
    if (cidr !== null) table.add(cidr, { country, name })
  }
  for (const { name, text } of files) {
    const before = placed + unplaced
    if (/^\s*[{[]/.test(text)) {
      for (const { prefix, region, provider } of jsonRanges(name, text)) {
        const where = typeof region === 'string' ? region : ''
        add(
          parseCidr(typeof prefix === 'string' ? prefix : ''),
          countryOfRegion(where),
          `${provider} ${where}`,
        )
      }
    } else
      for (const line of text.split(/\r?\n/)) {
        const [prefix = '', country = ''] = line.split(',').map(cell => cell.trim())
        if (prefix === '' || prefix.startsWith('#')) continue
        const cidr = parseCidr(prefix)
        if (cidr === null)
          throw new HoldfastError(
            'bad-input',
            `${name}: "${prefix.slice(0, 60)}" is no prefix of a geofeed (RFC 8805)`,
          )
        add(cidr, parseCountryCode(country.toUpperCase()), 'geofeed')
      }
    if (placed + unplaced === before) throw new HoldfastError('bad-input', `${name} holds no ranges`)
  }
  return { table, placed, unplaced }
}

function jsonRanges(name: string, text: string): Range[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new HoldfastError('bad-input', `${name} is neither JSON nor a geofeed`)
  }
  const top = fields(value)
  const prefixes = list(top.prefixes).map(fields)
  if (prefixes.some(row => 'ip_prefix' in row))
    return [
      ...prefixes.map(row => ({ prefix: row.ip_prefix, region: row.region, provider: 'AWS' })),
      ...list(top.ipv6_prefixes)
        .map(fields)
        .map(row => ({ prefix: row.ipv6_prefix, region: row.region, provider: 'AWS' })),
    ]
  if (prefixes.some(row => 'ipv4Prefix' in row || 'ipv6Prefix' in row))
    return prefixes.map(row => ({
      prefix: row.ipv4Prefix ?? row.ipv6Prefix,
      region: row.scope,
      provider: 'Google Cloud',
    }))
  const tags = list(top.values).map(row => fields(fields(row).properties))
  if (tags.length > 0)
    return tags.flatMap(tag =>
      list(tag.addressPrefixes).map(prefix => ({ prefix, region: tag.region, provider: 'Azure' })),
    )
  const regions = list(top.regions).map(fields)
  if (regions.length > 0)
    return regions.flatMap(({ region, cidrs }) =>
      list(cidrs).map(row => ({ prefix: fields(row).cidr, region, provider: 'Oracle Cloud' })),
    )
  throw new HoldfastError(
    'bad-input',
    `${name} is none of the ranges that are read: AWS ip-ranges.json, Google cloud.json, Azure service tags, Oracle public_ip_ranges.json, or a geofeed`,
  )
}

function fields(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null ? (value as { readonly [key: string]: unknown }) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
