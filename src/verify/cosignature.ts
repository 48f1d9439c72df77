/** Timestamped signatures of witnesses over checkpoints (C2SP `tlog-cosignature`). */
import { concat, equalBytes, readU64be, toBase64, u64be, utf8 } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint-text.ts'
import type { SignedNote } from './note.ts'
import type { TypedVerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** Clocks differ; a cosignature whose time is further ahead than this says nothing that can be believed. */
export const maxAheadSeconds = 300

const timestampBytes = 8

/** `false`: the note claims a signature that the key did not make, so nothing of the note is to be believed. */
export type Cosigned =
  | { readonly state: 'holds'; readonly timeUnixS: number }
  | { readonly state: 'none' | 'refused' | 'false'; readonly why: string }

/**
 * The newest cosignature of this key on the note. Signatures of other keys are passed over; one that claims to be of
 * this key and is not makes the whole `false`, also beside a good one. `timeUnixS` is in POSIX seconds, and 0 where an
 * ML-DSA-44 cosigner makes no statement of time.
 */
export function findCosignature(
  note: SignedNote,
  key: TypedVerifierKey,
  crypto: VerifyCrypto,
  nowUnixMs: number,
): Cosigned {
  if (key.kind === 'cosignature-ml-dsa-44' && crypto.verifyMlDsa44 === undefined)
    return { state: 'none', why: `${key.name} signs with ML-DSA-44, which cannot be checked here` }
  let newest: number | null = null
  let late: string | null = null
  for (const { name, keyId, signature } of note.signatures) {
    if (name !== key.name || !equalBytes(keyId, key.keyId)) continue
    const timeUnixS = openCosignature(note.text, signature, key, crypto)
    if (typeof timeUnixS === 'string') return { state: 'false', why: timeUnixS }
    if (timeUnixS * 1000 > nowUnixMs + maxAheadSeconds * 1000)
      late = `the cosignature by ${key.name} is of ${isoSeconds(timeUnixS)}, which is in the future`
    else if (newest === null || timeUnixS > newest) newest = timeUnixS
  }
  if (newest !== null) return { state: 'holds', timeUnixS: newest }
  if (late !== null) return { state: 'refused', why: late }
  return { state: 'none', why: `no cosignature by ${key.name}` }
}

/** Its time in POSIX seconds, or what is wrong with it. */
function openCosignature(
  text: string,
  timestamped: Uint8Array,
  key: TypedVerifierKey,
  crypto: VerifyCrypto,
): number | string {
  const timeUnixS = readTimestamp(timestamped)
  // The specification's limit is 2^63 − 1; ours, 2^53 − 1, is past any clock.
  if (timeUnixS === null) return `the cosignature by ${key.name} has no time that can be`
  const signature = timestamped.subarray(timestampBytes)
  const message = cosignedMessage(text, timeUnixS, key)
  if (message === null) return `the cosignature by ${key.name} is on a text that is no checkpoint`
  const holds =
    key.kind === 'cosignature-ed25519'
      ? crypto.verifyEd25519(key.publicKey, message, signature)
      : key.kind === 'cosignature-ml-dsa-44' &&
        crypto.verifyMlDsa44?.(key.publicKey, message, signature) === true
  return holds ? timeUnixS : `the cosignature by ${key.name} does not hold`
}

/** What a cosigner signs at a time, in the form of its kind of key; `null` when the text is no checkpoint. */
export function cosignedMessage(
  text: string,
  timeUnixS: number,
  { kind, name }: Pick<TypedVerifierKey, 'kind' | 'name'>,
): Uint8Array | null {
  const checkpoint = parseCheckpoint(text)
  if (checkpoint === null) return null
  if (kind !== 'cosignature-ml-dsa-44') return utf8(`cosignature/v1\ntime ${timeUnixS}\n${text}`)
  return mlDsaMessage(checkpoint, timeUnixS, name)
}

/** `cosigned_message`: it commits to the cosigner's name, and not to extension lines. */
function mlDsaMessage(
  { origin, size, root }: Checkpoint,
  timeUnixS: number,
  name: string,
): Uint8Array | null {
  const cosigner = utf8(name)
  const log = utf8(origin)
  if (cosigner.length > 255 || log.length > 255 || log.length === 0) return null
  return concat(
    utf8('subtree/v1\n\0'),
    Uint8Array.of(cosigner.length),
    cosigner,
    u64be(timeUnixS),
    Uint8Array.of(log.length),
    log,
    u64be(0),
    u64be(size),
    root,
  )
}

export interface Cosigner extends TypedVerifierKey {
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** A signature line with its newline. `text` must be a checkpoint's. */
export function printCosignature(text: string, timeUnixS: number, cosigner: Cosigner): string {
  const message = cosignedMessage(text, timeUnixS, cosigner)
  if (message === null) throw new TypeError('only a checkpoint is cosigned')
  const signature = concat(cosigner.keyId, u64be(timeUnixS), cosigner.sign(message))
  return `\u2014 ${cosigner.name} ${toBase64(signature)}\n`
}

/** For words to people. */
export function isoSeconds(timeUnixS: number): string {
  // What a Date cannot hold is said as it is.
  return timeUnixS <= 8_640_000_000_000 ? new Date(timeUnixS * 1000).toISOString() : `second ${timeUnixS}`
}

function readTimestamp(bytes: Uint8Array): number | null {
  if (bytes.length < timestampBytes) return null
  const high = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return high >= 2 ** 21 ? null : readU64be(bytes)
}
