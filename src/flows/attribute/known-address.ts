import type { CountryCode } from '../../core/ids.ts'
import { type Inventory, type InventoryRow, rowAt } from '../locate/inventory.ts'
import type { Locator, Place } from '../locate/locate.ts'
import { type AddressWords, wordsOf } from './address-words.ts'
import type { ServerList } from './server-list.ts'

/** What there is to know of an address whenever a record names it. */
export type KnownAddress = {
  readonly words: AddressWords
  /** Without the inventory's word, which can change with time. */
  readonly place: Place
  /** Of the inventory, most specific first. */
  readonly rows: readonly InventoryRow[]
  /** Where time makes no difference: the only row's server, or -1; `null` where it does. */
  readonly server: number | null
}

export type AddressBook = {
  readonly find: (text: string) => KnownAddress
  /** Number of the server that it was at that time; -1 for none. */
  readonly serverAt: (known: KnownAddress, unixMs: number) => number
  readonly placeAt: (known: KnownAddress, unixMs: number) => Place
}

/** Addresses remembered; when it is full it starts anew, which costs time and no answers. */
const cacheSize = 500_000

export function createAddressBook(
  sources: {
    readonly inventory: Inventory
    readonly locator: Locator
    readonly home: CountryCode | null
  },
  list: ServerList,
): AddressBook {
  const { inventory, locator, home } = sources
  const cache = new Map<string, KnownAddress>()
  const look = (text: string): KnownAddress => {
    const words = wordsOf(text) ?? ([0, 0, 0, 0] as const)
    const rows = inventory.rowsOf(text)
    const [row] = rows
    const isTimeless = rows.length === 0 || isAlways(row!)
    return {
      words,
      place: locator.place(text),
      rows,
      server: isTimeless ? (row === undefined ? -1 : list.numberOf(row)) : null,
    }
  }
  return {
    find(text) {
      const known = cache.get(text)
      if (known !== undefined) return known
      if (cache.size >= cacheSize) cache.clear()
      const made = look(text)
      cache.set(text, made)
      return made
    },
    serverAt(known, unixMs) {
      if (known.server !== null) return known.server
      const row = rowAt(known.rows, unixMs)
      return row === null ? -1 : list.numberOf(row)
    },
    placeAt(known, unixMs) {
      const row = rowAt(known.rows, unixMs)
      const country = row === null ? null : (row.country ?? home)
      if (country === null) return known.place
      const { asn, asName } = known.place
      return { country, candidates: [], basis: 'inventory', asn, asName }
    },
  }
}

function isAlways({ validFromUnixMs, validToUnixMs }: InventoryRow): boolean {
  return validFromUnixMs === Number.NEGATIVE_INFINITY && validToUnixMs === Number.POSITIVE_INFINITY
}
