/** Versions that arrived from another region: all of a batch are published in one transaction, or none. */
import type { Authorized } from '../policy/authorized.ts'
import type { TransferStep } from '../policy/decide-transfer.ts'
import type { Catalog, CatalogBatch, Check, Put, Remove } from './catalog.ts'
import { placeContent } from './content.ts'
import { foreignArrival } from './foreign-keys.ts'
import { readCurrent } from './key-versions.ts'
import { retentionFrom } from './locks.ts'
import { bucketCheck, type KnownBucket, type VersionMaking, versionIds } from './objects.ts'
import { createOverlay } from './overlay.ts'
import {
  type BucketRow,
  bucketRowKey,
  encodeRow,
  isMarker,
  type MarkerRow,
  type ObjectRow,
  type VersionRow,
} from './rows.ts'
import { putOnTop } from './transitions.ts'
import { counted, exceedsQuota, type Usage } from './usage.ts'

export interface Arrival {
  readonly key: string
  /** `content` inline, whatever the number of parts. Its version id is given when it is published. */
  readonly row: VersionRow
}

/**
 * In the order given: of several versions of a key the last one ends on top. False when something changed meanwhile:
 * the caller looks again.
 */
export async function publishArrivals(
  catalog: Catalog,
  making: VersionMaking,
  _authorized: Authorized<TransferStep>,
  bucket: KnownBucket,
  arrivals: readonly Arrival[],
  also: CatalogBatch & {
    /** Enters that a version was given up for one that arrived. */
    readonly replacedEntry?: (key: string, replaced: ObjectRow) => Put
    /** Enters what an object brought along that its arrival does not tell. */
    readonly broughtEntries?: (key: string, arrived: ObjectRow) => readonly Put[]
  },
): Promise<boolean | 'over-quota'> {
  let usage: Usage = { objects: 0, bytes: 0 }
  const checks: Check[] = [bucketCheck(bucket)]
  const removes: Remove[] = []
  const puts: Put[] = []
  const nowUnixMs = making.clock()
  const repeated = repeatedKeys(arrivals)
  // A version on top of one that arrives with it must find that one, which nobody has published yet.
  const overlay = createOverlay(catalog)
  for (const { key, row } of arrivals) {
    const isRepeated = repeated.has(key)
    const view = isRepeated ? overlay.catalog : catalog
    const current = await readCurrent(view, bucket.row, key)
    const ids = versionIds(making, bucket.row, current?.row ?? null)
    const placed = isMarker(row)
      ? { row: { ...row, ...ids } as MarkerRow, puts: [] }
      : placeContent({ ...withDefaultRetention(row, bucket.row, nowUnixMs), ...ids }, row.content!)
    const change = await putOnTop(view, bucket.row, key, current, placed.row, nowUnixMs)
    if (isRepeated) checks.push(...overlay.apply(change))
    else {
      checks.push(...change.checks)
      removes.push(...change.removes)
      puts.push(...change.puts)
    }
    puts.push(...placed.puts)
    if (!isMarker(placed.row)) puts.push(...(also.broughtEntries?.(key, placed.row) ?? []))
    if (change.destroyed !== null && also.replacedEntry) puts.push(also.replacedEntry(key, change.destroyed))
    const { objects, bytes } = change.usage
    usage = { objects: usage.objects + objects, bytes: usage.bytes + bytes }
  }
  const shared = sharedBy(arrivals, bucket.row)
  const foreign = foreignArrival(
    bucket.row,
    arrivals.map(({ row }) => row),
    making.randomBytes,
  )
  const layered = overlay.batch()
  const count = await counted(catalog, bucket.row, usage)
  const held = await catalog.commit({
    checks: [...checks, ...count.checks, ...(also.checks ?? [])],
    adds: [...count.adds, ...(also.adds ?? [])],
    removes: [...removes, ...layered.removes, ...(also.removes ?? [])],
    puts: [...puts, ...layered.puts, ...shared, ...foreign, ...(also.puts ?? [])],
  })
  if (!held && (await exceedsQuota(catalog, count))) return 'over-quota'
  return held
}

function repeatedKeys(arrivals: readonly Arrival[]): Set<string> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { key } of arrivals) (seen.has(key) ? repeated : seen).add(key)
  return repeated
}

/** A bucket that locks whatever is put into it locks what arrives as well; a lock of its own stays what it is. */
function withDefaultRetention(row: ObjectRow, { objectLock }: BucketRow, nowUnixMs: number): ObjectRow {
  if (row.retention !== undefined || objectLock?.default === undefined) return row
  return { ...row, retention: retentionFrom(objectLock.default, nowUnixMs) }
}

/** Others may do something with an object that arrives: from now on the bucket is one where that is looked at. */
function sharedBy(arrivals: readonly Arrival[], row: BucketRow): Put[] {
  const isShared = arrivals.some(
    each => !isMarker(each.row) && (each.row.acl !== undefined || each.row.owner !== undefined),
  )
  if (!isShared || row.shared === true) return []
  return [
    {
      table: 'buckets',
      key: bucketRowKey(row.name),
      value: encodeRow({ ...row, shared: true } as BucketRow),
    },
  ]
}
