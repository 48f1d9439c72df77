/**
 * A plain S3 client for tests that need what real clients never send: it signs, and leaves everything else to the
 * test. That the signing is AWS's own is for the real clients in `test/clients` to show.
 */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { signHeaders, uriEncode } from '../../src/crypto/sigv4.ts'

export interface S3Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** False when the connection broke before the promised length had come. */
  readonly complete: boolean
  /** `<Code>` of an error. */
  readonly code: string | null
  /** `<Message>` of an error, with its entities resolved. */
  readonly message: string | null
}

export interface S3Call {
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface S3 {
  readonly endpoint: URL
  /** `path` is decoded: `/bucket/key`. Rejects only when no answer came at all. */
  call(method: string, path: string, call?: S3Call): Promise<S3Reply>
  /** Demands success. */
  put(path: string, body: string | Uint8Array, headers?: Readonly<Record<string, string>>): Promise<S3Reply>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<S3Reply>
  makeBucket(name: string, region?: string): Promise<void>
  /** Object of several parts; returns the answer to its completion. */
  putParts(path: string, parts: readonly Uint8Array[]): Promise<S3Reply>
}

export interface S3Identity {
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export function createS3(endpoint: string, identity: S3Identity): S3 {
  const url = new URL(endpoint)
  const agent = new Agent({ keepAlive: true, maxSockets: 128 })
  const scope = { region: identity.region, service: 's3' }
  const token: Record<string, string> =
    identity.sessionToken === undefined ? {} : { 'x-amz-security-token': identity.sessionToken }

  const call: S3['call'] = (method, path, { query = {}, headers = {}, body = '' } = {}) => {
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    )
    const signed = signHeaders(
      { method, path, query: Object.entries(query), headers: { host: url.host, ...token, ...lower } },
      body,
      identity,
      scope,
      Date.now(),
    )
    return send(
      agent,
      url,
      method,
      target(path, query),
      { 'content-length': byteLength(body), ...signed },
      body,
    )
  }

  const demand = async (method: string, path: string, options?: S3Call): Promise<S3Reply> => {
    const reply = await call(method, path, options)
    if (reply.status !== 200 || !reply.complete)
      throw new Error(`${method} ${path}: ${reply.status} ${reply.body}`)
    return reply
  }

  return {
    endpoint: url,
    call,
    put: (path, body, headers = {}) => demand('PUT', path, { body, headers }),
    get: (path, headers = {}) => call('GET', path, { headers }),

    async makeBucket(name, region) {
      const body =
        region === undefined
          ? ''
          : `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
      await demand('PUT', `/${name}`, { body })
    },

    async putParts(path, parts) {
      const begun = await demand('POST', path, { query: { uploads: '' } })
      const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
      let list = ''
      for (const [index, body] of parts.entries()) {
        const partNumber = String(index + 1)
        const { headers } = await demand('PUT', path, { query: { partNumber, uploadId }, body })
        list += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${headers.etag}</ETag></Part>`
      }
      const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
      return demand('POST', path, { query: { uploadId }, body })
    },
  }
}

function target(path: string, query: Readonly<Record<string, string>>): string {
  const text = Object.entries(query)
    .map(([name, value]) => `${uriEncode(name, false)}=${uriEncode(value, false)}`)
    .join('&')
  return uriEncode(path, true) + (text === '' ? '' : `?${text}`)
}

/** One request, exactly as given. */
export function send(
  agent: Agent | false,
  url: URL,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | number>>,
  body: string | Uint8Array | Readable,
): Promise<S3Reply> {
  return new Promise((resolve, reject) => {
    const options = { agent, host: url.hostname, port: url.port, method, path, headers }
    const request = httpRequest(options, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () =>
        resolve(reply(response.statusCode!, response.headers, chunks, response.complete)),
      )
    })
    // After the answer has begun, a broken connection is the answer's end and is told by `complete`.
    request.on('error', reject)
    if (typeof body === 'string' || body instanceof Uint8Array) request.end(body)
    else body.pipe(request)
  })
}

function reply(
  status: number,
  headers: IncomingHttpHeaders,
  chunks: readonly Buffer[],
  complete: boolean,
): S3Reply {
  const body = Buffer.concat(chunks)
  const text = status >= 400 ? body.toString() : ''
  const element = (name: string): string | null => {
    const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
    if (found === undefined) return null
    return found
      .replaceAll('&quot;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
  }
  return { status, headers, body, complete, code: element('Code'), message: element('Message') }
}

function byteLength(body: string | Uint8Array): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length
}
