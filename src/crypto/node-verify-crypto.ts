import { createHash, createPublicKey, hash, verify } from 'node:crypto'
import { verifySignature } from './signatures.ts'

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
    verifySignature('ed25519', publicKey, message, signature),
  verifyMlDsa44: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
    if (publicKey.length !== 1312 || signature.length !== 2420) return false
    try {
      const key = createPublicKey({
        key: Buffer.concat([mlDsa44Spki, publicKey]),
        format: 'der',
        type: 'spki',
      })
      return verify(null, message, key, signature)
    } catch {
      return false
    }
  },
}

/** RFC 9881 section 4: what stands before the 1,312 key bytes in a SubjectPublicKeyInfo. */
const mlDsa44Spki = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')
