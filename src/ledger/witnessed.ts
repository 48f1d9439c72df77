/**
 * Checkpoints of this log that witnesses have cosigned: the row `ledger/witnessed` (`docs/formats/ledger.md`). It keeps
 * the newest, and an older one only for as long as a witness of it has signed nothing newer: so a slow witness is not
 * lost behind a quick one.
 */
import { concat, fromUtf8, toBase64, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import { findCosignature } from '../verify/cosignature.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import type { SignedNote } from '../verify/note.ts'
import type { TypedVerifierKey } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'

export interface Witnessed extends Checkpoint {
  /** The log's signatures, then one line a witness. */
  readonly note: string
  /** By `<name>+<key id>`. */
  readonly by: ReadonlyMap<string, { readonly line: string; readonly timeUnixS: number }>
}

export interface WitnessedDeps {
  readonly log: LogKeys
  /** Of the witnesses that the configuration names. */
  readonly witnesses: readonly TypedVerifierKey[]
  readonly crypto: VerifyCrypto
}

export function encodeWitnessed(kept: readonly Witnessed[]): Uint8Array {
  return utf8(JSON.stringify({ v: 1, notes: kept.map(({ note }) => note) }))
}

/** The notes of the row, newest first. */
export function decodeWitnessed(row: Uint8Array | null): readonly string[] {
  if (row === null) return []
  const { v, notes } = JSON.parse(fromUtf8(row)) as { v?: unknown; notes?: unknown }
  if (v !== 1 || !Array.isArray(notes))
    throw new HoldfastError('format-unknown', 'ledger/witnessed has another format')
  return notes as string[]
}

/**
 * The note with those cosignatures of ours that hold, or what is wrong with it; `refused` has the others. Times of
 * what was taken in before are not compared with the clock again: it may have been turned back since.
 */
export function openWitnessed(
  note: string,
  { log, witnesses, crypto }: WitnessedDeps,
  nowUnixMs = Number.MAX_SAFE_INTEGER,
): { readonly witnessed: Witnessed; readonly refused: readonly string[] } | string {
  const opened = openCheckpoint(note, log, crypto)
  if (typeof opened === 'string') return opened
  const { origin, size, root, signed } = opened
  const by = new Map<string, { line: string; timeUnixS: number }>()
  const refused: string[] = []
  for (const key of witnesses) {
    const cosigned = findCosignature(signed, key, crypto, nowUnixMs)
    if (cosigned.state === 'holds') {
      const line = lineOf(signed, key, cosigned.timeUnixS)
      by.set(labelOf(key), { line, timeUnixS: cosigned.timeUnixS })
    } else if (cosigned.state !== 'none') refused.push(cosigned.why)
  }
  const head = `${signed.text}\n${ownLines(signed, log)}`
  return { witnessed: withNote({ origin, size, root, by }, head), refused }
}

/** What is kept after `fresh` came in, newest first. Cosignatures of one tree are merged, the later of one witness's. */
export function keepWitnessed(kept: readonly Witnessed[], fresh: Witnessed): readonly Witnessed[] {
  const same = kept.find(({ size, root }) => size === fresh.size && toHex(root) === toHex(fresh.root))
  const others = kept.filter(each => each !== same)
  const all = [...others, same === undefined ? fresh : merge(same, fresh)].sort((a, b) => b.size - a.size)
  const seen = new Set<string>()
  return all.filter(({ by }) => {
    const says = [...by.keys()].some(key => !seen.has(key))
    for (const key of by.keys()) seen.add(key)
    return says
  })
}

/** Of what is kept, newest first: the one that most have cosigned, and of these the newest. */
export function mostWitnessed(kept: readonly Witnessed[]): Witnessed | null {
  let best: Witnessed | null = null
  for (const each of kept) if (best === null || each.by.size > best.by.size) best = each
  return best
}

/** POSIX seconds: the latest that any of the witnesses has said; 0 for none. */
export function witnessedTime(kept: readonly Witnessed[]): number {
  return Math.max(0, ...kept.flatMap(({ by }) => [...by.values()].map(({ timeUnixS }) => timeUnixS)))
}

function merge(same: Witnessed, fresh: Witnessed): Witnessed {
  const by = new Map(same.by)
  for (const [key, cosigned] of fresh.by) {
    if ((by.get(key)?.timeUnixS ?? -1) < cosigned.timeUnixS) by.set(key, cosigned)
  }
  const lines = [...fresh.by.values()].reduce((sum, { line }) => sum + line.length, 0)
  return withNote({ ...fresh, by }, fresh.note.slice(0, fresh.note.length - lines))
}

function withNote(checkpoint: Omit<Witnessed, 'note'>, head: string): Witnessed {
  return { ...checkpoint, note: head + [...checkpoint.by.values()].map(({ line }) => line).join('') }
}

function lineOf(note: SignedNote, key: TypedVerifierKey, timeUnixS: number): string {
  const found = note.signatures.find(
    ({ name, keyId, signature }) =>
      name === key.name &&
      toHex(keyId) === toHex(key.keyId) &&
      new DataView(signature.buffer, signature.byteOffset).getBigUint64(0) === BigInt(timeUnixS),
  )!
  return printLine(found)
}

/** The log's lines, in their order: those of strangers were not checked. */
function ownLines(note: SignedNote, log: LogKeys): string {
  const own = new Set(log.spans.map(({ key }) => labelOf(key)))
  return note.signatures
    .filter(signature => own.has(labelOf(signature)))
    .map(printLine)
    .join('')
}

function printLine({ name, keyId, signature }: SignedNote['signatures'][number]): string {
  return `\u2014 ${name} ${toBase64(concat(keyId, signature))}\n`
}

function labelOf({ name, keyId }: { readonly name: string; readonly keyId: Uint8Array }): string {
  return `${name}+${toHex(keyId)}`
}
