const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Node's buffers where there are any (a verifier runs in browsers too): small ones come from a shared block, which
 * costs a tenth of an array buffer each. Every request makes dozens. What is returned here may be such a view, so a
 * copy is `new Uint8Array(bytes)` and never `bytes.slice()`.
 */
const node = (globalThis as { Buffer?: typeof Buffer }).Buffer

export const utf8: (text: string) => Uint8Array =
  node === undefined ? text => encoder.encode(text) : text => node.from(text)

/** Strict: throws a TypeError on bytes that are not valid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = node === undefined ? new Uint8Array(length) : node.allocUnsafe(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Lexicographic by unsigned byte, as memcmp; the order of every table and every S3 listing. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** For public values only: it returns at the first difference. Secrets go through `crypto/constant-time.ts`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && equalBytes(bytes.subarray(0, prefix.length), prefix)
}

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function toHex(bytes: Uint8Array): string {
  if (node !== undefined) return node.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  let out = ''
  for (const byte of bytes) out += hexDigits[byte]
  return out
}

/** Lower-case hex only, so that a value has one spelling; `null` when it is anything else. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null
  if (node !== undefined) return node.from(text, 'hex')
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}

const base64Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const base64Values = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) base64Values[base64Alphabet.charCodeAt(i)] = i

/** RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  if (node !== undefined)
    return node.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  let out = ''
  let i = 0
  for (; i + 2 < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    out += base64Alphabet[group >> 18]! + base64Alphabet[(group >> 12) & 63]!
    out += base64Alphabet[(group >> 6) & 63]! + base64Alphabet[group & 63]!
  }
  const left = bytes.length - i
  if (left === 1) {
    const group = bytes[i]! << 4
    out += `${base64Alphabet[group >> 6]}${base64Alphabet[group & 63]}==`
  } else if (left === 2) {
    const group = ((bytes[i]! << 8) | bytes[i + 1]!) << 2
    out += `${base64Alphabet[group >> 12]}${base64Alphabet[(group >> 6) & 63]}${base64Alphabet[group & 63]}=`
  }
  return out
}

/** Strict RFC 4648 section 4: padding required, stray bits refused, so that a value has one spelling. */
export function fromBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null
  if (node !== undefined) {
    const bytes = node.from(text, 'base64')
    return bytes.toString('base64') === text ? bytes : null
  }
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const out = new Uint8Array((text.length / 4) * 3 - padding)
  let at = 0
  for (let i = 0; i < text.length; i += 4) {
    const last = i + 4 === text.length
    const symbols = last ? 4 - padding : 4
    let group = 0
    for (let j = 0; j < 4; j++) {
      const value = j < symbols ? (base64Values[text.charCodeAt(i + j)] ?? -1) : 0
      if (value < 0) return null
      group = (group << 6) | value
    }
    if (symbols === 3 && (group & 0xff) !== 0) return null
    if (symbols === 2 && (group & 0xffff) !== 0) return null
    out[at++] = group >> 16
    if (symbols > 2) out[at++] = (group >> 8) & 0xff
    if (symbols > 3) out[at++] = group & 0xff
  }
  return out
}

export function u16be(value: number): Uint8Array {
  return new Uint8Array([value >>> 8, value & 0xff])
}

export function u32be(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff])
}

export function u64be(value: number | bigint): Uint8Array {
  const number = Number(value)
  // Byte by byte: a DataView would give a short array a buffer of its own.
  if (!Number.isSafeInteger(number) || number < 0) {
    const out = new Uint8Array(8)
    new DataView(out.buffer).setBigUint64(0, BigInt(value))
    return out
  }
  const high = Math.floor(number / 2 ** 32)
  const low = number % 2 ** 32
  const out = new Uint8Array(8)
  for (let i = 0; i < 4; i++) {
    out[i] = (high / 2 ** (24 - 8 * i)) & 0xff
    out[i + 4] = (low / 2 ** (24 - 8 * i)) & 0xff
  }
  return out
}

/** Throws a RangeError past 2^53, where a number would silently lose its last digits. */
export function readU64be(bytes: Uint8Array, offset = 0): number {
  if (offset + 8 > bytes.length) throw new RangeError('a number of 8 bytes is cut short')
  let value = 0
  for (let i = offset; i < offset + 8; i++) value = value * 256 + bytes[i]!
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is past 2^53`)
  return value
}
