import { concat, equalBytes, u32be } from '../core/bytes.ts'
import { bitLength, modPow, printInteger, readInteger } from './big-integer.ts'
import type { RsaPublicKey } from './der.ts'

const hashBytes = 32
const saltBytes = 32

/**
 * RSASSA-PSS-VERIFY (RFC 8017 section 8.1.2) with SHA-256 for the message and for MGF1 and a salt of 32 bytes. Of
 * public values only, so it need not take the same time for all of them.
 */
export function rsaPssHolds(
  { modulus, exponent }: RsaPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  sha256: (bytes: Uint8Array) => Uint8Array,
): boolean {
  const bits = bitLength(modulus)
  const s = readInteger(signature)
  if (signature.length !== Math.ceil(bits / 8) || s >= modulus) return false
  return pssHolds(modPow(s, exponent, modulus), bits - 1, sha256(message), sha256)
}

/** EMSA-PSS-VERIFY (section 9.1.2), of at least 2047 bits, so that there is room enough. */
function pssHolds(
  opened: bigint,
  bits: number,
  messageHash: Uint8Array,
  sha256: (bytes: Uint8Array) => Uint8Array,
): boolean {
  // Of a modulus of 8n + 1 bits, a whole byte too.
  if (bitLength(opened) > bits) return false
  const encoded = printInteger(opened, Math.ceil(bits / 8))
  const maskedBytes = encoded.length - hashBytes - 1
  const hash = encoded.subarray(maskedBytes, -1)
  if (encoded.at(-1) !== 0xbc) return false
  const mask = mgf1(hash, maskedBytes, sha256)
  const block = encoded.subarray(0, maskedBytes).map((byte, at) => byte ^ mask[at]!)
  block[0]! &= 0xff >> (8 * encoded.length - bits)
  const paddingBytes = maskedBytes - saltBytes - 1
  if (block.subarray(0, paddingBytes).some(byte => byte !== 0) || block[paddingBytes] !== 1) return false
  const salt = block.subarray(paddingBytes + 1)
  return equalBytes(sha256(concat(new Uint8Array(8), messageHash, salt)), hash)
}

/** Appendix B.2.1. */
function mgf1(seed: Uint8Array, lengthBytes: number, sha256: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(lengthBytes / hashBytes) }, (_, counter) =>
    sha256(concat(seed, u32be(counter))),
  )
  return concat(...blocks).subarray(0, lengthBytes)
}
