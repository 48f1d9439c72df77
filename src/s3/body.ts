/**
 * Request bodies: whatever wrapping the client chose is taken off, and every length, hash and checksum that was
 * promised is held against what came. A body is good only once `end` has returned; until then nothing is published.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type ChecksumName, checksums, type RunningChecksum } from '../crypto/checksums.ts'
import type { PayloadMode } from './authenticate.ts'
import { createChunkedDecoder } from './aws-chunked.ts'
import { S3Error } from './errors.ts'

export interface BodyPlan {
  readonly payload: PayloadMode
  /** Bytes on the wire; `null` under chunked transfer coding. */
  readonly wireBytes: number | null
  /** Bytes of content, where they are known before they come. */
  readonly contentBytes: number | null
  /** What it may be at most, where nothing was declared. */
  readonly maxBytes: number
  readonly md5: Buffer | null
  /** What the client says the content's checksum is: now, or in a trailer. */
  readonly checksum: {
    readonly algorithm: ChecksumName
    readonly value: string | null
    readonly trailer: boolean
  } | null
}

export interface BodyEnd {
  readonly bytes: number
  readonly md5: Buffer | null
  readonly checksum: { readonly algorithm: ChecksumName; readonly value: string } | null
}

export interface BodyDecoder {
  push(bytes: Buffer): Buffer[]
  end(): BodyEnd
}

const checksumHeaders: readonly (readonly [ChecksumName, string, number])[] = [
  ['CRC32', 'x-amz-checksum-crc32', 4],
  ['CRC32C', 'x-amz-checksum-crc32c', 4],
  ['CRC64NVME', 'x-amz-checksum-crc64nvme', 8],
  ['SHA1', 'x-amz-checksum-sha1', 20],
  ['SHA256', 'x-amz-checksum-sha256', 32],
]

export function checksumHeaderOf(algorithm: ChecksumName): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

export function parseChecksumName(text: string): ChecksumName {
  const name = text.toUpperCase()
  if (!Object.hasOwn(checksums, name))
    throw new S3Error('InvalidRequest', `Checksum algorithm ${text} is not supported.`)
  return name as ChecksumName
}

export function planBody(headers: IncomingHttpHeaders, payload: PayloadMode, maxBytes: number): BodyPlan {
  const wireBytes = lengthHeader(headers['content-length'])
  const decoded = lengthHeader(headers['x-amz-decoded-content-length'] as string | undefined)
  if (payload.kind === 'chunked' && decoded === null) {
    throw new S3Error('MissingContentLength', 'You must provide the x-amz-decoded-content-length header.')
  }
  const contentBytes = payload.kind === 'chunked' ? decoded : wireBytes
  if (contentBytes === null && headers['transfer-encoding'] === undefined)
    throw new S3Error('MissingContentLength')
  if (contentBytes !== null && contentBytes > maxBytes) throw new S3Error('EntityTooLarge')
  return {
    payload,
    wireBytes,
    contentBytes,
    maxBytes,
    md5: md5Header(headers),
    checksum: checksumOf(headers),
  }
}

function checksumOf(headers: IncomingHttpHeaders): BodyPlan['checksum'] {
  let found: BodyPlan['checksum'] = null
  for (const [algorithm, header, bytes] of checksumHeaders) {
    const value = headers[header]
    if (typeof value !== 'string') continue
    if (found !== null) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.')
    if (Buffer.from(value, 'base64').length !== bytes) {
      throw new S3Error('InvalidRequest', `Value for ${header} header is invalid.`)
    }
    found = { algorithm, value, trailer: false }
  }
  const trailer = headers['x-amz-trailer']
  if (typeof trailer === 'string') {
    const row = checksumHeaders.find(([, header]) => header === trailer.trim().toLowerCase())
    if (row === undefined)
      throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported.')
    if (found !== null) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.')
    return { algorithm: row[0], value: null, trailer: true }
  }
  return found
}

export function createBodyDecoder(plan: BodyPlan, wantMd5: boolean): BodyDecoder {
  const { payload } = plan
  const chunked =
    payload.kind === 'chunked' ? createChunkedDecoder(payload.signing, payload.hasTrailer) : null
  const sha256 = payload.kind === 'plain' && payload.sha256 !== null ? createHash('sha256') : null
  const md5 = wantMd5 || plan.md5 !== null ? createHash('md5') : null
  const checksum: RunningChecksum | null =
    plan.checksum === null ? null : checksums[plan.checksum.algorithm]()
  let bytes = 0

  return {
    push(wire) {
      const content = chunked === null ? [wire] : chunked.push(wire)
      for (const chunk of content) {
        bytes += chunk.length
        sha256?.update(chunk)
        md5?.update(chunk)
        checksum?.update(chunk)
      }
      if (bytes > plan.maxBytes) throw new S3Error('EntityTooLarge')
      if (plan.contentBytes !== null && bytes > plan.contentBytes)
        throw new S3Error('InvalidRequest', 'The body is longer than declared.')
      return content
    },

    end() {
      const trailer = chunked?.end()
      if (plan.contentBytes !== null && bytes !== plan.contentBytes) throw new S3Error('IncompleteBody')
      if (sha256 !== null && payload.kind === 'plain' && sha256.digest('hex') !== payload.sha256) {
        throw new S3Error('XAmzContentSHA256Mismatch')
      }
      const md5Digest = md5?.digest() ?? null
      if (plan.md5 !== null && !plan.md5.equals(md5Digest!)) throw new S3Error('BadDigest')
      if (plan.checksum === null || checksum === null) return { bytes, md5: md5Digest, checksum: null }
      const { algorithm } = plan.checksum
      const value = checksum.digest().toString('base64')
      const said = plan.checksum.trailer ? trailer?.get(checksumHeaderOf(algorithm)) : plan.checksum.value
      if (said === undefined)
        throw new S3Error('InvalidRequest', 'The trailer that x-amz-trailer announced did not come.')
      if (said !== value)
        throw new S3Error(
          'BadDigest',
          `The ${algorithm} you specified did not match the calculated checksum.`,
        )
      return { bytes, md5: md5Digest, checksum: { algorithm, value } }
    },
  }
}

/** The body's content, checked; the last step of the iteration throws when something promised did not hold. */
export async function* readContent(
  request: IncomingMessage,
  decoder: BodyDecoder,
): AsyncGenerator<Buffer, BodyEnd> {
  for await (const wire of wireChunks(request)) yield* decoder.push(wire)
  return decoder.end()
}

/** A body that is expected to be short, in one piece: no iterator per chunk on the hot path. */
export async function collectContent(
  request: IncomingMessage,
  decoder: BodyDecoder,
  maxBytes: number,
): Promise<{ content: Buffer; end: BodyEnd }> {
  const chunks: Buffer[] = []
  let bytes = 0
  await new Promise<void>((resolve, reject) => {
    const cut = (): void => settle(() => reject(new S3Error('IncompleteBody')))
    const end = (): void => settle(resolve)
    const take = (wire: Buffer): void => {
      bytes += wire.length
      // Twice: the coding's own bytes are on the wire too.
      if (bytes > 2 * maxBytes + 4096) settle(() => reject(new S3Error('MaxMessageLengthExceeded')))
      else chunks.push(wire)
    }
    const settle = (then: () => void): void => {
      request.off('data', take).off('end', end).off('close', cut).off('error', cut)
      then()
    }
    request.on('data', take).on('end', end).on('close', cut).on('error', cut)
  })
  const wire = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  const content = decoder.push(wire)
  const end = decoder.end()
  return { content: content.length === 1 ? content[0]! : Buffer.concat(content), end }
}

async function* wireChunks(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    // Not destroyed when reading stops early: the answer that says why still has to go out on this socket.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer
  } catch (error) {
    // The client went away or broke its framing; nothing of what came is kept.
    throw error instanceof S3Error ? error : new S3Error('IncompleteBody')
  }
}

function lengthHeader(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', 'A length header is not a number.')
  return Number(text)
}

function md5Header(headers: IncomingHttpHeaders): Buffer | null {
  const text = headers['content-md5']
  if (text === undefined) return null
  const md5 = Buffer.from(String(text), 'base64')
  if (md5.length !== 16) throw new S3Error('InvalidDigest')
  return md5
}
