import type { Clock } from '../../core/time.ts'
import { type Catalog, type CatalogBatch, type Check, prefixEnd } from '../../store/catalog.ts'
import type { KnownBucket } from '../../store/objects.ts'
import { releasePlaces } from '../../store/places.ts'
import { bucketPrefix, decodeRow, type PartRow, partPrefix, type UploadRow } from '../../store/rows.ts'
import { counted, forgetBucketUsage } from '../../store/usage.ts'

type Services = { readonly clock: Clock }
type Bucket = Pick<KnownBucket, 'row'> & { readonly region: { readonly catalog: Catalog } }

/** Ends every upload of a bucket that is gone. Idempotent: after a crash the next call goes on where this one stopped. */
export async function abortUploads(services: Services, bucket: Bucket): Promise<void> {
  const prefix = bucketPrefix(bucket.row.id)
  for (;;) {
    const rows = await bucket.region.catalog.scan('uploads', {
      from: prefix,
      to: prefixEnd(prefix)!,
      limit: 100,
    })
    for (const { key, value } of rows) {
      await abortUpload(services, bucket, key, decodeRow<UploadRow>(value).uploadId)
    }
    if (rows.length < 100) break
  }
  await forgetBucketUsage(bucket.region.catalog, bucket.row.id)
}

/** Removes the upload and its parts. False when the upload was gone already. */
export async function abortUpload(
  services: Services,
  bucket: Bucket,
  uploadKey: Uint8Array,
  uploadId: string,
): Promise<boolean> {
  const { catalog } = bucket.region
  for (;;) {
    const upload = await catalog.get('uploads', uploadKey)
    if (upload === null) return false
    const gone: CatalogBatch = {
      checks: [{ table: 'uploads', key: uploadKey, expected: upload }],
      removes: [{ table: 'uploads', key: uploadKey }],
    }
    if (!(await giveUpParts(services, bucket, uploadId, gone))) continue
    await sweepParts(services, bucket, uploadId)
    return true
  }
}

/** Parts that came in just before their upload ended belong to nobody; after its end none can come. */
export async function sweepParts(services: Services, bucket: Bucket, uploadId: string): Promise<void> {
  while ((await listParts(bucket.region, uploadId)).length > 0)
    await giveUpParts(services, bucket, uploadId, {})
}

async function giveUpParts(
  services: Services,
  { region, row }: Bucket,
  uploadId: string,
  also: CatalogBatch,
): Promise<boolean> {
  const parts = await listParts(region, uploadId)
  const released = releasePlaces(
    parts.map(part => part.row.place),
    services.clock(),
  )
  const bytes = parts.reduce((sum, part) => sum + part.row.sizeBytes, 0)
  const { adds } = await counted(region.catalog, row, { objects: 0, bytes: -bytes })
  return region.catalog.commit({
    checks: [...(also.checks ?? []), ...partChecks(parts)],
    adds,
    removes: [
      ...(also.removes ?? []),
      ...parts.map(({ key }) => ({ table: 'parts' as const, key })),
      ...released.removes,
    ],
    puts: released.puts,
  })
}

export interface KnownPart {
  readonly key: Uint8Array
  readonly row: PartRow
  readonly bytes: Uint8Array
}

/** That none of them was replaced meanwhile: its bytes would be given up for those that took their place. */
export function partChecks(parts: readonly KnownPart[]): Check[] {
  return parts.map(({ key, bytes }) => ({ table: 'parts', key, expected: bytes }))
}

/** All parts of an upload, ascending. At most 10,000 by S3's limits. */
export async function listParts(region: Bucket['region'], uploadId: string): Promise<KnownPart[]> {
  const prefix = partPrefix(uploadId)
  const rows = await region.catalog.scan('parts', { from: prefix, to: prefixEnd(prefix)!, limit: 10_001 })
  return rows.map(({ key, value }) => ({ key, row: decodeRow<PartRow>(value), bytes: value }))
}
