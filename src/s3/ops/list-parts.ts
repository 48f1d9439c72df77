import type { BucketUse } from '../../policy/operations.ts'
import { prefixEnd } from '../../store/catalog.ts'
import { decodeRow, type PartRow, partPrefix, partRowKey } from '../../store/rows.ts'
import { integerParameter } from '../list-parameters.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { versionOwners } from '../version-owners.ts'
import { xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'
import { findUpload, initiatorXml } from './multipart.ts'

const maxPageParts = 1000
const maxPartNumber = 10_000

export const listPartsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListParts',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { request } = context
    const { row: upload } = await findUpload(context, bucket)
    const after = integerParameter(request, 'part-number-marker', 0)
    const limit = Math.min(maxPageParts, integerParameter(request, 'max-parts', maxPageParts))
    const found =
      limit === 0 || after >= maxPartNumber
        ? []
        : await bucket.region.catalog.scan('parts', {
            from: partRowKey(upload.uploadId, after + 1),
            to: prefixEnd(partPrefix(upload.uploadId))!,
            limit: limit + 1,
          })
    const parts = found.slice(0, limit).map(({ value }) => decodeRow<PartRow>(value))
    const owner = (await versionOwners(context, bucket, [upload]))(upload)
    const algorithm = upload.checksumAlgorithm
    const body = xmlDocument('ListPartsResult', {
      Bucket: bucket.row.name,
      Key: request.key!,
      UploadId: upload.uploadId,
      Initiator: initiatorXml(upload, owner),
      Owner: owner,
      StorageClass: 'STANDARD',
      PartNumberMarker: after,
      NextPartNumberMarker: parts.at(-1)?.partNumber ?? 0,
      MaxParts: limit,
      IsTruncated: found.length > limit,
      ChecksumAlgorithm: algorithm ?? undefined,
      ChecksumType: upload.checksumType ?? undefined,
      Part: parts.map(part => ({
        PartNumber: part.partNumber,
        LastModified: xmlDate(part.modifiedUnixMs),
        ETag: `"${part.md5}"`,
        Size: part.sizeBytes,
        ...(algorithm !== null && part.checksum !== null && { [`Checksum${algorithm}`]: part.checksum }),
      })),
    })
    const { lifecycleHeaders } = context.services
    const headers = await lifecycleHeaders.ofUpload(bucket, request.key!, upload.startedUnixMs)
    return { status: 200, headers, body }
  },
})
