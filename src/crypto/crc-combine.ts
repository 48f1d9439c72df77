/** The CRC of two pieces put together, from the CRCs of each and the length of the second. */
import type { ChecksumName } from './checksums.ts'

/** Reflected, without the highest term. */
export const polynomials = {
  CRC32: { bits: 32n, polynomial: 0xedb8_8320n },
  CRC32C: { bits: 32n, polynomial: 0x82f6_3b78n },
  CRC64NVME: { bits: 64n, polynomial: 0x9a6c_9329_ac4b_c9b5n },
} as const

export type CrcName = keyof typeof polynomials

export function isCrc(name: ChecksumName): name is CrcName {
  return Object.hasOwn(polynomials, name)
}

export interface CrcPiece {
  /** Big-endian, as the checksums' digests are. */
  readonly digest: Uint8Array
  readonly bytes: number
}

/** The CRC of all pieces in their order; big-endian. A CRC is linear: more bytes behind it multiply it by x^8 each. */
export function combineCrcs(name: CrcName, pieces: readonly CrcPiece[]): Buffer {
  const { bits, polynomial } = polynomials[name]
  // Parts mostly have one length.
  const powers = new Map<number, bigint>()
  let combined = 0n
  for (const { digest, bytes } of pieces) {
    let power = powers.get(bytes)
    if (power === undefined) {
      power = powerOfX(BigInt(bytes) * 8n, bits, polynomial)
      powers.set(bytes, power)
    }
    combined =
      multiply(combined, power, bits, polynomial) ^ BigInt(`0x${Buffer.from(digest).toString('hex')}`)
  }
  return Buffer.from(combined.toString(16).padStart(Number(bits) / 4, '0'), 'hex')
}

/** Of polynomials over GF(2), reflected: the highest bit is x^0. */
function multiply(a: bigint, b: bigint, bits: bigint, polynomial: bigint): bigint {
  let product = 0n
  let shifted = b
  for (let bit = 1n << (bits - 1n); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= shifted
    shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n
  }
  return product
}

function powerOfX(exponent: bigint, bits: bigint, polynomial: bigint): bigint {
  let result = 1n << (bits - 1n)
  let square = 1n << (bits - 2n)
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = multiply(result, square, bits, polynomial)
    square = multiply(square, square, bits, polynomial)
  }
  return result
}
