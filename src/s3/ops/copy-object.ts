import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type ChecksumName, checksums } from '../../crypto/checksums.ts'
import type { ObjectCopy } from '../../policy/operations.ts'
import { type Checksum, clientVersionId, type ObjectRow, type VersionAttributes } from '../../store/rows.ts'
import { sealStream } from '../../store/sealed-parts.ts'
import { ownershipOf } from '../acl/new-object.ts'
import { namedAlgorithm } from '../body.ts'
import { checkCopySource, parseRange, writeCondition } from '../conditions.ts'
import { defaultChecksumOf } from '../default-checksum.ts'
import { customerKeyOf, hasCustomerKey } from '../encryption/customer-key.ts'
import { newEncryption, writtenEncryptionHeaders } from '../encryption/new-version.ts'
import { S3Error } from '../errors.ts'
import { checkVersionId, versionHeader } from '../find-readable.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { versionAttributes } from '../version-attributes.ts'
import { newVersionKey, type OpenedVersion, openVersion, publishVersion } from '../versions.ts'
import { xmlDocument } from '../xml.ts'
import { maxPutBytes } from './put-object.ts'

export interface CopyTarget {
  readonly source: LocatedBucket
  readonly sourceKey: string
  readonly sourceVersion: string | null
  readonly bucket: LocatedBucket
}

/** Both ends, so that policy sees whether the copy would cross a border before anything is read. */
export async function objectCopy(context: S3Context): Promise<{ op: ObjectCopy; target: CopyTarget }> {
  const { source, key, versionId } = parseCopySource(String(context.request.headers['x-amz-copy-source']))
  const [from, bucket] = await Promise.all([context.locate(source), context.locate(context.request.bucket!)])
  return {
    op: { action: 'object.copy', source: from.facts, bucket: bucket.facts },
    target: { source: from, sourceKey: key, sourceVersion: versionId, bucket },
  }
}

interface CopySource {
  readonly source: string
  readonly key: string
  readonly versionId: string | null
}

/** `/bucket/key?versionId=…`, the key URL-encoded; a question mark of its own would be `%3F`. */
export function parseCopySource(header: string): CopySource {
  const mark = header.lastIndexOf('?versionId=')
  const versionId = mark < 0 ? null : checkVersionId(header.slice(mark + '?versionId='.length))
  let text = mark < 0 ? header : header.slice(0, mark)
  try {
    text = decodeURIComponent(text)
  } catch {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source is not URL-encoded.')
  }
  const match = /^\/?([^/]+)\/(.+)$/s.exec(text)
  if (match === null)
    throw new S3Error(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey.',
    )
  return { source: match[1]!, key: match[2]!, versionId }
}

/** A delete marker is nothing that could be copied; asked for by its id, S3 says so in words of its own. */
export async function openSource(
  context: S3Context,
  { source, sourceKey, sourceVersion }: CopyTarget,
): Promise<OpenedVersion> {
  const given = customerKeyOf(context, 'source')
  try {
    return await openVersion(context.services, source, sourceKey, sourceVersion, given)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    if (error.code === 'MethodNotAllowed') {
      throw new S3Error(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker by version id.',
      )
    }
    throw new S3Error(error.code, error.message, error.fields)
  }
}

export function sourceHeader(source: LocatedBucket, row: ObjectRow): Record<string, string> {
  if (source.row.versioning === undefined) return {}
  return { 'x-amz-copy-source-version-id': clientVersionId(row) }
}

/** Hashes what streams by; the digests are there when the stream has ended. */
export async function* withDigests(
  chunks: AsyncGenerator<Buffer, void>,
  algorithm: ChecksumName | null,
): AsyncGenerator<Buffer, CopyEnd> {
  const md5 = createHash('md5')
  const sum = algorithm === null ? null : checksums[algorithm]()
  for await (const chunk of chunks) {
    md5.update(chunk)
    sum?.update(chunk)
    yield chunk
  }
  return { md5: md5.digest(), checksum: sum === null ? null : sum.digest().toString('base64') }
}

interface CopyEnd {
  readonly md5: Buffer
  readonly checksum: string | null
}

/** The algorithm that is asked for, or the source's, or the default. Where there is no default, only what is asked for. */
function checksumToKeep(
  headers: IncomingHttpHeaders,
  { checksum }: ObjectRow,
  byDefault: ChecksumName | null,
): Checksum | ChecksumName | null {
  const algorithm =
    namedAlgorithm(headers) ?? (byDefault === null ? null : (checksum?.algorithm ?? byDefault))
  if (algorithm === null) return null
  // A composite checksum speaks of parts that the copy no longer has.
  return checksum?.type === 'FULL_OBJECT' && checksum.algorithm === algorithm ? checksum : algorithm
}

function directiveOf(headers: IncomingHttpHeaders, name: string): 'COPY' | 'REPLACE' {
  const directive = headers[name] ?? 'COPY'
  if (directive === 'COPY' || directive === 'REPLACE') return directive
  const what = name === 'x-amz-tagging-directive' ? 'tagging' : 'metadata'
  throw new S3Error('InvalidArgument', `Unknown ${what} directive.`, {
    ArgumentName: name,
    ArgumentValue: String(directive),
  })
}

/** Metadata and tags come along unless the request has its own. A lock never does: it is of the source. */
function copiedAttributes(
  headers: IncomingHttpHeaders,
  source: ObjectRow,
  bucket: LocatedBucket,
  nowUnixMs: number,
): VersionAttributes {
  const { tags: given, headers: stored, metadata, ...lock } = versionAttributes(headers, bucket, nowUnixMs)
  const tags = directiveOf(headers, 'x-amz-tagging-directive') === 'REPLACE' ? given : source.tags
  const described =
    directiveOf(headers, 'x-amz-metadata-directive') === 'REPLACE'
      ? { headers: stored, metadata }
      : { headers: source.headers, metadata: source.metadata }
  return { ...described, ...(tags && { tags }), ...lock }
}

export const copyObjectOperation = operation<ObjectCopy, CopyTarget>({
  name: 'CopyObject',
  facts: objectCopy,
  run: async (context, authorized, copy) => {
    const { source, sourceKey, sourceVersion, bucket } = copy
    const { headers, key: objectKey } = context.request
    const version = await openSource(context, copy)
    const { row } = version
    checkCopySource(headers, row)
    if (row.sizeBytes > maxPutBytes)
      throw new S3Error('InvalidRequest', 'The source is larger than a copy may be: 5 GiB.')
    const isItself = source.row.id === bucket.row.id && sourceKey === objectKey && sourceVersion === null
    const isSealedAnew = headers['x-amz-server-side-encryption'] !== undefined || hasCustomerKey(headers)
    if (isItself && !isSealedAnew && directiveOf(headers, 'x-amz-metadata-directive') === 'COPY') {
      throw new S3Error(
        'InvalidRequest',
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      )
    }
    const encryption = await newEncryption(context, bucket)
    // Whose the source is, and who may use it, does not come along.
    const attributes = {
      ...copiedAttributes(headers, row, bucket, context.services.clock()),
      ...(await ownershipOf(context, bucket)),
      ...encryption.attribute,
    }
    const condition = writeCondition(headers)
    const key = await newVersionKey(context.services, bucket, encryption.customerKey)
    const target = {
      blobs: bucket.region.blobs,
      clock: context.services.clock,
      randomBytes: context.services.randomBytes,
    }
    const byDefault = defaultChecksumOf(bucket, attributes.encryption)
    const keep = checksumToKeep(headers, row, byDefault)
    const algorithm = typeof keep === 'string' ? keep : null
    const content = withDigests(version.read(0, row.sizeBytes), algorithm)
    const { placed, end } = await sealStream(target, key, 1, content)
    const checksum: Checksum | null =
      typeof keep === 'string' ? { algorithm: keep, value: end.checksum!, type: 'FULL_OBJECT' } : keep
    try {
      const made = await publishVersion(context, authorized, bucket, objectKey!, {
        key,
        parts: [{ ...placed.part, partNumber: 1 }],
        places: [placed.place],
        claims: placed.claim.puts,
        etag: end.md5.toString('hex'),
        checksum,
        attributes,
        copiedFrom: { bucket: source.row.name, key: sourceKey, originId: row.originId },
        ...(condition && { condition }),
      })
      const result = {
        LastModified: xmlDate(made.modifiedUnixMs),
        ETag: `"${made.etag}"`,
        ...(checksum !== null && {
          [`Checksum${checksum.algorithm}`]: checksum.value,
          ChecksumType: checksum.type,
        }),
      }
      const answer = {
        ...versionHeader(bucket.row, made),
        ...(await context.services.lifecycleHeaders.ofObject(bucket, objectKey!, made)),
        ...sourceHeader(source, row),
        ...writtenEncryptionHeaders(made.encryption, encryption.customerKey),
      }
      return { status: 200, headers: answer, body: xmlDocument('CopyObjectResult', result) }
    } catch (error) {
      if (error instanceof S3Error) await placed.abandon()
      throw error
    }
  },
})

/** `x-amz-copy-source-range` must be a whole range inside the source. */
export function copySourceRange(context: S3Context, sizeBytes: number): { start: number; end: number } {
  const header = context.request.headers['x-amz-copy-source-range']
  if (header === undefined) return { start: 0, end: sizeBytes }
  const match = /^bytes=(\d+)-(\d+)$/.exec(String(header))
  const range = match === null ? null : parseRange(String(header), sizeBytes)
  if (range === null || Number(match![2]) >= sizeBytes) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last within the source.',
    )
  }
  return range
}
