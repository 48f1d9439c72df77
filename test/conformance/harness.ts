/** What a conformance case has at hand: a signed client, fresh buckets, and checks that say what S3 promises. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { S3, S3Call, S3Reply } from '../support/s3.ts'

export interface Case {
  readonly operation: string
  readonly name: string
  readonly run: (t: Harness) => Promise<void>
}

export interface Harness {
  readonly s3: S3
  /** A new bucket's path: `/name`. */
  bucket(headers?: Readonly<Record<string, string>>): Promise<string>
  /** Demands the status; returns the answer. */
  ok(status: number, method: string, path: string, call?: S3Call): Promise<S3Reply>
  /** Demands status and error code. */
  refused(status: number, code: string, method: string, path: string, call?: S3Call): Promise<S3Reply>
}

let made = 0

export function createHarness(s3: S3): Harness {
  const ok: Harness['ok'] = async (status, method, path, call) => {
    const reply = await s3.call(method, path, call)
    assert.equal(
      reply.status,
      status,
      `${method} ${path}: ${reply.status} ${reply.body.toString().slice(0, 300)}`,
    )
    return reply
  }
  return {
    s3,
    ok,
    async bucket(headers = {}) {
      const path = `/conf-${process.pid.toString(36)}-${Date.now().toString(36)}-${made++}`
      await ok(200, 'PUT', path, { headers })
      return path
    },
    async refused(status, code, method, path, call) {
      const reply = await ok(status, method, path, call)
      if (method !== 'HEAD') assert.equal(reply.code, code, reply.body.toString().slice(0, 300))
      return reply
    },
  }
}

export const md5Hex = (body: string | Uint8Array): string => createHash('md5').update(body).digest('hex')
export const md5Base64 = (body: string | Uint8Array): string =>
  createHash('md5').update(body).digest('base64')

/** Texts of an element, in order, entities resolved. */
export function texts(reply: S3Reply, name: string): string[] {
  return [...reply.body.toString().matchAll(new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`, 'g'))].map(
    match =>
      match[1]!
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16)))
        .replace(/&#(\d+);/g, (_, digits) => String.fromCodePoint(Number(digits)))
        .replaceAll('&amp;', '&'),
  )
}

export const text = (reply: S3Reply, name: string): string | undefined => texts(reply, name)[0]

export function equal<Value>(actual: Value, expected: Value, what = ''): void {
  assert.deepEqual(
    actual,
    expected,
    what === '' ? undefined : `${what}: ${String(actual)} is not ${String(expected)}`,
  )
}
