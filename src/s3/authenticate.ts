/** SigV4 of S3 requests, in headers and in the query, and which payload mode the body must be read in. */
import { equalSecrets } from '../crypto/constant-time.ts'
import {
  type CredentialScope,
  canonicalRequest,
  parseAmzDate,
  signatureOf,
  signingKey,
  stringToSign,
} from '../crypto/sigv4.ts'
import { S3Error } from './errors.ts'
import type { S3Request } from './request.ts'

/** What the body must turn out to be, and how it is wrapped on the wire. */
export type PayloadMode =
  | { readonly kind: 'plain'; readonly sha256: string | null }
  | {
      readonly kind: 'chunked'
      /** `null`: chunks are not signed. */
      readonly signing: ChunkSigning | null
      readonly hasTrailer: boolean
    }

export interface ChunkSigning {
  readonly key: Buffer
  readonly amzDate: string
  readonly scope: CredentialScope
  readonly seedSignature: string
}

/** What a signature says beside whose it is. */
export interface Proof {
  readonly authType: 'REST-HEADER' | 'REST-QUERY-STRING' | 'POST'
  readonly signedUnixMs: number
}

export interface Authenticated<Identity> {
  /** `null`: nobody signed; policy decides what the anonymous may do. */
  readonly identity: Identity | null
  readonly proof: Proof | null
  readonly payload: PayloadMode
}

export interface KnownKey<Identity> {
  readonly secretAccessKey: string
  readonly identity: Identity
}

export interface AuthenticateOptions<Identity> {
  /** `token`: of a session; `null` when the request has none. */
  readonly find: (accessKeyId: string, token: string | null) => Promise<KnownKey<Identity> | null>
  readonly signingKey: (secret: string, scope: CredentialScope) => Buffer
  readonly nowUnixMs: number
  /** The regions that scopes may name; `null`: any, as for services that have none. */
  readonly regions: readonly string[] | null
  /** Services that scopes may name. Left out: S3. */
  readonly services?: readonly string[]
  /** SHA-256 of the body, for services whose signature is over it. Left out: the request says what it is over. */
  readonly payloadHash?: string
}

const maxSkewMs = 15 * 60e3
const maxExpirySeconds = 7 * 86_400
const headerPattern =
  /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})$/

export async function authenticate<Identity>(
  request: S3Request,
  options: AuthenticateOptions<Identity>,
): Promise<Authenticated<Identity>> {
  if (request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature')) {
    return authenticateQuery(request, options)
  }
  const header = request.headers.authorization
  if (header === undefined && request.query.has('AWSAccessKeyId')) throw notSupported()
  if (header === undefined) return { identity: null, proof: null, payload: payloadMode(request, null) }
  return authenticateHeader(request, header, options)
}

/** Signature version 2, for one. */
function notSupported(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The authorization mechanism that you provided is not supported. Use AWS4-HMAC-SHA256.',
  )
}

async function authenticateHeader<Identity>(
  request: S3Request,
  header: string,
  options: AuthenticateOptions<Identity>,
): Promise<Authenticated<Identity>> {
  if (!header.startsWith('AWS4-HMAC-SHA256')) {
    throw notSupported()
  }
  const match = headerPattern.exec(header.trim())
  if (match === null) throw new S3Error('AuthorizationHeaderMalformed')
  const { accessKeyId, scope } = parseCredential(match[1]!, options, 'AuthorizationHeaderMalformed')
  const amzDate = headerText(request, 'x-amz-date')
  const sentUnixMs = amzDate === null ? dateHeader(request) : parseAmzDate(amzDate)
  if (sentUnixMs === null)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header.')
  checkSkew(sentUnixMs, options.nowUnixMs)
  const stamp = amzDate ?? new Date(sentUnixMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  if (!stamp.startsWith(scope.date))
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      'The date of the credential scope is not that of the request.',
    )
  const signedHeaders = checkSignedHeaders(request, match[2]!)
  const payloadHash = options.payloadHash ?? headerText(request, 'x-amz-content-sha256')
  if (payloadHash === null) {
    throw new S3Error('MissingSecurityHeader', 'Your request is missing the x-amz-content-sha256 header.')
  }
  const known = await knownKey(options, accessKeyId, headerText(request, 'x-amz-security-token'))
  const key = options.signingKey(known.secretAccessKey, scope)
  const canonical = canonicalRequest(
    {
      method: request.method,
      path: request.path,
      query: [...request.query],
      headers: request.headers as Record<string, string>,
    },
    signedHeaders,
    payloadHash,
  )
  checkSignature(signatureOf(key, stringToSign(stamp, scope, canonical)), match[3]!)
  const signing = { key, amzDate: stamp, scope, seedSignature: match[3]! }
  return {
    identity: known.identity,
    proof: { authType: 'REST-HEADER', signedUnixMs: sentUnixMs },
    payload: payloadMode(request, signing),
  }
}

async function authenticateQuery<Identity>(
  request: S3Request,
  options: AuthenticateOptions<Identity>,
): Promise<Authenticated<Identity>> {
  const parameter = (name: string): string => {
    const value = request.query.get(name)
    if (value === undefined)
      throw new S3Error('AuthorizationQueryParametersError', `Query-string authentication requires ${name}.`)
    return value
  }
  if (parameter('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".',
    )
  }
  const { accessKeyId, scope } = parseCredential(
    parameter('X-Amz-Credential'),
    options,
    'AuthorizationQueryParametersError',
  )
  const amzDate = parameter('X-Amz-Date')
  const sentUnixMs = parseAmzDate(amzDate)
  if (sentUnixMs === null || !amzDate.startsWith(scope.date)) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'X-Amz-Date must be in the ISO 8601 format and match the credential.',
    )
  }
  const expires = parameter('X-Amz-Expires')
  const fault = expiryFault(expires)
  if (fault !== null) throw new S3Error('AuthorizationQueryParametersError', fault)
  if (sentUnixMs - options.nowUnixMs > maxSkewMs)
    throw new S3Error('AccessDenied', 'Request is not valid yet.')
  if (sentUnixMs + Number(expires) * 1000 < options.nowUnixMs)
    throw new S3Error('AccessDenied', 'Request has expired.')
  const signedHeaders = checkSignedHeaders(request, parameter('X-Amz-SignedHeaders'))
  const query = [...request.query].filter(([name]) => name !== 'X-Amz-Signature')
  const payloadHash =
    options.payloadHash ??
    request.query.get('X-Amz-Content-Sha256') ??
    headerText(request, 'x-amz-content-sha256') ??
    'UNSIGNED-PAYLOAD'
  const token = request.query.get('X-Amz-Security-Token') ?? headerText(request, 'x-amz-security-token')
  const known = await knownKey(options, accessKeyId, token)
  const canonical = (hash: string): string =>
    canonicalRequest(
      {
        method: request.method,
        path: request.path,
        query,
        headers: request.headers as Record<string, string>,
      },
      signedHeaders,
      hash,
    )
  const key = options.signingKey(known.secretAccessKey, scope)
  const given = parameter('X-Amz-Signature')
  // A presigned URL is made before its body is known: it is signed over UNSIGNED-PAYLOAD also when the client that
  // uses it later sends the body's hash.
  const expected = signatureOf(key, stringToSign(amzDate, scope, canonical(payloadHash)))
  if (!equalSecrets(expected, given)) {
    checkSignature(signatureOf(key, stringToSign(amzDate, scope, canonical('UNSIGNED-PAYLOAD'))), given)
  }
  return {
    identity: known.identity,
    proof: { authType: 'REST-QUERY-STRING', signedUnixMs: sentUnixMs },
    payload: payloadMode(request, { key, amzDate, scope, seedSignature: given }),
  }
}

function expiryFault(seconds: string): string | null {
  if (!/^-?\d+$/.test(seconds)) return 'X-Amz-Expires should be a number'
  if (seconds.startsWith('-')) return 'X-Amz-Expires must be non-negative'
  if (Number(seconds) <= maxExpirySeconds) return null
  return 'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds'
}

function payloadMode(request: S3Request, signing: ChunkSigning | null): PayloadMode {
  const declared = headerText(request, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD'
  switch (declared) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'plain', sha256: null }
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked', signing: null, hasTrailer: true }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      if (signing === null) throw new S3Error('AccessDenied')
      return { kind: 'chunked', signing, hasTrailer: declared.endsWith('-TRAILER') }
    default:
      if (/^[0-9a-f]{64}$/.test(declared)) return { kind: 'plain', sha256: declared }
      if (declared.startsWith('STREAMING-'))
        throw new S3Error('NotImplemented', `${declared} is not supported.`)
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a valid sha256 value.',
      )
  }
}

export function parseCredential(
  text: string,
  { regions, services = ['s3'] }: Pick<AuthenticateOptions<unknown>, 'regions' | 'services'>,
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): { accessKeyId: string; scope: CredentialScope } {
  const fields = text.split('/')
  if (fields.length !== 5)
    throw new S3Error(code, 'The credential is mal-formed; it is <key>/<date>/<region>/s3/aws4_request.')
  const [accessKeyId, date, region, service, terminator] = fields as [string, string, string, string, string]
  if (!/^\d{8}$/.test(date) || !services.includes(service) || terminator !== 'aws4_request') {
    throw new S3Error(code, 'The credential is mal-formed; it is <key>/<date>/<region>/s3/aws4_request.')
  }
  // `us-east-1` is what clients send that were told no region; s3fs retries with the region that the error names.
  if (region !== 'us-east-1' && regions?.includes(region) === false) {
    throw new S3Error(code, `The region '${region}' is wrong; expecting '${regions[0]}'.`, {
      Region: regions[0] ?? '',
    })
  }
  return { accessKeyId, scope: { date, region, service } }
}

function checkSignedHeaders(request: S3Request, text: string): string[] {
  const names = text.split(';')
  if (!names.includes('host')) throw new S3Error('AccessDenied', 'The host header must be signed.')
  for (const name of Object.keys(request.headers)) {
    // What changes an operation's meaning must be what the key's owner signed.
    if (name.startsWith('x-amz-') && !names.includes(name) && name !== 'x-amz-content-sha256') {
      throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed.', {
        HeadersNotSigned: name,
      })
    }
  }
  for (const name of names) {
    if (request.headers[name] === undefined) throw new S3Error('SignatureDoesNotMatch')
  }
  return names
}

async function knownKey<Identity>(
  options: AuthenticateOptions<Identity>,
  accessKeyId: string,
  token: string | null,
): Promise<KnownKey<Identity>> {
  const known = await options.find(accessKeyId, token)
  if (known === null) throw new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: accessKeyId })
  return known
}

function checkSignature(expected: string, given: string): void {
  if (!equalSecrets(expected, given)) throw new S3Error('SignatureDoesNotMatch')
}

function checkSkew(sentUnixMs: number, nowUnixMs: number): void {
  if (Math.abs(sentUnixMs - nowUnixMs) > maxSkewMs) throw new S3Error('RequestTimeTooSkewed')
}

function headerText(request: S3Request, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' ? value : null
}

function dateHeader(request: S3Request): number | null {
  const unixMs = Date.parse(request.headers.date ?? '')
  return Number.isNaN(unixMs) ? null : unixMs
}

/** Four HMACs a request are worth saving: a signing key is good for one day, region, service and secret. */
export function createSigningKeys(capacity = 1000): (secret: string, scope: CredentialScope) => Buffer {
  const keys = new Map<string, Buffer>()
  return (secret, scope) => {
    const id = `${secret}/${scope.date}/${scope.region}/${scope.service}`
    let key = keys.get(id)
    if (key === undefined) {
      if (keys.size >= capacity) keys.clear()
      key = signingKey(secret, scope)
      keys.set(id, key)
    }
    return key
  }
}
