/** The thread that `sequencer-thread.ts` starts: a loop for each region that it is told of. */
import { randomBytes } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../core/errors.ts'
import type { RegionId } from '../core/ids.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { openLmdbCatalog } from '../store/lmdb-catalog.ts'
import { parseTypedVerifierKey } from '../verify/verifier-key.ts'
import { createFileTileStore } from './file-tile-store.ts'
import { loadLogKey } from './log-keys.ts'
import { createSequencer } from './sequencer.ts'
import { createSequencerLoop, type SequencerLoop } from './sequencer-loop.ts'
import type { FromSequencers, SequencerConfig, ToSequencers } from './sequencer-thread.ts'
import { createWitnessInbox, type WitnessInbox } from './witness-inbox.ts'

const batchSize = 4096
const parent = parentPort!
const tell = (message: FromSequencers): void => parent.postMessage(message)
const loops = new Map<RegionId, SequencerLoop>()
const inboxes = new Map<RegionId, WitnessInbox>()
const stopped = new Set<RegionId>()

async function run(config: SequencerConfig): Promise<void> {
  const { catalogPath, keyPath, origin, region, tilesPath } = config
  await using catalog = await openLmdbCatalog(catalogPath)
  const signer = await loadLogKey(keyPath, origin, nodeVerifyCrypto)
  const tiles = createFileTileStore(tilesPath)
  const { log } = signer
  const witnesses = (config.witnesses ?? []).map(vkey => parseTypedVerifierKey(vkey, nodeVerifyCrypto)!)
  const inbox = createWitnessInbox({
    catalog,
    tiles,
    log,
    witnesses,
    crypto: nodeVerifyCrypto,
    clock: Date.now,
  })
  inboxes.set(region, inbox)
  const deps = {
    inbox,
    catalog,
    tiles,
    region,
    signer,
    log,
    crypto: nodeVerifyCrypto,
    randomBytes,
    batchSize,
  }
  const loop = createSequencerLoop({
    sequencer: createSequencer(deps),
    batchSize,
    onTick: outcome => tell({ kind: 'tick', region, ...outcome }),
    onRetry: error => tell({ kind: 'retry', region, reason: messageOf(error) }),
  })
  loops.set(region, loop)
  // Told to stop while it opened: what is there to be drained is drained all the same.
  if (stopped.delete(region)) loop.stop()
  try {
    await loop.run()
  } finally {
    loops.delete(region)
    inboxes.delete(region)
  }
}

parent.on('message', (message: ToSequencers) => {
  if (message.kind === 'stop') {
    const loop = loops.get(message.region)
    if (loop === undefined) stopped.add(message.region)
    else loop.stop()
    return
  }
  if (message.kind === 'cosigned') return inboxes.get(message.region)?.add(message.note)
  if (message.kind === 'halt') return inboxes.get(message.region)?.halt(message.reason)
  const { region } = message.config
  run(message.config).then(
    () => tell({ kind: 'stopped', region }),
    error => tell({ kind: 'fatal', region, reason: messageOf(error) }),
  )
})
