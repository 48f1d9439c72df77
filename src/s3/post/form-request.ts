/** A form as the request that it stands for: who signed it, and its fields as the headers that a PUT would have. */
import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { equalSecrets } from '../../crypto/constant-time.ts'
import { parseAmzDate, signatureOf } from '../../crypto/sigv4.ts'
import { type Authenticated, type AuthenticateOptions, parseCredential } from '../authenticate.ts'
import { S3Error } from '../errors.ts'
import type { S3Request } from '../request.ts'
import { parseTagSet, tagsToHeader } from '../tags.ts'
import type { PostForm } from './open-form.ts'
import { checkPolicy, type SizeRange } from './policy-document.ts'

export interface FormRequest<Identity> {
  readonly authenticated: Authenticated<Identity>
  readonly request: S3Request
  readonly size: SizeRange | null
}

export interface FormOptions<Identity> extends AuthenticateOptions<Identity> {
  /** Whether forms may be signed with version 2, as those of before 2014 are. */
  readonly allowsVersion2: boolean
}

const maxKeyBytes = 1024
/** Fields whose presence says that the form is signed. */
const signing = ['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'] as const
const ofVersion2 = ['awsaccesskeyid', 'signature'] as const
const storedFields = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
] as const

export async function readForm<Identity>(
  parsed: S3Request,
  { fields }: PostForm,
  options: FormOptions<Identity>,
): Promise<FormRequest<Identity>> {
  const key = fields.get('key')
  if (key === undefined) throw missing('key')
  if (key === '')
    throw new S3Error('InvalidArgument', 'User key must have a length greater than 0.', {
      ArgumentName: 'key',
      ArgumentValue: '',
    })
  if (Buffer.byteLength(key) > maxKeyBytes) throw new S3Error('KeyTooLongError')
  const payload = { kind: 'plain', sha256: null } as const
  const request = { ...parsed, key, headers: headersOf(parsed.headers, fields) }
  const isVersion2 = ofVersion2.some(name => fields.has(name))
  if (isVersion2 && !options.allowsVersion2)
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism that you provided is not supported. Use AWS4-HMAC-SHA256.',
    )
  if (!isVersion2 && !signing.some(name => fields.has(name)))
    return { authenticated: { identity: null, proof: null, payload }, request, size: null }
  const signer = isVersion2 ? authenticateVersion2 : authenticateForm
  const { identity, signedUnixMs } = await signer(fields, options)
  const size = checkPolicy(fields.get('policy')!, fields, parsed.bucket!, options.nowUnixMs)
  const proof = { authType: 'POST', signedUnixMs } as const
  return { authenticated: { identity, proof, payload }, request, size }
}

/** HMAC-SHA1 over the policy, whose expiration is all that ends it ("Signing and authenticating REST requests"). */
async function authenticateVersion2<Identity>(
  fields: ReadonlyMap<string, string>,
  { find, nowUnixMs }: FormOptions<Identity>,
): Promise<{ identity: Identity; signedUnixMs: number }> {
  const [policy, accessKeyId, signature] = ['policy', ...ofVersion2].map(name => demanded(fields, name)) as [
    string,
    string,
    string,
  ]
  const known = await find(accessKeyId, fields.get('x-amz-security-token') ?? null)
  if (known === null) throw new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: accessKeyId })
  const expected = createHmac('sha1', known.secretAccessKey).update(policy).digest('base64')
  if (!equalSecrets(expected, signature)) throw new S3Error('SignatureDoesNotMatch')
  return { identity: known.identity, signedUnixMs: nowUnixMs }
}

function demanded(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name)
  if (value === undefined) throw missing(name)
  return value
}

/** The signature is over the policy, which says all else. */
async function authenticateForm<Identity>(
  fields: ReadonlyMap<string, string>,
  options: AuthenticateOptions<Identity>,
): Promise<{ identity: Identity; signedUnixMs: number }> {
  const [policy, algorithm, credential, date, signature] = signing.map(name => demanded(fields, name)) as [
    string,
    string,
    string,
    string,
    string,
  ]
  if (algorithm !== 'AWS4-HMAC-SHA256')
    throw new S3Error('InvalidArgument', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".', {
      ArgumentName: 'x-amz-algorithm',
      ArgumentValue: algorithm,
    })
  const { accessKeyId, scope } = parseCredential(credential, options, 'AuthorizationQueryParametersError')
  const signedUnixMs = parseAmzDate(date)
  if (signedUnixMs === null || !date.startsWith(scope.date))
    throw new S3Error('InvalidArgument', 'X-Amz-Date must be formatted via ISO8601 Long format', {
      ArgumentName: 'x-amz-date',
      ArgumentValue: date,
    })
  const known = await options.find(accessKeyId, fields.get('x-amz-security-token') ?? null)
  if (known === null) throw new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: accessKeyId })
  const expected = signatureOf(options.signingKey(known.secretAccessKey, scope), policy)
  if (!equalSecrets(expected, signature)) throw new S3Error('SignatureDoesNotMatch')
  return { identity: known.identity, signedUnixMs }
}

/** Of the request's own headers those that say who asks; what speaks of the object is said by fields. */
function headersOf(own: IncomingHttpHeaders, fields: ReadonlyMap<string, string>): IncomingHttpHeaders {
  const headers: Record<string, string | string[] | undefined> = {}
  for (const [name, value] of Object.entries(own)) {
    if (!/^(?:content-|x-amz-|authorization$|expires$|cache-control$|if-)/.test(name)) headers[name] = value
  }
  for (const name of storedFields) headers[name] = fields.get(name) || undefined
  for (const [name, value] of fields) {
    if (name.startsWith('x-amz-') && !(signing as readonly string[]).includes(name)) headers[name] = value
  }
  const acl = fields.get('acl')
  if (acl !== undefined) headers['x-amz-acl'] = acl
  const tagging = fields.get('tagging')
  if (tagging !== undefined) headers['x-amz-tagging'] = tagsToHeader(parseTagSet(Buffer.from(tagging), 10))
  return headers
}

function missing(name: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    { ArgumentName: name, ArgumentValue: '' },
  )
}
