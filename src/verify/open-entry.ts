import { fromHex } from '../core/bytes.ts'
import { commitmentOfText, encodeLeaf, labelOf, saltBytes } from './leaf.ts'
import { leafHash } from './merkle.ts'
import { type EntryPayload, parsePayload } from './payload.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export interface OpenedEntry {
  readonly payload: EntryPayload
  readonly commitment: Uint8Array
  readonly leafHash: Uint8Array
}

/**
 * From what the tenant holds (payload, salt, chain key) to the hash that must stand in the public tree. Nothing is
 * compared here: whoever changes any of the three, the time or the number, gets a leaf that is in no tree.
 */
export function openEntry(
  payloadText: string,
  saltHex: string,
  chainKey: Uint8Array,
  crypto: VerifyCrypto,
): OpenedEntry | string {
  const payload = parsePayload(payloadText)
  if (typeof payload === 'string') return payload
  const salt = fromHex(saltHex)
  if (salt?.length !== saltBytes) return `the salt is not ${saltBytes} bytes in hex`
  const commitment = commitmentOfText(salt, payloadText, crypto)
  const label = labelOf(chainKey, payload.seq, crypto)
  const leaf = encodeLeaf({ timeUnixMs: Date.parse(payload.time), label, commitment })
  return { payload, commitment, leafHash: leafHash(leaf, crypto) }
}
