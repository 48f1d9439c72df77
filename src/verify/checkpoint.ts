import { type Checkpoint, parseCheckpoint } from './checkpoint-text.ts'
import { type LogKeys, logNoteFault } from './log-keys.ts'
import { parseNote, type SignedNote } from './note.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export interface OpenedCheckpoint extends Checkpoint {
  /** As it came, with whatever others have signed on it. */
  readonly signed: SignedNote
}

/** The checkpoint, if it is this log's and a key that signs for a tree of its size signed it; else what is wrong. */
export function openCheckpoint(note: string, log: LogKeys, crypto: VerifyCrypto): OpenedCheckpoint | string {
  const parsed = parseNote(note)
  if (parsed === null) return 'the checkpoint is not a signed note'
  const checkpoint = parseCheckpoint(parsed.text)
  if (checkpoint === null) return 'the checkpoint has another form than origin, size, root'
  const fault = logNoteFault(parsed, checkpoint.size, log, crypto)
  if (fault !== null) return `the checkpoint: ${fault}`
  // A key that signs for two logs must not let one pass for the other.
  if (checkpoint.origin !== log.origin)
    return `the checkpoint is of ${checkpoint.origin}, not of ${log.origin}`
  return { ...checkpoint, signed: parsed }
}
