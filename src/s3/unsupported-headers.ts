/**
 * Headers that ask for something which is not there. Passing one over in silence would store what the client believes
 * to be locked and is not.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { S3Error } from './errors.ts'

/** `null`: never; otherwise the values that ask for nothing beyond what is done anyway. */
const headers: readonly (readonly [name: string, harmless: readonly string[] | null])[] = [
  ['x-amz-request-payer', ['requester']],
  ['x-amz-website-redirect-location', null],
  ['x-amz-mfa', null],
  ['x-amz-write-offset-bytes', null],
]
const prefixes = ['x-amz-object-lock-event-hold'] as const

export function refuseUnsupported(given: IncomingHttpHeaders): void {
  for (const [name, harmless] of headers) {
    const value = given[name]
    if (value !== undefined && harmless?.includes(String(value)) !== true) throw notImplemented(name, value)
  }
  for (const name in given) {
    if (name.startsWith('x-amz-') && prefixes.some(prefix => name.startsWith(prefix)))
      throw notImplemented(name, given[name])
  }
}

function notImplemented(name: string, value: unknown): S3Error {
  return new S3Error(
    'NotImplemented',
    `${name}: ${String(value).slice(0, 100)} asks for something that is not implemented here.`,
    {
      Header: name,
    },
  )
}
