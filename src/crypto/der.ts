/**
 * The two things in DER (X.690) that signatures need, each in its one encoding: what is read is written again and must
 * be the same bytes. So a length that is longer than it need be, a padded number, a negative one and whatever trails
 * are refused in one place, and no two libraries can differ over them.
 */
import { concat, equalBytes, fromHex } from '../core/bytes.ts'
import { printInteger, readInteger } from './big-integer.ts'

export interface EcdsaSignature {
  readonly r: bigint
  readonly s: bigint
}

export interface RsaPublicKey {
  readonly modulus: bigint
  readonly exponent: bigint
}

const [integerTag, bitStringTag, sequenceTag] = [0x02, 0x03, 0x30]

/** ECDSA-Sig-Value of a curve of 256 bits (RFC 3279 section 2.2.3); `null` when it is anything else. */
export function readEcdsaSignature(der: Uint8Array): EcdsaSignature | null {
  if (der.length > maxEcdsaBytes) return null
  const r = contentAt(der, contentAt(der, 0).start)
  const s = contentAt(der, r.end)
  const found = { r: numberIn(der, r), s: numberIn(der, s) }
  return equalBytes(printEcdsaSignature(found), der) ? found : null
}

export function printEcdsaSignature({ r, s }: EcdsaSignature): Uint8Array {
  return element(sequenceTag, integer(r), integer(s))
}

/** Two numbers of 33 bytes, each with two bytes before it, and so the whole. */
const maxEcdsaBytes = 72

/** SubjectPublicKeyInfo with rsaEncryption (RFC 3279 section 2.3.1); `null` when it is anything else. */
export function readRsaPublicKey(spki: Uint8Array): RsaPublicKey | null {
  if (spki.length > maxSpkiBytes) return null
  const algorithm = contentAt(spki, contentAt(spki, 0).start)
  // The first byte of a bit string says how many bits of its last are not meant.
  const key = contentAt(spki, contentAt(spki, algorithm.end).start + 1)
  const modulus = contentAt(spki, key.start)
  const exponent = contentAt(spki, modulus.end)
  const found = { modulus: numberIn(spki, modulus), exponent: numberIn(spki, exponent) }
  return equalBytes(printRsaPublicKey(found), spki) ? found : null
}

function printRsaPublicKey({ modulus, exponent }: RsaPublicKey): Uint8Array {
  const key = element(sequenceTag, integer(modulus), integer(exponent))
  return element(sequenceTag, rsaEncryption, element(bitStringTag, noUnusedBits, key))
}

/** A modulus of 8192 bits has 1024 bytes. */
const maxSpkiBytes = 1200
/** The object identifier 1.2.840.113549.1.1.1 and NULL. */
const rsaEncryption = fromHex('300d06092a864886f70d0101010500')!
const noUnusedBits = new Uint8Array([0])

interface Content {
  readonly start: number
  readonly end: number
}

/** Where the content of an element stands if there is one: whether there is shows when all is written again. */
function contentAt(bytes: Uint8Array, at: number): Content {
  const first = bytes[at + 1] ?? 0
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + lengthBytes
  const length = lengthBytes === 0 ? first : Number(readInteger(bytes.subarray(at + 2, start)))
  return { start, end: start + length }
}

function numberIn(bytes: Uint8Array, { start, end }: Content): bigint {
  return readInteger(bytes.subarray(start, end))
}

function integer(value: bigint): Uint8Array {
  const digits = printInteger(value)
  // The first bit is the sign.
  return element(integerTag, digits[0]! < 0x80 ? digits : concat(new Uint8Array([0]), digits))
}

function element(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(...content)
  const length = printInteger(BigInt(body.length))
  const head = body.length < 0x80 ? [tag, body.length] : [tag, 0x80 | length.length, ...length]
  return concat(new Uint8Array(head), body)
}
