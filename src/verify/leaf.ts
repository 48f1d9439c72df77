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
const leafTime = new DataView(leafBlock.buffer, 2)

/** The hash of the leaf, without making the leaf. */
export function hashOfLeaf(
  { timeUnixMs, label, commitment }: Leaf,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  leafTime.setUint32(0, Math.floor(timeUnixMs / 2 ** 32))
  leafTime.setUint32(4, timeUnixMs % 2 ** 32)
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
export function labelOf(chainKey: Uint8Array, seq: number, crypto: Pick<VerifyCrypto, 'sha256'>): Uint8Array {
  return labelsOf(chainKey, crypto)(seq)
}

const hmacBlockBytes = 64

/** The labels of one chain: HMAC-SHA-256 (RFC 2104) with what the key makes of it done once. The key has 32 bytes. */
export function labelsOf(
  chainKey: Uint8Array,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): (seq: number) => Uint8Array {
  const inner = new Uint8Array(hmacBlockBytes + labelPrefix.length + 8)
  const outer = new Uint8Array(hmacBlockBytes + 32)
  for (let at = 0; at < hmacBlockBytes; at++) {
    const byte = chainKey[at] ?? 0
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  }
  inner.set(labelPrefix, hmacBlockBytes)
  const number = new DataView(inner.buffer, hmacBlockBytes + labelPrefix.length)
  return seq => {
    number.setUint32(0, Math.floor(seq / 2 ** 32))
    number.setUint32(4, seq % 2 ** 32)
    outer.set(crypto.sha256(inner), hmacBlockBytes)
    return crypto.sha256(outer)
  }
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
