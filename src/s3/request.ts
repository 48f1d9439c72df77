/** An HTTP request as S3 reads it: which bucket and key, which parameters. No operation is chosen yet. */
import type { IncomingHttpHeaders } from 'node:http'
import { S3Error } from './errors.ts'

export interface S3Request {
  readonly method: string
  /** Decoded, with its leading slash; what signatures are computed over. */
  readonly path: string
  readonly bucket: string | null
  /** `null` for a request to a bucket or to the service. Never empty. */
  readonly key: string | null
  readonly query: ReadonlyMap<string, string>
  readonly headers: IncomingHttpHeaders
}

const maxKeyBytes = 1024

export function parseRequest(
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
  /** Domains under which a bucket can stand as the first label of the host (virtual-host style). */
  domains: readonly string[],
): S3Request {
  const mark = url.indexOf('?')
  const path = percentDecode(mark < 0 ? url : url.slice(0, mark))
  if (!path.startsWith('/')) throw new S3Error('InvalidURI')
  const query = parseQuery(mark < 0 ? '' : url.slice(mark + 1))
  const hosted = bucketOfHost(headers.host ?? '', domains)
  const rest = path.slice(1)
  let bucket: string | null
  let key: string
  if (hosted !== null) {
    bucket = hosted
    key = rest
  } else {
    const slash = rest.indexOf('/')
    bucket = (slash < 0 ? rest : rest.slice(0, slash)) || null
    key = slash < 0 ? '' : rest.slice(slash + 1)
  }
  if (bucket === null && key !== '') throw new S3Error('InvalidBucketName')
  if (key.length > maxKeyBytes / 4 && Buffer.byteLength(key) > maxKeyBytes)
    throw new S3Error('KeyTooLongError')
  return { method, path, bucket, key: key === '' ? null : key, query, headers }
}

/** A value that was not sent and one that was sent empty are different: `?uploads` is `''`. */
function parseQuery(text: string): Map<string, string> {
  const query = new Map<string, string>()
  if (text === '') return query
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    const value = equals < 0 ? '' : pair.slice(equals + 1)
    query.set(percentDecode(name.replaceAll('+', ' ')), percentDecode(value.replaceAll('+', ' ')))
  }
  return query
}

function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw new S3Error('InvalidURI')
  }
}

function bucketOfHost(host: string, domains: readonly string[]): string | null {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  for (const domain of domains) {
    if (name.length > domain.length + 1 && name.endsWith(`.${domain}`))
      return name.slice(0, -domain.length - 1)
  }
  return null
}
