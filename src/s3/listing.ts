/**
 * Walks a sorted table as S3 lists it: from a marker, under a prefix, folding what lies behind a delimiter into
 * common prefixes. A folded group is left with one seek, so a page costs its rows and groups, not what they hide.
 */
import { concat, fromUtf8, utf8 } from '../core/bytes.ts'
import { type Catalog, prefixEnd, type Row, type Table } from '../store/catalog.ts'

export interface ListQuery {
  readonly catalog: Catalog
  readonly table: Table
  /** What all rows of this list start with; not part of the listed key. */
  readonly base: Uint8Array
  readonly prefix: string
  readonly delimiter: string
  /** Listing goes on after this key or common prefix. */
  readonly after: string
  readonly limit: number
  /** The listed key in a row's key, without the base. */
  readonly keyOf: (row: Row) => string
}

export interface ListPage {
  readonly rows: readonly { readonly key: string; readonly row: Row }[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  /** The last key or common prefix of the page; `null` when it is empty. */
  readonly last: string | null
}

const zero = new Uint8Array([0])

export async function listPage(query: ListQuery): Promise<ListPage> {
  const { catalog, table, base, prefix, delimiter, limit } = query
  const lower = concat(base, utf8(prefix))
  const end = prefixEnd(lower)
  const rows: { key: string; row: Row }[] = []
  const commonPrefixes: string[] = []
  let last: string | null = null
  let from: Uint8Array | null = startAfter(query, lower)
  while (from !== null) {
    const room = limit - rows.length - commonPrefixes.length
    const page: Row[] = await catalog.scan(table, {
      from,
      ...(end && { to: end }),
      limit: Math.min(1000, room + 1),
    })
    let next: Uint8Array | null = page.length === 0 ? null : concat(page.at(-1)!.key, zero)
    if (page.length < Math.min(1000, room + 1)) next = null
    for (const row of page) {
      const key = query.keyOf(row)
      const group = groupOf(key, prefix, delimiter)
      if (rows.length + commonPrefixes.length >= limit) return { rows, commonPrefixes, truncated: true, last }
      if (group === null) {
        rows.push({ key, row })
        last = key
        continue
      }
      commonPrefixes.push(group)
      last = group
      next = prefixEnd(concat(base, utf8(group)))
      break
    }
    from = next
  }
  return { rows, commonPrefixes, truncated: false, last }
}

/** After a marker that is itself a common prefix, or lies in one, the whole group is behind us. */
function startAfter({ base, prefix, delimiter, after }: ListQuery, lower: Uint8Array): Uint8Array | null {
  if (after === '') return lower
  const group = after.startsWith(prefix) ? groupOf(after, prefix, delimiter) : null
  const start = group === null ? concat(base, utf8(after), zero) : prefixEnd(concat(base, utf8(group)))
  if (start === null) return null
  return Buffer.compare(start, lower) > 0 ? start : lower
}

/** The common prefix that a key is folded into; `null` when it is listed itself. */
export function groupOf(key: string, prefix: string, delimiter: string): string | null {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return cut < 0 ? null : key.slice(0, cut + delimiter.length)
}

export function textAfter(row: Row, baseBytes: number): string {
  return fromUtf8(row.key.subarray(baseBytes))
}
