/**
 * The two things that can happen to the versions of a key, each as a batch: another one comes on top, and one goes.
 * Whatever was read is checked, so a batch that lost a race changes nothing and its maker looks again.
 */
import { utf8 } from '../core/bytes.ts'
import type { Catalog, Check, Put, Remove } from './catalog.ts'
import { contentOf } from './content.ts'
import {
  currentChecks,
  type FoundVersion,
  type KnownVersion,
  newestNoncurrent,
  noncurrentNull,
  nullPointer,
  readNoncurrent,
  tableOfCurrent,
} from './key-versions.ts'
import { releasePlaces } from './places.ts'
import {
  type BucketRow,
  encodeRow,
  isMarker,
  manifestRowKey,
  type ObjectRow,
  objectRowKey,
  type VersionRow,
} from './rows.ts'
import type { Usage } from './usage.ts'
import { versionRowKey } from './version-keys.ts'

export interface Transition {
  readonly checks: Check[]
  readonly removes: Remove[]
  readonly puts: Put[]
  /** The object whose bytes are given up for good, if any. */
  destroyed: ObjectRow | null
  /** What it adds to what is counted; less, where something goes for good. */
  usage: Usage
}

function counting(change: Transition, objects: number, bytes: number): void {
  change.usage = { objects: change.usage.objects + objects, bytes: change.usage.bytes + bytes }
}

/**
 * `top` becomes the current version. What was current stays as a noncurrent version, unless both are null versions: a
 * key has one null version at most, and a new one replaces it wherever it is.
 */
export async function putOnTop(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  current: KnownVersion | null,
  top: VersionRow,
  nowUnixMs: number,
): Promise<Transition> {
  const rowKey = objectRowKey(bucket.id, key)
  const change: Transition = {
    checks: currentChecks(bucket, key, current),
    removes: [],
    puts: [{ table: tableOfCurrent(top), key: rowKey, value: encodeRow(top) }],
    destroyed: null,
    usage: { objects: 0, bytes: 0 },
  }
  if (!isMarker(top)) counting(change, 1, top.sizeBytes)
  if (current !== null) {
    const before = current.row
    if (tableOfCurrent(before) !== tableOfCurrent(top))
      change.removes.push({ table: tableOfCurrent(before), key: rowKey })
    if (before.versioned === undefined && top.versioned === undefined) {
      await destroy(catalog, change, before, nowUnixMs)
    } else {
      const noncurrent = versionRowKey(bucket.id, key, before.versionId)
      change.puts.push({ table: 'versions', key: noncurrent, value: current.bytes })
      if (before.versioned === undefined)
        change.puts.push({ table: 'nullversions', key: rowKey, value: nullPointer(before) })
    }
  }
  if (top.versioned === undefined && bucket.versioning !== undefined) {
    const id = await noncurrentNull(catalog, bucket.id, key)
    const replaced = id === null ? null : await readNoncurrent(catalog, bucket.id, key, id)
    change.checks.push({ table: 'nullversions', key: rowKey, expected: id === null ? null : utf8(id) })
    if (replaced !== null) await takeNoncurrent(catalog, change, bucket, key, replaced, nowUnixMs)
  }
  return change
}

/** A version goes for good. When it was current, the newest of the others becomes current. */
export async function takeVersion(
  catalog: Catalog,
  bucket: BucketRow,
  key: string,
  version: FoundVersion,
  nowUnixMs: number,
): Promise<Transition> {
  const usage = { objects: 0, bytes: 0 }
  const change: Transition = { checks: [], removes: [], puts: [], destroyed: null, usage }
  if (!version.isCurrent) {
    await takeNoncurrent(catalog, change, bucket, key, version, nowUnixMs)
    return change
  }
  const rowKey = objectRowKey(bucket.id, key)
  change.checks.push(...currentChecks(bucket, key, version))
  change.removes.push({ table: tableOfCurrent(version.row), key: rowKey })
  await destroy(catalog, change, version.row, nowUnixMs)
  if (bucket.versioning === undefined) return change
  const next = await newestNoncurrent(catalog, bucket.id, key)
  if (next === null) return change
  const noncurrent = versionRowKey(bucket.id, key, next.row.versionId)
  change.checks.push({ table: 'versions', key: noncurrent, expected: next.bytes })
  change.removes.push({ table: 'versions', key: noncurrent })
  if (next.row.versioned === undefined) change.removes.push({ table: 'nullversions', key: rowKey })
  change.puts.push({ table: tableOfCurrent(next.row), key: rowKey, value: next.bytes })
  return change
}

async function takeNoncurrent(
  catalog: Catalog,
  change: Transition,
  bucket: BucketRow,
  key: string,
  { row, bytes }: KnownVersion,
  nowUnixMs: number,
): Promise<void> {
  const rowKey = versionRowKey(bucket.id, key, row.versionId)
  change.checks.push({ table: 'versions', key: rowKey, expected: bytes })
  change.removes.push({ table: 'versions', key: rowKey })
  if (row.versioned === undefined)
    change.removes.push({ table: 'nullversions', key: objectRowKey(bucket.id, key) })
  await destroy(catalog, change, row, nowUnixMs)
}

async function destroy(
  catalog: Catalog,
  change: Transition,
  row: VersionRow,
  nowUnixMs: number,
): Promise<void> {
  if (isMarker(row)) return
  change.destroyed = row
  counting(change, -1, -row.sizeBytes)
  const content = await contentOf(catalog, row)
  const released = releasePlaces(content?.places ?? [], nowUnixMs)
  change.puts.push(...released.puts)
  change.removes.push(...released.removes)
  if (row.content === null) change.removes.push({ table: 'manifests', key: manifestRowKey(row.versionId) })
}
