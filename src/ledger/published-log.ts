import { fromUtf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Catalog } from '../store/catalog.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { checkpointPath } from '../verify/tile-path.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { witnessedKey } from './tables.ts'
import type { TileStore } from './tile-store.ts'
import { decodeWitnessed } from './witnessed.ts'

export interface PublishedCheckpoint extends Checkpoint {
  readonly note: string
}

/** The newest checkpoint that readers can have; `null` before the log's first. */
export async function readPublished(
  tiles: Pick<TileStore, 'read'>,
  log: LogKeys,
  crypto: VerifyCrypto,
): Promise<PublishedCheckpoint | null> {
  const bytes = await tiles.read(checkpointPath)
  if (bytes === null) return null
  const note = fromUtf8(bytes)
  const checkpoint = openCheckpoint(note, log, crypto)
  if (typeof checkpoint === 'string') throw new HoldfastError('store-damaged', checkpoint)
  return { ...checkpoint, note }
}

export interface CheckpointNeed {
  /** The last leaf that it must cover; -1: none. */
  readonly lastIndex: number
  /** Whether one without a cosignature will not do. */
  readonly isWitnessed?: boolean
}

/**
 * The checkpoint that a receipt or a statement is made at: of those that witnesses have cosigned and that cover what is
 * needed, the one by most of them, and of these the newest; else the newest published. `null` where there is none.
 */
export async function chooseCheckpoint(
  { catalog, tiles, log, crypto }: ChooseDeps,
  { lastIndex, isWitnessed = false }: CheckpointNeed,
): Promise<PublishedCheckpoint | null> {
  const published = await readPublished(tiles, log, crypto)
  let best: PublishedCheckpoint | null = null
  let most = 0
  // Newest first; each holds only signatures of the log and of witnesses, verified when it was taken in.
  for (const note of decodeWitnessed(await catalog.get('meta', witnessedKey))) {
    const checkpoint = openCheckpoint(note, log, crypto)
    // Of the log before, where a restore began a new one.
    if (typeof checkpoint === 'string') continue
    const { origin, size, root, signed } = checkpoint
    // More than is published would be a tree that no reader can look into.
    if (size <= lastIndex || size > (published?.size ?? 0) || signed.signatures.length <= most) continue
    most = signed.signatures.length
    best = { origin, size, root, note }
  }
  if (best !== null || isWitnessed) return best
  return published !== null && published.size > lastIndex ? published : null
}

interface ChooseDeps {
  readonly catalog: Pick<Catalog, 'get'>
  readonly tiles: Pick<TileStore, 'read'>
  readonly log: LogKeys
  readonly crypto: VerifyCrypto
}
