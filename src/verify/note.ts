import { concat, equalBytes, fromBase64, toBase64, toHex, utf8 } from '../core/bytes.ts'
import { noteKeyId, type VerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** A signed note (C2SP `signed-note`), taken apart and not yet verified. */
export interface SignedNote {
  /** With its last newline, as signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

interface NoteSignature {
  readonly name: string
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

/** The specification asks for at least 16; a limit keeps a reader from hashing without end. */
const maxSignatures = 64

export function parseNote(note: string): SignedNote | null {
  if (!note.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(note)) return null
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return null
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatures) return null
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const match = /^\u2014 ([^\p{White_Space}+]+) ([A-Za-z0-9+/=]+)$/u.exec(line)
    const bytes = match === null ? null : fromBase64(match[2]!)
    if (match === null || bytes === null || bytes.length <= 4) return null
    signatures.push({ name: match[1]!, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) })
  }
  return { text: note.slice(0, split + 1), signatures }
}

/**
 * Which of these keys signed the note, or what is wrong with it. Signatures of other keys are passed over: anyone can
 * add one. A signature that claims to be of a known key and is not rejects the note, also beside a good one, so that
 * nobody can make a note that some readers accept and others do not.
 */
export function knownSigners<Key extends VerifierKey>(
  note: SignedNote,
  keys: readonly Key[],
  crypto: VerifyCrypto,
): Key[] | string {
  const text = utf8(note.text)
  const signers: Key[] = []
  for (const { name, keyId, signature } of note.signatures) {
    for (const key of keys) {
      if (name !== key.name || !equalBytes(keyId, key.keyId)) continue
      if (!crypto.verifyEd25519(key.publicKey, text, signature))
        return `a signature by ${key.name} does not hold`
      signers.push(key)
    }
  }
  if (signers.length > 0) return signers
  return `no signature by ${keys.map(({ name, keyId }) => `${name}+${toHex(keyId)}`).join(' or ')}`
}

/** What is wrong with the note as a note of this key, or `null`. */
export function noteFault(note: SignedNote, key: VerifierKey, crypto: VerifyCrypto): string | null {
  const signers = knownSigners(note, [key], crypto)
  return typeof signers === 'string' ? signers : null
}

export interface NoteSigner {
  readonly name: string
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** `text` must end in a newline. More lines may follow, each from `signatureLine`. */
export function printNote(text: string, signer: NoteSigner, crypto: Pick<VerifyCrypto, 'sha256'>): string {
  return `${text}\n${signatureLine(text, signer, crypto)}`
}

export function signatureLine(
  text: string,
  signer: NoteSigner,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): string {
  const keyId = noteKeyId(signer.name, signer.publicKey, crypto)
  return `\u2014 ${signer.name} ${toBase64(concat(keyId, signer.sign(utf8(text))))}\n`
}
