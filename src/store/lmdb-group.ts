/** Batches applied inside one LMDB write transaction, in order; reads in it see what was applied before. */
import type { Database } from 'lmdb'
import { readU64be, u64be } from '../core/bytes.ts'
import {
  type Add,
  addCounters,
  type CatalogBatch,
  type Check,
  decodeCounters,
  encodeCounters,
  next,
  prefixEnd,
  type Table,
} from './catalog.ts'

export type Db = Database<Uint8Array, Uint8Array>
export type DbOf = (table: Table) => Db

/** Before every key. The library's own default, of a range without bounds, is for keys of its own encoding. */
export const leastKey = new Uint8Array([0])

export interface Group {
  /** False, and nothing changed, when a check or a limit does not hold. */
  apply(batch: CatalogBatch): boolean
  /** Writes what was only counted so far. To be called once, at the end of the transaction. */
  finish(): void
}

export function createGroup(db: DbOf): Group {
  // Many batches of a group add to the same few counters; each is read and written once.
  const counters = new Map<string, { readonly add: Add; value: readonly number[] }>()
  const nextNumbers = new Map<Table, number>()

  const nextNumber = (table: Table): number => {
    let number = nextNumbers.get(table)
    if (number === undefined) {
      number = 0
      for (const key of db(table).getKeys({ reverse: true, end: leastKey, limit: 1 } as never))
        number = readU64be(key) + 1
    }
    nextNumbers.set(table, number + 1)
    return number
  }

  const added = (adds: readonly Add[]): Map<string, readonly number[]> | null => {
    const values = new Map<string, readonly number[]>()
    for (const add of adds) {
      const id = counterId(add)
      const before =
        values.get(id) ??
        counters.get(id)?.value ??
        decodeCounters(db(add.table).get(add.key as never) ?? null)
      const after = addCounters(before, add)
      if (after === null) return null
      values.set(id, after)
    }
    return values
  }

  return {
    apply({ checks, removes, puts, adds }) {
      if (checks !== undefined) for (const check of checks) if (!holds(check, db)) return false
      if (puts !== undefined)
        for (const { unless } of puts)
          if (unless !== undefined && db(unless.table).getBinaryFast(unless.key as never) !== undefined)
            return false
      if (adds !== undefined) {
        const values = added(adds)
        if (values === null) return false
        for (const add of adds) counters.set(counterId(add), { add, value: values.get(counterId(add))! })
      }
      if (removes !== undefined) for (const { table, key } of removes) void db(table).remove(key as never)
      if (puts !== undefined) {
        for (const { table, key, value } of puts)
          void db(table).put((key === next ? u64be(nextNumber(table)) : key) as never, value)
      }
      return true
    },

    finish() {
      for (const { add, value } of counters.values())
        void db(add.table).put(add.key as never, encodeCounters(value))
    },
  }
}

function counterId({ table, key }: Add): string {
  return `${table}\0${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')}`
}

function holds(check: Check, db: DbOf): boolean {
  if ('emptyPrefix' in check) return holdsEmpty(check.emptyPrefix, db(check.table))
  // The library's one buffer for values, compared before the next read; its `length` is the value's.
  const value = db(check.table).getBinaryFast(check.key as never) as Buffer | undefined
  if (check.expected === null || value === undefined) return check.expected === null && value === undefined
  const { length } = value
  return length === check.expected.length && value.compare(check.expected, 0, length, 0, length) === 0
}

function holdsEmpty(prefix: Uint8Array, db: Db): boolean {
  const end = prefixEnd(prefix)
  for (const _key of db.getKeys({ start: prefix, ...(end && { end }), limit: 1 } as never)) return false
  return true
}
