/** Version ids of requests, and what a read by key or by version finds. */

import { isSortableId } from '../core/ids.ts'
import { findVersion, readCurrent } from '../store/key-versions.ts'
import { findObject } from '../store/objects.ts'
import {
  type BucketRow,
  clientVersionId,
  isMarker,
  type MarkerRow,
  nullVersionId,
  type ObjectRow,
  type VersionRow,
} from '../store/rows.ts'
import { S3Error } from './errors.ts'
import { httpDate } from './object-headers.ts'
import type { LocatedBucket } from './operation.ts'
import type { S3Request } from './request.ts'

/** `?versionId=…`; `null` when the request names none. */
export function versionIdOf(request: S3Request): string | null {
  const versionId = request.query.get('versionId')
  return versionId === undefined ? null : checkVersionId(versionId)
}

export function checkVersionId(versionId: string): string {
  if (versionId === '') throw new S3Error('InvalidArgument', 'Version id cannot be the empty string.')
  if (versionId !== nullVersionId && !isSortableId(versionId))
    throw new S3Error('InvalidArgument', 'Invalid version id specified', {
      ArgumentName: 'versionId',
      ArgumentValue: versionId,
    })
  return versionId
}

/** Where nothing was ever versioned, answers speak of no versions. */
export function versionHeader(bucket: BucketRow, row: VersionRow): Record<string, string> {
  return bucket.versioning === undefined ? {} : { 'x-amz-version-id': clientVersionId(row) }
}

/**
 * The object that a GET or HEAD is about. A delete marker in its place is said in the answer's headers: as the current
 * version it is a key that is not there, by its id it is something that cannot be read.
 */
export async function findReadable(
  bucket: LocatedBucket,
  key: string,
  versionId: string | null,
): Promise<ObjectRow> {
  const { catalog } = bucket.region
  if (versionId === null) {
    const row = await findObject(catalog, bucket.row.id, key)
    if (row !== null) return row
    const current = bucket.row.versioning === undefined ? null : await readCurrent(catalog, bucket.row, key)
    if (current === null) throw noSuchVersion(key, null)
    if (!isMarker(current.row)) return current.row
    throw markerError(bucket.row, current.row, key, null)
  }
  const found = await findVersion(catalog, bucket.row, key, versionId)
  if (found === null) throw noSuchVersion(key, versionId)
  if (!isMarker(found.row)) return found.row
  throw markerError(bucket.row, found.row, key, versionId)
}

export function noSuchVersion(key: string, versionId: string | null): S3Error {
  return versionId === null
    ? new S3Error('NoSuchKey', undefined, { Key: key })
    : new S3Error('NoSuchVersion', undefined, { Key: key, VersionId: versionId })
}

export function markerError(
  bucket: BucketRow,
  marker: MarkerRow,
  key: string,
  versionId: string | null,
): S3Error {
  const headers = { 'x-amz-delete-marker': 'true', ...versionHeader(bucket, marker) }
  if (versionId === null) return new S3Error('NoSuchKey', undefined, { Key: key }, headers)
  return new S3Error(
    'MethodNotAllowed',
    undefined,
    { ResourceType: 'DeleteMarker' },
    { ...headers, 'last-modified': httpDate(marker.modifiedUnixMs), allow: 'DELETE' },
  )
}
