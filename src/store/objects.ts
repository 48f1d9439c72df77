/**
 * Objects in a region's catalog: the batches that publish and remove their versions. Each takes proof that policy
 * agreed and carries the draft entry, so that what is stored and what is entered are one transaction.
 */
import { HoldfastError } from '../core/errors.ts'
import { newSortableId, type RandomBytes, sortableIdTime } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { LifecycleStep } from '../policy/decide-lifecycle.ts'
import type { TransferStep } from '../policy/decide-transfer.ts'
import type { ObjectCopy, ObjectDelete, ObjectWrite } from '../policy/operations.ts'
import type { Catalog, CatalogBatch, Check, Put } from './catalog.ts'
import { placeContent } from './content.ts'
import {
  currentChecks,
  type FoundVersion,
  findOrigin,
  findVersion,
  type KnownVersion,
  readCurrent,
} from './key-versions.ts'
import { isLocked } from './locks.ts'
import {
  type BucketRow,
  bucketRowKey,
  decodeRow,
  isMarker,
  type MarkerRow,
  type ObjectContent,
  type ObjectRow,
  objectRowKey,
  type VersionRow,
} from './rows.ts'
import { putOnTop, type Transition, takeVersion } from './transitions.ts'
import { counted, exceedsQuota } from './usage.ts'

/** A bucket with the exact bytes of its row: what a batch checks, so that no write outlives its bucket. */
export interface KnownBucket {
  readonly row: BucketRow
  readonly bytes: Uint8Array
}

export interface VersionMaking {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
}

export interface NewObject {
  readonly bucket: KnownBucket
  readonly key: string
  /** Its ids are given here: they must be greater than what is there when it is published. */
  readonly row: Omit<ObjectRow, 'v' | 'content' | 'versionId' | 'versioned'>
  readonly content: ObjectContent
  /** Rows that publish the parts' places. */
  readonly claims: readonly Put[]
  /** What else changes in the same transaction: an upload that ends here, for instance. */
  readonly also?: CatalogBatch
  /** What of its bytes was counted before: the parts of the upload that it comes of. */
  readonly countedBytes?: number
  /** Looks at what is there now; throws to stop the write (conditional requests). Asked again after a lost race. */
  readonly condition?: (current: ObjectRow | null) => void
  /** `replaced`: the version whose bytes are given up for this one; one that stays as noncurrent is not. */
  readonly entry: (row: ObjectRow, replaced: ObjectRow | null) => Put
  /** What else is written of it in the same transaction: who is to be told. */
  readonly events?: (row: ObjectRow) => readonly Put[]
}

const maxRaces = 1000

/**
 * Publishes a version: row, places, draft entry and the release of what it replaces, in one transaction. The bucket's
 * row may change meanwhile; what counts is how it stands at the commit. Resolves to the row when all of it is on
 * stable storage.
 */
export async function publishObject(
  catalog: Catalog,
  making: VersionMaking,
  _authorized: Authorized<ObjectWrite | ObjectCopy>,
  object: NewObject,
): Promise<ObjectRow | 'bucket-gone' | 'upload-gone' | 'over-quota'> {
  const { key, content } = object
  let bucket: KnownBucket | null = object.bucket
  for (let race = 0; race < maxRaces; race++) {
    const current = await readCurrent(catalog, bucket.row, key)
    object.condition?.(current === null || isMarker(current.row) ? null : current.row)
    const ids = versionIds(making, bucket.row, current?.row ?? null)
    const placed = placeContent({ v: 1, ...object.row, ...ids, content }, content)
    const change = await putOnTop(catalog, bucket.row, key, current, placed.row, making.clock())
    const { objects, bytes } = change.usage
    const count = await counted(catalog, bucket.row, { objects, bytes: bytes - (object.countedBytes ?? 0) })
    const held = await catalog.commit({
      checks: [bucketCheck(bucket), ...change.checks, ...count.checks, ...(object.also?.checks ?? [])],
      adds: count.adds,
      removes: [...change.removes, ...(object.also?.removes ?? [])],
      puts: [
        ...change.puts,
        ...(object.also?.puts ?? []),
        ...object.claims,
        ...placed.puts,
        object.entry(placed.row, change.destroyed),
        ...(object.events?.(placed.row) ?? []),
      ],
    })
    if (held) return placed.row
    if (await exceedsQuota(catalog, count)) return 'over-quota'
    bucket = await sameBucket(catalog, bucket)
    if (bucket === null) return 'bucket-gone'
    for (const check of object.also?.checks ?? []) {
      if (!('expected' in check)) continue
      const found = await catalog.get(check.table, check.key)
      if (found === null || Buffer.compare(found, check.expected ?? Buffer.alloc(0)) !== 0)
        return 'upload-gone'
    }
  }
  throw tooManyWriters()
}

/** What a deletion did: nothing, for there was nothing; took a version away; or put a marker on top. */
export type Deletion =
  | { readonly did: 'nothing' }
  | { readonly did: 'removed'; readonly version: VersionRow }
  | { readonly did: 'marked'; readonly marker: MarkerRow; readonly replaced: ObjectRow | null }

export interface DeleteRequest {
  readonly bucket: KnownBucket
  readonly key: string
  /** The one that goes, as clients or as transfers name it; left out: the key, whatever that means in its bucket. */
  readonly version?: { readonly versionId: string } | { readonly originId: string }
  /** Looks at the current version, whichever is deleted; throws to stop it. Asked again after a lost race. */
  readonly condition?: (current: VersionRow | null) => void
  /** Looks at the bucket and at what would go, as they are at the commit; throws to stop it. */
  readonly judge?: (bucket: BucketRow, target: VersionRow | null) => void
  /** Locks of governance mode may be passed over. */
  readonly bypassGovernance?: boolean
  readonly entry: (deletion: Exclude<Deletion, { did: 'nothing' }>) => Put
  /** What else is written of it in the same transaction: who is to be told. */
  readonly events?: (deletion: Exclude<Deletion, { did: 'nothing' }>) => readonly Put[]
}

/**
 * Deletes as S3 does: a version that is named goes for good; a key goes for good where nothing was ever versioned, and
 * gets a delete marker elsewhere. Nothing is entered when there was nothing.
 */
export async function deleteObject(
  catalog: Catalog,
  making: VersionMaking,
  _authorized: Authorized<ObjectDelete | TransferStep | LifecycleStep>,
  request: DeleteRequest,
): Promise<Deletion | 'bucket-gone' | 'locked'> {
  const { key, version, bypassGovernance = false } = request
  let bucket: KnownBucket | null = request.bucket
  for (let race = 0; race < maxRaces; race++) {
    const found = await findTarget(catalog, bucket.row, key, version)
    request.judge?.(bucket.row, found?.row ?? null)
    const demanded = await checkCurrent(catalog, bucket.row, request, found)
    let deletion: Deletion
    let change: Transition
    if (version !== undefined || bucket.row.versioning === undefined) {
      if (found === null) return { did: 'nothing' }
      change = await takeVersion(catalog, bucket.row, key, found, making.clock())
      deletion = { did: 'removed', version: found.row }
    } else {
      const ids = versionIds(making, bucket.row, found?.row ?? null)
      const marker: MarkerRow = { v: 1, marker: true, ...ids, modifiedUnixMs: making.clock() }
      change = await putOnTop(catalog, bucket.row, key, found, marker, making.clock())
      deletion = { did: 'marked', marker, replaced: change.destroyed }
    }
    const order = { nowUnixMs: making.clock(), bypassGovernance }
    if (change.destroyed !== null && isLocked(change.destroyed, order)) return 'locked'
    const { adds } = await counted(catalog, bucket.row, change.usage)
    const held = await catalog.commit({
      checks: [bucketCheck(bucket), ...change.checks, ...demanded],
      adds,
      removes: change.removes,
      puts: [...change.puts, request.entry(deletion), ...(request.events?.(deletion) ?? [])],
    })
    if (held) return deletion
    bucket = await sameBucket(catalog, bucket)
    if (bucket === null) return 'bucket-gone'
  }
  throw tooManyWriters()
}

async function findTarget(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  version: DeleteRequest['version'],
): Promise<FoundVersion | null> {
  if (version === undefined) {
    const current = await readCurrent(catalog, bucket, key)
    return current === null ? null : { ...current, isCurrent: true }
  }
  return 'versionId' in version
    ? findVersion(catalog, bucket, key, version.versionId)
    : findOrigin(catalog, bucket, key, version.originId)
}

async function checkCurrent(
  catalog: Catalog,
  bucket: BucketRow,
  { key, version, condition }: DeleteRequest,
  target: KnownVersion | null,
): Promise<Check[]> {
  if (condition === undefined) return []
  const current = version === undefined ? target : await readCurrent(catalog, bucket, key)
  condition(current?.row ?? null)
  return currentChecks(bucket, key, current)
}

/** Ids for a version that goes on top of `current`; a null version while versioning is not enabled. */
export function versionIds(
  { clock, randomBytes }: VersionMaking,
  bucket: BucketRow,
  current: VersionRow | null,
): { versionId: string; versioned?: true } {
  let versionId = newSortableId(clock(), randomBytes)
  if (bucket.versioning === undefined) return { versionId }
  // Never one just above: an id that was given up with its version must not come again.
  if (current !== null && versionId <= current.versionId)
    versionId = newSortableId(sortableIdTime(current.versionId) + 1, randomBytes)
  return bucket.versioning === 'Enabled' ? { versionId, versioned: true } : { versionId }
}

/** What a key holds now, if that is an object. */
export async function findObject(catalog: Catalog, bucketId: string, key: string): Promise<ObjectRow | null> {
  const bytes = await catalog.get('objects', objectRowKey(bucketId, key))
  return bytes === null ? null : decodeRow<ObjectRow>(bytes)
}

/** The bucket as it is now; `null` when it is gone, or another stands under its name. */
export async function sameBucket(catalog: Catalog, { row }: KnownBucket): Promise<KnownBucket | null> {
  const bytes = await catalog.get('buckets', bucketRowKey(row.name))
  if (bytes === null) return null
  const now = decodeRow<BucketRow>(bytes)
  return now.id === row.id ? { row: now, bytes } : null
}

export function bucketCheck({ row, bytes }: KnownBucket): Check {
  return { table: 'buckets', key: bucketRowKey(row.name), expected: bytes }
}

function tooManyWriters(): HoldfastError {
  return new HoldfastError('conflict', 'too many writers change this key at once')
}
