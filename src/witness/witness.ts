/**
 * A witness (C2SP `tlog-witness`): it remembers the newest tree that it has seen of each log, and cosigns only what
 * continues it. So a log that shows two histories, or goes back in time, gets no cosignature for the second.
 */
import { equalBytes, fromBase64, fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { type Checkpoint, parseCheckpoint, parseDecimal } from '../verify/checkpoint-text.ts'
import { type Cosigner, findCosignature, maxAheadSeconds, printCosignature } from '../verify/cosignature.ts'
import { consistencyHolds, emptyRoot } from '../verify/merkle.ts'
import { noteFault, parseNote, type SignedNote } from '../verify/note.ts'
import type { TypedVerifierKey } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'

export interface WitnessDeps {
  /** Of the witness alone. Its conditional commits are what makes a cosignature happen once, also for two processes. */
  readonly catalog: Catalog
  readonly cosigner: Cosigner
  /** Several of one name are one log's: it may change keys. */
  readonly logs: readonly TypedVerifierKey[]
  readonly crypto: VerifyCrypto
  readonly clock: Clock
  readonly log: Log
}

export type AddAnswer =
  /** The cosignature line. */
  | { readonly status: 200; readonly text: string }
  /** The size that the witness has. */
  | { readonly status: 409; readonly size: number }
  | { readonly status: 400 | 403 | 404 | 422 | 503; readonly text: string }

export interface WitnessedLog {
  readonly origin: string
  readonly size: number
  /** The log's checkpoint with this witness's cosignature; `null` before the first. */
  readonly note: string | null
}

export interface Witness {
  /** The body of `add-checkpoint`, whole. Safe to call at once for one log. */
  addCheckpoint(body: Uint8Array): Promise<AddAnswer>
  logs(): Promise<WitnessedLog[]>
  find(origin: string): Promise<WitnessedLog | null>
}

/** A consistency proof of trees up to 2^63 leaves has no more. */
const maxProofLines = 63
/** 63 proof lines, and a checkpoint with 16 signatures after quantum computers. */
export const maxRequestBytes = 128 * 1024

interface Kept {
  readonly row: Uint8Array
  readonly note: SignedNote
  readonly text: string
  readonly checkpoint: Checkpoint
}

/**
 * Crash points of a cosignature: before the commit of the row nothing was said and nothing is known; after it, and
 * before the answer, the witness knows more than the log has heard, and tells it so with the next 409. The row is the
 * note as it was answered, so nothing is signed twice over with another time to be remembered.
 */
export function createWitness(deps: WitnessDeps): Witness {
  const { catalog, cosigner, crypto, log } = deps
  const origins = new Map<string, TypedVerifierKey[]>()
  for (const key of deps.logs) {
    if (equalBytes(key.publicKey, cosigner.publicKey))
      throw new HoldfastError('bad-input', `the witness’s key is the key of log ${key.name}`)
    origins.set(key.name, [...(origins.get(key.name) ?? []), key])
  }

  const kept = async (origin: string): Promise<Kept | null> => {
    const row = await catalog.get('meta', rowKey(origin))
    if (row === null) return null
    const text = fromUtf8(row)
    const note = parseNote(text)
    const checkpoint = note === null ? null : parseCheckpoint(note.text)
    // Whoever may have changed this could have made it smaller.
    if (note === null || checkpoint?.origin !== origin || noteHasNone(note, cosigner))
      throw new HoldfastError('store-damaged', `what was kept of log ${origin} is damaged`)
    return { row, note, text, checkpoint }
  }

  /** `null`: another request was faster, and the facts are other ones now. */
  const cosign = async (
    { old, proof, note, checkpoint }: AddRequest,
    before: Kept | null,
  ): Promise<AddAnswer | null> => {
    const { origin, size, root } = checkpoint
    const known = before?.checkpoint ?? null
    if (old !== (known?.size ?? 0)) return { status: 409, size: known?.size ?? 0 }
    if (known !== null && old === size && !equalBytes(known.root, root)) {
      log('error', 'witness-two-roots', { origin, size })
      return { status: 409, size: known.size }
    }
    const fault = proofFault(old, known, checkpoint, proof, crypto)
    if (fault !== null) {
      log('error', 'witness-not-consistent', { origin, old, size, fault })
      return { status: 422, text: `${fault}\n` }
    }
    const time = timeAfter(before, deps)
    if (time === null) {
      log('error', 'witness-clock-behind', { origin })
      return { status: 503, text: 'the clock of this witness is behind its last cosignature\n' }
    }
    const line = printCosignature(note.text, time, cosigner)
    const value = utf8(`${note.text}\n${logLines(note, origins.get(origin)!)}${line}`)
    const key = rowKey(origin)
    const checks = [{ table: 'meta' as const, key, expected: before?.row ?? null }]
    if (!(await catalog.commit({ checks, puts: [{ table: 'meta', key, value }] }))) return null
    log('info', 'witness-cosigned', { origin, size, timeUnixS: time })
    return { status: 200, text: line }
  }

  const find = async (origin: string): Promise<WitnessedLog | null> => {
    if (!origins.has(origin)) return null
    const found = await kept(origin)
    return { origin, size: found?.checkpoint.size ?? 0, note: found?.text ?? null }
  }

  return {
    async addCheckpoint(body) {
      const request = parseAddRequest(body)
      if (typeof request === 'string') return { status: 400, text: `${request}\n` }
      const { note, checkpoint, old } = request
      const keys = origins.get(checkpoint.origin)
      if (keys === undefined) return { status: 404, text: 'this witness does not know the log\n' }
      const fault = signatureFault(note, keys, deps)
      if (fault !== null) return { status: 403, text: `${fault}\n` }
      if (old > checkpoint.size)
        return { status: 400, text: `the old size ${old} is above ${checkpoint.size}\n` }
      try {
        for (;;) {
          const answer = await cosign(request, await kept(checkpoint.origin))
          if (answer !== null) return answer
        }
      } catch (error) {
        log('error', 'witness-failed', { origin: checkpoint.origin, error: messageOf(error) })
        return { status: 503, text: 'the witness cannot keep what it would sign\n' }
      }
    },

    find,
    async logs() {
      const all = await Promise.all([...origins.keys()].sort().map(find))
      return all.filter(each => each !== null)
    },
  }
}

interface AddRequest {
  readonly old: number
  readonly proof: readonly Uint8Array[]
  readonly note: SignedNote
  readonly checkpoint: Checkpoint
}

/** The request, or what is wrong with its form. */
function parseAddRequest(body: Uint8Array): AddRequest | string {
  let text: string
  try {
    text = fromUtf8(body)
  } catch {
    return 'the body is not UTF-8'
  }
  const split = text.indexOf('\n\n')
  if (split < 0) return 'the body has no empty line before the checkpoint'
  const [first = '', ...hashes] = text.slice(0, split).split('\n')
  const old = first.startsWith('old ') ? parseDecimal(first.slice(4)) : null
  if (old === null) return 'the first line is not “old” and a size'
  if (hashes.length > maxProofLines) return `more than ${maxProofLines} proof lines`
  const proof: Uint8Array[] = []
  for (const line of hashes) {
    const hash = fromBase64(line)
    if (hash?.length !== 32) return 'a proof line is not a hash in base64'
    proof.push(hash)
  }
  const note = parseNote(text.slice(split + 2))
  if (note === null) return 'the checkpoint is not a signed note'
  const checkpoint = parseCheckpoint(note.text)
  if (checkpoint === null) return 'the note is not a checkpoint'
  return { old, proof, note, checkpoint }
}

/** One good signature by a key of the log is enough, none that claims to be of it may be bad. */
function signatureFault(
  note: SignedNote,
  keys: readonly TypedVerifierKey[],
  { crypto, clock }: WitnessDeps,
): string | null {
  let good = 0
  for (const key of keys) {
    if (noteHasNone(note, key)) continue
    const fault =
      key.kind === 'ed25519'
        ? noteFault(note, key, crypto)
        : faultOf(findCosignature(note, key, crypto, clock()))
    if (fault !== null) return fault
    good++
  }
  return good === 0 ? 'no signature by a key that this witness trusts for the log' : null
}

function faultOf(cosigned: ReturnType<typeof findCosignature>): string | null {
  return cosigned.state === 'holds' ? null : cosigned.why
}

function noteHasNone(note: SignedNote, key: TypedVerifierKey): boolean {
  return !note.signatures.some(isOf(key))
}

function isOf(key: TypedVerifierKey): (signature: SignedNote['signatures'][number]) => boolean {
  return ({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId)
}

function proofFault(
  old: number,
  known: Checkpoint | null,
  { size, root }: Checkpoint,
  proof: readonly Uint8Array[],
  crypto: VerifyCrypto,
): string | null {
  const isEmpty = size === 0 && !equalBytes(root, emptyRoot(crypto))
  if (isEmpty) return 'the empty tree has another root'
  if (old === 0) return proof.length === 0 ? null : 'a proof from size 0 must be empty'
  const claim = { oldSize: old, newSize: size, oldRoot: known!.root, newRoot: root, proof }
  return consistencyHolds(claim, crypto) ? null : `the proof does not lead from ${old} to ${size}`
}

/**
 * The time of the next cosignature in POSIX seconds, never before the last one of the log: a later tree with an earlier
 * time would contradict what was signed. A clock that is back by more than clocks differ gets no signature at all.
 */
function timeAfter(before: Kept | null, { cosigner, crypto, clock }: WitnessDeps): number | null {
  const now = Math.floor(clock() / 1000)
  if (before === null) return now
  const last = findCosignature(before.note, cosigner, crypto, Number.MAX_SAFE_INTEGER)
  if (last.state !== 'holds')
    throw new HoldfastError('store-damaged', `what was kept does not hold: ${last.why}`)
  if (now >= last.timeUnixS) return now
  return last.timeUnixS - now <= maxAheadSeconds ? last.timeUnixS : null
}

/**
 * The log's own signatures, printed again: those of others were not checked, and are nothing to keep. One a key, since
 * anybody can repeat a line until the note with ours is longer than any that is read.
 */
function logLines(note: SignedNote, keys: readonly TypedVerifierKey[]): string {
  return printSignatures(keys.flatMap(key => note.signatures.filter(isOf(key)).slice(0, 1)))
}

function printSignatures(signatures: SignedNote['signatures']): string {
  return signatures
    .map(
      ({ name, keyId, signature }) =>
        `\u2014 ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`,
    )
    .join('')
}

function rowKey(origin: string): Uint8Array {
  return utf8(`witness/${origin}`)
}
