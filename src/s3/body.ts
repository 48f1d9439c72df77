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
  /** What the client said, and it held. */
  readonly checksum: BodyChecksum | null
  /** What was asked to be computed beside it. */
  readonly computed: BodyChecksum | null
}

export interface BodyChecksum {
  readonly algorithm: ChecksumName
  readonly value: string
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

/** Of the algorithms that S3 knows, in any case; `null` for another. */
export function checksumNameOf(text: string): ChecksumName | null {
  const name = text.toUpperCase()
  return Object.hasOwn(checksums, name) ? (name as ChecksumName) : null
}

/** Of content whose length nothing says, and which nothing wraps. */
export function planContent(headers: IncomingHttpHeaders, maxBytes: number): BodyPlan {
  return {
    payload: { kind: 'plain', sha256: null },
    wireBytes: null,
    contentBytes: null,
    maxBytes,
    md5: md5Header(headers),
    checksum: checksumOf(headers),
  }
}

/** `x-amz-checksum-algorithm`: of what an operation makes, and not of its body. */
export function namedAlgorithm(headers: IncomingHttpHeaders): ChecksumName | null {
  const named = headers['x-amz-checksum-algorithm']
  if (named === undefined) return null
  const algorithm = checksumNameOf(String(named))
  if (algorithm !== null) return algorithm
  throw new S3Error(
    'InvalidRequest',
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  )
}

export function isChecksumValue(algorithm: ChecksumName, value: string): boolean {
  const [, , bytes] = checksumHeaders.find(([name]) => name === algorithm)!
  return /^[A-Za-z0-9+/]+={0,2}$/.test(value) && Buffer.from(value, 'base64').length === bytes
}

export function planBody(
  headers: IncomingHttpHeaders,
  payload: PayloadMode,
  maxBytes: number,
  /** The checksum in the headers may be of something else than the body. */
  isChecksumOfBody = true,
): BodyPlan {
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
    checksum: isChecksumOfBody ? checksumOf(headers) : null,
  }
}

function checksumOf(headers: IncomingHttpHeaders): BodyPlan['checksum'] {
  const found = checksumOfHeaders(headers)
  const named = headers['x-amz-sdk-checksum-algorithm']
  if (typeof named !== 'string') return found
  if (checksumNameOf(named) === null || (found !== null && found.algorithm !== checksumNameOf(named)))
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
  if (found !== null) return found
  throw new S3Error(
    'InvalidRequest',
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
  )
}

/** The checksum that a header holds or announces; one, whatever its kind. `isComposite`: it may end in `-N`. */
export function checksumOfHeaders(headers: IncomingHttpHeaders, isComposite = false): BodyPlan['checksum'] {
  let found: BodyPlan['checksum'] = null
  const several = (): S3Error =>
    new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  for (const [algorithm, header] of checksumHeaders) {
    const value = headers[header]
    if (typeof value !== 'string') continue
    if (found !== null) throw several()
    if (!isChecksumValue(algorithm, isComposite ? value.replace(/-\d+$/, '') : value))
      throw new S3Error('InvalidRequest', `Value for ${header} header is invalid.`)
    found = { algorithm, value, trailer: false }
  }
  const trailer = headers['x-amz-trailer']
  if (typeof trailer === 'string') {
    const row = checksumHeaders.find(([, header]) => header === trailer.trim().toLowerCase())
    if (row === undefined)
      throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported')
    if (found !== null) throw several()
    return { algorithm: row[0], value: null, trailer: true }
  }
  return found
}

/** `compute`: a checksum to have besides, whatever the client sends. */
export function createBodyDecoder(
  plan: BodyPlan,
  wantMd5: boolean,
  compute: ChecksumName | null = null,
): BodyDecoder {
  const { payload } = plan
  const chunked =
    payload.kind === 'chunked' ? createChunkedDecoder(payload.signing, payload.hasTrailer) : null
  const sha256 = payload.kind === 'plain' && payload.sha256 !== null ? createHash('sha256') : null
  const md5 = wantMd5 || plan.md5 !== null ? createHash('md5') : null
  const checksum: RunningChecksum | null =
    plan.checksum === null ? null : checksums[plan.checksum.algorithm]()
  const isSame = compute === plan.checksum?.algorithm
  const besides = compute === null || isSame ? null : { algorithm: compute, running: checksums[compute]() }
  let bytes = 0

  return {
    push(wire) {
      const content = chunked === null ? [wire] : chunked.push(wire)
      for (const chunk of content) {
        bytes += chunk.length
        sha256?.update(chunk)
        md5?.update(chunk)
        checksum?.update(chunk)
        besides?.running.update(chunk)
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
      const computed =
        besides === null
          ? null
          : { algorithm: besides.algorithm, value: besides.running.digest().toString('base64') }
      if (plan.checksum === null || checksum === null)
        return { bytes, md5: md5Digest, checksum: null, computed }
      const { algorithm } = plan.checksum
      const header = checksumHeaderOf(algorithm)
      const value = checksum.digest().toString('base64')
      const said = plan.checksum.trailer ? trailer?.get(header) : plan.checksum.value
      if (said === undefined || said === null)
        throw new S3Error('InvalidRequest', 'The trailer that x-amz-trailer announced did not come.')
      if (plan.checksum.trailer && !isChecksumValue(algorithm, said))
        throw new S3Error('InvalidRequest', `Value for ${header} trailing header is invalid.`)
      if (said !== value)
        throw new S3Error(
          'BadDigest',
          `The ${algorithm} you specified did not match the calculated checksum.`,
        )
      const own = { algorithm, value }
      return { bytes, md5: md5Digest, checksum: own, computed: isSame ? own : computed }
    },
  }
}

/** The body's content, checked; the last step of the iteration throws when something promised did not hold. */
export async function* readContent(
  request: IncomingMessage,
  decoder: BodyDecoder,
): AsyncGenerator<Buffer, BodyEnd> {
  return yield* decoded(wireChunks(request), decoder)
}

export async function* decoded(
  wire: AsyncIterable<Buffer>,
  decoder: BodyDecoder,
): AsyncGenerator<Buffer, BodyEnd> {
  for await (const chunk of wire) yield* decoder.push(chunk)
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
    // The server's idle time has passed without a byte; with a listener here, the socket stays for the answer.
    const late = (): void => settle(() => reject(new S3Error('RequestTimeout')))
    const end = (): void => settle(resolve)
    const take = (wire: Buffer): void => {
      bytes += wire.length
      // Twice: the coding's own bytes are on the wire too.
      if (bytes > 2 * maxBytes + 4096) settle(() => reject(new S3Error('MaxMessageLengthExceeded')))
      else chunks.push(wire)
    }
    const settle = (then: () => void): void => {
      request.off('data', take).off('end', end).off('close', cut).off('error', cut).off('timeout', late)
      then()
    }
    request.on('data', take).on('end', end).on('close', cut).on('error', cut).on('timeout', late)
  })
  const wire = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  const content = decoder.push(wire)
  const end = decoder.end()
  return { content: content.length === 1 ? content[0]! : Buffer.concat(content), end }
}

/** The timer of an idle socket goes off once, and starts again with the next byte. */
export function restartIdleTime({ socket }: IncomingMessage): void {
  socket.setTimeout(socket.timeout ?? 0)
}

export async function* wireChunks(request: IncomingMessage): AsyncGenerator<Buffer> {
  let fail: ((error: S3Error) => void) | null = null
  const late = (): void => {
    // Or it is we who do not take what came: the client has as long again from then on.
    if (fail === null) restartIdleTime(request)
    else fail(new S3Error('RequestTimeout'))
  }
  request.on('timeout', late)
  // Not destroyed when reading stops early: the answer that says why still has to go out on this socket.
  const chunks: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      // A promise for each chunk: racing them against one that lasts would keep every chunk until the body's end.
      const step = await new Promise<IteratorResult<Buffer>>((resolve, reject) => {
        fail = reject
        chunks.next().then(resolve, reject)
      })
      fail = null
      if (step.done === true) return
      yield step.value
    }
  } catch (error) {
    // The client went away or broke its framing; nothing of what came is kept.
    throw error instanceof S3Error ? error : new S3Error('IncompleteBody')
  } finally {
    request.off('timeout', late)
    // Not awaited: after a stall it would wait for the bytes that do not come.
    void chunks.return?.()
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
