import { createHash } from 'node:crypto'
import { fromHex, toHex } from '../../core/bytes.ts'
import { isSortableId, newSortableId } from '../../core/ids.ts'
import { checksums } from '../../crypto/checksums.ts'
import type { ManifestPart } from '../../crypto/manifest.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectCopy, ObjectWrite } from '../../policy/operations.ts'
import { type KnownBucket, sameBucket } from '../../store/objects.ts'
import { releasePlaces } from '../../store/places.ts'
import {
  bucketRowKey,
  type Checksum,
  type ChecksumAlgorithm,
  decodeRow,
  encodeRow,
  type PartRow,
  partRowKey,
  type UploadRow,
  uploadRowKey,
} from '../../store/rows.ts'
import { type PlacedPart, sealStream } from '../../store/sealed-parts.ts'
import { counted, exceedsQuota } from '../../store/usage.ts'
import { ownershipOf } from '../acl/new-object.ts'
import { checksumHeaderOf, parseChecksumName } from '../body.ts'
import { checkCopySource, writeCondition } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import { versionHeader } from '../find-readable.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Answer, type S3Context } from '../operation.ts'
import type { ShownOwner } from '../owners.ts'
import { attributesOf, versionAttributes } from '../version-attributes.ts'
import { newVersionKey, openVersionKey, publishVersion } from '../versions.ts'
import { children, childText, parseXml, xmlDocument } from '../xml.ts'
import { abortUpload, listParts, partChecks, sweepParts } from './abort-uploads.ts'
import { collectXml } from './buckets.ts'
import {
  type CopyTarget,
  copySourceRange,
  objectCopy,
  openSource,
  sourceHeader,
  withMd5,
} from './copy-object.ts'
import { checksumAnswer, objectWrite, sealBody } from './put-object.ts'

const minPartBytes = 5 * 2 ** 20
const maxParts = 10_000
const maxCompleteBytes = 4 * 2 ** 20

export const createMultipartUploadOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'CreateMultipartUpload',
  facts: objectWrite,
  run: async (context, _authorized, bucket) => {
    const { headers, key: objectKey } = context.request
    const { services } = context
    const attributes = {
      ...versionAttributes(headers, bucket, services.clock()),
      ...(await ownershipOf(context, bucket)),
    }
    const named = headers['x-amz-checksum-algorithm']
    const algorithm = typeof named === 'string' ? parseChecksumName(named) : null
    const type = checksumType(algorithm, headers['x-amz-checksum-type'])
    const key = await newVersionKey(services, bucket)
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
  if (algorithm === null) return null
  if (header === undefined) return algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
  if (header === 'COMPOSITE' && algorithm !== 'CRC64NVME') return 'COMPOSITE'
  if (header === 'FULL_OBJECT' && algorithm.startsWith('CRC')) return 'FULL_OBJECT'
  throw new S3Error(
    'InvalidRequest',
    `The ${String(header)} checksum type cannot be used with the ${algorithm} algorithm.`,
  )
}

interface FoundUpload {
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

export const uploadPartOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'UploadPart',
  facts: objectWrite,
  run: async (context, _authorized, bucket): Promise<S3Answer> => {
    const partNumber = partNumberOf(context)
    const upload = await findUpload(context, bucket)
    const key = await openVersionKey(context.services, bucket, upload.row)
    const { placed, end } = await sealBody(context, bucket, key, partNumber)
    const algorithm = upload.row.checksumAlgorithm
    if (algorithm !== null && end.checksum !== null && end.checksum.algorithm !== algorithm) {
      await placed.abandon()
      throw new S3Error(
        'InvalidRequest',
        `Checksum Type mismatch occurred, expected checksum Type: ${algorithm}, actual checksum Type: ${end.checksum.algorithm}`,
      )
    }
    const md5 = end.md5!.toString('hex')
    await publishPart(context, bucket, upload, placed, {
      partNumber,
      md5,
      checksum: end.checksum?.value ?? null,
    })
    return { status: 200, headers: { etag: `"${md5}"`, ...checksumAnswer(end) }, body: null }
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
    const key = await openVersionKey(context.services, bucket, upload.row)
    const sealTarget = {
      blobs: bucket.region.blobs,
      clock: context.services.clock,
      randomBytes: context.services.randomBytes,
    }
    const sealed = await sealStream(sealTarget, key, partNumber, withMd5(version.read(start, end)))
    const md5 = sealed.end.md5.toString('hex')
    const part = await publishPart(context, bucket, upload, sealed.placed, {
      partNumber,
      md5,
      checksum: null,
    })
    const result = { LastModified: xmlDate(part.modifiedUnixMs), ETag: `"${md5}"` }
    const answer = sourceHeader(source, version.row)
    return { status: 200, headers: answer, body: xmlDocument('CopyPartResult', result) }
  },
})

interface WantedPart {
  readonly partNumber: number
  readonly etag: string
  readonly checksum: string | null
}

function parseWanted(body: Buffer, algorithm: ChecksumAlgorithm | null): WantedPart[] {
  const wanted = children(parseXml(body, 'CompleteMultipartUpload'), 'Part').map(part => {
    const partNumber = Number(childText(part, 'PartNumber'))
    const etag = childText(part, 'ETag')?.trim().replace(/^"|"$/g, '')
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > maxParts || etag === undefined) {
      throw new S3Error('MalformedXML')
    }
    return {
      partNumber,
      etag,
      checksum: algorithm === null ? null : (childText(part, `Checksum${algorithm}`) ?? null),
    }
  })
  if (wanted.length === 0) throw new S3Error('MalformedXML')
  for (let i = 1; i < wanted.length; i++) {
    if (wanted[i]!.partNumber <= wanted[i - 1]!.partNumber) throw new S3Error('InvalidPartOrder')
  }
  return wanted
}

export const completeMultipartUploadOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'CompleteMultipartUpload',
  facts: objectWrite,
  run: async (context, authorized, bucket) => {
    const body = await collectXml(context, maxCompleteBytes)
    for (let attempt = 1; ; attempt++) {
      try {
        return await complete(context, authorized, bucket, body)
      } catch (error) {
        // A part was sent again meanwhile: the list of parts is read anew. When the upload is gone, that says so.
        const isRace = error instanceof S3Error && error.code === 'NoSuchUpload'
        if (!isRace || attempt >= maxAttempts) throw error
        await findUpload(context, bucket)
      }
    }
  },
})

const maxAttempts = 20

async function complete(
  context: S3Context,
  authorized: Authorized<ObjectWrite>,
  bucket: LocatedBucket,
  body: Buffer,
): Promise<S3Answer> {
  const { headers, key: objectKey } = context.request
  const upload = await findUpload(context, bucket)
  const wanted = parseWanted(body, upload.row.checksumAlgorithm)
  const present = await listParts(bucket.region, upload.row.uploadId)
  const byNumber = new Map(present.map(part => [part.row.partNumber, part]))
  const chosen = wanted.map((want, index) => {
    const found = byNumber.get(want.partNumber)?.row
    const matches =
      found !== undefined &&
      found.md5 === want.etag &&
      (want.checksum === null || want.checksum === found.checksum)
    if (!matches) throw new S3Error('InvalidPart', undefined, { PartNumber: String(want.partNumber) })
    if (index < wanted.length - 1 && found.sizeBytes < minPartBytes) {
      throw new S3Error('EntityTooSmall', undefined, {
        PartNumber: String(want.partNumber),
        ProposedSize: String(found.sizeBytes),
        MinSizeAllowed: String(minPartBytes),
      })
    }
    return found
  })
  const key = await openVersionKey(context.services, bucket, upload.row)
  const unused = present.filter(part => !chosen.includes(part.row)).map(part => part.row.place)
  const released = releasePlaces(unused, context.services.clock())
  const condition = writeCondition(headers)
  const row = await publishVersion(context, authorized, bucket, objectKey!, {
    key,
    parts: chosen.map(manifestPart),
    places: chosen.map(part => part.place),
    // The places were claimed when each part was published.
    claims: [],
    etag: multipartEtag(chosen),
    checksum: wholeChecksum(upload.row, chosen, headers),
    attributes: attributesOf(upload.row),
    copiedFrom: null,
    countedBytes: present.reduce((sum, part) => sum + part.row.sizeBytes, 0),
    also: {
      checks: [{ table: 'uploads', key: upload.rowKey, expected: upload.bytes }, ...partChecks(present)],
      removes: [
        { table: 'uploads', key: upload.rowKey },
        ...present.map(part => ({ table: 'parts' as const, key: part.key })),
        ...released.removes,
      ],
      puts: released.puts,
    },
    ...(condition && { condition }),
  })
  await sweepParts(context.services, bucket, upload.row.uploadId)
  const { checksum } = row
  const result = {
    Location: `/${bucket.row.name}/${objectKey}`,
    Bucket: bucket.row.name,
    Key: objectKey!,
    ETag: `"${row.etag}"`,
    ...(checksum !== null && {
      [`Checksum${checksum.algorithm}`]: checksum.value,
      ChecksumType: checksum.type,
    }),
  }
  const answer = versionHeader(bucket.row, row)
  return { status: 200, headers: answer, body: xmlDocument('CompleteMultipartUploadResult', result) }
}

function manifestPart(part: PartRow): ManifestPart {
  return {
    partNumber: part.partNumber,
    plainBytes: part.sizeBytes,
    cipherBytes: part.ciphertextBytes,
    headerTag: fromHex(part.headerTag)!,
    sha256: fromHex(part.sha256)!,
  }
}

function multipartEtag(parts: readonly PartRow[]): string {
  const md5 = createHash('md5')
  for (const part of parts) md5.update(fromHex(part.md5)!)
  return `${md5.digest('hex')}-${parts.length}`
}

/** COMPOSITE: the checksum of the parts' checksums. A whole-object value is kept only as far as it was proven. */
function wholeChecksum(
  upload: UploadRow,
  parts: readonly PartRow[],
  headers: S3Context['request']['headers'],
): Checksum | null {
  const algorithm = upload.checksumAlgorithm
  if (algorithm === null) return null
  if (upload.checksumType === 'FULL_OBJECT') {
    if (headers[checksumHeaderOf(algorithm)] === undefined) return null
    throw new S3Error(
      'NotImplemented',
      'A full-object checksum of a multipart upload is not implemented; use COMPOSITE.',
    )
  }
  if (parts.some(part => part.checksum === null)) return null
  const running = checksums[algorithm]()
  for (const part of parts) running.update(Buffer.from(part.checksum!, 'base64'))
  return { algorithm, value: `${running.digest().toString('base64')}-${parts.length}`, type: 'COMPOSITE' }
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
