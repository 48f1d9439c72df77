/** What is a public key of an algorithm, in the one encoding that it has here; says nothing of who holds it. */
import { bitLength, readInteger } from './big-integer.ts'
import { readRsaPublicKey } from './der.ts'

/** The field and the curve of SP 800-186 section 3.2.1.3, y² = x³ − 3x + b. */
const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

/** SEC 1 section 2.3.4, uncompressed only. The group has a prime order, so any point on the curve is a key. */
export function isP256Point(bytes: Uint8Array): boolean {
  if (bytes.length !== 65 || bytes[0] !== 0x04) return false
  const x = readInteger(bytes.subarray(1, 33))
  const y = readInteger(bytes.subarray(33))
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n
}

/** What is wrong with an RSA public key, or `null`. */
export function rsaKeyFault(spki: Uint8Array): string | null {
  const key = readRsaPublicKey(spki)
  if (key === null) return 'is no RSA public key in canonical DER'
  const bits = bitLength(key.modulus)
  if (bits < 2048 || bits > 8192) return `is of ${bits} bits, and must be of 2048 to 8192`
  if (key.modulus % 2n === 0n) return 'has an even modulus'
  // The least is that of FIPS 186-5 section 5.4; above the most, OpenSSL refuses some keys.
  if (key.exponent < 65_537n || key.exponent >= 2n ** 64n || key.exponent % 2n === 0n)
    return 'has an exponent that is even, below 65537 or past 64 bits'
  return null
}
