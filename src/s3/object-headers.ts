/** Headers that S3 keeps with an object and gives back as they came. */
import type { IncomingHttpHeaders } from 'node:http'
import type { ObjectRow } from '../store/rows.ts'
import { S3Error } from './errors.ts'

const kept = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const
const maxMetadataBytes = 2048
const metadataPrefix = 'x-amz-meta-'

/** `response-content-type=…` and its like, in a signed request's query, speak for one answer. */
const overrides = kept.map(name => [`response-${name}`, name] as const)

export interface StoredHeaders {
  readonly headers: Record<string, string>
  readonly metadata: Record<string, string>
}

export function storedHeaders(headers: IncomingHttpHeaders): StoredHeaders {
  const stored: StoredHeaders = { headers: {}, metadata: {} }
  for (const name of kept) {
    const value = headers[name]
    if (typeof value !== 'string') continue
    // `aws-chunked` says how the body travelled, not what it is.
    const meant =
      name === 'content-encoding'
        ? value
            .split(',')
            .map(coding => coding.trim())
            .filter(coding => coding !== 'aws-chunked' && coding !== '')
            .join(',')
        : value
    if (meant !== '') stored.headers[name] = meant
  }
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(metadataPrefix) || typeof value !== 'string') continue
    const short = name.slice(metadataPrefix.length)
    bytes += short.length + value.length
    stored.metadata[short] = value
  }
  if (bytes > maxMetadataBytes) throw new S3Error('MetadataTooLarge')
  const storageClass = headers['x-amz-storage-class']
  if (storageClass !== undefined && storageClass !== 'STANDARD') {
    throw new S3Error('InvalidStorageClass', 'Only the STANDARD storage class exists here.')
  }
  return stored
}

export function objectHeaders(row: ObjectRow, query: ReadonlyMap<string, string>): Record<string, string> {
  const out: Record<string, string> = {
    'content-type': 'binary/octet-stream',
    ...row.headers,
    etag: `"${row.etag}"`,
    'last-modified': httpDate(row.modifiedUnixMs),
    'accept-ranges': 'bytes',
  }
  for (const [name, value] of Object.entries(row.metadata)) out[metadataPrefix + name] = value
  for (const [parameter, name] of overrides) {
    const value = query.get(parameter)
    if (value !== undefined) out[name] = value
  }
  return out
}

/** Seconds are all that HTTP dates have; comparisons with them round down the same way. */
export function httpDate(unixMs: number): string {
  return new Date(unixMs).toUTCString()
}

/** RFC 3339 as S3's XML has it. */
export function xmlDate(unixMs: number): string {
  return new Date(Math.floor(unixMs / 1000) * 1000).toISOString()
}
