import { createHash } from 'node:crypto'
import type { Address } from '../address.ts'
import { notFound, parseRanges4, parseRanges6, type RangeTable } from './range-table.ts'

/** A database as installed: what it is, and its files. */
export type DatabaseFiles = {
  readonly name: string
  readonly version: string
  /** When its data were made, `YYYY-MM-DD`. */
  readonly date: string
  readonly licence: string
  readonly read: (file: string) => Buffer
}

/** For the report: which database answered, and exactly which bytes. Only files that were read are named. */
export type DatabaseUse = {
  readonly name: string
  readonly version: string
  readonly date: string
  readonly licence: string
  readonly sha256: Readonly<Record<string, string>>
}

export type CountryDatabase = {
  readonly find: (address: Address) => string | null
  readonly use: () => DatabaseUse
}

/** Loaded at the first look-up of each family, as many audits see no IPv6 at all. */
export function createCountryDatabase(files: DatabaseFiles, prefix: string): CountryDatabase {
  const codes: string[] = []
  const numbers = new Map<string, number>()
  const numberOf = (code: string): number => {
    const known = numbers.get(code)
    if (known !== undefined) return known
    numbers.set(code, codes.length)
    codes.push(code)
    return codes.length - 1
  }
  const lookUp = lazyTables(files, prefix, numberOf)
  return {
    find(address) {
      const value = lookUp.find(address)
      const code = value === notFound ? '' : (codes[value] ?? '')
      // ZZ and the empty code mean that the database does not know.
      return /^[A-Z]{2}$/.test(code) && code !== 'ZZ' ? code : null
    },
    use: lookUp.use,
  }
}

export type AsnDatabase = {
  readonly find: (address: Address) => { readonly asn: number; readonly name: string } | null
  readonly use: () => DatabaseUse
}

export function createAsnDatabase(files: DatabaseFiles, prefix: string): AsnDatabase {
  const names = new Map<number, string>()
  const lookUp = lazyTables(files, prefix, text => {
    const comma = text.indexOf(',')
    const asn = Number(comma < 0 ? text : text.slice(0, comma)) >>> 0
    if (!names.has(asn)) {
      names.set(
        asn,
        comma < 0
          ? ''
          : text
              .slice(comma + 1)
              .replace(/^"(.*)"$/, '$1')
              .replaceAll('""', '"'),
      )
    }
    return asn
  })
  return {
    find(address) {
      const asn = lookUp.find(address)
      return asn === notFound || asn === 0 ? null : { asn, name: names.get(asn) ?? '' }
    },
    use: lookUp.use,
  }
}

function lazyTables(files: DatabaseFiles, prefix: string, numberOf: (text: string) => number) {
  const sha256: Record<string, string> = {}
  let v4: RangeTable | null = null
  let v6: RangeTable | null = null
  const read = (file: string): Buffer => {
    const bytes = files.read(file)
    sha256[file] = createHash('sha256').update(bytes).digest('hex')
    return bytes
  }
  return {
    find(address: Address): number {
      if (address.family === 4) {
        v4 ??= parseRanges4(read(`${prefix}-ipv4-num.csv`), numberOf)
        return v4.find(address)
      }
      v6 ??= parseRanges6(read(`${prefix}-ipv6.csv`), numberOf)
      return v6.find(address)
    },
    use: (): DatabaseUse => {
      const { name, version, date, licence } = files
      return { name, version, date, licence, sha256: { ...sha256 } }
    },
  }
}
