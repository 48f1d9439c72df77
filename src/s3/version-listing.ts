/**
 * Walks all versions of a bucket as ListObjectVersions wants them: keys ascending, newest first within a key. Three
 * sorted tables are merged, each read a page at a time, and a folded group is left in all of them with one seek: a
 * page costs its versions and groups, not what they hide.
 */
import { concat, utf8 } from '../core/bytes.ts'
import { type Catalog, prefixEnd, type Row, type Table } from '../store/catalog.ts'
import { noncurrentNull, readCurrent } from '../store/key-versions.ts'
import {
  type BucketRow,
  bucketPrefix,
  clientVersionId,
  decodeRow,
  nullVersionId,
  objectRowKey,
  type VersionRow,
} from '../store/rows.ts'
import { readVersionRowKey, versionRowKey, versionsEnd, versionsPrefix } from '../store/version-keys.ts'
import { groupOf, growth, rowsAfterGroup, textAfter } from './listing.ts'

export interface VersionQuery {
  readonly catalog: Catalog
  readonly bucket: BucketRow
  readonly prefix: string
  readonly delimiter: string
  /** Listing goes on after this key or common prefix; with `versionIdMarker` after that version of the key. */
  readonly keyMarker: string
  readonly versionIdMarker: string | null
  readonly limit: number
}

export interface ListedVersion {
  readonly key: string
  readonly row: VersionRow
  readonly isLatest: boolean
}

export interface VersionPage {
  readonly versions: readonly ListedVersion[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  /** Where the next page goes on; `null` when this is the last. */
  readonly next: { readonly keyMarker: string; readonly versionIdMarker: string | null } | null
}

const zero = new Uint8Array([0])

export async function listVersionPage(query: VersionQuery): Promise<VersionPage> {
  const { bucket, prefix, delimiter, limit } = query
  const walk = await openWalk(query)
  const versions: ListedVersion[] = []
  const commonPrefixes: string[] = []
  let next: VersionPage['next'] = null
  for (let item = await walk.next(); item !== null; item = await walk.next()) {
    const { key, row } = item
    if (versions.length + commonPrefixes.length >= limit)
      return { versions, commonPrefixes, truncated: true, next }
    const group = groupOf(key, prefix, delimiter)
    if (group === null) {
      versions.push(item)
      next = { keyMarker: key, versionIdMarker: clientVersionId(row) }
    } else {
      commonPrefixes.push(group)
      next = { keyMarker: group, versionIdMarker: null }
      walk.seek(prefixEnd(objectRowKey(bucket.id, group)), versionsEnd(bucket.id, group))
    }
  }
  return { versions, commonPrefixes, truncated: false, next: null }
}

interface Walk {
  next(): Promise<ListedVersion | null>
  /** Goes on from here: in the tables of current versions, and in that of the others. `null`: at the end. */
  seek(current: Uint8Array | null, noncurrent: Uint8Array | null): void
}

async function openWalk(query: VersionQuery): Promise<Walk> {
  const { catalog, bucket, prefix, limit } = query
  const start = await startOf(query)
  const end = prefixEnd(objectRowKey(bucket.id, prefix))
  const page = Math.min(1000, limit + 1)
  const base = bucketPrefix(bucket.id).length
  const current = (table: Table) => createCursor(catalog, table, end, page, row => textAfter(row, base))
  const objects = current('objects')
  const markers = current('markers')
  const others = createCursor(
    catalog,
    'versions',
    versionsEnd(bucket.id, prefix),
    page,
    row => readVersionRowKey(row.key).key,
  )
  const seek: Walk['seek'] = (from, noncurrent) => {
    objects.seek(from)
    markers.seek(from)
    others.seek(noncurrent)
  }
  seek(start.current, start.noncurrent)
  // What was listed last: a version that moves from one table to the other meanwhile must not show twice.
  let last: { key: string; versionId: string } | null = null

  return {
    seek,
    async next() {
      for (;;) {
        const heads = await Promise.all([objects.head(), markers.head(), others.head()])
        let first: { index: number; key: string; bytes: Uint8Array; row: VersionRow } | null = null
        for (const [index, head] of heads.entries()) {
          if (head === null) continue
          // On a tie the table of current versions, which is looked at first, goes first.
          if (first === null || Buffer.compare(head.bytes, first.bytes) < 0) first = { index, ...head }
        }
        if (first === null) return null
        const { index, key, row } = first
        ;[objects, markers, others][index]!.take()
        if (last !== null && last.key === key && row.versionId >= last.versionId) continue
        last = { key, versionId: row.versionId }
        return { key, row, isLatest: index < 2 }
      }
    },
  }
}

/** Where each table is entered. */
async function startOf(
  query: VersionQuery,
): Promise<{ current: Uint8Array | null; noncurrent: Uint8Array | null }> {
  const { bucket, prefix, delimiter, keyMarker, versionIdMarker } = query
  const lower = { current: objectRowKey(bucket.id, prefix), noncurrent: versionsPrefix(bucket.id, prefix) }
  const later = (a: Uint8Array | null, b: Uint8Array): Uint8Array | null =>
    a === null || Buffer.compare(a, b) > 0 ? a : b
  if (keyMarker === '') return lower
  const group = keyMarker.startsWith(prefix) ? groupOf(keyMarker, prefix, delimiter) : null
  if (group !== null) {
    return {
      current: later(prefixEnd(objectRowKey(bucket.id, group)), lower.current),
      noncurrent: later(versionsEnd(bucket.id, group), lower.noncurrent),
    }
  }
  // The current version of the marker's key is its newest, so whatever the version marker says it was listed.
  const current = later(concat(objectRowKey(bucket.id, keyMarker), zero), lower.current)
  const ofKey = versionsPrefix(bucket.id, keyMarker)
  const id = versionIdMarker === null ? null : await rowId(query, keyMarker, versionIdMarker)
  if (id !== null) {
    const after = concat(versionRowKey(bucket.id, keyMarker, id), zero)
    return { current, noncurrent: later(after, lower.noncurrent) }
  }
  // A null version that is gone by now leaves no trace of where it was: better some versions twice than never.
  return { current, noncurrent: later(versionIdMarker === null ? prefixEnd(ofKey) : ofKey, lower.noncurrent) }
}

/** The id that a version's row has: of a null version it is not the one that clients know. */
async function rowId(
  { catalog, bucket }: VersionQuery,
  key: string,
  versionId: string,
): Promise<string | null> {
  if (versionId !== nullVersionId) return versionId
  const current = await readCurrent(catalog, bucket, key)
  if (current !== null && clientVersionId(current.row) === nullVersionId) return current.row.versionId
  return noncurrentNull(catalog, bucket.id, key)
}

interface Cursor {
  seek(from: Uint8Array | null): void
  head(): Promise<{ key: string; bytes: Uint8Array; row: VersionRow } | null>
  take(): void
}

function createCursor(
  catalog: Catalog,
  table: Table,
  end: Uint8Array | null,
  pageRows: number,
  keyOf: (row: Row) => string,
): Cursor {
  let from: Uint8Array | null = null
  let rows: readonly Row[] = []
  let at = 0
  let size = pageRows
  let head: { key: string; bytes: Uint8Array; row: VersionRow } | null = null
  return {
    seek(next) {
      const isFirst = from === null && rows.length === 0
      // Forward only, and mostly within what was read: a group of few keys costs no new page.
      head = null
      while (at < rows.length && next !== null && Buffer.compare(rows[at]!.key, next) < 0) at++
      if (at < rows.length && next !== null) return
      rows = []
      at = 0
      if (!isFirst) size = Math.min(pageRows, rowsAfterGroup)
      from = next
    },
    async head() {
      if (head !== null) return head
      if (at >= rows.length) {
        if (from === null) return null
        rows = await catalog.scan(table, { from, limit: size, ...(end && { to: end }) })
        at = 0
        from = rows.length < size ? null : concat(rows.at(-1)!.key, zero)
        size = Math.min(pageRows, size * growth)
      }
      const found = rows[at]
      if (found === undefined) return null
      const key = keyOf(found)
      head = { key, bytes: utf8(key), row: decodeRow<VersionRow>(found.value) }
      return head
    },
    take() {
      at++
      head = null
    },
  }
}
