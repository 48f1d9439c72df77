/**
 * Versions that came by a transfer are under the key of the bucket that they came from. Who destroys a bucket's keys
 * must know that there are none of them, also of those that arrive while it looks.
 */
import { toHex, utf8 } from '../core/bytes.ts'
import type { RandomBytes } from '../core/ids.ts'
import type { Catalog, Check, Put } from './catalog.ts'
import { type BucketRow, isMarker, type VersionRow } from './rows.ts'

export const keysOf = ({ bucketKeyId, earlierKeys = [] }: BucketRow): string[] => [
  ...earlierKeys,
  bucketKeyId,
]

const lastArrivalKey = (bucketId: string): Uint8Array => utf8(`foreign/${bucketId}`)

/** To be put with versions that arrive; another value each time, so that no two arrivals look like none. */
export function foreignArrival(
  bucket: BucketRow,
  arriving: readonly VersionRow[],
  randomBytes: RandomBytes,
): Put[] {
  const own = new Set(keysOf(bucket))
  if (arriving.every(row => isMarker(row) || own.has(row.bucketKeyId))) return []
  return [{ table: 'meta', key: lastArrivalKey(bucket.id), value: utf8(toHex(randomBytes(16))) }]
}

/** Read before looking for foreign versions; the batch that relies on there being none carries it. */
export async function noForeignArrivalSince(catalog: Catalog, bucket: BucketRow): Promise<Check> {
  const key = lastArrivalKey(bucket.id)
  return { table: 'meta', key, expected: await catalog.get('meta', key) }
}
