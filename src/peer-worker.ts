/**
 * The thread that `peer-thread.ts` starts: every region's port for its peers. It shares the catalogs and blob folders
 * with the main thread, which has opened the regions before, and enters what it does as a worker does: as drafts.
 */
import { randomFillSync } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { createPlaces } from './client-places.ts'
import type { Config } from './config.ts'
import { messageOf } from './core/errors.ts'
import type { RegionId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import { createRandomPool } from './core/random-pool.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { createInstructionBook } from './instructions/instruction-book.ts'
import { knownPeers } from './known-peers.ts'
import { createFileTileStore } from './ledger/file-tile-store.ts'
import { type LawfulTime, openLawfulTime } from './ledger/lawful-time.ts'
import { loadLogKey } from './ledger/log-keys.ts'
import { loadIdentity, logOrigin, openRegionAccess, regionFiles } from './open-region.ts'
import { startPeerFace } from './peer-face.ts'
import type { FromPeerThread, ToPeerThread } from './peer-messages.ts'
import type { PeerThreadData } from './peer-thread.ts'
import { loadPackBook, packsFolder } from './policy/packs/load-packs.ts'
import { createKnowledgeExchange } from './transfers/knowledge.ts'

const { config, writer } = workerData as PeerThreadData
const parent = parentPort!
const tell = (message: FromPeerThread): void => parent.postMessage(message)
const clock = Date.now
const randomBytes = createRandomPool(randomFillSync)
const log: Log = (level, event, fields) => tell({ kind: 'log', level, event, fields })
const times = new Map<RegionId, LawfulTime>()

async function start(): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const regions = []
  for (const regionConfig of config.regions) regions.push(stack.use(await openHearing(regionConfig)))
  const peers = knownPeers(regions, config.peers)
  const packs = loadPackBook(config.packsFolder ?? packsFolder)
  const countries = new Map([...peers.values()].map(({ id, country }) => [id, country] as const))
  const hearing = regions.map(access => {
    const { id, catalog, drafts, identity, peer, door, lawfulNow } = access
    const book = createInstructionBook({ id, catalog, drafts, countries, clock, lawfulNow })
    const region = { ...access, book, packs }
    const { staleMs } = config
    const knowledge = createKnowledgeExchange({
      region,
      peers,
      door,
      staleMs,
      clock,
      randomBytes,
      log,
      wake: instruction => tell({ kind: 'wake', region: id, instruction }),
    })
    return { region, identity, listensOn: peer, knowledge }
  })
  stack.use(await startPeerFace(hearing, { peers, clock, randomBytes, log }))
  return stack.move()
}

async function openHearing(regionConfig: Config['regions'][number]) {
  const { id, peer } = regionConfig
  const { dataFolder: folder, diskReserveBytes, publicHost, segmentBytes } = config
  const files = regionFiles(folder, id)
  await using stack = new AsyncDisposableStack()
  const access = await openRegionAccess(regionConfig, {
    folder,
    writer,
    diskReserveBytes,
    segmentBytes,
    placeOf: createPlaces(config),
    clock,
    randomBytes,
    log,
  })
  stack.use(access)
  const origin = await logOrigin(files.folder, publicHost, id)
  const logKey = await loadLogKey(files.logKey, origin, nodeVerifyCrypto)
  const witnesses = config.witnesses.map(({ key }) => key)
  const verifier = { log: logKey.log, witnesses, crypto: nodeVerifyCrypto }
  const time = await openLawfulTime(access.catalog, verifier, clock)
  times.set(id, time)
  const identity = await loadIdentity(files.folder, id, peer.host, clock)
  const owned = stack.move()
  return {
    ...access,
    peer,
    logKey,
    identity,
    tiles: createFileTileStore(files.tiles),
    lawfulNow: time.now,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

try {
  const running = await start()
  parent.on('message', async (message: ToPeerThread) => {
    if (message.kind === 'witnessed') return times.get(message.region)?.witnessed(message.timeUnixS)
    await running[Symbol.asyncDispose]()
    parent.close()
  })
  tell({ kind: 'ready' })
} catch (error) {
  tell({ kind: 'failed', reason: messageOf(error) })
}
