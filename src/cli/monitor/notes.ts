/** Signed notes as they come from anywhere, and as evidence. */
import { fromUtf8, toBase64, toHex, utf8 } from '../../core/bytes.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../../verify/checkpoint.ts'
import type { LogKeys } from '../../verify/log-keys.ts'
import type { Evidence } from './finding.ts'
import type { MonitorState } from './monitor-state.ts'

export function openNote(note: Uint8Array, log: LogKeys): OpenedCheckpoint | string {
  try {
    return openCheckpoint(fromUtf8(note), log, crypto)
  } catch {
    return 'the checkpoint is not UTF-8'
  }
}

export function printedNote({ signed }: OpenedCheckpoint): string {
  const lines = signed.signatures.map(
    ({ name, keyId, signature }) => `\u2014 ${name} ${toBase64(Buffer.concat([keyId, signature]))}\n`,
  )
  return `${signed.text}\n${lines.join('')}`
}

export function noteEvidence(checkpoint: OpenedCheckpoint): Evidence {
  return { name: `checkpoint-${checkpoint.size}`, text: printedNote(checkpoint) }
}

export function newestNote({ seen }: MonitorState): Evidence[] {
  return seen.slice(0, 1).map(({ size, note }) => ({ name: `checkpoint-${size}`, text: note }))
}

export function safeText(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return `${toHex(bytes)}\n`
  }
}

/** The name of a file of evidence: the same text has the same name. */
export function evidenceName({ name, text }: Evidence): string {
  return `${name}-${toHex(crypto.sha256(utf8(text))).slice(0, 12)}.txt`
}
