import { compareBytes, equalBytes, readU64be, startsWith, toHex, u64be } from '../core/bytes.ts'
import {
  addCounters,
  type Catalog,
  type CatalogBatch,
  decodeCounters,
  demandSizes,
  encodeCounters,
  next,
  type Put,
  type Row,
  type ScanRange,
  type Table,
} from './catalog.ts'

/**
 * What a commit should do instead of succeeding: `lost` rejects and keeps nothing, `kept` rejects although the
 * batch is in. Both happen with real disks and networks, and a caller must survive either.
 */
export type CommitFault = 'lost' | 'kept'

export interface MemoryCatalog extends Catalog {
  /** Asked before each commit; tests inject faults with it. */
  faults: ((batch: CatalogBatch) => CommitFault | null) | null
}

/** The reference adapter: sorted arrays, no disk. For tests, and for reading the contract as code. */
export function createMemoryCatalog(): MemoryCatalog {
  const tables = new Map<Table, Row[]>()
  const rowsOf = (table: Table): Row[] => {
    let rows = tables.get(table)
    if (rows === undefined) tables.set(table, (rows = []))
    return rows
  }

  const find = (rows: Row[], key: Uint8Array): { at: number; found: boolean } => {
    let low = 0
    let high = rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareBytes(rows[middle]!.key, key)
      if (order === 0) return { at: middle, found: true }
      if (order < 0) low = middle + 1
      else high = middle
    }
    return { at: low, found: false }
  }

  const read = (table: Table, key: Uint8Array): Uint8Array | null => {
    const rows = rowsOf(table)
    const { at, found } = find(rows, key)
    return found ? rows[at]!.value : null
  }

  const apply = (batch: CatalogBatch): boolean => {
    for (const check of batch.checks ?? []) {
      if ('emptyPrefix' in check) {
        const rows = rowsOf(check.table)
        const next = rows[find(rows, check.emptyPrefix).at]
        if (next !== undefined && startsWith(next.key, check.emptyPrefix)) return false
        continue
      }
      const value = read(check.table, check.key)
      const holds =
        check.expected === null ? value === null : value !== null && equalBytes(value, check.expected)
      if (!holds) return false
    }
    for (const { unless } of batch.puts ?? [])
      if (unless !== undefined && read(unless.table, unless.key) !== null) return false
    const counted = new Map<string, Put>()
    for (const add of batch.adds ?? []) {
      const id = `${add.table}/${toHex(add.key)}`
      const before = counted.get(id)?.value ?? read(add.table, add.key)
      const after = addCounters(decodeCounters(before), add)
      if (after === null) return false
      counted.set(id, { table: add.table, key: add.key, value: encodeCounters(after) })
    }
    for (const { table, key } of batch.removes ?? []) {
      const rows = rowsOf(table)
      const { at, found } = find(rows, key)
      if (found) rows.splice(at, 1)
    }
    for (const { table, key: given, value } of [...(batch.puts ?? []), ...counted.values()]) {
      const rows = rowsOf(table)
      const last = rows.at(-1)
      const key = given === next ? u64be(last === undefined ? 0 : readU64be(last.key) + 1) : given
      const { at, found } = find(rows, key)
      rows.splice(at, found ? 1 : 0, { key: new Uint8Array(key), value: new Uint8Array(value) })
    }
    return true
  }

  const catalog: MemoryCatalog = {
    faults: null,

    async get(table, key) {
      return read(table, key)
    },

    async scan(table: Table, range: ScanRange) {
      const rows = rowsOf(table)
      const start = range.from === undefined ? 0 : find(rows, range.from).at
      const end = range.to === undefined ? rows.length : find(rows, range.to).at
      if (range.reverse === true) return rows.slice(Math.max(start, end - range.limit), end).reverse()
      return rows.slice(start, Math.min(end, start + range.limit))
    },

    async commit(batch) {
      demandSizes(batch)
      const fault = catalog.faults?.(batch) ?? null
      if (fault === 'lost') throw new Error('injected: commit lost')
      const applied = apply(batch)
      if (fault === 'kept') throw new Error('injected: commit kept, answer lost')
      return applied
    },

    async [Symbol.asyncDispose]() {},
  }
  return catalog
}
