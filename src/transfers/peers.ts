/** The other regions, as this one knows them: where they listen, and the keys that they are pinned to. */

import { readU64be, toHex } from '../core/bytes.ts'
import type { EntryId, RegionId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { InstructionBook } from '../instructions/instruction-book.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import type { LogKey } from '../ledger/log-keys.ts'
import { chooseCheckpoint } from '../ledger/published-log.ts'
import { receiptOf } from '../ledger/receipts.ts'
import type { Sums } from '../ledger/sums.ts'
import { decodeEntryRow, entryIdKey, entryKey } from '../ledger/tables.ts'
import type { TileStore } from '../ledger/tile-store.ts'
import type { PackBook } from '../policy/packs/pack-book.ts'
import type { DiskRoom } from '../store/disk-room.ts'
import type { RegionPlace, RegionStores } from '../store/region.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import type { PeerProof } from './protocol.ts'

export interface Peer extends RegionPlace {
  readonly host: string
  readonly port: number
  readonly certificate: string
  readonly log: LogKeys
}

export type Peers = ReadonlyMap<RegionId, Peer>

/** What a transfer needs of the region that it runs in. */
export interface TransferRegion extends RegionStores {
  readonly drafts: DraftBox
  readonly tiles: TileStore
  readonly logKey: LogKey
  readonly sums: Pick<Sums, 'refusal'>
  readonly book: InstructionBook
  /** By which an expiry is judged: a clock that was turned back gives no instruction its life again. */
  readonly lawfulNow: Clock
  /** What this end knows of the law. */
  readonly packs: PackBook
  readonly room: Pick<DiskRoom, 'full'>
}

/** An entry of ours as proof for a peer; `null` while it is not under a published checkpoint. */
export async function peerProofOf(
  region: Pick<TransferRegion, 'catalog' | 'tiles' | 'logKey'>,
  tenant: TenantId,
  entryId: EntryId,
): Promise<PeerProof | null> {
  const { catalog, tiles, logKey } = region
  // Asked again and again until it is there: what has no index yet is not looked for among the drafts.
  const index = await catalog.get('entryids', entryIdKey(entryId))
  if (index === null) return null
  const need = { lastIndex: readU64be(index) }
  const published = await chooseCheckpoint(
    { catalog, tiles, log: logKey.log, crypto: nodeVerifyCrypto },
    need,
  )
  if (published === null) return null
  const answer = await receiptOf(
    { catalog, tiles, log: logKey.log, crypto: nodeVerifyCrypto },
    tenant,
    entryId,
  )
  if (answer?.state !== 'entered') return null
  const row = await catalog.get('entries', entryKey(readU64be(index)))
  return row === null ? null : { receipt: answer.receipt, leaf: toHex(decodeEntryRow(row).leaf) }
}
