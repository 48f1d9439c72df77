/**
 * Objects in a region's catalog: the batches that publish and remove them. Each takes proof that policy agreed and
 * carries the draft entry, so that what is stored and what is entered are one transaction.
 */
import { fromBase64, toBase64, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { TransferStep } from '../policy/decide-transfer.ts'
import type { ObjectCopy, ObjectDelete, ObjectWrite } from '../policy/operations.ts'
import type { Catalog, CatalogBatch, Check, Put, Remove } from './catalog.ts'
import { type Place, releasePlaces } from './places.ts'
import {
  type BucketRow,
  bucketRowKey,
  decodeRow,
  encodeRow,
  manifestRowKey,
  type ObjectContent,
  type ObjectRow,
  objectRowKey,
} from './rows.ts'

/** A bucket with the exact bytes of its row: what a batch checks, so that no write outlives its bucket. */
export interface KnownBucket {
  readonly row: BucketRow
  readonly bytes: Uint8Array
}

export interface NewObject {
  readonly bucket: KnownBucket
  readonly key: string
  readonly row: Omit<ObjectRow, 'v' | 'content'>
  readonly content: ObjectContent
  /** Rows that publish the parts' places. */
  readonly claims: readonly Put[]
  /** What else changes in the same transaction: an upload that ends here, for instance. */
  readonly also?: CatalogBatch
  /** Looks at what is there now; throws to stop the write (conditional requests). Asked again after a lost race. */
  readonly condition?: (current: ObjectRow | null) => void
  readonly entry: (replaced: ObjectRow | null) => Put
}

export type Written = 'stored' | 'bucket-gone' | 'upload-gone'

const maxRaces = 1000

/**
 * Publishes a version: row, places, draft entry and the release of what it replaces, in one transaction.
 * Resolves when all of it is on stable storage.
 */
export async function publishObject(
  catalog: Catalog,
  clock: Clock,
  _authorized: Authorized<ObjectWrite | ObjectCopy>,
  object: NewObject,
): Promise<Written> {
  const { key } = object
  let { bucket } = object
  const rowKey = objectRowKey(bucket.row.id, key)
  const single = object.row.partCount === 1
  const row = encodeRow({ v: 1, ...object.row, content: single ? object.content : null } as ObjectRow)
  const manifest: Put[] = single
    ? []
    : [
        {
          table: 'manifests',
          key: manifestRowKey(object.row.versionId),
          value: utf8(JSON.stringify(object.content)),
        },
      ]
  for (let race = 0; race < maxRaces; race++) {
    const currentBytes = await catalog.get('objects', rowKey)
    const current = currentBytes === null ? null : decodeRow<ObjectRow>(currentBytes)
    object.condition?.(current)
    const released = current === null ? null : await releaseVersion(catalog, current, clock())
    const held = await catalog.commit({
      checks: [
        { table: 'buckets', key: bucketRowKey(bucket.row.name), expected: bucket.bytes },
        { table: 'objects', key: rowKey, expected: currentBytes },
        ...(object.also?.checks ?? []),
      ],
      removes: [...(released?.removes ?? []), ...(object.also?.removes ?? [])],
      puts: [
        ...(released?.puts ?? []),
        ...(object.also?.puts ?? []),
        ...object.claims,
        ...manifest,
        { table: 'objects', key: rowKey, value: row },
        object.entry(current),
      ],
    })
    if (held) return 'stored'
    const now = await sameBucket(catalog, bucket)
    if (now === null) return 'bucket-gone'
    bucket = now
    for (const check of object.also?.checks ?? []) {
      if (!('expected' in check)) continue
      const found = await catalog.get(check.table, check.key)
      if (found === null || Buffer.compare(found, check.expected ?? Buffer.alloc(0)) !== 0)
        return 'upload-gone'
    }
  }
  throw new HoldfastError('conflict', 'too many writers change this key at once')
}

/** Removes a version. `null` when there was none (nothing is entered then); the row that went otherwise. */
export async function removeObject(
  catalog: Catalog,
  clock: Clock,
  _authorized: Authorized<ObjectDelete | TransferStep>,
  bucket: KnownBucket,
  key: string,
  entry: (removed: ObjectRow) => Put,
  /** Only this version, when given: a move must not delete what was written after its departure. */
  originId?: string,
): Promise<ObjectRow | null> {
  const rowKey = objectRowKey(bucket.row.id, key)
  for (let race = 0; race < maxRaces; race++) {
    const bytes = await catalog.get('objects', rowKey)
    if (bytes === null) return null
    const row = decodeRow<ObjectRow>(bytes)
    if (originId !== undefined && row.originId !== originId) return null
    const released = await releaseVersion(catalog, row, clock())
    const held = await catalog.commit({
      checks: [{ table: 'objects', key: rowKey, expected: bytes }],
      removes: [{ table: 'objects', key: rowKey }, ...released.removes],
      puts: [...released.puts, entry(row)],
    })
    if (held) return row
  }
  throw new HoldfastError('conflict', 'too many writers change this key at once')
}

export async function findObject(catalog: Catalog, bucketId: string, key: string): Promise<ObjectRow | null> {
  const bytes = await catalog.get('objects', objectRowKey(bucketId, key))
  return bytes === null ? null : decodeRow<ObjectRow>(bytes)
}

/** Manifest and places of a version. `null` when it was replaced since its row was read. */
export async function contentOf(
  catalog: Catalog,
  row: ObjectRow,
): Promise<{ manifest: Uint8Array; places: readonly Place[] } | null> {
  let content = row.content
  if (content === null) {
    const bytes = await catalog.get('manifests', manifestRowKey(row.versionId))
    if (bytes === null) return null
    content = JSON.parse(Buffer.from(bytes).toString('utf8')) as ObjectContent
  }
  const manifest = fromBase64(content.manifest)
  if (manifest === null) throw new HoldfastError('store-damaged', 'the manifest of a version is not base64')
  return { manifest, places: content.places }
}

export function makeContent(manifest: Uint8Array, places: readonly Place[]): ObjectContent {
  return { manifest: toBase64(manifest), places }
}

export interface Arrival {
  readonly key: string
  /** `content` inline, whatever the number of parts. */
  readonly row: ObjectRow
}

/**
 * Publishes versions that arrived from another region, all or none, with what else belongs to the transaction. A key
 * that already holds the same version is left as it is. False when something changed meanwhile: the caller looks again.
 */
export async function publishArrivals(
  catalog: Catalog,
  clock: Clock,
  _authorized: Authorized<TransferStep>,
  bucket: KnownBucket,
  arrivals: readonly Arrival[],
  also: CatalogBatch,
): Promise<boolean> {
  const checks: Check[] = [{ table: 'buckets', key: bucketRowKey(bucket.row.name), expected: bucket.bytes }]
  const removes: Remove[] = []
  const puts: Put[] = []
  for (const { key, row } of arrivals) {
    const rowKey = objectRowKey(bucket.row.id, key)
    const currentBytes = await catalog.get('objects', rowKey)
    const current = currentBytes === null ? null : decodeRow<ObjectRow>(currentBytes)
    checks.push({ table: 'objects', key: rowKey, expected: currentBytes })
    if (current !== null) {
      const released = await releaseVersion(catalog, current, clock())
      removes.push(...released.removes)
      puts.push(...released.puts)
    }
    const single = row.partCount === 1
    puts.push({ table: 'objects', key: rowKey, value: encodeRow(single ? row : { ...row, content: null }) })
    if (!single) {
      puts.push({
        table: 'manifests',
        key: manifestRowKey(row.versionId),
        value: utf8(JSON.stringify(row.content)),
      })
    }
  }
  return catalog.commit({
    checks: [...checks, ...(also.checks ?? [])],
    removes: [...removes, ...(also.removes ?? [])],
    puts: [...puts, ...(also.puts ?? [])],
  })
}

async function releaseVersion(catalog: Catalog, row: ObjectRow, nowUnixMs: number) {
  const content = await contentOf(catalog, row)
  const released = releasePlaces(content?.places ?? [], nowUnixMs)
  if (row.content !== null) return released
  return {
    puts: released.puts,
    removes: [...released.removes, { table: 'manifests' as const, key: manifestRowKey(row.versionId) }],
  }
}

/** The bucket as it is now; `null` when it is gone, or another stands under its name. */
export async function sameBucket(catalog: Catalog, { row }: KnownBucket): Promise<KnownBucket | null> {
  const bytes = await catalog.get('buckets', bucketRowKey(row.name))
  if (bytes === null) return null
  const now = decodeRow<BucketRow>(bytes)
  return now.id === row.id ? { row: now, bytes } : null
}
