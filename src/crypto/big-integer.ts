import { fromHex, toHex } from '../core/bytes.ts'

/** Unsigned, most significant byte first (I2OSP and OS2IP, RFC 8017 section 4). Of public values: not constant-time. */
export function readInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`)
}

/** In as few bytes as it takes, or in `lengthBytes`, which must be enough. */
export function printInteger(value: bigint, lengthBytes = 1): Uint8Array {
  const digits = value.toString(16)
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  return fromHex(even.padStart(2 * lengthBytes, '0'))!
}

export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length
}

export function modPow(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let power = base % modulus
  let result = 1n
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * power) % modulus
    power = (power * power) % modulus
  }
  return result
}
