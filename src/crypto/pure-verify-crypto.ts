/**
 * What `src/verify` needs of cryptography (its `VerifyCrypto`) where there is no node:crypto: in a browser, a worker,
 * any other JavaScript. WebCrypto would not do: it answers later, and a proof of thirty hashes then costs twenty times
 * as much.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../core/bytes.ts'
import { printInteger } from './big-integer.ts'
import { readEcdsaSignature, readRsaPublicKey } from './der.ts'
import { isP256Point, rsaKeyFault } from './public-keys.ts'
import { rsaPssHolds } from './rsa-pss.ts'

export const pureVerifyCrypto = {
  sha256: (bytes: Uint8Array): Uint8Array => sha256(bytes),
  sha256Stream: () => {
    const stream = sha256.create()
    return {
      update: (bytes: Uint8Array): void => void stream.update(bytes),
      digest: (): Uint8Array => stream.digest(),
    }
  },
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
    try {
      // The library's default is ZIP 215, which lets encodings pass that RFC 8032 refuses.
      return ed25519.verify(signature, message, publicKey, { zip215: false })
    } catch {
      return false
    }
  },
  verifyP256: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
    const read = readEcdsaSignature(signature)
    if (read === null || !isP256Point(publicKey)) return false
    try {
      const compact = concat(printInteger(read.r, 32), printInteger(read.s, 32))
      // The library's default is to refuse half of the signatures that security modules make.
      return p256.verify(compact, message, publicKey, { lowS: false, format: 'compact' })
    } catch {
      return false
    }
  },
  verifyRsaPss: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
    const key = rsaKeyFault(publicKey) === null ? readRsaPublicKey(publicKey) : null
    return key !== null && rsaPssHolds(key, message, signature, sha256)
  },
}
