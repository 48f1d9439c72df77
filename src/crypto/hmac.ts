/**
 * HMAC (RFC 2104) over one-shot hashes. `createHmac` makes a key object for each call, which costs more than the two
 * hashes themselves; a PUT makes a dozen. A digest is taken as a string of bytes, which costs half of a buffer of its
 * own. Justified by `bench/run.ts` (1 KiB PUT and GET); checked against RFC 4231.
 */
import { hash } from 'node:crypto'

const blockBytes = { sha256: 64, sha384: 128 } as const
const digestBytes = { sha256: 32, sha384: 48 } as const

type Algorithm = keyof typeof blockBytes

export function hmac(algorithm: Algorithm, key: Uint8Array, ...message: readonly Uint8Array[]): Buffer {
  return Buffer.from(hash(algorithm, outerOf(algorithm, key, message), 'binary'), 'binary')
}

export function hmacHex(algorithm: Algorithm, key: Uint8Array, ...message: readonly Uint8Array[]): string {
  return hash(algorithm, outerOf(algorithm, key, message), 'hex')
}

function outerOf(algorithm: Algorithm, key: Uint8Array, message: readonly Uint8Array[]): Buffer {
  const block = blockBytes[algorithm]
  const short = key.length > block ? hash(algorithm, key, 'buffer') : key
  let length = block
  for (const part of message) length += part.length
  const inner = Buffer.allocUnsafe(length)
  pad(inner, short, block, 0x36)
  let at = block
  for (const part of message) {
    inner.set(part, at)
    at += part.length
  }
  const outer = Buffer.allocUnsafe(block + digestBytes[algorithm])
  pad(outer, short, block, 0x5c)
  outer.write(hash(algorithm, inner, 'binary'), block, 'binary')
  return outer
}

function pad(out: Buffer, key: Uint8Array, block: number, value: number): void {
  for (let i = 0; i < key.length; i++) out[i] = key[i]! ^ value
  out.fill(value, key.length, block)
}
