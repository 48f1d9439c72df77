import type { CountryCode } from '../../core/ids.ts'
import { type Address, parseAddress } from '../address.ts'
import { type Inventory, type InventoryRow, rowAt } from '../locate/inventory.ts'
import type { Locator, Place } from '../locate/locate.ts'
import type { ServerList } from './server-list.ts'

/** What there is to know of an address whenever a record names it. */
export type KnownAddress = {
  /** Without the inventory's word, which can change with time. */
  readonly place: Place
  /** Of the inventory, most specific first. */
  readonly rows: readonly InventoryRow[]
  /** Where time makes no difference: the only row's server, or -1; `null` where it does. */
  readonly server: number | null
}

export type AddressBook = {
  /** Remembers what it was asked for: for addresses that come again and again. */
  readonly find: (text: string) => KnownAddress
  /** Looks it up anew. */
  readonly look: (address: Address) => KnownAddress
  /** Number of the server that it was at that time; -1 for none. */
  readonly serverAt: (known: KnownAddress, unixMs: number) => number
  readonly placeAt: (known: KnownAddress, unixMs: number) => Place
}

/** Addresses remembered; when it is full it starts anew, which costs time and no answers. */
const cacheSize = 100_000

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
  const look = (address: Address): KnownAddress => {
    const rows = inventory.rowsOf(address)
    const [row] = rows
    const isTimeless = rows.length === 0 || isAlways(row!)
    return {
      place: locator.place(address),
      rows,
      server: isTimeless ? (row === undefined ? -1 : list.numberOf(row)) : null,
    }
  }
  return {
    look,
    find(text) {
      const known = cache.get(text)
      if (known !== undefined) return known
      if (cache.size >= cacheSize) cache.clear()
      const address = parseAddress(text)
      if (address === null) throw new Error(`not an address: ${text}`)
      const made = look(address)
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
