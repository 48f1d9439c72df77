import { prefixEnd } from '../../store/catalog.ts'
import { releasePlaces } from '../../store/places.ts'
import { bucketPrefix, decodeRow, type PartRow, partPrefix, type UploadRow } from '../../store/rows.ts'
import type { LocatedBucket, S3Region, S3Services } from '../operation.ts'

/** Ends every upload of a bucket. Idempotent: after a crash the next call goes on where this one stopped. */
export async function abortUploads(services: S3Services, bucket: LocatedBucket): Promise<void> {
  const prefix = bucketPrefix(bucket.row.id)
  for (;;) {
    const rows = await bucket.region.catalog.scan('uploads', {
      from: prefix,
      to: prefixEnd(prefix)!,
      limit: 100,
    })
    for (const { key, value } of rows) {
      await abortUpload(services, bucket.region, key, decodeRow<UploadRow>(value).uploadId)
    }
    if (rows.length < 100) return
  }
}

/** Removes the upload and its parts. False when the upload was gone already. */
export async function abortUpload(
  services: S3Services,
  region: S3Region,
  uploadKey: Uint8Array,
  uploadId: string,
): Promise<boolean> {
  for (;;) {
    const upload = await region.catalog.get('uploads', uploadKey)
    const parts = await listParts(region, uploadId)
    const released = releasePlaces(
      parts.map(part => part.row.place),
      services.clock(),
    )
    const held = await region.catalog.commit({
      checks: [{ table: 'uploads', key: uploadKey, expected: upload }],
      removes: [
        { table: 'uploads', key: uploadKey },
        ...parts.map(({ key }) => ({ table: 'parts' as const, key })),
        ...released.removes,
      ],
      puts: released.puts,
    })
    if (held) return upload !== null
  }
}

/** All parts of an upload, ascending. At most 10,000 by S3's limits. */
export async function listParts(
  region: S3Region,
  uploadId: string,
): Promise<{ key: Uint8Array; row: PartRow }[]> {
  const prefix = partPrefix(uploadId)
  const rows = await region.catalog.scan('parts', { from: prefix, to: prefixEnd(prefix)!, limit: 10_001 })
  return rows.map(({ key, value }) => ({ key, row: decodeRow<PartRow>(value) }))
}
