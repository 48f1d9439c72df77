import { isSortableId, newSortableId } from '../../core/ids.ts'
import type { ObjectWrite } from '../../policy/operations.ts'
import { type KnownBucket, sameBucket } from '../../store/objects.ts'
import {
  bucketRowKey,
  type ChecksumAlgorithm,
  decodeRow,
  encodeRow,
  type UploadRow,
  uploadRowKey,
} from '../../store/rows.ts'
import { ownershipOf } from '../acl/new-object.ts'
import { namedAlgorithm } from '../body.ts'
import { newEncryption, writtenEncryptionHeaders } from '../encryption/new-version.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import type { ShownOwner } from '../owners.ts'
import { versionAttributes } from '../version-attributes.ts'
import { keptManifestKey, newVersionKey } from '../versions.ts'
import { xmlDocument } from '../xml.ts'
import { abortUpload } from './abort-uploads.ts'
import { objectWrite } from './put-object.ts'

export const createMultipartUploadOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'CreateMultipartUpload',
  facts: objectWrite,
  run: async (context, _authorized, bucket) => {
    const { headers, key: objectKey } = context.request
    const { services } = context
    const encryption = await newEncryption(context, bucket)
    const attributes = {
      ...versionAttributes(headers, bucket, services.clock()),
      ...(await ownershipOf(context, bucket)),
      ...encryption.attribute,
    }
    const algorithm = namedAlgorithm(headers)
    const type = checksumType(algorithm, headers['x-amz-checksum-type'])
    const key = await newVersionKey(services, bucket, encryption.customerKey)
    const uploadId = newSortableId(services.clock(), services.randomBytes)
    const row: UploadRow = {
      v: 1,
      uploadId,
      originId: key.origin,
      bucketKeyId: key.bucketKeyId,
      wrappedDataKey: key.wrappedDataKey,
      startedUnixMs: services.clock(),
      ...attributes,
      ...initiatorOf(context, bucket),
      checksumAlgorithm: algorithm,
      checksumType: type,
      ...(encryption.customerKey && { wrappedManifestKey: await keptManifestKey(services, bucket, key) }),
    }
    for (let known: KnownBucket | null = bucket; ; known = await sameBucket(bucket.region.catalog, known)) {
      if (known === null) throw new S3Error('NoSuchBucket', undefined, { BucketName: bucket.row.name })
      const held = await bucket.region.catalog.commit({
        checks: [{ table: 'buckets', key: bucketRowKey(known.row.name), expected: known.bytes }],
        puts: [
          { table: 'uploads', key: uploadRowKey(known.row.id, objectKey!, uploadId), value: encodeRow(row) },
        ],
      })
      if (held) break
    }
    const result = { Bucket: bucket.row.name, Key: objectKey!, UploadId: uploadId }
    return {
      status: 200,
      headers: {
        ...(algorithm && { 'x-amz-checksum-algorithm': algorithm }),
        ...(type && { 'x-amz-checksum-type': type }),
        ...writtenEncryptionHeaders(row.encryption, encryption.customerKey),
        ...(await services.lifecycleHeaders.ofUpload(bucket, objectKey!, row.startedUnixMs)),
      },
      body: xmlDocument('InitiateMultipartUploadResult', result),
    }
  },
})

function initiatorOf({ identity }: S3Context, bucket: LocatedBucket): Pick<UploadRow, 'initiator'> {
  const { caller, account } = identity
  if (caller?.policy.kind === 'root' && identity.tenant === bucket.row.tenant) return {}
  const isAccount = caller === null || caller.policy.kind === 'root'
  const { canonicalId, displayName } = account
  return {
    initiator: isAccount
      ? { id: canonicalId, name: displayName }
      : { id: caller.policy.arns[0]!, name: caller.policy.userName ?? caller.policy.userId },
  }
}

export function initiatorXml({ initiator }: UploadRow, owner: ShownOwner): ShownOwner {
  return initiator === undefined ? owner : { ID: initiator.id, DisplayName: initiator.name }
}

/** CRCs can speak of the whole object, hashes only of their parts; CRC64NVME only of the whole. */
function checksumType(algorithm: ChecksumAlgorithm | null, header: unknown): UploadRow['checksumType'] {
  if (algorithm === null) {
    if (header === undefined) return null
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  }
  if (header !== undefined && header !== 'COMPOSITE' && header !== 'FULL_OBJECT')
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
  if (header === undefined) return algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
  if (header === 'COMPOSITE' && algorithm !== 'CRC64NVME') return 'COMPOSITE'
  if (header === 'FULL_OBJECT' && algorithm.startsWith('CRC')) return 'FULL_OBJECT'
  throw new S3Error(
    'InvalidRequest',
    `The ${header} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
  )
}

export interface FoundUpload {
  readonly rowKey: Uint8Array
  readonly bytes: Uint8Array
  readonly row: UploadRow
}

export async function findUpload(context: S3Context, bucket: LocatedBucket): Promise<FoundUpload> {
  const uploadId = context.request.query.get('uploadId')!
  // Not looked for: an id of any length would make a key of any length.
  if (!isSortableId(uploadId)) throw new S3Error('NoSuchUpload', undefined, { UploadId: uploadId })
  const rowKey = uploadRowKey(bucket.row.id, context.request.key!, uploadId)
  const bytes = await bucket.region.catalog.get('uploads', rowKey)
  if (bytes === null) throw new S3Error('NoSuchUpload', undefined, { UploadId: uploadId })
  return { rowKey, bytes, row: decodeRow<UploadRow>(bytes) }
}

export const abortMultipartUploadOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'AbortMultipartUpload',
  facts: objectWrite,
  run: async (context, _authorized, bucket) => {
    const upload = await findUpload(context, bucket)
    if (!(await abortUpload(context.services, bucket, upload.rowKey, upload.row.uploadId))) {
      throw new S3Error('NoSuchUpload')
    }
    return { status: 204, headers: {}, body: null }
  },
})
