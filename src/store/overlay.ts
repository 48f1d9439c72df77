/** A catalog as it will be once a batch is committed that is still being made: reads see what the batch has so far. */
import { toHex } from '../core/bytes.ts'
import type { Catalog, CatalogBatch, Check, Put, Remove, Table } from './catalog.ts'
import type { Transition } from './transitions.ts'

export interface Overlay {
  readonly catalog: Catalog
  /** Takes a change in. Of its checks those that the catalog has to hold: the others are of what this batch makes. */
  apply(change: Transition): Check[]
  batch(): Required<Pick<CatalogBatch, 'puts' | 'removes'>>
}

interface Layered {
  readonly table: Table
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export function createOverlay(under: Catalog): Overlay {
  const rows = new Map<string, Layered>()
  const nameOf = (table: Table, key: Uint8Array): string => `${table}/${toHex(key)}`
  const set = (row: Layered): void => void rows.set(nameOf(row.table, row.key), row)

  const catalog: Catalog = {
    async get(table, key) {
      const row = rows.get(nameOf(table, key))
      return row === undefined ? under.get(table, key) : row.value
    },
    scan: (table, range) => under.scan(table, range),
    commit: () => Promise.reject(new TypeError('an overlay commits nothing')),
    async [Symbol.asyncDispose]() {},
  }

  return {
    catalog,

    apply({ checks, removes, puts }) {
      const outside = checks.filter(check => !('key' in check) || !rows.has(nameOf(check.table, check.key)))
      for (const { table, key } of removes) set({ table, key, value: null })
      for (const { table, key, value } of puts) set({ table, key: key as Uint8Array, value })
      return outside
    },

    batch() {
      const puts: Put[] = []
      const removes: Remove[] = []
      for (const { table, key, value } of rows.values()) {
        if (value === null) removes.push({ table, key })
        else puts.push({ table, key, value })
      }
      return { puts, removes }
    },
  }
}
