import { readU64be } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Catalog } from '../store/catalog.ts'
import { decodeEntryRow, type EntryRow, entryKey } from './tables.ts'

const pageRows = 1000

/** The entries `from` up to and without `to`, in order. `store-damaged` where one is missing. */
export async function* storedEntries(
  catalog: Catalog,
  from: number,
  to: number,
): AsyncGenerator<EntryRow & { readonly index: number }> {
  for (let index = from; index < to; ) {
    const rows = await catalog.scan('entries', { from: entryKey(index), to: entryKey(to), limit: pageRows })
    if (rows.length === 0) throw new HoldfastError('store-damaged', `entry ${index} is not in the catalog`)
    for (const { key, value } of rows) {
      if (readU64be(key) !== index) {
        throw new HoldfastError('store-damaged', `entry ${index} is not in the catalog`)
      }
      yield { ...decodeEntryRow(value), index }
      index++
    }
  }
}

export async function* storedLeaves(catalog: Catalog, from: number, to: number): AsyncGenerator<Uint8Array> {
  for await (const { leaf } of storedEntries(catalog, from, to)) yield new Uint8Array(leaf)
}
