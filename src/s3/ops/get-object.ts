import { hasCode } from '../../core/errors.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectRead } from '../../policy/operations.ts'
import type { Checksum, ObjectRow } from '../../store/rows.ts'
import { checksumHeaderOf } from '../body.ts'
import { checkRead, parseRange } from '../conditions.ts'
import { type CustomerKey, customerKeyOf, demandFit } from '../encryption/customer-key.ts'
import { encryptionHeaders, refuseEncryptionHeaders } from '../encryption/new-version.ts'
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
import { type OpenedVersion, openVersion, openVersionKey } from '../versions.ts'
import { maxParts } from './upload-part.ts'

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
    refuseEncryptionHeaders(request.headers)
    const given = customerKeyOf(context)
    const versionId = versionIdOf(request)
    // Where parts end stands in the manifest.
    const version = request.query.has('partNumber')
      ? await openVersion(context.services, bucket, request.key!, versionId, given)
      : null
    const row = version?.row ?? (await findReadable(bucket, request.key!, versionId))
    demandFit(row.encryption, given)
    // Nothing is told to who has not the key.
    if (given !== null) await openVersionKey(context.services, bucket, row, given)
    if (checkRead(request.headers, row) === 'not-modified') return notModified(context, bucket, row)
    const asked = askedOf(context, row, version)
    const headers = await answerHeaders(context, bucket, row, asked, given)
    return { status: asked.range === null ? 200 : 206, headers, body: null }
  },
})

export const getObjectOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObject',
  facts: objectRead,
  run: async (context, authorized, bucket) => {
    const { request } = context
    refuseEncryptionHeaders(request.headers)
    const given = customerKeyOf(context)
    const versionId = versionIdOf(request)
    for (let attempt = 0; ; attempt++) {
      const version = await openVersion(context.services, bucket, request.key!, versionId, given)
      const { row } = version
      if (checkRead(request.headers, row) === 'not-modified') return notModified(context, bucket, row)
      const asked = askedOf(context, row, version)
      const { range } = asked
      const start = range?.start ?? 0
      const end = range?.end ?? row.sizeBytes
      try {
        const body = await openStream(context, authorized, bucket, version, start, end)
        const headers = await answerHeaders(context, bucket, row, asked, given)
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
  context.entered(opening)
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

async function answerHeaders(
  context: S3Context,
  bucket: LocatedBucket,
  row: ObjectRow,
  { range, checksum }: Asked,
  given: CustomerKey | null,
): Promise<Record<string, string>> {
  const { query, headers } = context.request
  const out: Record<string, string> = {
    ...objectHeaders(row, query),
    ...versionHeader(bucket.row, row),
    ...lockHeaders(row),
    ...encryptionHeaders(row.encryption, given),
  }
  // Of what was asked for by its id nobody knows here whether it is current.
  if (bucket.row.configs?.lifecycle !== undefined && versionIdOf(context.request) === null)
    Object.assign(out, await context.services.lifecycleHeaders.ofObject(bucket, context.request.key!, row))
  if (row.tags !== undefined) out['x-amz-tagging-count'] = String(row.tags.length)
  out['content-length'] = String(range === null ? row.sizeBytes : range.end - range.start)
  if (range !== null) out['content-range'] = `bytes ${range.start}-${range.end - 1}/${row.sizeBytes}`
  if (headers['x-amz-checksum-mode'] === 'ENABLED' && checksum !== null) {
    out[checksumHeaderOf(checksum.algorithm)] = checksum.value
    out['x-amz-checksum-type'] = checksum.type
  }
  if (query.has('partNumber') && isOfParts(row)) out['x-amz-mp-parts-count'] = String(row.partCount)
  return out
}

interface Asked {
  /** `null`: all of it. */
  readonly range: { readonly start: number; readonly end: number } | null
  /** Of what is asked for, where it is known. */
  readonly checksum: Checksum | null
}

/** `version`: needed when a part of several is asked for, whose boundaries stand in the manifest. */
function askedOf({ request }: S3Context, row: ObjectRow, version: OpenedVersion | null): Asked {
  const partNumber = request.query.get('partNumber')
  if (partNumber === undefined) {
    const range = parseRange(request.headers.range, row.sizeBytes)
    return { range, checksum: range === null ? row.checksum : null }
  }
  if (!/^[1-9]\d{0,4}$/.test(partNumber) || Number(partNumber) > maxParts)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
  if (request.headers.range !== undefined)
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  if (!isOfParts(row) || version === null) {
    if (partNumber !== '1') throw noSuchPart(partNumber, row)
    const range = row.sizeBytes === 0 ? null : { start: 0, end: row.sizeBytes }
    return { range, checksum: row.checksum }
  }
  let start = 0
  for (const [index, part] of version.manifest.parts.entries()) {
    if (part.partNumber === Number(partNumber)) {
      const value = version.partChecksums?.[index]
      return {
        range: { start, end: start + part.plainBytes },
        checksum: value === undefined || row.checksum === null ? null : { ...row.checksum, value },
      }
    }
    start += part.plainBytes
  }
  throw noSuchPart(partNumber, row)
}

function noSuchPart(partNumber: string, row: ObjectRow): S3Error {
  return new S3Error('InvalidPartNumber', undefined, {
    PartNumberRequested: partNumber,
    ActualPartCount: String(row.partCount),
  })
}

/** Made of an upload in parts, be it of one. */
export function isOfParts(row: ObjectRow): boolean {
  return row.partCount > 1 || /-\d+$/.test(row.etag)
}

function notModified({ request }: S3Context, bucket: LocatedBucket, row: ObjectRow): S3Answer {
  const { etag, 'last-modified': lastModified } = objectHeaders(row, request.query) as {
    etag: string
    'last-modified': string
  }
  const headers = { etag, 'last-modified': lastModified, ...versionHeader(bucket.row, row) }
  return { status: 304, headers, body: null }
}
