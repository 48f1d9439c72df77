import { concat, equalBytes, fromBase64, fromHex, toBase64, toHex, utf8 } from '../core/bytes.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** The public half of a note signer, from a vkey: `name+hex key id+base64(type ‖ key)` (C2SP `signed-note`). */
export interface VerifierKey {
  readonly name: string
  readonly keyId: Uint8Array
  readonly publicKey: Uint8Array
}

/** What a key signs: notes as a log does, or timestamped cosignatures as a witness does (`tlog-cosignature`). */
export type NoteKeyKind = 'ed25519' | 'cosignature-ed25519' | 'cosignature-ml-dsa-44'

export interface TypedVerifierKey extends VerifierKey {
  readonly kind: NoteKeyKind
}

/** Signature type identifier bytes, and how long a public key of the type is. */
const kinds: Readonly<Record<NoteKeyKind, { readonly type: number; readonly keyBytes: number }>> = {
  ed25519: { type: 0x01, keyBytes: 32 },
  'cosignature-ed25519': { type: 0x04, keyBytes: 32 },
  'cosignature-ml-dsa-44': { type: 0x06, keyBytes: 1312 },
}

type Sha256 = Pick<VerifyCrypto, 'sha256'>

export function noteKeyId(
  name: string,
  publicKey: Uint8Array,
  crypto: Sha256,
  kind: NoteKeyKind = 'ed25519',
): Uint8Array {
  const typed = concat(utf8(`${name}\n`), Uint8Array.of(kinds[kind].type), publicKey)
  return new Uint8Array(crypto.sha256(typed).subarray(0, 4))
}

export function printVerifierKey(
  name: string,
  publicKey: Uint8Array,
  crypto: Sha256,
  kind: NoteKeyKind = 'ed25519',
): string {
  const id = noteKeyId(name, publicKey, crypto, kind)
  return `${name}+${toHex(id)}+${toBase64(concat(Uint8Array.of(kinds[kind].type), publicKey))}`
}

/**
 * A log's key: Ed25519 over the note's text. `null` also when the key id is not the one of name and key: then one of
 * the three was changed.
 */
export function parseVerifierKey(vkey: string, crypto: Sha256): VerifierKey | null {
  const key = parseTypedVerifierKey(vkey, crypto)
  if (key?.kind !== 'ed25519') return null
  const { name, keyId, publicKey } = key
  return { name, keyId, publicKey }
}

/** A key of any kind in the table; `null` as above. */
export function parseTypedVerifierKey(vkey: string, crypto: Sha256): TypedVerifierKey | null {
  const match = /^([^\p{White_Space}+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(vkey)
  if (match === null) return null
  const [, name = '', id = '', key = ''] = match
  const keyId = fromHex(id)
  const typed = fromBase64(key)
  if (keyId === null || typed === null) return null
  for (const kind of Object.keys(kinds) as NoteKeyKind[]) {
    if (typed[0] !== kinds[kind].type || typed.length !== 1 + kinds[kind].keyBytes) continue
    const publicKey = new Uint8Array(typed.subarray(1))
    return equalBytes(noteKeyId(name, publicKey, crypto, kind), keyId)
      ? { kind, name, keyId, publicKey }
      : null
  }
  return null
}
