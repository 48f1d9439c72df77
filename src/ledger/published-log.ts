import { fromUtf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { checkpointPath } from '../verify/tile-path.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import type { TileStore } from './tile-store.ts'

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
