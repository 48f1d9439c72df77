import type { TLSSocket } from 'node:tls'
import { uriEncode } from '../crypto/sigv4.ts'
import type { S3Context } from './operation.ts'

/** The URL of what a request made, in the style and under the name by which it was asked. */
export function locationOf(
  { request, message }: Pick<S3Context, 'request' | 'message'>,
  bucket: string,
  key: string,
): string {
  const scheme = (message.socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
  const isPathStyle = request.path === `/${bucket}` || request.path.startsWith(`/${bucket}/`)
  const base = `${scheme}://${request.headers.host ?? ''}${isPathStyle ? `/${bucket}` : ''}`
  return `${base}/${uriEncode(key, true)}`
}
