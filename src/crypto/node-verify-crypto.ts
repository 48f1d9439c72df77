import { hash } from 'node:crypto'
import { hmac } from './hmac.ts'
import { verifySignature } from './signatures.ts'

/** What `src/verify` needs of cryptography (its `VerifyCrypto`), by node:crypto. */
export const nodeVerifyCrypto = {
  sha256: (bytes: Uint8Array): Uint8Array => Buffer.from(hash('sha256', bytes, 'binary'), 'binary'),
  hmacSha256: (key: Uint8Array, message: Uint8Array): Uint8Array => hmac('sha256', key, message),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    verifySignature('ed25519', publicKey, message, signature),
}
