/**
 * An evidence bundle as a file: `docs/formats/audit-bundle.md`. JSON of two spaces whose last field is `signature`; what
 * is signed is every byte before that field's line, so that a verifier in any language needs no second JSON printer.
 */
import { hash } from 'node:crypto'
import { utf8 } from '../../core/bytes.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { type NoteSigner, printNote } from '../../verify/note.ts'
import { printVerifierKey } from '../../verify/verifier-key.ts'

export const bundleFormat = 'holdfast/audit-bundle/v2'
/** The beginning of the last field's line. */
export const signatureField = '  "signature": '

export function bundleText(signed: Uint8Array): string {
  return `${bundleFormat}\n${hash('sha256', signed)}\n`
}

/** `signer` is `null` for a bundle that nobody signs: then `verify` says so and refuses it. */
export function printBundle(bundle: object, signer: NoteSigner | null): string {
  const vkey = signer === null ? null : printVerifierKey(signer.name, signer.publicKey, nodeVerifyCrypto)
  const text = JSON.stringify({ format: bundleFormat, ...bundle, signer: vkey }, null, 2)
  // Without the closing brace and the newline before it.
  const signed = `${text.slice(0, -2)},\n`
  const signature = signer === null ? null : printNote(bundleText(utf8(signed)), signer, nodeVerifyCrypto)
  return `${signed}${signatureField}${JSON.stringify(signature)}\n}\n`
}
