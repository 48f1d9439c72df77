/** What a presigned URL holds in its query instead of headers, for whoever uses it can set none that it signed. */
import { checksums } from '../crypto/checksums.ts'
import { checksumHeaderOf, checksumNameOf } from './body.ts'
import type { S3Request } from './request.ts'

/** Those of the signature itself, and a name without a value: which checksum the SDK would have sent. */
const kept = new Set([
  'x-amz-algorithm',
  'x-amz-content-sha256',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
])

/** The request with the `x-amz-…` parameters of its signed query as headers. A header that was sent stays. */
export function withQueryHeaders(request: S3Request): S3Request {
  const headers = { ...request.headers }
  for (const [parameter, value] of request.query) {
    const name = parameter.toLowerCase()
    if (!name.startsWith('x-amz-') || kept.has(name) || headers[name] !== undefined) continue
    if (!isOfNothing(name, value)) headers[name] = value
  }
  return { ...request, headers }
}

/**
 * SDKs that compute checksums by default presign that of the body they have while presigning: none. It is not what
 * will be sent, and says nothing.
 */
function isOfNothing(header: string, value: string): boolean {
  const algorithm = checksumNameOf(header.replace(/^x-amz-checksum-/, ''))
  if (algorithm === null || checksumHeaderOf(algorithm) !== header) return false
  return checksums[algorithm]().digest().toString('base64') === value
}
