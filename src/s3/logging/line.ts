/** One line of a server access log (S3 User Guide, “Amazon S3 server access log format”). */
import type { IncomingHttpHeaders } from 'node:http'

export interface LoggedRequest {
  readonly ownerId: string
  readonly bucket: string
  readonly startedUnixMs: number
  readonly address: string
  /** `null`: anonymous. */
  readonly requester: string | null
  readonly requestId: string
  readonly method: string
  readonly url: string
  readonly key: string | null
  readonly subresource: string | null
  readonly status: number
  readonly errorCode: string | null
  readonly bytesSent: number
  readonly totalMs: number
  readonly headers: IncomingHttpHeaders
  readonly versionId: string | null
  readonly authType: 'AuthHeader' | 'QueryString' | null
  /** `TLSv1.3`; `null`: without. */
  readonly tls: string | null
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function logLine(request: LoggedRequest): string {
  const { headers, method, key, subresource } = request
  const resource = subresource?.toUpperCase() ?? (key === null ? 'BUCKET' : 'OBJECT')
  return `${[
    request.ownerId,
    request.bucket,
    timeOf(request.startedUnixMs),
    request.address,
    request.requester ?? '-',
    request.requestId,
    `REST.${method}.${resource}`,
    key === null ? '-' : encodeURIComponent(key).replaceAll('%2F', '/'),
    quoted(`${method} ${request.url} HTTP/1.1`),
    request.status,
    request.errorCode ?? '-',
    request.bytesSent === 0 ? '-' : request.bytesSent,
    '-',
    request.totalMs,
    '-',
    quoted(headers.referer),
    quoted(headers['user-agent']),
    request.versionId ?? '-',
    request.requestId,
    request.authType === null ? '-' : 'SigV4',
    '-',
    request.authType ?? '-',
    headers.host ?? '-',
    request.tls ?? '-',
    '-',
    '-',
  ].join(' ')}\n`
}

function timeOf(unixMs: number): string {
  const date = new Date(unixMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  return `[${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000]`
}

/** What clients send must not end a field or a line. */
function quoted(text: string | undefined): string {
  if (text === undefined) return '"-"'
  return `"${text.replace(/[\u0000-\u001f\u007f"\\]/g, c => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
}
