import { createHmac, hash } from 'node:crypto'
import { verifySignature } from './signatures.ts'

/** What `src/verify` needs of cryptography (its `VerifyCrypto`), by node:crypto. */
export const nodeVerifyCrypto = {
  sha256: (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer'),
  hmacSha256: (key: Uint8Array, bytes: Uint8Array): Uint8Array =>
    createHmac('sha256', key).update(bytes).digest(),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    verifySignature('ed25519', publicKey, message, signature),
}
