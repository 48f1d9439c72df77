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
/** Of regions that are being opened, what witnesses have said: they are asked meanwhile, and not soon again. */
const early = new Map<RegionId, ToInbox[]>()
const stopped = new Set<RegionId>()

type ToInbox = Extract<ToSequencers, { kind: 'cosigned' | 'halt' }>

function deliver(inbox: WitnessInbox, message: ToInbox): void {
  if (message.kind === 'halt') inbox.halt(message.reason)
  else inbox.add(message.note)
}

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
  for (const message of early.get(region) ?? []) deliver(inbox, message)
  early.delete(region)
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
  if (message.kind !== 'run') {
    const inbox = inboxes.get(message.region)
    if (inbox === undefined) early.get(message.region)?.push(message)
    else deliver(inbox, message)
    return
  }
  const { region } = message.config
  early.set(region, [])
  run(message.config)
    .finally(() => early.delete(region))
    .then(
      () => tell({ kind: 'stopped', region }),
      error => tell({ kind: 'fatal', region, reason: messageOf(error) }),
    )
})
