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
  /** The first row that may be listed; `null`: there is none (`startAfter` says where). */
  readonly from: Uint8Array | null
  readonly limit: number
  /** The listed key in a row's key, without the base. */
  readonly keyOf: (row: Row) => string
}

export interface ListPage {
  readonly rows: readonly { readonly key: string; readonly row: Row }[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  /** The last key or common prefix of the page; `null` when it is empty. */
  readonly last: { readonly kind: 'row' | 'group'; readonly key: string } | null
}

export const emptyPage: ListPage = { rows: [], commonPrefixes: [], truncated: false, last: null }

const zero = new Uint8Array([0])
const maxScanRows = 1000
/** What is read after a group may be one row before the next group: not much of it is read in vain. */
export const rowsAfterGroup = 4
export const growth = 4

export async function listPage(query: ListQuery): Promise<ListPage> {
  const { catalog, table, base, prefix, delimiter, limit } = query
  const end = prefixEnd(concat(base, utf8(prefix)))
  const rows: { key: string; row: Row }[] = []
  const commonPrefixes: string[] = []
  let last: ListPage['last'] = null
  let size = delimiter === '' ? limit + 1 : rowsAfterGroup * growth
  for (let from = query.from; from !== null; ) {
    const wanted = Math.min(maxScanRows, size, limit - rows.length - commonPrefixes.length + 1)
    const page = await catalog.scan(table, { from, ...(end && { to: end }), limit: wanted })
    // The first row behind the group that was folded last.
    let behind: Uint8Array | null = null
    for (const row of page) {
      if (behind !== null && Buffer.compare(row.key, behind) < 0) continue
      behind = null
      if (rows.length + commonPrefixes.length >= limit) return { rows, commonPrefixes, truncated: true, last }
      const key = query.keyOf(row)
      const group = groupOf(key, prefix, delimiter)
      if (group === null) {
        rows.push({ key, row })
        last = { kind: 'row', key }
        continue
      }
      commonPrefixes.push(group)
      last = { kind: 'group', key: group }
      behind = prefixEnd(concat(base, utf8(group)))
      if (behind === null) return { rows, commonPrefixes, truncated: false, last }
    }
    if (page.length < wanted) break
    size = behind === null ? size * growth : rowsAfterGroup
    from = behind ?? concat(page.at(-1)!.key, zero)
  }
  return { rows, commonPrefixes, truncated: false, last }
}

/** After a marker that is itself a common prefix, or lies in one, the whole group is behind us. */
export function startAfter(
  base: Uint8Array,
  prefix: string,
  delimiter: string,
  after: string,
): Uint8Array | null {
  const lower = concat(base, utf8(prefix))
  if (after === '') return lower
  const group = after.startsWith(prefix) ? groupOf(after, prefix, delimiter) : null
  const start = group === null ? concat(base, utf8(after), zero) : prefixEnd(concat(base, utf8(group)))
  return start === null || Buffer.compare(start, lower) > 0 ? start : lower
}

/** The common prefix that a key is folded into; `null` when it is listed itself. */
export function groupOf(key: string, prefix: string, delimiter: string): string | null {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return cut < 0 ? null : key.slice(0, cut + delimiter.length)
}

export function textAfter(row: Row, baseBytes: number): string {
  return fromUtf8(row.key.subarray(baseBytes))
}
