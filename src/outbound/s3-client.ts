/**
 * A client of S3 for files of our own (backups, public logs), through the one door out: path or host style, SigV4,
 * retries with back-off. It follows no redirects: an answer from elsewhere was not decided about.
 */
import { HoldfastError, hasCode } from '../core/errors.ts'
import type { CountryCode } from '../core/ids.ts'
import { type Credentials, signHeaders, uriEncode } from '../crypto/sigv4.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideOutbound } from '../policy/decide.ts'
import type { Door, OutboundAnswer } from './door.ts'
import { resolveHost } from './resolve.ts'

/** As the configuration has it, with what its files say. */
export interface RemoteStore {
  readonly name: string
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly country: CountryCode | null
  readonly pathStyle: boolean
  /** PEM; `null`: one that a public authority vouches for. */
  readonly certificate: string | null
  readonly credentials: Credentials
}

export interface S3ClientDeps {
  readonly door: Pick<Door, 'send'>
  readonly holds: 'backup' | 'public-log'
  /** The country of the region whose files they are. */
  readonly from: CountryCode
  readonly placeOf: (address: string) => CountryCode | 'home' | null
  readonly clock: () => number
  readonly sleep: (ms: number) => Promise<unknown>
  /** No answer, or no progress, for so long ends a try. */
  readonly idleMs: number
}

interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly key: string
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface S3Object {
  readonly bytes: number
  readonly etag: string
  /** As whoever put it has said, in `x-amz-meta-sha256`. */
  readonly sha256: string | null
}

/**
 * Every method rejects with `peer-refused` when policy or the other end said no, with `peer-unavailable` when no good
 * answer came after all tries. Absence is `null`. Keys are whole, prefix included.
 */
export interface S3Client {
  put(key: string, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<void>
  head(key: string): Promise<S3Object | null>
  /** The bytes from `start` to before `end` of the object with this ETag. */
  getRange(key: string, start: number, end: number, of: S3Object): Promise<Uint8Array>
  list(prefix: string): AsyncGenerator<{ readonly key: string; readonly bytes: number }, void>
  remove(key: string): Promise<void>
  beginUpload(key: string, headers: Readonly<Record<string, string>>): Promise<string>
  /** Returns the part's ETag. */
  putPart(key: string, uploadId: string, partNumber: number, body: Uint8Array): Promise<string>
  /** Resolves, too, when an answer was lost and the upload is gone since: look at what is there. */
  completeUpload(key: string, uploadId: string, etags: readonly string[]): Promise<void>
  abortUpload(key: string, uploadId: string): Promise<void>
}

const tries = 6
const firstRetryMs = 200
const passing = new Set([408, 425, 429, 500, 502, 503, 504])
const nothing = new Uint8Array(0)

export function createS3Client(remote: RemoteStore, deps: S3ClientDeps): S3Client {
  const url = new URL(remote.endpoint)
  const isPlain = url.protocol === 'http:'
  const hostname = remote.pathStyle ? url.hostname : `${remote.bucket}.${url.hostname}`
  const host = remote.pathStyle ? url.host : `${remote.bucket}.${url.host}`

  const sendOnce = async (request: S3Request): Promise<OutboundAnswer> => {
    const { method, key, query = [], headers = {}, body = nothing } = request
    // Looked up for each try: the place is judged of the address that is dialled.
    const address = await resolveHost(hostname)
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'remote-store',
      host: address,
      port: Number(url.port || (isPlain ? 80 : 443)),
      certificate: remote.certificate ?? '',
      registered: true,
      instruction: null,
      remote: {
        name: hostname.replace(/^\[|\]$/g, ''),
        isPlain,
        country: deps.placeOf(address),
        declared: remote.country,
        from: deps.from,
        holds: deps.holds,
      },
    })
    if (isRefusal(decision))
      throw new HoldfastError('peer-refused', `remote ${remote.name}: ${decision.message} [${decision.rule}]`)
    const path = remote.pathStyle ? `/${remote.bucket}/${key}` : `/${key}`
    const signed = signHeaders(
      { method, path, query, headers: { host, ...headers } },
      body,
      remote.credentials,
      { region: remote.region, service: 's3' },
      deps.clock(),
    )
    const text = query
      .map(([name, value]) => `${uriEncode(name, false)}=${uriEncode(value, false)}`)
      .join('&')
    return deps.door.send(decision, {
      method,
      path: uriEncode(path, true) + (text === '' ? '' : `?${text}`),
      headers: signed,
      body,
      idleMs: deps.idleMs,
    })
  }

  /**
   * `demand` looks at an answer that came whole, to which try it may be (from 1 on); what it rejects with
   * `peer-unavailable` is tried again.
   */
  const send = async <T>(
    request: S3Request,
    demand: (answer: OutboundAnswer, tried: number) => T,
  ): Promise<T> => {
    for (let tried = 1; ; tried++) {
      try {
        const answer = await sendOnce(request)
        if (passing.has(answer.status)) throw unavailable(remote, request, errorOf(answer))
        return demand(answer, tried)
      } catch (error) {
        // A name that does not resolve, too, may resolve again.
        if (error instanceof HoldfastError && error.code !== 'peer-unavailable') throw error
        if (tried === tries)
          throw hasCode(error, 'peer-unavailable') ? error : unavailable(remote, request, String(error))
      }
      await deps.sleep(firstRetryMs * 2 ** (tried - 1) * (0.5 + Math.random() / 2))
    }
  }

  const demandSuccess = (request: S3Request, answer: OutboundAnswer): OutboundAnswer => {
    if (answer.status >= 200 && answer.status < 300) return answer
    throw refused(remote, request, errorOf(answer))
  }

  const succeed = (request: S3Request): Promise<OutboundAnswer> =>
    send(request, answer => demandSuccess(request, answer))

  const client: S3Client = {
    async put(key, body, headers) {
      await succeed({ method: 'PUT', key, headers, body })
    },

    head(key) {
      const request: S3Request = { method: 'HEAD', key }
      return send(request, ({ status, headers }) => {
        if (status === 404) return null
        if (status !== 200) throw refused(remote, request, String(status))
        const bytes = lengthOf(headers['content-length'])
        if (bytes === null) throw unavailable(remote, request, 'an answer without a length')
        const sha256 = headers['x-amz-meta-sha256']
        const said = typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null
        return { bytes, etag: headers.etag ?? '', sha256: said }
      })
    },

    getRange(key, start, end, of) {
      const headers = { range: `bytes=${start}-${end - 1}`, ...(of.etag !== '' && { 'if-match': of.etag }) }
      const request: S3Request = { method: 'GET', key, headers }
      return send(request, answer => {
        if (answer.status === 404)
          throw new HoldfastError('not-found', `there is no ${key} at ${remote.name}`)
        if (answer.status === 412)
          throw new HoldfastError('store-damaged', `${key} at ${remote.name} changed while it was read`)
        const isWhole = answer.status === 200 && start === 0 && end === of.bytes
        if (answer.status !== 206 && !isWhole) throw refused(remote, request, errorOf(answer))
        const range = `bytes ${start}-${end - 1}/${of.bytes}`
        if (answer.status === 206 && answer.headers['content-range'] !== range)
          throw unavailable(remote, request, `asked for ${range}, got ${answer.headers['content-range']}`)
        if (answer.body.length !== end - start)
          throw unavailable(remote, request, `${answer.body.length} bytes where ${end - start} belong`)
        return answer.body
      })
    },

    async *list(prefix) {
      for (let token: string | null = null; ; ) {
        const query: (readonly [string, string])[] = [
          ['list-type', '2'],
          ['prefix', prefix],
        ]
        if (token !== null) query.push(['continuation-token', token])
        const { body } = await succeed({ method: 'GET', key: '', query })
        const text = body.toString()
        if (!text.includes('<ListBucketResult'))
          throw refused(remote, { method: 'GET', key: '' }, 'no listing')
        // Split and not matched: a match would look for the end of each again and again where there is none.
        for (const piece of text.split('<Contents>').slice(1)) {
          const [contents = '', end] = piece.split('</Contents>', 2)
          if (end === undefined)
            throw refused(remote, { method: 'GET', key: '' }, 'a listing that breaks off')
          const key = element(contents, 'Key')
          const bytes = lengthOf(element(contents, 'Size') ?? undefined)
          if (key !== null && bytes !== null) yield { key, bytes }
        }
        if (element(text, 'IsTruncated') !== 'true') return
        token = element(text, 'NextContinuationToken')
        if (token === null) throw refused(remote, { method: 'GET', key: '' }, 'a listing that breaks off')
      }
    },

    async remove(key) {
      await succeed({ method: 'DELETE', key })
    },

    async beginUpload(key, headers) {
      const { body } = await succeed({ method: 'POST', key, query: [['uploads', '']], headers })
      const id = element(body.toString(), 'UploadId')
      if (id === null) throw refused(remote, { method: 'POST', key }, 'no upload id')
      return id
    },

    async putPart(key, uploadId, partNumber, body) {
      const query = [
        ['partNumber', String(partNumber)],
        ['uploadId', uploadId],
      ] as const
      const { headers } = await succeed({ method: 'PUT', key, query, body })
      if (headers.etag === undefined) throw refused(remote, { method: 'PUT', key }, 'a part without an ETag')
      return headers.etag
    },

    async completeUpload(key, uploadId, etags) {
      const parts = etags.map(
        (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
      )
      const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
      const request: S3Request = { method: 'POST', key, query: [['uploadId', uploadId]], body }
      await send(request, (answer, tried) => {
        // An earlier try went through, and its answer was lost on the way.
        if (answer.status === 404 && tried > 1) return
        // S3 may answer 200 and say in the body that it failed; what it says so of may pass.
        if (demandSuccess(request, answer).body.includes('<Error>'))
          throw unavailable(remote, request, errorOf(answer))
      })
    },

    async abortUpload(key, uploadId) {
      await succeed({ method: 'DELETE', key, query: [['uploadId', uploadId]] })
    },
  }
  return client
}

function lengthOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** What the other end said, short enough for a log line. It never has our credentials: they are not sent to it. */
function errorOf({ status, body }: OutboundAnswer): string {
  const text = body.toString('utf8', 0, 4096)
  const code = element(text, 'Code')
  return code === null
    ? String(status)
    : `${status} ${code}: ${(element(text, 'Message') ?? '').slice(0, 200)}`
}

function element(text: string, name: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  if (found === undefined) return null
  return found.replace(
    /&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi,
    (whole, name?: string, decimal?: string, hex?: string) => {
      if (name !== undefined) return { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }[name] ?? whole
      const point = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal)
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole
    },
  )
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function refused(remote: RemoteStore, { method, key }: S3Request, why: string): HoldfastError {
  return new HoldfastError('peer-refused', `remote ${remote.name}: ${method} ${remote.bucket}/${key}: ${why}`)
}

function unavailable(remote: RemoteStore, { method, key }: S3Request, why: string): HoldfastError {
  return new HoldfastError(
    'peer-unavailable',
    `remote ${remote.name}: ${method} ${remote.bucket}/${key}: ${why}`,
  )
}
