/** SSE-C: the key that a client sends with each request, used for that request and kept nowhere. */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { equalBytes } from '../../core/bytes.ts'
import type { Encryption } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import type { S3Context } from '../operation.ts'

export interface CustomerKey {
  readonly key: Uint8Array
  /** Base64, as the client sent it. */
  readonly md5: string
}

const prefixes = {
  own: 'x-amz-server-side-encryption-customer-',
  source: 'x-amz-copy-source-server-side-encryption-customer-',
} as const

/** `source`: of a copy's source. `null`: the request has none. */
export function customerKeyOf(
  { request, message, services }: S3Context,
  of: keyof typeof prefixes = 'own',
): CustomerKey | null {
  const { headers } = request
  if (!hasCustomerKey(headers, of)) return null
  const isSecure = (message.socket as Partial<TLSSocket>).encrypted === true
  if (!isSecure && !services.customerKeysOverHttp)
    throw new S3Error(
      'InvalidRequest',
      'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    )
  return parseCustomerKey(headers, prefixes[of])
}

export function hasCustomerKey(headers: IncomingHttpHeaders, of: keyof typeof prefixes = 'own'): boolean {
  return ['algorithm', 'key', 'key-md5'].some(name => headers[prefixes[of] + name] !== undefined)
}

function parseCustomerKey(headers: IncomingHttpHeaders, prefix: string): CustomerKey {
  const [algorithm, key, md5] = ['algorithm', 'key', 'key-md5'].map(name =>
    headers[prefix + name]?.toString(),
  )
  const must = 'Requests specifying Server Side Encryption with Customer provided keys must provide'
  const fault = (message: string, name: string): S3Error =>
    new S3Error('InvalidArgument', message, { ArgumentName: prefix + name, ArgumentValue: 'null' })
  if (algorithm === undefined) throw fault(`${must} a valid encryption algorithm.`, 'algorithm')
  if (algorithm !== 'AES256')
    throw new S3Error('InvalidEncryptionAlgorithmError', undefined, {
      ArgumentName: `${prefix}algorithm`,
      ArgumentValue: algorithm,
    })
  if (key === undefined) throw fault(`${must} an appropriate secret key.`, 'key')
  if (md5 === undefined) throw fault(`${must} the client calculated MD5 of the secret key.`, 'key-MD5')
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length !== 32) throw fault('The secret key was invalid for the specified algorithm.', 'key')
  const digest = createHash('md5').update(bytes).digest()
  if (!equalBytes(digest, Buffer.from(md5, 'base64')))
    throw fault('The calculated MD5 hash of the key did not match the hash that was provided.', 'key-MD5')
  return { key: bytes, md5 }
}

/** A key for what has none, or none for what has one, is the client's mistake; which, the answer says. */
export function demandFit(encryption: Encryption | undefined, given: CustomerKey | null): void {
  if (encryption?.algorithm === 'customer' && given === null)
    throw new S3Error(
      'InvalidRequest',
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    )
  if (encryption?.algorithm !== 'customer' && given !== null)
    throw new S3Error('InvalidRequest', 'The encryption parameters are not applicable to this object.')
}

/** The same of an upload's parts. */
export function demandFitOfPart(encryption: Encryption | undefined, given: CustomerKey | null): void {
  if (encryption?.algorithm === 'customer' && given === null)
    throw new S3Error(
      'InvalidRequest',
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    )
  if (encryption?.algorithm !== 'customer' && given !== null)
    throw new S3Error(
      'InvalidRequest',
      'The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.',
    )
}
