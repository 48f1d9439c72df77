import { fromBase64, toBase64 } from '../core/bytes.ts'
import { noteFault, parseNote } from './note.ts'
import type { VerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** What a region says of its log at one moment (C2SP `tlog-checkpoint`). */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

export function printCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** Parses a note's text. Lines after the third are extensions, which the specification lets a reader pass over. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const lines = text.split('\n')
  if (lines.length < 4 || lines.at(-1) !== '' || lines.slice(0, -1).includes('')) return null
  const [origin = '', decimal = '', encoded = ''] = lines
  const size = parseDecimal(decimal)
  const root = fromBase64(encoded)
  return size === null || root?.length !== 32 ? null : { origin, size, root }
}

/** The checkpoint, if it is this log's and its key signed it; else what is wrong. */
export function openCheckpoint(note: string, key: VerifierKey, crypto: VerifyCrypto): Checkpoint | string {
  const parsed = parseNote(note)
  if (parsed === null) return 'the checkpoint is not a signed note'
  const fault = noteFault(parsed, key, crypto)
  if (fault !== null) return `the checkpoint: ${fault}`
  const checkpoint = parseCheckpoint(parsed.text)
  if (checkpoint === null) return 'the checkpoint has another form than origin, size, root'
  // A key that signs for two logs must not let one pass for the other.
  if (checkpoint.origin !== key.name) return `the checkpoint is of ${checkpoint.origin}, not of ${key.name}`
  return checkpoint
}

/** ASCII decimal with no leading zeros, up to 2^53 − 1. */
export function parseDecimal(text: string): number | null {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}
