import { concat, utf8 } from '../../core/bytes.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { bucketPrefix, decodeRow, type UploadRow, uploadRowKey } from '../../store/rows.ts'
import { keyParameter, listParameters } from '../list-parameters.ts'
import { groupOf, listPage, startAfter, textAfter } from '../listing.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { versionOwners } from '../version-owners.ts'
import { xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'
import { initiatorXml } from './multipart.ts'

/** Rows are `key 00 upload id`. */
const idBytes = 26
/** Above every upload id. */
const afterIds = '~'

export const listMultipartUploadsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListMultipartUploads',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { query } = context.request
    const parameters = listParameters(context.request, 'max-uploads', 1)
    const { prefix, delimiter, maxItems, encode, encodingType } = parameters
    const base = bucketPrefix(bucket.row.id)
    const keyMarker = keyParameter(context.request, 'key-marker')
    // Without a key S3 passes the other marker over.
    const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '').slice(0, idBytes)
    const page = await listPage({
      catalog: bucket.region.catalog,
      table: 'uploads',
      base,
      prefix,
      delimiter,
      from: uploadsAfter(bucket, prefix, delimiter, keyMarker, idMarker),
      limit: maxItems,
      keyOf: row => textAfter(row, base.length).slice(0, -idBytes - 1),
    })
    const uploads = page.rows.map(({ key, row }) => ({ key, upload: decodeRow<UploadRow>(row.value) }))
    const next = page.truncated ? page.last : null
    const ownerOf = await versionOwners(
      context,
      bucket,
      uploads.map(({ upload }) => upload),
    )
    const body = xmlDocument('ListMultipartUploadsResult', {
      Bucket: bucket.row.name,
      KeyMarker: encode(keyMarker),
      UploadIdMarker: idMarker,
      NextKeyMarker: next === null ? undefined : encode(next.key),
      NextUploadIdMarker: next?.kind === 'row' ? uploads.at(-1)!.upload.uploadId : undefined,
      Prefix: encode(prefix),
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      MaxUploads: maxItems,
      IsTruncated: page.truncated,
      EncodingType: encodingType,
      Upload: uploads.map(({ key, upload }) => ({
        Key: encode(key),
        UploadId: upload.uploadId,
        Initiator: initiatorXml(upload, ownerOf(upload)),
        Owner: ownerOf(upload),
        StorageClass: 'STANDARD',
        Initiated: xmlDate(upload.startedUnixMs),
        ChecksumAlgorithm: upload.checksumAlgorithm ?? undefined,
        ChecksumType: upload.checksumType ?? undefined,
      })),
      CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })),
    })
    return { status: 200, headers: {}, body }
  },
})

/** After one upload of the marker's key, or after all of them. */
function uploadsAfter(
  { row }: LocatedBucket,
  prefix: string,
  delimiter: string,
  keyMarker: string,
  idMarker: string,
): Uint8Array | null {
  const base = bucketPrefix(row.id)
  const isInGroup = keyMarker.startsWith(prefix) && groupOf(keyMarker, prefix, delimiter) !== null
  if (keyMarker === '' || isInGroup) return startAfter(base, prefix, delimiter, keyMarker)
  const after = concat(uploadRowKey(row.id, keyMarker, idMarker === '' ? afterIds : idMarker), utf8('\0'))
  const lower = startAfter(base, prefix, delimiter, '')!
  return Buffer.compare(after, lower) > 0 ? after : lower
}
