import { constants, createHash, createPublicKey, hash, verify } from 'node:crypto'
import { concat, fromHex } from '../core/bytes.ts'
import { bitLength } from './big-integer.ts'
import { readEcdsaSignature, readRsaPublicKey } from './der.ts'
import { isP256Point, rsaKeyFault } from './public-keys.ts'

/** RSASSA-PSS as FIPS 186-5 section 5.4 has it for SHA-256; MGF1 takes the hash of the message by itself. */
export const pssOptions = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }

/** What `src/verify` needs of cryptography (its `VerifyCrypto`), by node:crypto. */
export const nodeVerifyCrypto = {
  sha256: (bytes: Uint8Array): Uint8Array => Buffer.from(hash('sha256', bytes, 'binary'), 'binary'),
  sha256Stream: () => {
    const stream = createHash('sha256')
    return {
      update: (bytes: Uint8Array): void => void stream.update(bytes),
      digest: (): Uint8Array => stream.digest(),
    }
  },
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    publicKey.length === 32 &&
    signature.length === 64 &&
    holds(null, concat(spkiHead.ed25519, publicKey), message, signature),
  verifyP256: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    isP256Point(publicKey) &&
    readEcdsaSignature(signature) !== null &&
    holds('sha256', concat(spkiHead.p256, publicKey), message, signature),
  verifyRsaPss: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    rsaKeyFault(publicKey) === null &&
    signature.length === Math.ceil(bitLength(readRsaPublicKey(publicKey)!.modulus) / 8) &&
    holds('sha256', publicKey, message, signature, pssOptions),
  verifyMlDsa44: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    publicKey.length === 1312 &&
    signature.length === 2420 &&
    holds(null, concat(spkiHead.mlDsa44, publicKey), message, signature),
}

/** What stands before the key's bytes in a SubjectPublicKeyInfo. */
const spkiHead = {
  /** RFC 8410 section 4. */
  ed25519: fromHex('302a300506032b6570032100')!,
  /** RFC 5480 section 2. */
  p256: fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200')!,
  /** RFC 9881 section 4. */
  mlDsa44: fromHex('30820532300b06096086480165030403110382052100')!,
}

function holds(
  digest: 'sha256' | null,
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  options: { readonly padding?: number; readonly saltLength?: number } = {},
): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return verify(digest, message, { key, ...options }, signature)
  } catch {
    return false
  }
}
