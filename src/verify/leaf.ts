import { concat, readU64be, u64be, utf8 } from '../core/bytes.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** What is public of an entry; `docs/formats/entry.md`, "Leaf". */
export interface Leaf {
  readonly timeUnixMs: number
  readonly label: Uint8Array
  readonly commitment: Uint8Array
}

export const leafBytes = 73
export const saltBytes = 32
const leafVersion = 1
const leafHead = new Uint8Array([leafVersion])
const encoder = new TextEncoder()
/** Reused, because allocating for each payload costs three times its hash; `sha256` is synchronous, keeps nothing. */
let scratch = new Uint8Array(4096)
const labelPrefix = utf8('holdfast/label/v1\0')
const chainKeyPrefix = utf8('holdfast/chain-key/v1\0')

export function encodeLeaf({ timeUnixMs, label, commitment }: Leaf): Uint8Array {
  return concat(leafHead, u64be(timeUnixMs), label, commitment)
}

/** 0x00 (RFC 6962) and a leaf; reused, because a statement has one a row and `sha256` keeps nothing. */
const leafBlock = new Uint8Array(1 + leafBytes)
leafBlock[1] = leafVersion

/** The hash of the leaf, without making the leaf. */
export function hashOfLeaf(
  { timeUnixMs, label, commitment }: Leaf,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  leafBlock.set(u64be(timeUnixMs), 2)
  leafBlock.set(label, 10)
  leafBlock.set(commitment, 42)
  return crypto.sha256(leafBlock)
}

/** `null` for bytes of another length or version. */
export function parseLeaf(bytes: Uint8Array): Leaf | null {
  if (bytes.length !== leafBytes || bytes[0] !== leafVersion || bytes[1] !== 0 || bytes[2]! > 0x1f)
    return null
  return { timeUnixMs: readU64be(bytes, 1), label: bytes.slice(9, 41), commitment: bytes.slice(41, 73) }
}

/** Without the chain key nobody can tell whose the leaf is; with it, anybody can tell which number it has. */
export function labelOf(
  chainKey: Uint8Array,
  seq: number,
  crypto: Pick<VerifyCrypto, 'hmacSha256'>,
): Uint8Array {
  return crypto.hmacSha256(chainKey, concat(labelPrefix, u64be(seq)))
}

/**
 * Over salt ‖ payload in UTF-8. The salt keeps a payload that can be guessed from being confirmed by who sees the
 * commitment.
 */
export function commitmentOf(salted: Uint8Array, crypto: Pick<VerifyCrypto, 'sha256'>): Uint8Array {
  return crypto.sha256(salted)
}

/** The same, from salt and payload apart. */
export function commitmentOfBytes(
  salt: Uint8Array,
  payload: Uint8Array,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  const length = salt.length + payload.length
  if (scratch.length < length) scratch = new Uint8Array(2 * length)
  scratch.set(salt)
  scratch.set(payload, salt.length)
  return commitmentOf(scratch.subarray(0, length), crypto)
}

/** The same, from text. */
export function commitmentOfText(
  salt: Uint8Array,
  payload: string,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  const longest = salt.length + 3 * payload.length
  if (scratch.length < longest) scratch = new Uint8Array(longest)
  scratch.set(salt)
  const { written } = encoder.encodeInto(payload, scratch.subarray(salt.length, longest))
  return commitmentOf(scratch.subarray(0, salt.length + written), crypto)
}

/** Stands in the tenant's first entry, so that the region cannot relabel the chain under another key later. */
export function chainKeyCommitment(chainKey: Uint8Array, crypto: Pick<VerifyCrypto, 'sha256'>): Uint8Array {
  return crypto.sha256(concat(chainKeyPrefix, chainKey))
}
