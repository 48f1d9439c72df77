import { hash } from 'node:crypto'
import { verifySignature } from './signatures.ts'

/** What `src/verify` needs of cryptography (its `VerifyCrypto`), by node:crypto. */
export const nodeVerifyCrypto = {
  sha256: (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer'),
  hmacSha256,
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    verifySignature('ed25519', publicKey, message, signature),
}

const blockBytes = 64

/**
 * RFC 2104. By hand, because `createHmac` makes a key object each time: for the short messages here (a label an
 * entry) that is four fifths of its cost. Not for secrets that an attacker can time.
 */
function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const short = key.length > blockBytes ? hash('sha256', key, 'buffer') : key
  const inner = Buffer.allocUnsafe(blockBytes + message.length)
  const outer = Buffer.allocUnsafe(blockBytes + 32)
  for (let i = 0; i < blockBytes; i++) {
    const byte = short[i] ?? 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  inner.set(message, blockBytes)
  outer.set(hash('sha256', inner, 'buffer'), blockBytes)
  return hash('sha256', outer, 'buffer')
}
