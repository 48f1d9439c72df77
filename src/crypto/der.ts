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
  const rBytes = der[3] ?? 0
  const found = { r: readInteger(der.subarray(4, 4 + rBytes)), s: readInteger(der.subarray(6 + rBytes)) }
  return equalBytes(printEcdsaSignature(found), der) ? found : null
}

export function printEcdsaSignature({ r, s }: EcdsaSignature): Uint8Array {
  return element(sequenceTag, integer(r), integer(s))
}

/** Two numbers of 33 bytes, each with two bytes before it, and so the whole. */
const maxEcdsaBytes = 72

/**
 * SubjectPublicKeyInfo with rsaEncryption (RFC 3279 section 2.3.1), whose modulus is of 2048 to 8192 bits; `null` when
 * it is anything else. All its lengths but the exponent's are of two bytes then, so that each part has its place.
 */
export function readRsaPublicKey(spki: Uint8Array): RsaPublicKey | null {
  if (spki.length > maxSpkiBytes) return null
  const modulusBytes = (spki[30] ?? 0) * 256 + (spki[31] ?? 0)
  const found = {
    modulus: readInteger(spki.subarray(32, 32 + modulusBytes)),
    exponent: readInteger(spki.subarray(34 + modulusBytes)),
  }
  return equalBytes(printRsaPublicKey(found), spki) ? found : null
}

function printRsaPublicKey({ modulus, exponent }: RsaPublicKey): Uint8Array {
  const key = element(sequenceTag, integer(modulus), integer(exponent))
  return element(sequenceTag, rsaEncryption, element(bitStringTag, noUnusedBits, key))
}

const maxSpkiBytes = 1200
/** The object identifier 1.2.840.113549.1.1.1 and NULL. */
const rsaEncryption = fromHex('300d06092a864886f70d0101010500')!
const noUnusedBits = new Uint8Array([0])

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
