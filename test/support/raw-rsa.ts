/** RSA signatures of whatever block one likes, as only the holder of the key can make them. */
import { createHash, createPrivateKey, createPublicKey, generatePrimeSync, type KeyObject } from 'node:crypto'
import { concat, u32be } from '../../src/core/bytes.ts'
import { bitLength, modPow, printInteger, readInteger } from '../../src/crypto/big-integer.ts'

export interface RawRsaKey {
  readonly spki: Uint8Array
  readonly key: KeyObject
  readonly modulus: bigint
  readonly modulusBits: number
  /** The private operation on a number below the modulus, as long as the modulus. */
  raise(block: bigint): Uint8Array
}

/** From primes of its own: OpenSSL makes no modulus of an odd number of bits. */
export function makeRsaKey(modulusBits: number, exponent = 65_537n): RawRsaKey {
  for (;;) {
    const [p, q] = [(modulusBits + 1) >> 1, modulusBits >> 1].map(bits =>
      generatePrimeSync(bits, { bigint: true }),
    )
    const modulus = p! * q!
    const d = inverse(exponent, (p! - 1n) * (q! - 1n))
    if (bitLength(modulus) !== modulusBits || d === null) continue
    const field = (value: bigint): string => Buffer.from(printInteger(value)).toString('base64url')
    const key = createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'RSA',
        n: field(modulus),
        e: field(exponent),
        d: field(d),
        p: field(p!),
        q: field(q!),
        dp: field(d % (p! - 1n)),
        dq: field(d % (q! - 1n)),
        qi: field(inverse(q!, p!)!),
      },
    })
    return {
      key,
      spki: new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
      modulus,
      modulusBits,
      raise: block => printInteger(modPow(block, d, modulus), Math.ceil(modulusBits / 8)),
    }
  }
}

/** By the extended Euclidean algorithm; `null` when there is none. */
function inverse(value: bigint, modulus: bigint): bigint | null {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n]
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x]
  return a === 1n ? ((x % modulus) + modulus) % modulus : null
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  createHash('sha256')
    .update(concat(...parts))
    .digest()

/** What is not as RFC 8017 section 9.1.1 has it. */
export interface PssChange {
  readonly salt?: Uint8Array
  /** What stands before the salt: zeros and a one. */
  readonly padding?: (right: Uint8Array) => Uint8Array
  readonly trailer?: number
  /** Of the bits that the block has too many, the first. */
  readonly topBit?: boolean
  /** In place of the eight zeros before the hash of the message. */
  readonly prefix?: Uint8Array
}

/** EMSA-PSS-ENCODE with SHA-256. */
export function encodePss(message: Uint8Array, modulusBits: number, change: PssChange = {}): bigint {
  const bits = modulusBits - 1
  const bytes = Math.ceil(bits / 8)
  const salt = change.salt ?? crypto.getRandomValues(new Uint8Array(32))
  const hashed = sha256(change.prefix ?? new Uint8Array(8), sha256(message), salt)
  const right = new Uint8Array(bytes - 33 - salt.length)
  right[right.length - 1] = 1
  const block = concat(change.padding?.(right) ?? right, salt)
  const mask = concat(
    ...Array.from({ length: Math.ceil(block.length / 32) }, (_, at) => sha256(hashed, u32be(at))),
  )
  const masked = new Uint8Array(block.map((byte, at) => byte ^ mask[at]!))
  const unused = 8 * bytes - bits
  masked[0]! &= 0xff >> unused
  if (change.topBit) masked[0]! |= 0x80
  return readInteger(concat(masked, hashed, new Uint8Array([change.trailer ?? 0xbc])))
}
