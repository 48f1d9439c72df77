/** Parts of an upload: sent, or copied from what is there. */
import { toHex } from '../../core/bytes.ts'
import { type ChecksumName, defaultChecksum } from '../../crypto/checksums.ts'
import type { ObjectCopy, ObjectWrite } from '../../policy/operations.ts'
import { releasePlaces } from '../../store/places.ts'
import { decodeRow, encodeRow, type PartRow, partRowKey, type UploadRow } from '../../store/rows.ts'
import { type PlacedPart, sealStream } from '../../store/sealed-parts.ts'
import { counted, exceedsQuota } from '../../store/usage.ts'
import { checksumHeaderOf, checksumOfHeaders } from '../body.ts'
import { checkCopySource } from '../conditions.ts'
import { defaultChecksumOf } from '../default-checksum.ts'
import { type CustomerKey, customerKeyOf, demandFitOfPart } from '../encryption/customer-key.ts'
import { encryptionHeaders, refuseEncryptionHeaders } from '../encryption/new-version.ts'
import { S3Error } from '../errors.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Answer, type S3Context } from '../operation.ts'
import { openVersionKey, type VersionKey } from '../versions.ts'
import { xmlDocument } from '../xml.ts'
import {
  type CopyTarget,
  copySourceRange,
  objectCopy,
  openSource,
  sourceHeader,
  withDigests,
} from './copy-object.ts'
import { type FoundUpload, findUpload } from './multipart.ts'
import { objectWrite, sealBody } from './put-object.ts'

export const maxParts = 10_000

function partNumberOf(context: S3Context): number {
  const text = context.request.query.get('partNumber') ?? ''
  if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > maxParts) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive.')
  }
  return Number(text)
}

/** Publishes a part, giving up the one of the same number that it replaces. */
async function publishPart(
  context: S3Context,
  bucket: LocatedBucket,
  upload: FoundUpload,
  placed: PlacedPart,
  row: Pick<PartRow, 'partNumber' | 'md5' | 'checksum'>,
): Promise<PartRow> {
  const { catalog } = bucket.region
  const key = partRowKey(upload.row.uploadId, row.partNumber)
  const part: PartRow = {
    v: 1,
    ...row,
    sizeBytes: placed.part.plainBytes,
    ciphertextBytes: placed.part.cipherBytes,
    headerTag: toHex(placed.part.headerTag),
    sha256: toHex(placed.part.sha256),
    modifiedUnixMs: context.services.clock(),
    place: placed.place,
  }
  for (;;) {
    const before = await catalog.get('parts', key)
    const released = releasePlaces(
      before === null ? [] : [decodeRow<PartRow>(before).place],
      part.modifiedUnixMs,
    )
    const bytes = part.sizeBytes - (before === null ? 0 : decodeRow<PartRow>(before).sizeBytes)
    const count = await counted(catalog, bucket.row, { objects: 0, bytes })
    const held = await catalog.commit({
      checks: [
        { table: 'uploads', key: upload.rowKey, expected: upload.bytes },
        { table: 'parts', key, expected: before },
        ...count.checks,
      ],
      adds: count.adds,
      removes: released.removes,
      puts: [...released.puts, ...placed.claim.puts, { table: 'parts', key, value: encodeRow(part) }],
    })
    if (held) return part
    if (await exceedsQuota(catalog, count)) {
      await placed.abandon()
      throw new S3Error('QuotaExceeded')
    }
    if ((await catalog.get('uploads', upload.rowKey)) === null) {
      await placed.abandon()
      throw new S3Error('NoSuchUpload')
    }
  }
}

/** The upload's data key, for which it takes the customer's key where it was begun with one. */
async function openUpload(
  context: S3Context,
  bucket: LocatedBucket,
  { row }: FoundUpload,
): Promise<{ key: VersionKey; given: CustomerKey | null }> {
  refuseEncryptionHeaders(context.request.headers)
  const given = customerKeyOf(context)
  demandFitOfPart(row.encryption, given)
  try {
    return { key: await openVersionKey(context.services, bucket, row, given), given }
  } catch (error) {
    if (given === null || !(error instanceof S3Error) || error.code !== 'AccessDenied') throw error
    throw new S3Error(
      'InvalidRequest',
      'The provided encryption parameters did not match the ones used originally.',
    )
  }
}

/** As MD5 where that is what ETags are; what is encrypted otherwise has one that says nothing. */
function partEtag(md5: Buffer, { row }: FoundUpload, { services }: S3Context): string {
  return toHex(row.encryption === undefined ? md5 : services.randomBytes(16))
}

/** Of which algorithm the checksums of parts are, where they have any. */
export function partAlgorithm({ checksumAlgorithm }: UploadRow): ChecksumName {
  return checksumAlgorithm ?? defaultChecksum
}

function keptAlgorithm({ row }: FoundUpload, bucket: LocatedBucket): ChecksumName | null {
  return row.checksumAlgorithm ?? defaultChecksumOf(bucket, row.encryption)
}

/** A checksum of checksums needs one of each part, and says so before a body comes. */
function checkAlgorithm({ row }: FoundUpload, { request }: S3Context): void {
  const { checksumAlgorithm: expected, checksumType } = row
  if (expected === null) return
  const sent = checksumOfHeaders(request.headers)?.algorithm ?? null
  if (sent === expected || (sent === null && checksumType === 'FULL_OBJECT')) return
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected.toLowerCase()}, actual checksum Type: ${sent?.toLowerCase() ?? 'null'}`,
  )
}

export const uploadPartOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'UploadPart',
  facts: objectWrite,
  run: async (context, _authorized, bucket): Promise<S3Answer> => {
    const partNumber = partNumberOf(context)
    const upload = await findUpload(context, bucket)
    checkAlgorithm(upload, context)
    const { key, given } = await openUpload(context, bucket, upload)
    const keep = (): ChecksumName | null => keptAlgorithm(upload, bucket)
    const { placed, end } = await sealBody(context, bucket, key, partNumber, keep)
    const md5 = partEtag(end.md5!, upload, context)
    await publishPart(context, bucket, upload, placed, {
      partNumber,
      md5,
      checksum: end.computed?.value ?? null,
    })
    const answered = end.checksum ?? end.computed
    return {
      status: 200,
      headers: {
        etag: `"${md5}"`,
        ...(answered && { [checksumHeaderOf(answered.algorithm)]: answered.value }),
        ...encryptionHeaders(upload.row.encryption, given),
      },
      body: null,
    }
  },
})

export const uploadPartCopyOperation = operation<ObjectCopy, CopyTarget>({
  name: 'UploadPartCopy',
  facts: objectCopy,
  run: async (context, _authorized, target) => {
    const { source, bucket } = target
    const partNumber = partNumberOf(context)
    const upload = await findUpload(context, bucket)
    const version = await openSource(context, target)
    checkCopySource(context.request.headers, version.row)
    const { start, end } = copySourceRange(context, version.row.sizeBytes)
    const { key, given } = await openUpload(context, bucket, upload)
    const sealTarget = {
      blobs: bucket.region.blobs,
      clock: context.services.clock,
      randomBytes: context.services.randomBytes,
    }
    const algorithm = keptAlgorithm(upload, bucket)
    const content = withDigests(version.read(start, end), algorithm)
    const sealed = await sealStream(sealTarget, key, partNumber, content)
    const { checksum } = sealed.end
    const md5 = partEtag(sealed.end.md5, upload, context)
    const part = await publishPart(context, bucket, upload, sealed.placed, { partNumber, md5, checksum })
    const result = {
      LastModified: xmlDate(part.modifiedUnixMs),
      ETag: `"${md5}"`,
      ...(checksum !== null && { [`Checksum${algorithm}`]: checksum }),
    }
    const answer = {
      ...sourceHeader(source, version.row),
      ...encryptionHeaders(upload.row.encryption, given),
    }
    return { status: 200, headers: answer, body: xmlDocument('CopyPartResult', result) }
  },
})
