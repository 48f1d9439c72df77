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
  /** Numbers that it covers, of entries that were erased as well: from the first until before the second. */
  readonly covers: readonly [from: number, until: number]
  readonly entries: readonly BookEntry[]
}

/**
 * The same statement given twice, or an older one beside it, must not count an entry twice. Throws `not-verified` when
 * two of them have different entries of one number: one log cannot hold both, and which is asked first must not decide.
 * In one order, whatever the order of the books: by tenant, region and number.
 */
export function distinctEntries(books: readonly Book[]): BookEntry[] {
  const known = new Map<string, BookEntry>()
  for (const book of books) {
    for (const entry of book.entries) {
      const { tenant, region, seq, id } = entry
      const key = `${tenant} ${region} ${seq}`
      const before = known.get(key)
      if (before === undefined) known.set(key, entry)
      else if (saidBy(before) !== saidBy(entry))
        throw new HoldfastError(
          'not-verified',
          `two statements of ${region} have different entries of number ${seq} (${before.id} and ${id}): no log holds both, so nothing is concluded from either. Keep both: they prove it`,
        )
    }
  }
  return [...known.values()].sort(
    (a, b) => compareText(a.tenant, b.tenant) || compareText(a.region, b.region) || a.seq - b.seq,
  )
}

const saidBy = ({ id, type, time, body }: BookEntry): string => JSON.stringify([id, type, time, body])
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Where the unbroken run of entries begins that a number lies in, by tenant and region: what was entered before that is
 * in none of the books.
 */
export function runsOf(books: readonly Book[]): (tenant: string, region: string, seq: number) => number {
  const runs = new Map<string, [from: number, until: number][]>()
  for (const [key, some] of Map.groupBy(books, ({ tenant, region }) => `${tenant} ${region}`)) {
    const joined: [number, number][] = []
    for (const [from, until] of some.map(({ covers }) => covers).sort((a, b) => a[0] - b[0])) {
      const last = joined.at(-1)
      if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], until)
      else joined.push([from, until])
    }
    runs.set(key, joined)
  }
  return (tenant, region, seq) =>
    runs.get(`${tenant} ${region}`)?.find(([from, until]) => from <= seq && seq < until)?.[0] ?? seq
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
