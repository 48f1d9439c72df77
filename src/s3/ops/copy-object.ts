import { createHash } from 'node:crypto'
import type { ObjectCopy } from '../../policy/operations.ts'
import { sealStream } from '../../store/sealed-parts.ts'
import { checkCopySource, parseRange, writeCondition } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import { storedHeaders, xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { newVersionKey, openVersion, publishVersion } from '../versions.ts'
import { xmlDocument } from '../xml.ts'
import { maxPutBytes } from './put-object.ts'

export interface CopyTarget {
  readonly source: LocatedBucket
  readonly sourceKey: string
  readonly bucket: LocatedBucket
}

/** Both ends, so that policy sees whether the copy would cross a border before anything is read. */
export async function objectCopy(context: S3Context): Promise<{ op: ObjectCopy; target: CopyTarget }> {
  const { source, key } = parseCopySource(String(context.request.headers['x-amz-copy-source']))
  const [from, bucket] = await Promise.all([context.locate(source), context.locate(context.request.bucket!)])
  return {
    op: { action: 'object.copy', source: from.facts, bucket: bucket.facts },
    target: { source: from, sourceKey: key, bucket },
  }
}

function parseCopySource(header: string): { source: string; key: string } {
  let text = header.split('?', 1)[0]!
  try {
    text = decodeURIComponent(text)
  } catch {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source is not URL-encoded.')
  }
  if (header.includes('?versionId=') && !header.endsWith('?versionId=null')) {
    throw new S3Error('NotImplemented', 'Copying a version by its id is not implemented.')
  }
  const match = /^\/?([^/]+)\/(.+)$/s.exec(text)
  if (match === null)
    throw new S3Error(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey.',
    )
  return { source: match[1]!, key: match[2]! }
}

/** Hashes what streams by; the digest is there when the stream has ended. */
export async function* withMd5(
  chunks: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer, { md5: Buffer; bytes: number }> {
  const md5 = createHash('md5')
  let bytes = 0
  for await (const chunk of chunks) {
    md5.update(chunk)
    bytes += chunk.length
    yield chunk
  }
  return { md5: md5.digest(), bytes }
}

export const copyObjectOperation = operation<ObjectCopy, CopyTarget>({
  name: 'CopyObject',
  facts: objectCopy,
  run: async (context, authorized, { source, sourceKey, bucket }) => {
    const { headers, key: objectKey } = context.request
    const version = await openVersion(context.services, source, sourceKey)
    const { row } = version
    checkCopySource(headers, row)
    if (row.sizeBytes > maxPutBytes)
      throw new S3Error('InvalidRequest', 'The source is larger than a copy may be: 5 GiB.')
    const directive = headers['x-amz-metadata-directive'] ?? 'COPY'
    if (directive !== 'COPY' && directive !== 'REPLACE')
      throw new S3Error('InvalidArgument', 'Unknown metadata directive.')
    if (directive === 'COPY' && source.row.id === bucket.row.id && sourceKey === objectKey) {
      throw new S3Error(
        'InvalidRequest',
        'This copy request is illegal because it changes nothing of the object.',
      )
    }
    const stored =
      directive === 'REPLACE'
        ? storedHeaders(headers)
        : { headers: { ...row.headers }, metadata: { ...row.metadata } }
    const condition = writeCondition(headers)
    const key = await newVersionKey(context.services, bucket)
    const target = {
      blobs: bucket.region.blobs,
      clock: context.services.clock,
      randomBytes: context.services.randomBytes,
    }
    const { placed, end } = await sealStream(target, key, 1, withMd5(version.read(0, row.sizeBytes)))
    try {
      const made = await publishVersion(context, authorized, bucket, objectKey!, {
        key,
        parts: [{ ...placed.part, partNumber: 1 }],
        places: [placed.place],
        claims: placed.claim.puts,
        etag: end.md5.toString('hex'),
        // A composite checksum speaks of parts that the copy no longer has.
        checksum: row.checksum?.type === 'FULL_OBJECT' ? row.checksum : null,
        stored,
        copiedFrom: { bucket: source.row.name, key: sourceKey, originId: row.originId },
        ...(condition && { condition }),
      })
      const result = { LastModified: xmlDate(made.modifiedUnixMs), ETag: `"${made.etag}"` }
      return { status: 200, headers: {}, body: xmlDocument('CopyObjectResult', result) }
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
