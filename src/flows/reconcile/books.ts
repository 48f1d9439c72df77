import { HoldfastError } from '../../core/errors.ts'

/**
 * The books that flows are reconciled with: verified statements' entries. Bodies are read with care all the same: a
 * region signs what it likes, so a field of another shape is an entry that says nothing, not a crash.
 */
export type BookEntry = {
  readonly id: string
  readonly type: string
  readonly tenant: string
  readonly region: string
  readonly time: string
  readonly seq: number
  readonly body: unknown
}

/** One statement: one tenant's entries in one region. */
export type Book = {
  readonly tenant: string
  readonly region: string
  readonly entries: readonly BookEntry[]
}

/**
 * The same statement given twice, or an older one beside it, must not count an entry twice. Throws `not-verified` when
 * two of them have different entries of one number: one log cannot hold both, and which is asked first must not decide.
 */
export function distinctEntries(books: readonly Book[]): BookEntry[] {
  const known = new Map<string, BookEntry>()
  for (const book of books) {
    for (const entry of book.entries) {
      const { tenant, region, seq, id } = entry
      const key = `${tenant} ${region} ${seq}`
      const before = known.get(key)
      if (before === undefined) known.set(key, entry)
      else if (before.id !== id || JSON.stringify(before.body) !== JSON.stringify(entry.body))
        throw new HoldfastError(
          'not-verified',
          `two statements of ${region} have different entries of number ${seq} (${before.id} and ${id}): no log holds both, so nothing is concluded from either. Keep both: they prove it`,
        )
    }
  }
  return [...known.values()]
}

export type Fields = { readonly [key: string]: unknown }

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** A count of bytes or objects: a safe integer, not negative. */
export function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

export function timeOf(value: unknown): number | null {
  const unixMs = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(unixMs) ? null : unixMs
}
