/** The end of an upload: the parts that its client lists become one object. */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { fromHex } from '../../core/bytes.ts'
import { checksums } from '../../crypto/checksums.ts'
import { combineCrcs, isCrc } from '../../crypto/crc-combine.ts'
import type { ManifestPart } from '../../crypto/manifest.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectWrite } from '../../policy/operations.ts'
import { releasePlaces } from '../../store/places.ts'
import type { Checksum, PartRow, UploadRow } from '../../store/rows.ts'
import { checksumOfHeaders, isChecksumValue } from '../body.ts'
import { writeCondition } from '../conditions.ts'
import { customerKeyOf, demandFitOfPart } from '../encryption/customer-key.ts'
import { encryptionHeaders } from '../encryption/new-version.ts'
import { S3Error } from '../errors.ts'
import { versionHeader } from '../find-readable.ts'
import { locationOf } from '../location.ts'
import { type LocatedBucket, operation, type S3Answer, type S3Context } from '../operation.ts'
import { attributesOf } from '../version-attributes.ts'
import { openPublishKey, openVersionKey, publishVersion } from '../versions.ts'
import { children, childText, parseXml, xmlDocument } from '../xml.ts'
import { listParts, partChecks, sweepParts } from './abort-uploads.ts'
import { collectXml } from './buckets.ts'
import { findUpload } from './multipart.ts'
import { objectWrite } from './put-object.ts'
import { maxParts, partAlgorithm } from './upload-part.ts'

const minPartBytes = 5 * 2 ** 20
const maxCompleteBytes = 4 * 2 ** 20

interface WantedPart {
  readonly partNumber: number
  readonly etag: string
  readonly checksum: string | null
}

function parseWanted(body: Buffer, upload: UploadRow): WantedPart[] {
  const { checksumAlgorithm: algorithm, checksumType } = upload
  const wanted = children(parseXml(body, 'CompleteMultipartUpload'), 'Part').map(part => {
    const partNumber = Number(childText(part, 'PartNumber'))
    const etag = childText(part, 'ETag')?.trim().replace(/^"|"$/g, '')
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > maxParts || etag === undefined)
      throw new S3Error('MalformedXML')
    const checksum = algorithm === null ? null : (childText(part, `Checksum${algorithm}`) ?? null)
    if (algorithm !== null && checksumType === 'COMPOSITE' && checksum === null) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${partNumber} in the request.`,
      )
    }
    return { partNumber, etag, checksum }
  })
  if (wanted.length === 0) throw new S3Error('MalformedXML')
  for (let i = 1; i < wanted.length; i++) {
    if (wanted[i]!.partNumber <= wanted[i - 1]!.partNumber) throw new S3Error('InvalidPartOrder')
  }
  return wanted
}

function chooseParts(
  wanted: readonly WantedPart[],
  present: readonly { readonly row: PartRow }[],
): PartRow[] {
  const byNumber = new Map(present.map(({ row }) => [row.partNumber, row]))
  return wanted.map(({ partNumber, etag, checksum }, index) => {
    const found = byNumber.get(partNumber)
    const matches =
      found !== undefined && found.md5 === etag && (checksum === null || checksum === found.checksum)
    if (!matches) throw new S3Error('InvalidPart', undefined, { PartNumber: String(partNumber), ETag: etag })
    if (index < wanted.length - 1 && found.sizeBytes < minPartBytes) {
      throw new S3Error('EntityTooSmall', undefined, {
        PartNumber: String(partNumber),
        ETag: etag,
        ProposedSize: String(found.sizeBytes),
        MinSizeAllowed: String(minPartBytes),
      })
    }
    return found
  })
}

/** What the headers say of the object must hold of the parts that were chosen. */
function checkDemands(
  headers: IncomingHttpHeaders,
  upload: UploadRow,
  parts: readonly PartRow[],
  checksum: Checksum | null,
): void {
  const size = headers['x-amz-mp-object-size']
  if (size !== undefined) {
    if (!/^\d{1,15}$/.test(String(size)))
      throw new S3Error('InvalidRequest', 'Value for x-amz-mp-object-size header is invalid.')
    if (Number(size) !== parts.reduce((sum, part) => sum + part.sizeBytes, 0))
      throw new S3Error(
        'InvalidRequest',
        "The provided 'x-amz-mp-object-size' header does not match what was computed.",
      )
  }
  const type = upload.checksumType ?? 'FULL_OBJECT'
  const wantedType = headers['x-amz-checksum-type']
  if (wantedType !== undefined && wantedType !== type)
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    )
  const said = checksumOfHeaders(headers, true)
  if (said === null || said.value === null) return
  const { algorithm, value } = said
  if (algorithm !== partAlgorithm(upload))
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${partAlgorithm(upload).toLowerCase()}, actual checksum Type: ${algorithm.toLowerCase()}`,
    )
  const bare = checksum?.type === 'COMPOSITE' ? checksum.value.replace(/-\d+$/, '') : null
  if (checksum === null || (value !== checksum.value && value !== bare))
    throw new S3Error(
      'BadDigest',
      `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
    )
}

export const completeMultipartUploadOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'CompleteMultipartUpload',
  facts: objectWrite,
  run: async (context, authorized, bucket) => {
    // A checksum in the headers is the object's.
    const body = await collectXml(context, maxCompleteBytes, false)
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
  const wanted = parseWanted(body, upload.row)
  const present = await listParts(bucket.region, upload.row.uploadId)
  const chosen = chooseParts(wanted, present)
  const checksum = wholeChecksum(upload.row, chosen)
  checkDemands(headers, upload.row, chosen, checksum)
  const given = customerKeyOf(context)
  if (given !== null) {
    demandFitOfPart(upload.row.encryption, given)
    await openVersionKey(context.services, bucket, upload.row, given)
  }
  const key = await openPublishKey(context.services, bucket, upload.row)
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
    checksum,
    partChecksums: checksum === null ? null : chosen.map(part => part.checksum!),
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
  const result = {
    Location: locationOf(context, bucket.row.name, objectKey!),
    Bucket: bucket.row.name,
    Key: objectKey!,
    ETag: `"${row.etag}"`,
    ...(checksum !== null && {
      [`Checksum${checksum.algorithm}`]: checksum.value,
      ChecksumType: checksum.type,
    }),
  }
  const answer = {
    ...versionHeader(bucket.row, row),
    ...encryptionHeaders(row.encryption, given),
    ...(await context.services.lifecycleHeaders.ofObject(bucket, objectKey!, row)),
  }
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

/** COMPOSITE: the checksum of the parts' checksums. FULL_OBJECT: what one pass over all of it would have given. */
function wholeChecksum(upload: UploadRow, parts: readonly PartRow[]): Checksum | null {
  const algorithm = partAlgorithm(upload)
  // Parts from before a default was computed have none, or one of another algorithm.
  if (parts.some(({ checksum }) => checksum === null || !isChecksumValue(algorithm, checksum))) return null
  const digests = parts.map(part => Buffer.from(part.checksum!, 'base64'))
  if (upload.checksumType === 'COMPOSITE') {
    const running = checksums[algorithm]()
    for (const digest of digests) running.update(digest)
    const value = `${running.digest().toString('base64')}-${parts.length}`
    return { algorithm, value, type: 'COMPOSITE' }
  }
  if (!isCrc(algorithm)) return null
  const pieces = digests.map((digest, index) => ({ digest, bytes: parts[index]!.sizeBytes }))
  return { algorithm, value: combineCrcs(algorithm, pieces).toString('base64'), type: 'FULL_OBJECT' }
}
