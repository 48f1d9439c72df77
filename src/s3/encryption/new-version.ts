/**
 * Which encryption a new version is to have in S3's words: by the request's headers, or by the bucket's default. What
 * seals it is the same whatever it says; a customer's own key (SSE-C) comes on top.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Encryption } from '../../store/rows.ts'
import type { BucketEncryption } from '../configs/encryption.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket, S3Context } from '../operation.ts'
import { type CustomerKey, customerKeyOf, hasCustomerKey } from './customer-key.ts'

const sse = 'x-amz-server-side-encryption'
const kmsKeyId = `${sse}-aws-kms-key-id`
const kmsContext = `${sse}-context`
const bucketKeyEnabled = `${sse}-bucket-key-enabled`

export interface NewEncryption {
  /** Goes into the version's row; empty: AES256. */
  readonly attribute: { readonly encryption?: Encryption }
  readonly customerKey: CustomerKey | null
}

export async function newEncryption(context: S3Context, bucket: LocatedBucket): Promise<NewEncryption> {
  const { headers } = context.request
  const byDefault = await context.services.encryptionOf(bucket)
  if (hasCustomerKey(headers)) {
    if ([sse, kmsKeyId, kmsContext].some(name => headers[name] !== undefined))
      throw fault(
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
        sse,
        headers[sse],
      )
    if (byDefault?.blocksCustomerKeys === true)
      throw new S3Error('AccessDenied', 'Server-side encryption with customer-provided keys is blocked.')
    return { attribute: { encryption: { algorithm: 'customer' } }, customerKey: customerKeyOf(context) }
  }
  const asked = askedEncryption(headers) ?? byDefault
  if (asked === null || asked.algorithm === 'AES256') return { attribute: {}, customerKey: null }
  const { algorithm, bucketKey } = asked
  const encryption = {
    algorithm,
    keyId: asked.keyId ?? managedKeyId(context, bucket),
    ...(bucketKey && { bucketKey }),
    ...contextOf(headers),
  }
  return { attribute: { encryption }, customerKey: null }
}

/** Of those who ask for KMS without saying which key. */
function managedKeyId({ identity }: S3Context, { region }: LocatedBucket): string {
  return `arn:aws:kms:${region.id}:${identity.account.accountId}:alias/aws/s3`
}

type Asked = Pick<BucketEncryption, 'algorithm' | 'keyId' | 'bucketKey'>

function askedEncryption(headers: IncomingHttpHeaders): Asked | null {
  const algorithm = headers[sse]
  const keyId = headers[kmsKeyId]?.toString() ?? null
  const isKms = algorithm === 'aws:kms' || algorithm === 'aws:kms:dsse'
  if (algorithm !== undefined && algorithm !== 'AES256' && !isKms)
    throw fault('The encryption method specified is not supported', sse, algorithm)
  if (!isKms && (keyId !== null || headers[kmsContext] !== undefined))
    throw fault(
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      sse,
      algorithm,
    )
  const bucketKey = headers[bucketKeyEnabled]?.toString().toLowerCase()
  if (bucketKey !== undefined && bucketKey !== 'true' && bucketKey !== 'false')
    throw fault('The bucket key flag must be true or false.', bucketKeyEnabled, bucketKey)
  if (keyId !== null && (keyId.trim() === '' || keyId.length > 2048))
    throw fault('The KMS key id is not valid.', kmsKeyId, keyId.slice(0, 100))
  if (algorithm === undefined) return null
  return { algorithm, keyId, bucketKey: bucketKey === 'true' }
}

function contextOf(headers: IncomingHttpHeaders): { context?: string } {
  const context = headers[kmsContext]?.toString()
  if (context === undefined) return {}
  let parsed: unknown = null
  try {
    parsed = JSON.parse(Buffer.from(context, 'base64').toString('utf8'))
  } catch {
    // Said below.
  }
  const isMap = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  if (isMap && Object.values(parsed!).every(value => typeof value === 'string')) return { context }
  throw fault(
    `The header '${kmsContext}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
    kmsContext,
    context.slice(0, 100),
  )
}

/** What is there was encrypted when it came; only the customer's own key is asked for again. */
export function refuseEncryptionHeaders(headers: IncomingHttpHeaders): void {
  for (const name of [sse, kmsKeyId, kmsContext]) {
    if (headers[name] !== undefined)
      throw fault(`${name} header is not supported for this operation.`, name, headers[name])
  }
}

/** What an answer says of a version's encryption. `given`: the customer's key that came with the request. */
export function encryptionHeaders(
  encryption: Encryption | undefined,
  given: CustomerKey | null,
): Record<string, string> {
  if (encryption === undefined) return { [sse]: 'AES256' }
  if (encryption.algorithm === 'customer') {
    if (given === null) return {}
    return { [`${sse}-customer-algorithm`]: 'AES256', [`${sse}-customer-key-md5`]: given.md5 }
  }
  return {
    [sse]: encryption.algorithm,
    [kmsKeyId]: encryption.keyId,
    ...(encryption.bucketKey && { [bucketKeyEnabled]: 'true' }),
  }
}

/** Of a write, which also says the context that it was given. */
export function writtenEncryptionHeaders(
  encryption: Encryption | undefined,
  given: CustomerKey | null,
): Record<string, string> {
  const headers = encryptionHeaders(encryption, given)
  if (encryption === undefined || encryption.algorithm === 'customer' || encryption.context === undefined)
    return headers
  return { ...headers, [kmsContext]: encryption.context }
}

function fault(message: string, name: string, value: unknown): S3Error {
  return new S3Error('InvalidArgument', message, {
    ArgumentName: name,
    ArgumentValue: value === undefined ? 'null' : String(value),
  })
}
