import { toHex } from '../../core/bytes.ts'
import type { ChecksumName } from '../../crypto/checksums.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectWrite } from '../../policy/operations.ts'
import { findObject } from '../../store/objects.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { type PlacedPart, sealStream, sealWhole } from '../../store/sealed-parts.ts'
import { ownershipOf } from '../acl/new-object.ts'
import {
  type BodyChecksum,
  type BodyEnd,
  checksumHeaderOf,
  collectContent,
  createBodyDecoder,
  decoded,
  planBody,
  planContent,
  readContent,
} from '../body.ts'
import { writeCondition } from '../conditions.ts'
import { defaultChecksumOf } from '../default-checksum.ts'
import { newEncryption, writtenEncryptionHeaders } from '../encryption/new-version.ts'
import { S3Error } from '../errors.ts'
import { versionHeader } from '../find-readable.ts'
import { demandIntegrity } from '../object-lock.ts'
import { type LocatedBucket, operation, type S3Answer, type S3Context } from '../operation.ts'
import { versionAttributes, withDefaultRetention } from '../version-attributes.ts'
import { newVersionKey, publishVersion, type VersionKey } from '../versions.ts'

/** A body that is known to be no longer is taken in one piece. */
const wholeBytes = 64 * 1024

/** What one PUT may carry; larger objects are multipart. */
export const maxPutBytes = 5 * 2 ** 30

export async function objectWrite(context: S3Context): Promise<{ op: ObjectWrite; target: LocatedBucket }> {
  const target = await context.locate(context.request.bucket!)
  return { op: { action: 'object.write', bucket: target.facts }, target }
}

export const putObjectOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'PutObject',
  facts: objectWrite,
  run: async (context, authorized, bucket): Promise<S3Answer> => {
    const { headers } = await storeWhole(context, authorized, bucket, (key, keep) =>
      sealBody(context, bucket, key, 1, keep),
    )
    return { status: 200, headers, body: null }
  },
})

/** Makes a version of one part, as the request's headers describe it. */
export async function storeWhole(
  context: S3Context,
  authorized: Authorized<ObjectWrite>,
  bucket: LocatedBucket,
  seal: (key: VersionKey, keep: KeepChecksum) => Promise<SealedBody>,
): Promise<{ row: ObjectRow; headers: Record<string, string> }> {
  const { headers } = context.request
  const objectKey = context.request.key!
  const encryption = await newEncryption(context, bucket)
  const attributes = {
    ...versionAttributes(headers, bucket, context.services.clock()),
    ...(await ownershipOf(context, bucket)),
    ...encryption.attribute,
  }
  const { retention, legalHold } = withDefaultRetention(attributes, bucket, 0)
  if (retention !== undefined || legalHold !== undefined) demandIntegrity(headers)
  const condition = writeCondition(headers)
  // Judged again where it counts; here it spares the body of a write that is bound to fail.
  condition?.(await findObject(bucket.region.catalog, bucket.row.id, objectKey))
  const key = await newVersionKey(context.services, bucket, encryption.customerKey)
  const byDefault = defaultChecksumOf(bucket, attributes.encryption)
  const { placed, end } = await seal(key, sent => sent ?? byDefault)
  const kept = end.computed
  try {
    const row = await publishVersion(context, authorized, bucket, objectKey, {
      key,
      parts: [{ ...placed.part, partNumber: 1 }],
      places: [placed.place],
      claims: placed.claim.puts,
      etag: toHex(end.md5!),
      checksum: kept === null ? null : { ...kept, type: 'FULL_OBJECT' },
      attributes,
      copiedFrom: null,
      ...(condition && { condition }),
    })
    return {
      row,
      headers: {
        etag: `"${row.etag}"`,
        ...(kept && checksumAnswer(kept)),
        ...versionHeader(bucket.row, row),
        ...writtenEncryptionHeaders(row.encryption, encryption.customerKey),
        ...(await context.services.lifecycleHeaders.ofObject(bucket, objectKey, row)),
      },
    }
  } catch (error) {
    // After a commit of unknown outcome the blob may be referenced: better an orphan that fsck lists than a hole.
    if (error instanceof S3Error) await placed.abandon()
    throw error
  }
}

function checksumAnswer({ algorithm, value }: BodyChecksum): Record<string, string> {
  return { [checksumHeaderOf(algorithm)]: value, 'x-amz-checksum-type': 'FULL_OBJECT' }
}

interface SealedBody {
  readonly placed: PlacedPart
  /** Its `computed`: the checksum to keep. */
  readonly end: BodyEnd
}

/** Which checksum to keep of what a client sends with one of its own, or with none. */
type KeepChecksum = (sent: ChecksumName | null) => ChecksumName | null

/** Seals the request's body as one part. A short body is taken in one piece, a long one streams. */
export async function sealBody(
  context: S3Context,
  bucket: LocatedBucket,
  key: VersionKey,
  partNumber: number,
  keep: KeepChecksum,
): Promise<SealedBody> {
  const plan = planBody(context.request.headers, context.payload, maxPutBytes)
  const decoder = createBodyDecoder(plan, true, keep(plan.checksum?.algorithm ?? null))
  const target = {
    blobs: bucket.region.blobs,
    clock: context.services.clock,
    randomBytes: context.services.randomBytes,
  }
  context.continueBody()
  if (plan.contentBytes !== null && plan.contentBytes <= wholeBytes) {
    const { content, end } = await collectContent(context.message, decoder, wholeBytes)
    return { placed: await sealWhole(target, key, partNumber, content), end }
  }
  return sealStream(target, key, partNumber, readContent(context.message, decoder))
}

/** Content of a length that is not known, out of something else than a body. */
export async function sealContent(
  context: S3Context,
  bucket: LocatedBucket,
  key: VersionKey,
  content: AsyncGenerator<Buffer, void>,
  maxBytes: number,
  keep: KeepChecksum,
): Promise<SealedBody> {
  const plan = planContent(context.request.headers, maxBytes)
  const decoder = createBodyDecoder(plan, true, keep(plan.checksum?.algorithm ?? null))
  const { blobs } = bucket.region
  const { clock, randomBytes } = context.services
  return sealStream({ blobs, clock, randomBytes }, key, 1, decoded(content, decoder))
}
