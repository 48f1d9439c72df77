import { equalBytes, fromBase64, toBase64 } from '../core/bytes.ts'
import { parseDecimal } from './checkpoint-text.ts'
import { knownSigners, parseNote, type SignedNote } from './note.ts'
import { parseVerifierKey, type VerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * The keys that sign for one log over time. A key signs trees of `from` to `until` leaves, both included; where one
 * key hands over to the next, both may sign.
 */
export interface LogKeys {
  readonly origin: string
  /** The newest. */
  readonly current: VerifierKey
  /** Oldest first; never empty. */
  readonly spans: readonly LogKeySpan[]
}

export interface LogKeySpan {
  readonly key: VerifierKey
  readonly from: number
  readonly until: number
}

/** A log whose key never changed. */
export function singleKey(key: VerifierKey): LogKeys {
  return { origin: key.name, current: key, spans: [{ key, from: 0, until: Number.MAX_SAFE_INTEGER }] }
}

/** What is wrong with a note as one of this log over a tree of `size`, or `null`. */
export function logNoteFault(
  note: SignedNote,
  size: number,
  log: LogKeys,
  crypto: VerifyCrypto,
): string | null {
  const keys = log.spans.map(({ key }) => key)
  const signers = knownSigners(note, keys, crypto)
  if (typeof signers === 'string') return signers
  if (log.spans.some(({ key, from, until }) => from <= size && size <= until && signers.includes(key)))
    return null
  return `signed by a key of ${log.origin} that does not sign for a tree of ${size}`
}

const format = 'holdfast/log-key/v1'

/** What stands in a rotation: from `size` leaves on, whose root is `root`, the log is signed by another key. */
export interface Rotation {
  readonly key: VerifierKey
  readonly size: number
  readonly root: Uint8Array
}

/** The text that the old and the new key sign; `docs/formats/ledger.md`, "Keys of the log". */
export function rotationText(origin: string, vkey: string, size: number, root: Uint8Array): string {
  return `${format}\n${origin}\n${vkey}\n${size}\n${toBase64(root)}\n`
}

/**
 * Follows a log's keys from the first one on. Each rotation is signed by the key before, so whoever trusts the first
 * needs to trust nobody else, and by the new one, so that nobody's key is named without its holder.
 */
export function followRotations(
  first: VerifierKey,
  rotations: readonly string[],
  crypto: VerifyCrypto,
): LogKeys | string {
  const spans: LogKeySpan[] = [{ key: first, from: 0, until: Number.MAX_SAFE_INTEGER }]
  for (const [at, note] of rotations.entries()) {
    const last = spans.at(-1)!
    const rotation = openRotation(note, last.key, crypto)
    if (typeof rotation === 'string') return `rotation ${at + 1}: ${rotation}`
    const { key, size } = rotation
    if (size < last.from) return `rotation ${at + 1}: it takes place at a smaller tree than the one before`
    if (spans.some(span => equalBytes(span.key.publicKey, key.publicKey)))
      return `rotation ${at + 1}: a key that was replaced comes back`
    spans[spans.length - 1] = { ...last, until: size }
    spans.push({ key, from: size, until: Number.MAX_SAFE_INTEGER })
  }
  return { origin: first.name, current: spans.at(-1)!.key, spans }
}

function openRotation(note: string, before: VerifierKey, crypto: VerifyCrypto): Rotation | string {
  const parsed = parseNote(note)
  if (parsed === null) return 'not a signed note'
  const [name, origin, vkey = '', decimal = '', encoded = '', end, ...more] = parsed.text.split('\n')
  if (name !== format || end !== '' || more.length > 0) return `not a ${format}`
  const key = parseVerifierKey(vkey, crypto)
  const size = parseDecimal(decimal)
  const root = fromBase64(encoded)
  if (key === null || size === null || root?.length !== 32) return 'it names no key, size and root'
  if (origin !== before.name || key.name !== before.name) return `it is not of the log ${before.name}`
  const signers = knownSigners(parsed, [before, key], crypto)
  if (typeof signers === 'string') return signers
  if (!signers.includes(before)) return 'the key before has not signed it'
  if (!signers.includes(key)) return 'the new key has not signed it'
  return { key, size, root }
}
