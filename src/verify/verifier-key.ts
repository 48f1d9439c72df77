import { concat, equalBytes, fromBase64, fromHex, toBase64, toHex, utf8 } from '../core/bytes.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** The public half of a note signer, from a vkey: `name+hex key id+base64(type ‖ key)` (C2SP `signed-note`). */
export interface VerifierKey {
  readonly name: string
  readonly keyId: Uint8Array
  readonly publicKey: Uint8Array
}

/** Ed25519 over the note's text. Other types (cosignatures, ML-DSA) do not sign for a log here. */
const ed25519Type = new Uint8Array([0x01])

export function noteKeyId(
  name: string,
  publicKey: Uint8Array,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  return crypto.sha256(concat(utf8(`${name}\n`), ed25519Type, publicKey)).slice(0, 4)
}

export function printVerifierKey(
  name: string,
  publicKey: Uint8Array,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): string {
  const id = noteKeyId(name, publicKey, crypto)
  return `${name}+${toHex(id)}+${toBase64(concat(ed25519Type, publicKey))}`
}

/** `null` also when the key id is not the one of name and key: then one of the three was changed. */
export function parseVerifierKey(vkey: string, crypto: Pick<VerifyCrypto, 'sha256'>): VerifierKey | null {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(vkey)
  if (match === null) return null
  const [, name = '', id = '', key = ''] = match
  const keyId = fromHex(id)
  const typed = fromBase64(key)
  if (keyId === null || typed === null || typed.length !== 33 || typed[0] !== ed25519Type[0]) return null
  const publicKey = typed.slice(1)
  return equalBytes(noteKeyId(name, publicKey, crypto), keyId) ? { name, keyId, publicKey } : null
}
