import { HoldfastError } from '../../core/errors.ts'
import type { CountryCode } from '../../core/ids.ts'
import { type AddressBook, createAddressBook } from '../attribute/known-address.ts'
import { listServers, type ServerList } from '../attribute/server-list.ts'
import { installedDatabases } from './installed-databases.ts'
import { type Inventory, parseInventory } from './inventory.ts'
import { createLocator, type Locator } from './locate.ts'
import { parsePlaces } from './places.ts'
import { parseProviderRanges } from './provider-ranges.ts'

export type NamedText = { readonly name: string; readonly text: string }

/** All that says whose an address is and where: plain data, so that every thread makes the same of it. */
export type DirectorySources = {
  readonly inventory: NamedText
  /** What the operator knows better. */
  readonly places: NamedText | null
  /** Ranges that providers publish of themselves. */
  readonly ranges?: readonly NamedText[]
  /** Country of the servers whose inventory row names none. */
  readonly home: CountryCode | null
  /** Those that the project installs, or none: then only inventory and places say where an address is. */
  readonly databases: 'installed' | 'none'
}

export type Directory = {
  readonly inventory: Inventory
  readonly locator: Locator
  readonly list: ServerList
  readonly book: AddressBook
}

/** Throws `bad-input`, naming file and line. */
export function openDirectory(sources: DirectorySources): Directory {
  const { home, places } = sources
  const inventory = parseInventory(sources.inventory.name, sources.inventory.text)
  const homeless = inventory.rows.find(({ country }) => country === null)
  if (homeless !== undefined && home === null) {
    const what = `server "${homeless.server}" has no country; add a country column or say --home CC`
    throw new HoldfastError('bad-input', `${sources.inventory.name}: ${what}`)
  }
  const overrides = places === null ? null : parsePlaces(places.name, places.text)
  const ranges = sources.ranges?.length ? parseProviderRanges(sources.ranges).table : null
  const databases = sources.databases === 'installed' ? installedDatabases() : { countries: [], asn: null }
  const locator = createLocator({ overrides, ranges, ...databases })
  const list = listServers(inventory, home)
  return { inventory, locator, list, book: createAddressBook({ inventory, locator, home }, list) }
}
