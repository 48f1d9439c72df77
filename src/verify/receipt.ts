import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
import { inclusionHolds } from './merkle.ts'
import { openEntry } from './open-entry.ts'
import { type EntryPayload, parsePayload } from './payload.ts'
import { parseReceipt } from './receipt-format.ts'
import type { Trust } from './trust.ts'
import { notAnchored, type Refused, refused } from './verdict.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export type ReceiptVerdict =
  | {
      readonly verified: true
      readonly entry: EntryPayload
      readonly index: number
      readonly checkpoint: OpenedCheckpoint
    }
  | Refused

/** Is this entry of the trusted tenant in the trusted log? `docs/formats/statement.md`, "Receipt". */
export function verifyReceipt(text: string, trust: Trust | null, crypto: VerifyCrypto): ReceiptVerdict {
  // Without an anchor anyone could have made log, key and entry alike.
  if (trust === null) return refused(notAnchored)
  const receipt = parseReceipt(text)
  if (typeof receipt === 'string') return refused(receipt)
  const claimed = parsePayload(receipt.payload)
  if (typeof claimed === 'string') return refused(claimed)
  if (claimed.tenant !== trust.tenant) return refused(`the entry is of tenant ${claimed.tenant}`)

  // The payload names its region and the trust file says which key speaks for it, so a receipt of one region
  // cannot pass for another's.
  const region = trust.regions.get(claimed.region)
  if (region === undefined) return refused(`${notAnchored} for region ${claimed.region}`)
  const checkpoint = openCheckpoint(receipt.checkpoint, region.log, crypto)
  if (typeof checkpoint === 'string') return refused(checkpoint)

  const entry = openEntry(receipt.payload, receipt.salt, region.chainKey, crypto)
  if (typeof entry === 'string') return refused(entry)
  const { index, proof } = receipt
  const { size, root } = checkpoint
  if (!inclusionHolds({ index, size, leafHash: entry.leafHash, proof, root }, crypto)) {
    return refused(`the entry is not leaf ${index} of the tree of ${size}`)
  }
  return { verified: true, entry: entry.payload, index, checkpoint }
}
