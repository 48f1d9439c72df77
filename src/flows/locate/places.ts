import { HoldfastError } from '../../core/errors.ts'
import type { CountryCode } from '../../core/ids.ts'
import { CidrTable, parseCidr } from './cidr.ts'
import { parseCsvTable } from './csv-table.ts'
import { countryOf } from './inventory.ts'

/** What the operator of the audit knows better than any database. */
export type PlaceOverride = {
  readonly country: CountryCode
  readonly asn: number | null
  readonly name: string | null
}

/** `places.csv`: `cidr,country[,asn,name]`. Throws `bad-input`, naming file and line. */
export function parsePlaces(name: string, text: string): CidrTable<PlaceOverride> {
  const table = new CidrTable<PlaceOverride>()
  for (const row of parseCsvTable(name, text, ['cidr', 'country'])) {
    const cidr = parseCidr(row.get('cidr') ?? '')
    const country = countryOf(name, row)
    const asn = row.get('asn')?.replace(/^AS/i, '') ?? null
    const where = `${name}:${row.line}`
    if (cidr === null) {
      throw new HoldfastError('bad-input', `${where}: "${row.get('cidr') ?? ''}" is not an address or prefix`)
    }
    if (country === null) throw new HoldfastError('bad-input', `${where}: no country is given`)
    if (asn !== null && !/^\d{1,10}$/.test(asn)) {
      throw new HoldfastError('bad-input', `${where}: "${asn}" is not an AS number`)
    }
    if (table.at(cidr).some(other => other.country !== country))
      throw new HoldfastError('bad-input', `${where}: ${row.get('cidr')} is in another country further up`)
    table.add(cidr, { country, asn: asn === null ? null : Number(asn), name: row.get('name') })
  }
  return table
}
