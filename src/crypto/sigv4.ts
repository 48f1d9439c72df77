/**
 * AWS Signature Version 4, both ends: what S3 requests are verified with, and what we sign to the key holder with.
 * After "Signing AWS API requests" (IAM User Guide) and "Authenticating Requests" (S3 API Reference).
 */
import { hash } from 'node:crypto'
import { hmac, hmacHex } from './hmac.ts'

export interface SignedRequest {
  readonly method: string
  /** Decoded path, one leading slash. */
  readonly path: string
  /** Decoded, in any order; without `X-Amz-Signature` when it came in the query. */
  readonly query: readonly (readonly [string, string])[]
  /** Lower-case names. Repeated headers joined with a comma. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface CredentialScope {
  /** `YYYYMMDD` */
  readonly date: string
  readonly region: string
  readonly service: string
}

export const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex')
}

/** URI-encodes every byte but the unreserved characters of RFC 3986; `/` is kept in paths. */
export function uriEncode(text: string, keepSlash: boolean): string {
  if (plain.test(text)) return text
  if (keepSlash && plainPath.test(text)) return text
  let out = encodeURIComponent(text)
  if (marks.test(out)) out = out.replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return keepSlash ? out.replaceAll('%2F', '/') : out
}
const plain = /^[A-Za-z0-9._~-]*$/
const plainPath = /^[A-Za-z0-9._~/-]*$/
const marks = /[!'()*]/

export function canonicalRequest(
  request: SignedRequest,
  signedHeaders: readonly string[],
  payloadHash: string,
): string {
  // `=` sorts below every character of an encoded name but `-` and `.` (and `%`): the pairs are compared apart.
  const query =
    request.query.length === 0
      ? ''
      : request.query
          .map(([name, value]) => [uriEncode(name, false), uriEncode(value, false)] as const)
          .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0))
          .map(([name, value]) => `${name}=${value}`)
          .join('&')
  let headers = ''
  for (const name of signedHeaders) headers += `${name}:${canonicalValue(request.headers[name] ?? '')}\n`
  return `${request.method}\n${uriEncode(request.path, true)}\n${query}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`
}

export function stringToSign(amzDate: string, scope: CredentialScope, canonical: string): string {
  return `AWS4-HMAC-SHA256\n${amzDate}\n${scopeText(scope)}\n${sha256Hex(canonical)}`
}

export function scopeText(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`
}

export function signingKey(secret: string, scope: CredentialScope): Buffer {
  const step = (key: Uint8Array, text: string): Buffer => hmac('sha256', key, Buffer.from(text))
  return step(
    step(step(step(Buffer.from(`AWS4${secret}`), scope.date), scope.region), scope.service),
    'aws4_request',
  )
}

export function signatureOf(key: Uint8Array, text: string): string {
  return hmacHex('sha256', key, Buffer.from(text))
}

/** `YYYYMMDDTHHMMSSZ` to milliseconds; `null` for anything else. */
export function parseAmzDate(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second] = match
  const unixMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(unixMs) ? null : unixMs
}

export function amzDateOf(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Adds `host`, `x-amz-date`, `x-amz-content-sha256` and `authorization`. */
export function signHeaders(
  request: SignedRequest & { readonly headers: Record<string, string> },
  body: string | Uint8Array,
  credentials: Credentials,
  scope: { readonly region: string; readonly service: string },
  nowUnixMs: number,
): Record<string, string> {
  const amzDate = amzDateOf(nowUnixMs)
  const fullScope: CredentialScope = { date: amzDate.slice(0, 8), ...scope }
  const payloadHash = sha256Hex(body)
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': payloadHash,
  }
  const names = Object.keys(headers).sort()
  const canonical = canonicalRequest({ ...request, headers }, names, payloadHash)
  const key = signingKey(credentials.secretAccessKey, fullScope)
  const signature = signatureOf(key, stringToSign(amzDate, fullScope, canonical))
  headers.authorization =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scopeText(fullScope)}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${signature}`
  return headers
}

/** A URL that works without headers for `expiresSeconds` (S3's query authentication). */
export function presignUrl(
  url: URL,
  method: string,
  credentials: Credentials,
  scope: { readonly region: string; readonly service: string },
  nowUnixMs: number,
  expiresSeconds: number,
): string {
  const amzDate = amzDateOf(nowUnixMs)
  const fullScope: CredentialScope = { date: amzDate.slice(0, 8), ...scope }
  const query: [string, string][] = [
    ...url.searchParams.entries(),
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${scopeText(fullScope)}`],
    ['X-Amz-Date', amzDate],
    ['X-Amz-Expires', String(expiresSeconds)],
    ['X-Amz-SignedHeaders', 'host'],
  ]
  const path = decodeURIComponent(url.pathname)
  const canonical = canonicalRequest(
    { method, path, query, headers: { host: url.host } },
    ['host'],
    'UNSIGNED-PAYLOAD',
  )
  const signature = signatureOf(
    signingKey(credentials.secretAccessKey, fullScope),
    stringToSign(amzDate, fullScope, canonical),
  )
  const text = [...query, ['X-Amz-Signature', signature] as const]
    .map(([name, value]) => `${uriEncode(name, false)}=${uriEncode(value, false)}`)
    .join('&')
  return `${url.origin}${uriEncode(path, true)}?${text}`
}

function canonicalValue(value: string): string {
  return value.includes('  ') || value !== value.trim() ? value.trim().replace(/ +/g, ' ') : value
}
