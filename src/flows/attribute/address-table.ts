import type { CountryCode } from '../../core/ids.ts'
import { addressOfWords } from '../address-words.ts'
import type { AddressBook } from './known-address.ts'

/**
 * What an address is, by its four words, without a string or an object: hot path, two look-ups for each record
 * (`bench/audit.ts`). Open addressing in typed arrays; when it is full it starts anew, which costs time and no answers.
 */
export type AddressTable = {
  /** Looks up the address of row `row`; what it found is in `server` and `country` until the next call. */
  readonly find: (words: Uint32Array, row: number) => void
  /** Number of the server; -1 for none; `timed` where that depends on the time. */
  server: number
  /** Without the inventory's word: a number of `countryOf`; `local` for what never leaves. */
  country: number
  readonly numberOf: (country: CountryCode) => number
}

export const timed = -2
const noCountry = 0
export const local = 0xffff

const firstSlots = 1 << 16
const mostSlots = 1 << 22

export function createAddressTable(book: AddressBook): AddressTable {
  const numbers = new Map<CountryCode, number>()
  let mask = 0
  let used = 0
  let keys = new Uint32Array(0)
  let servers = new Int32Array(0)
  let countries = new Uint16Array(0)
  /** 0: free. */
  let taken = new Uint8Array(0)

  const numberOf = (country: CountryCode): number => {
    let number = numbers.get(country)
    if (number === undefined) {
      number = numbers.size + 1
      numbers.set(country, number)
    }
    return number
  }
  const make = (slots: number): void => {
    mask = slots - 1
    used = 0
    keys = new Uint32Array(slots * 4)
    servers = new Int32Array(slots)
    countries = new Uint16Array(slots)
    taken = new Uint8Array(slots)
  }
  const slotOf = (a: number, b: number, c: number, d: number): number => {
    let hash = Math.imul(
      a ^ Math.imul(b ^ Math.imul(c ^ Math.imul(d, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35),
      0x27d4eb2f,
    )
    hash ^= hash >>> 15
    let slot = hash & mask
    while (taken[slot] === 1) {
      const at = slot * 4
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d) return slot
      slot = (slot + 1) & mask
    }
    return slot
  }
  const put = (
    slot: number,
    words: readonly [number, number, number, number],
    server: number,
    country: number,
  ): void => {
    keys.set(words, slot * 4)
    servers[slot] = server
    countries[slot] = country
    taken[slot] = 1
    used += 1
  }
  const grow = (): void => {
    if (mask + 1 >= mostSlots) {
      make(mostSlots)
      return
    }
    const before = { keys, servers, countries, taken }
    make((mask + 1) * 4)
    for (let slot = 0; slot < before.taken.length; slot++) {
      if (before.taken[slot] === 0) continue
      const at = slot * 4
      const words = [
        before.keys[at]!,
        before.keys[at + 1]!,
        before.keys[at + 2]!,
        before.keys[at + 3]!,
      ] as const
      put(slotOf(...words), [...words], before.servers[slot]!, before.countries[slot]!)
    }
  }
  make(firstSlots)

  const table: AddressTable = {
    server: -1,
    country: noCountry,
    numberOf,
    find(words, row) {
      const at = row * 4
      const a = words[at]!
      const b = words[at + 1]!
      const c = words[at + 2]!
      const d = words[at + 3]!
      let slot = slotOf(a, b, c, d)
      if (taken[slot] === 0) {
        const known = book.look(addressOfWords(a, b, c, d))
        const { basis, country } = known.place
        const number = basis === 'local' ? local : country === null ? noCountry : numberOf(country)
        if (used * 5 > (mask + 1) * 3) {
          grow()
          slot = slotOf(a, b, c, d)
        }
        put(slot, [a, b, c, d], known.server ?? timed, number)
      }
      table.server = servers[slot]!
      table.country = countries[slot]!
    },
  }
  return table
}
