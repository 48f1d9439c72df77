import { hasCode } from '../../core/errors.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectRead } from '../../policy/operations.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { checksumHeaderOf } from '../body.ts'
import { checkRead, parseRange } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import { findReadable, versionHeader, versionIdOf } from '../find-readable.ts'
import { objectHeaders } from '../object-headers.ts'
import { lockHeaders } from '../object-lock.ts'
import {
  clientSeenFrom,
  type LocatedBucket,
  operation,
  type S3Answer,
  type S3Context,
  type S3Stream,
} from '../operation.ts'
import { type OpenedVersion, openVersion } from '../versions.ts'

export async function objectRead(context: S3Context): Promise<{ op: ObjectRead; target: LocatedBucket }> {
  const { request, proof } = context
  if (proof === null && [...request.query.keys()].some(name => name.startsWith('response-')))
    throw new S3Error(
      'InvalidRequest',
      'Request specific response headers cannot be used for anonymous GET requests.',
    )
  const target = await context.locate(context.request.bucket!)
  const client = clientSeenFrom(context.client, target.region)
  return { op: { action: 'object.read', bucket: target.facts, client }, target }
}

export const headObjectOperation = operation<ObjectRead, LocatedBucket>({
  name: 'HeadObject',
  facts: objectRead,
  run: async (context, _authorized, bucket) => {
    const { request } = context
    const row = await findReadable(bucket, request.key!, versionIdOf(request))
    if (checkRead(request.headers, row) === 'not-modified') return notModified(context, bucket, row)
    const range = parseRange(partRange(context, row) ?? request.headers.range, row.sizeBytes)
    const headers = answerHeaders(context, bucket, row, range)
    return { status: range === null ? 200 : 206, headers, body: null }
  },
})

export const getObjectOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObject',
  facts: objectRead,
  run: async (context, authorized, bucket) => {
    const { request } = context
    const versionId = versionIdOf(request)
    for (let attempt = 0; ; attempt++) {
      const version = await openVersion(context.services, bucket, request.key!, versionId)
      const { row } = version
      if (checkRead(request.headers, row) === 'not-modified') return notModified(context, bucket, row)
      const range = parseRange(partRange(context, row) ?? request.headers.range, row.sizeBytes)
      const start = range?.start ?? 0
      const end = range?.end ?? row.sizeBytes
      try {
        const body = await openStream(context, authorized, bucket, version, start, end)
        const headers = answerHeaders(context, bucket, row, range)
        return { status: range === null ? 200 : 206, headers, body }
      } catch (error) {
        // Replaced between its row and its bytes: look again. A row that stays and has no bytes is damage.
        if (!hasCode(error, 'not-found') || attempt > 20) throw error
        const now = await findReadable(bucket, request.key!, versionId)
        if (now.versionId === row.versionId) throw error
      }
    }
  },
})

/**
 * Opens the first segment before the answer's status goes out, so that what cannot be authenticated is an error and
 * not a cut-off success; and for a read abroad, makes its entry durable before any byte leaves.
 */
async function openStream(
  context: S3Context,
  authorized: Authorized<ObjectRead>,
  bucket: LocatedBucket,
  version: OpenedVersion,
  start: number,
  end: number,
): Promise<Buffer | S3Stream> {
  const bytes = end - start
  const short = bytes === 0 ? Buffer.alloc(0) : await version.readShort()
  const plaintext = short === null ? version.read(start, end) : null
  const first = plaintext === null ? null : await plaintext.next()
  const firstChunk =
    short !== null ? short.subarray(start, end) : first?.done === false ? first.value : Buffer.alloc(0)
  const onEnd = authorized.obligations.enterRead
    ? await enterRead(context, bucket, version.row, bytes)
    : (sent: number) =>
        bucket.region.sums.read(bucket.row.tenant, bucket.row.name, context.identity.accessKeyId, sent)
  if (firstChunk.length === bytes && !authorized.obligations.enterRead) {
    onEnd(bytes, true)
    await plaintext?.return()
    return firstChunk
  }
  return { bytes, chunks: prepend(firstChunk, plaintext ?? nothing()), onEnd }
}

async function* nothing(): AsyncGenerator<Buffer, void> {}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer, void>): AsyncGenerator<Buffer, void> {
  try {
    if (first.length > 0) yield first
    yield* rest
  } finally {
    await rest.return()
  }
}

async function enterRead(
  context: S3Context,
  bucket: LocatedBucket,
  row: ObjectRow,
  maxBytes: number,
): Promise<S3Stream['onEnd']> {
  const { region } = bucket
  const { tenant } = bucket.row
  const opening = region.drafts.draft({
    tenant,
    type: 'read.opened',
    body: {
      bucket: bucket.row.name,
      key: context.request.key!,
      versionId: row.versionId,
      originId: row.originId,
      maxBytes,
      client: clientSeenFrom(context.client, region),
      connection: context.connectionId,
      by: { accessKeyId: context.identity.accessKeyId },
    },
  })
  await region.catalog.commit({ puts: [opening.put] })
  context.entered(opening.entryId)
  return (bytes, complete) => {
    const body = {
      opening: opening.entryId,
      bytes,
      outcome: complete ? ('complete' as const) : ('cut' as const),
    }
    const closing = region.drafts.draft({ tenant, type: 'read.closed', body })
    region.catalog.commit({ puts: [closing.put] }).catch(error => {
      context.services.log('error', 'read-not-closed', { opening: opening.entryId, error: String(error) })
    })
  }
}

function answerHeaders(
  context: S3Context,
  bucket: LocatedBucket,
  row: ObjectRow,
  range: { start: number; end: number } | null,
): Record<string, string> {
  const { query, headers } = context.request
  const out: Record<string, string> = {
    ...objectHeaders(row, query),
    ...versionHeader(bucket.row, row),
    ...lockHeaders(row),
  }
  if (row.tags !== undefined) out['x-amz-tagging-count'] = String(row.tags.length)
  out['content-length'] = String(range === null ? row.sizeBytes : range.end - range.start)
  if (range !== null) out['content-range'] = `bytes ${range.start}-${range.end - 1}/${row.sizeBytes}`
  else if (headers['x-amz-checksum-mode'] === 'ENABLED' && row.checksum !== null) {
    out[checksumHeaderOf(row.checksum.algorithm)] = row.checksum.value
    out['x-amz-checksum-type'] = row.checksum.type
  }
  if (query.has('partNumber')) out['x-amz-mp-parts-count'] = String(row.partCount)
  return out
}

/** `?partNumber=1` of an object of one part is the whole of it. Other parts need their manifest and come later. */
function partRange(context: S3Context, row: ObjectRow): string | null {
  const partNumber = context.request.query.get('partNumber')
  if (partNumber === undefined) return null
  if (!/^[1-9]\d{0,4}$/.test(partNumber))
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000.')
  if (row.partCount > 1)
    throw new S3Error(
      'NotImplemented',
      'Reading a part of a multipart object by its number is not implemented.',
    )
  if (partNumber !== '1') throw new S3Error('InvalidRange')
  return row.sizeBytes === 0 ? null : `bytes=0-${row.sizeBytes - 1}`
}

function notModified({ request }: S3Context, bucket: LocatedBucket, row: ObjectRow): S3Answer {
  const { etag, 'last-modified': lastModified } = objectHeaders(row, request.query) as {
    etag: string
    'last-modified': string
  }
  const headers = { etag, 'last-modified': lastModified, ...versionHeader(bucket.row, row) }
  return { status: 304, headers, body: null }
}
