/**
 * What a key holds. `objects` has its current version if that is an object, `markers` if it is a delete marker,
 * `versions` the others, and `nullversions` says which of those is the null version. So a bucket that was never
 * versioned reads and writes one table, and a list of objects meets nothing else.
 */
import { createHash } from 'node:crypto'
import { equalBytes, fromUtf8, utf8 } from '../core/bytes.ts'
import { isSortableId, type OriginId } from '../core/ids.ts'
import { type Catalog, type Check, prefixEnd, type Table } from './catalog.ts'
import {
  type BucketRow,
  clientVersionId,
  decodeRow,
  isMarker,
  nullVersionId,
  objectRowKey,
  type VersionRow,
} from './rows.ts'
import { rowsOf } from './rows-of.ts'
import { versionRowKey, versionsPrefix } from './version-keys.ts'

/** A version with the exact bytes of its row: what a batch checks. */
export interface KnownVersion {
  readonly row: VersionRow
  readonly bytes: Uint8Array
}

export const tableOfCurrent = (row: VersionRow): Table => (isMarker(row) ? 'markers' : 'objects')

/** The current version, a delete marker included; `null` when the key holds nothing at all. */
export async function readCurrent(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
): Promise<KnownVersion | null> {
  const rowKey = objectRowKey(bucket.id, key)
  const bytes =
    (await catalog.get('objects', rowKey)) ??
    (bucket.versioning === undefined ? null : await catalog.get('markers', rowKey))
  return bytes === null ? null : { row: decodeRow<VersionRow>(bytes), bytes }
}

/** That the current version is still this one. */
export function currentChecks(bucket: BucketRow, key: string, current: KnownVersion | null): Check[] {
  const rowKey = objectRowKey(bucket.id, key)
  const expected = (table: Table): Uint8Array | null =>
    current !== null && tableOfCurrent(current.row) === table ? current.bytes : null
  const checks: Check[] = [{ table: 'objects', key: rowKey, expected: expected('objects') }]
  // Without versioning there are no markers, and the check of the bucket's row says that it stays so.
  if (bucket.versioning !== undefined)
    checks.push({ table: 'markers', key: rowKey, expected: expected('markers') })
  return checks
}

export interface FoundVersion extends KnownVersion {
  readonly isCurrent: boolean
}

const maxLooks = 100

/** A version by the id that clients know it by. */
export async function findVersion(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  versionId: string,
): Promise<FoundVersion | null> {
  let current = await readCurrent(catalog, bucket, key)
  for (let look = 0; look < maxLooks; look++) {
    if (current !== null && clientVersionId(current.row) === versionId) return { ...current, isCurrent: true }
    const found =
      bucket.versioning === undefined ? null : await findNoncurrent(catalog, bucket, key, versionId)
    if (found !== null) return { ...found, isCurrent: false }
    // It may have become current between the two looks.
    const now = await readCurrent(catalog, bucket, key)
    if (now === null || (current !== null && equalBytes(now.bytes, current.bytes))) return null
    current = now
  }
  return null
}

async function findNoncurrent(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  versionId: string,
): Promise<KnownVersion | null> {
  const id = versionId === nullVersionId ? await noncurrentNull(catalog, bucket.id, key) : versionId
  const found = id === null ? null : await readNoncurrent(catalog, bucket.id, key, id)
  return found !== null && clientVersionId(found.row) === versionId ? found : null
}

/** The row's own id of the null version, when that is not current. */
export async function noncurrentNull(
  catalog: Catalog,
  bucketId: string,
  key: string,
): Promise<string | null> {
  const pointer = await catalog.get('nullversions', objectRowKey(bucketId, key))
  return pointer === null ? null : fromUtf8(pointer)
}

export async function readNoncurrent(
  catalog: Catalog,
  bucketId: string,
  key: string,
  versionId: string,
): Promise<KnownVersion | null> {
  // What is no id of ours fits no row; the key of a row has a fixed place for it.
  if (!isSortableId(versionId)) return null
  const bytes = await catalog.get('versions', versionRowKey(bucketId, key, versionId))
  return bytes === null ? null : { row: decodeRow<VersionRow>(bytes), bytes }
}

export async function newestNoncurrent(
  catalog: Catalog,
  bucketId: string,
  key: string,
): Promise<KnownVersion | null> {
  const from = versionsPrefix(bucketId, key)
  const [found] = await catalog.scan('versions', { from, to: prefixEnd(from)!, limit: 1 })
  return found === undefined ? null : { row: decodeRow<VersionRow>(found.value), bytes: found.value }
}

/** Noncurrent versions of a key, newest first. */
export async function* noncurrentVersions(
  catalog: Catalog,
  bucketId: string,
  key: string,
): AsyncGenerator<KnownVersion> {
  const prefix = versionsPrefix(bucketId, key)
  for await (const { value } of rowsOf(catalog, 'versions', { prefix }))
    yield { row: decodeRow<VersionRow>(value), bytes: value }
}

/** A delete marker that was made here has none of its own: it follows from where it was made. */
export function originIdOf(bucketId: string, key: string, row: VersionRow): OriginId {
  if (row.originId !== undefined) return row.originId
  const name = `holdfast/marker/v1\n${bucketId}\n${row.versionId}\n${key}`
  return createHash('sha256').update(name).digest('hex').slice(0, 32) as OriginId
}

/** The version that keeps this origin id, current or not. Costs the versions of the key when it is not current. */
export async function findOrigin(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  originId: string,
): Promise<FoundVersion | null> {
  const isIt = ({ row }: KnownVersion): boolean => originIdOf(bucket.id, key, row) === originId
  for (let look = 0; look < maxLooks; look++) {
    const current = await readCurrent(catalog, bucket, key)
    if (current !== null && isIt(current)) return { ...current, isCurrent: true }
    if (current === null || bucket.versioning === undefined) return null
    for await (const found of noncurrentVersions(catalog, bucket.id, key))
      if (isIt(found)) return { ...found, isCurrent: false }
    const now = await readCurrent(catalog, bucket, key)
    if (now === null || equalBytes(now.bytes, current.bytes)) return null
  }
  return null
}

export const nullPointer = (row: VersionRow): Uint8Array => utf8(row.versionId)
