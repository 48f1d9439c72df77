/** The thread that `sequencer-thread.ts` starts. Ends when it was told to stop and everything is entered. */
import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { openLmdbCatalog } from '../store/lmdb-catalog.ts'
import { createFileTileStore } from './file-tile-store.ts'
import { loadLogKey } from './log-keys.ts'
import { createSequencer } from './sequencer.ts'
import { createSequencerLoop } from './sequencer-loop.ts'
import type { SequencerMessage, SequencerThreadConfig } from './sequencer-thread.ts'

const batchSize = 4096

const { catalogPath, keyPath, origin, region, tilesPath } = workerData as SequencerThreadConfig
const parent = parentPort!
const tell = (message: SequencerMessage): void => parent.postMessage(message)

await using catalog = await openLmdbCatalog(catalogPath)
const signer = await loadLogKey(keyPath, origin, nodeVerifyCrypto)
const tiles = createFileTileStore(tilesPath)
const deps = { catalog, tiles, region, signer, crypto: nodeVerifyCrypto, randomBytes, batchSize }
const loop = createSequencerLoop({
  sequencer: createSequencer(deps),
  batchSize,
  onTick: outcome => tell({ kind: 'tick', ...outcome }),
  onRetry: error => tell({ kind: 'retry', reason: messageOf(error) }),
})
parent.once('message', loop.stop)
await loop.run()
parent.close()
