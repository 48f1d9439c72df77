/** Parameters that lists have in common. */
import { uriEncode } from '../crypto/sigv4.ts'
import { S3Error } from './errors.ts'
import type { S3Request } from './request.ts'

export interface ListParameters {
  readonly prefix: string
  readonly delimiter: string
  readonly maxItems: number
  readonly encode: (text: string) => string
  readonly encodingType: string | undefined
}

const maxPageItems = 1000
const maxKeyBytes = 1024

export function listParameters(request: S3Request, limitName: string, least = 0): ListParameters {
  const { query } = request
  const encodingType = query.get('encoding-type')
  if (encodingType !== undefined && encodingType !== 'url') {
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: encodingType,
    })
  }
  return {
    prefix: keyParameter(request, 'prefix'),
    delimiter: keyParameter(request, 'delimiter'),
    maxItems: Math.min(maxPageItems, integerParameter(request, limitName, maxPageItems, least)),
    encode: encodingType === 'url' ? text => uriEncode(text, true) : text => text,
    encodingType,
  }
}

/** A key, or what a key starts with. Longer than keys can be, it would have to be compared with none. */
export function keyParameter({ query }: S3Request, name: string): string {
  const text = query.get(name) ?? ''
  if (text.length > maxKeyBytes / 4 && Buffer.byteLength(text) > maxKeyBytes)
    throw new S3Error('KeyTooLongError')
  return text
}

export function integerParameter(
  { query }: S3Request,
  name: string,
  absent: number,
  least = 0,
  most = 2 ** 31 - 1,
): number {
  const text = query.get(name) ?? ''
  if (text === '') return absent
  const wrong = (message: string): S3Error =>
    new S3Error('InvalidArgument', message, { ArgumentName: name, ArgumentValue: text })
  if (!/^-?\d{1,10}$/.test(text)) throw wrong(`Provided ${name} not an integer or within integer range`)
  const value = Number(text)
  if (value < least || value > most)
    throw wrong(`Argument ${name} must be an integer between ${least} and ${most}`)
  return value
}
