import { fromHex, toHex } from '../core/bytes.ts'
import { openCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint-text.ts'
import { commitmentOfText, leafBytes, parseLeaf, saltBytes } from './leaf.ts'
import type { LogKeys } from './log-keys.ts'
import { inclusionHolds, leafHash } from './merkle.ts'
import { type EntryPayload, parsePayload } from './payload.ts'
import { parseReceipt } from './receipt-format.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * Is this entry in the other region's log? For a region that does not have the tenant's chain key there: the leaf
 * comes along, and its label is taken as it is. That is enough, because what a region must know is that its peer
 * has signed for this payload; whose number it has is the tenant's to check.
 */
export function openPeerProof(
  proof: { readonly receipt: string; readonly leaf: string },
  log: LogKeys,
  crypto: VerifyCrypto,
): { readonly entry: EntryPayload; readonly checkpoint: Checkpoint } | string {
  const receipt = parseReceipt(proof.receipt)
  if (typeof receipt === 'string') return receipt
  const entry = parsePayload(receipt.payload)
  if (typeof entry === 'string') return entry
  const leafHex = fromHex(proof.leaf)
  const leaf = leafHex?.length === leafBytes ? parseLeaf(leafHex) : null
  if (leafHex === null || leaf === null) return 'the leaf is no leaf'
  const salt = fromHex(receipt.salt)
  if (salt?.length !== saltBytes) return 'the salt is not 32 bytes in hex'
  const commitment = commitmentOfText(salt, receipt.payload, crypto)
  if (toHex(commitment) !== toHex(leaf.commitment)) return 'the leaf does not commit to the payload'
  if (leaf.timeUnixMs !== Date.parse(entry.time)) return 'the leaf has another time than the payload'
  const checkpoint = openCheckpoint(receipt.checkpoint, log, crypto)
  if (typeof checkpoint === 'string') return checkpoint
  const { index, proof: hashes } = receipt
  const { size, root } = checkpoint
  if (!inclusionHolds({ index, size, leafHash: leafHash(leafHex, crypto), proof: hashes, root }, crypto)) {
    return `the entry is not leaf ${index} of the tree of ${size}`
  }
  return { entry, checkpoint }
}
