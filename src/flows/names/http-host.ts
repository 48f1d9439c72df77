import { isIPv6 } from 'node:net'
import type { Reading } from './client-hello.ts'

const requestLine =
  /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) [\u0021-\u00ff]+ HTTP\/1\.[01]\r?\n/
const mostHeadBytes = 8192
const methodStarts = new Set(['GET ', 'HEAD', 'POST', 'PUT ', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC'])

export function mayBeRequest(bytes: Buffer, at: number): boolean {
  return bytes.length >= at + 4 && methodStarts.has(bytes.toString('latin1', at, at + 4))
}

/** The Host of a request of HTTP/1 (RFC 9112 section 3.2), as it stands there; `null` within: it has none. */
export function readHttpHost(bytes: Buffer): Reading<{ readonly host: string | null }> {
  const text = bytes.toString('latin1', 0, mostHeadBytes)
  const end = /\r?\n\r?\n/.exec(text)
  const head = end === null ? text : text.slice(0, end.index + 2)
  if (head.includes('\n') && !requestLine.test(head)) return 'none'
  const host = /\nhost:[ \t]*([^\r\n]*?)[ \t]*\r?\n/i.exec(head)
  // Some clients write a name as it is read, in UTF-8.
  if (host !== null) return { host: Buffer.from(host[1]!, 'latin1').toString('utf8') }
  if (end !== null) return { host: null }
  return bytes.length >= mostHeadBytes ? 'none' : 'more'
}

/** Without the port; `null` for an address in brackets, which is no name. */
export function withoutPort(host: string): string | null {
  return host.startsWith('[') || isIPv6(host) ? null : host.replace(/:\d{0,5}$/, '')
}
