import { type CountryCode, parseCountryCode } from '../../core/ids.ts'
import type { Address } from '../address.ts'
import type { CidrTable } from './cidr.ts'
import type { AsnDatabase, CountryDatabase, DatabaseUse } from './databases.ts'
import type { PlaceOverride } from './places.ts'
import type { ProviderPlace } from './provider-ranges.ts'
import { createSpecialRanges } from './special.ts'

/** Where an address is, and on whose word. */
export type Place = {
  readonly country: CountryCode | null
  /** The countries that were named when they clash; empty when nobody knows. */
  readonly candidates: readonly CountryCode[]
  readonly basis:
    | 'inventory'
    | 'override'
    | 'provider'
    | 'local'
    | 'vote'
    | 'one database'
    | 'disputed'
    | 'unknown'
  readonly asn: number | null
  readonly asName: string | null
}

export type Locator = {
  readonly place: (address: Address) => Place
  readonly databases: () => readonly DatabaseUse[]
}

/** Overrides first, then addresses that never leave, then what providers say of themselves, then the vote. */
export function createLocator(sources: {
  readonly overrides: CidrTable<PlaceOverride> | null
  readonly ranges?: CidrTable<ProviderPlace> | null
  readonly countries: readonly CountryDatabase[]
  readonly asn: AsnDatabase | null
}): Locator {
  const special = createSpecialRanges()
  const place = (address: Address): Place => {
    const override = sources.overrides?.find(address)[0]
    const kind = special(address)
    if (override === undefined && kind !== null) return { ...nowhere, basis: 'local' }
    const as = kind === null ? (sources.asn?.find(address) ?? null) : null
    const asn = override?.asn ?? as?.asn ?? null
    const asName = override?.name ?? as?.name ?? null
    if (override !== undefined) {
      return { country: override.country, candidates: [], basis: 'override', asn, asName }
    }
    const said = sources.ranges?.nearest(address) ?? []
    const [provider] = said
    const sayers = new Set(said.map(({ country }) => country))
    if (provider !== undefined && !sayers.has(null)) {
      const [country = null, ...others] = sayers
      const name = asName ?? provider.name
      if (others.length === 0) return { country, candidates: [], basis: 'provider', asn, asName: name }
      // Files of two providers, or of two days, that contradict each other.
      const candidates = [...sayers].filter(one => one !== null).sort()
      return { country: null, candidates, basis: 'disputed', asn, asName: name }
    }
    const votes = sources.countries.map(database => parseCountryCode(database.find(address) ?? ''))
    const named = [...new Set(votes.filter(vote => vote !== null))]
    if (named.length === 0) return { country: null, candidates: [], basis: 'unknown', asn, asName }
    if (named.length > 1) return { country: null, candidates: named, basis: 'disputed', asn, asName }
    const basis = votes.includes(null) ? 'one database' : 'vote'
    return { country: named[0]!, candidates: [], basis, asn, asName }
  }
  return {
    place,
    databases: () =>
      [...sources.countries, ...(sources.asn === null ? [] : [sources.asn])].map(db => db.use()),
  }
}

const nowhere: Place = { country: null, candidates: [], basis: 'unknown', asn: null, asName: null }
