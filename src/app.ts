/** The one place where the parts are put together. */
import { randomFillSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { bookRoutes } from './api/books.ts'
import { evidenceRoutes } from './api/evidence.ts'
import { instructionRoutes } from './api/instructions.ts'
import { quotaRoutes } from './api/quotas.ts'
import { createApiHandler } from './api/server.ts'
import { tenantRoutes } from './api/tenants.ts'
import { transferRoutes } from './api/transfers.ts'
import { webhookRoutes } from './api/webhooks.ts'
import { createAppMetrics } from './app-metrics.ts'
import { startBackgroundScrub } from './background-scrub.ts'
import { readVerifyPage } from './cli/verify-page.ts'
import { createPlaces } from './client-places.ts'
import type { Config, RegionConfig } from './config.ts'
import { utf8 } from './core/bytes.ts'
import { messageOf } from './core/errors.ts'
import { createHolds } from './core/holds.ts'
import { type InstructionId, newSortableId, type RegionId, type TenantId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import { printMetrics } from './core/metrics.ts'
import { createRandomPool } from './core/random-pool.ts'
import type { Clock } from './core/time.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { createInstructionBook } from './instructions/instruction-book.ts'
import { startReminders } from './instructions/reminders.ts'
import { createHolders } from './key-holders.ts'
import { makeBucketKey } from './keys/leases.ts'
import { knownPeers } from './known-peers.ts'
import { startClosing } from './ledger/closing.ts'
import { plainAddress } from './ledger/connections.ts'
import { declareEngines, type Engines } from './ledger/own-books.ts'
import { startSequencerThread } from './ledger/sequencer-thread.ts'
import { closeServer, listenOn } from './listen.ts'
import { mirrorDepots, startLogMirrors } from './log-mirrors.ts'
import { openRegion, type Region } from './open-region.ts'
import { type HearingRegion, startPeerFace } from './peer-face.ts'
import { type PeerThread, startPeerThread } from './peer-thread.ts'
import { createAccountPipe } from './pipes/account.ts'
import { createInstructionPipe, type InstructionRegion } from './pipes/instruction.ts'
import { loadPackBook, packsFolder } from './policy/packs/load-packs.ts'
import { createKeyFinder } from './s3/iam/find-key.ts'
import { startLifecycle } from './s3/lifecycle/executor.ts'
import { startDelivery } from './s3/notifications/delivery.ts'
import { createNotifiers } from './s3/notifications/notifier.ts'
import { httpLimits, startS3Face } from './s3-face.ts'
import { writeFileDurable } from './store/durable-file.ts'
import { findApiToken } from './store/tenants.ts'
import { createFindDestination } from './transfers/ask-destination.ts'
import { createExecutor } from './transfers/executor.ts'
import { createKnowledgeExchange } from './transfers/knowledge.ts'
import { startWitnessing } from './witness/witness-client.ts'
import { startWorkers, type WorkerPool } from './worker-pool.ts'

export interface App extends AsyncDisposable {
  readonly s3Port: number
  readonly s3TlsPort: number | null
  readonly apiPort: number
  readonly regions: ReadonlyMap<RegionId, Region>
  /** Reads the S3 face's TLS key and certificate again, in every process. */
  reloadCertificate(): void
}

const reminderEveryMs = 5000

export interface AppDeps {
  readonly log: Log
  readonly clock: Clock
}

export async function startApp(config: Config, deps: AppDeps): Promise<App> {
  const { log, clock } = deps
  const randomBytes = createRandomPool(randomFillSync)
  await using stack = new AsyncDisposableStack()
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  const operatorToken = await loadOperatorToken(config.dataFolder, randomBytes)
  const faults = new Map<RegionId, string>()
  const forks: string[] = []
  const writer = newSortableId(clock(), randomBytes)
  const writers = new Set([writer])
  const metrics = createAppMetrics()
  let workers: WorkerPool | null = null
  let peerThread: PeerThread | null = null
  const witnessedUnixS = new Map<RegionId, number>()

  const sequencers = stack.use(startSequencerThread())
  const regions = new Map<RegionId, Region>()
  const notifiers = createNotifiers()
  const placeOf = createPlaces(config)
  for (const regionConfig of config.regions) {
    const region = await openRegion(regionConfig, {
      folder: config.dataFolder,
      publicHost: config.publicHost,
      writer,
      sequencers,
      liveWriters: () => writers,
      trashGraceMs: config.trashGraceMs,
      diskReserveBytes: config.diskReserveBytes,
      segmentBytes: config.segmentBytes,
      placeOf,
      clock,
      randomBytes,
      log,
      mirrorsOf: ({ id, country, publish }, door) =>
        mirrorDepots(publish, id, { remotes: config.remotes, door, country, placeOf }),
      onHousekeeping: ({ compacted, removed, movedBytes }) => {
        const labels = { region: regionConfig.id }
        metrics.count('holdfast_segments_compacted_total', labels, compacted)
        metrics.count('holdfast_segments_removed_total', labels, removed)
        metrics.count('holdfast_compaction_moved_bytes_total', labels, movedBytes)
      },
      witnesses: config.witnesses,
      onWitnessed: timeUnixS => {
        witnessedUnixS.set(regionConfig.id, timeUnixS)
        peerThread?.witnessed(regionConfig.id, timeUnixS)
      },
      onRefusedCosignatures: reasons => {
        metrics.count('holdfast_cosignatures_refused_total', { region: regionConfig.id }, reasons.length)
        for (const reason of reasons) log('warn', 'cosignature-refused', { region: regionConfig.id, reason })
      },
      onEntered: count => metrics.count('holdfast_entries_total', { region: regionConfig.id }, count),
      onFatal: (id, error) => {
        faults.set(regionConfig.id, `the ledger of ${id} has stopped: ${error.message}`)
        workers?.fault(regionConfig.id, faults.get(regionConfig.id)!)
        log('error', 'ledger-stopped', { region: id, error: error.message })
      },
    })
    regions.set(region.id, stack.use(region))
    await declareEngines(region, region.own, enginesOf(regionConfig, config))
    const { scrubBytesPerSecond: bytesPerSecond, scrubEveryMs: everyMs } = config
    stack.use(startBackgroundScrub(region, { bytesPerSecond, everyMs, log, metrics }))
    const { catalog, drafts, id } = region
    const isHalted = (): boolean => faults.has(id)
    const { lifecycleDayMs: dayMs } = config
    stack.use(
      startLifecycle({
        id,
        catalog,
        drafts,
        notifiers,
        dayMs,
        isHalted,
        clock,
        randomBytes,
        log,
        metrics,
      }),
    )
    const { closeBooksMs: closeEveryMs } = config
    stack.use(startClosing({ id, catalog, drafts, everyMs: closeEveryMs, clock, log, isHalted }))
    const { webhookGiveUpMs: giveUpMs } = config
    stack.use(startDelivery({ region, placeOf, giveUpMs, isHalted, clock, randomBytes, log, metrics }))
    if (!faults.has(id)) {
      const onFork = (reason: string): void => {
        forks.push(`a copy of the log of ${id} contradicts it: ${reason}`)
      }
      const { tiles, logKey, mirrors: depots } = region
      stack.use(
        startLogMirrors({
          region: id,
          tiles,
          keys: logKey.log,
          history: logKey.history,
          depots,
          log,
          metrics,
          onFork,
        }),
      )
    }
    const { tiles, door, logKey, cosigned, halt } = region
    stack.use(
      startWitnessing({
        region: { id, tiles, door, log: logKey.log, cosigned, halt },
        witnesses: config.witnesses,
        placeOf,
        isHalted,
        crypto: nodeVerifyCrypto,
        clock,
        log,
        metrics,
      }),
    )
    const free = { help: 'Left on the disk of a region.', labels: { region: region.id } }
    metrics.gauge('holdfast_disk_free_bytes', free.help, () => region.room.freeBytes(), free.labels)
  }

  const peers = knownPeers(regions.values(), config.peers)
  const packs = loadPackBook(config.packsFolder ?? packsFolder)
  const countries = new Map([...peers.values()].map(({ id, country }) => [id, country] as const))
  const working = new Map<RegionId, InstructionRegion>()
  const hearing: HearingRegion[] = []
  for (const region of regions.values()) {
    const { id, catalog, drafts } = region
    const { lawfulNow } = region
    const book = createInstructionBook({ id, catalog, drafts, countries, clock, lawfulNow })
    const transferRegion = { ...region, book, packs }
    const { door } = region
    const holderOf = createHolders(region, clock, randomBytes)
    const wake = (instruction: InstructionId): void => executor.wake(instruction)
    const knowledge = createKnowledgeExchange({
      region: transferRegion,
      peers,
      door,
      staleMs: config.staleMs,
      clock,
      randomBytes,
      log,
      wake,
    })
    const executor = createExecutor({
      region: transferRegion,
      door,
      peers,
      knowledge,
      newBucketKey: async (tenant, instruction) => {
        const why = { reason: 'bucket-rekeyed', instruction } as const
        const { key, plain } = await makeBucketKey(holderOf(tenant), tenant, why, clock(), randomBytes)
        plain.fill(0)
        return key
      },
      clock,
      randomBytes,
      log,
      undoMs: config.moveUndoMs,
      bytesPerSecond: config.transferBytesPerSecond,
      isHalted: () => faults.has(id),
      sleep: ms => setTimeout(ms, undefined, { ref: false }),
    })
    stack.use(executor)
    const everyMs = reminderEveryMs
    stack.use(startReminders({ region: transferRegion, everyMs, isHalted: () => faults.has(id), clock, log }))
    const asking = { region: transferRegion, peers, door, clock, randomBytes, log }
    working.set(id, { ...transferRegion, executor, findDestination: createFindDestination(asking) })
    const { identity, peer: listensOn } = region
    hearing.push({ region: transferRegion, identity, listensOn, knowledge })
  }
  if (config.workers > 0) {
    const wake = (id: RegionId, instruction: InstructionId): void =>
      working.get(id)?.executor.wake(instruction)
    peerThread = stack.use(await startPeerThread({ config, writers, wake, clock, randomBytes, log }))
    for (const [id, timeUnixS] of witnessedUnixS) peerThread.witnessed(id, timeUnixS)
  } else stack.use(await startPeerFace(hearing, { peers, clock, randomBytes, log }))
  const instructions = createInstructionPipe(working)

  const listen = async (server: Server, port: number): Promise<number> => {
    await listenOn(server, config.host, port)
    stack.defer(() => closeServer(server))
    return (server.address() as AddressInfo).port
  }
  let s3: { readonly port: number; readonly tlsPort: number | null; reloadCertificate(): void }
  if (config.workers > 0) {
    workers = stack.use(
      await startWorkers({ count: config.workers, config, writers, clock, randomBytes, log }),
    )
    for (const [id, reason] of faults) workers.fault(id, reason)
    s3 = workers
  } else {
    s3 = stack.use(
      await startS3Face(config, {
        regions,
        stopped: id => faults.get(id) ?? null,
        bucketNames: createHolds(),
        clock,
        randomBytes,
        log,
        metrics,
      }),
    )
  }
  const account = createAccountPipe({
    regions: new Map(
      [...regions].map(([id, region]) => [id, { ...region, stopped: () => faults.get(id) ?? null }]),
    ),
    findKey: createKeyFinder(regions, clock),
    clock,
    randomBytes,
    log,
  })
  const api = createApiHandler({
    routes: [
      ...tenantRoutes(regions, new Set(config.peers.map(({ id }) => id)), packs.policies, clock, randomBytes),
      ...quotaRoutes(regions),
      ...webhookRoutes(regions, clock),
      ...evidenceRoutes(regions),
      ...bookRoutes(regions, clock),
      ...instructionRoutes(instructions, working),
      ...transferRoutes(working),
    ],
    regions,
    logs: new Map(
      [...regions].map(([id, { tiles, logKey }]) => [
        id,
        { tiles, vkey: logKey.vkey, history: logKey.history },
      ]),
    ),
    operatorToken,
    tenantOfToken: token => tenantOfToken(regions, token),
    faults: () => [
      ...faults.values(),
      ...forks,
      ...(workers?.serving() === 0 ? ['no worker serves S3; they are being started again'] : []),
    ],
    metrics: async () => {
      const snapshots = new Map([['main', metrics.snapshot()]])
      for (const [i, snapshot] of ((await workers?.metrics()) ?? []).entries())
        snapshots.set(`worker-${i}`, snapshot)
      return printMetrics(snapshots)
    },
    log,
    verifyPage: readVerifyPage(),
    account: (message, response) => {
      const { remoteAddress, remotePort } = message.socket
      const client = { address: plainAddress(remoteAddress), port: remotePort ?? 0, place: null }
      return account(message, response, client)
    },
  })
  const apiPort = await listen(createServer(httpLimits, api), config.apiPort)

  for (const { executor } of working.values()) await executor.start()
  const owned = stack.move()
  return {
    s3Port: s3.port,
    s3TlsPort: s3.tlsPort,
    apiPort,
    regions,
    reloadCertificate: () => s3.reloadCertificate(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** At SIGHUP: a certificate that was renewed is taken up, one that does not fit is refused and the old one kept. */
export function reloadCertificate(app: App, log: Log): void {
  try {
    app.reloadCertificate()
    log('info', 'certificate-reloaded', {})
  } catch (error) {
    log('error', 'certificate-not-reloaded', { error: messageOf(error) })
  }
}

/** As the configuration says it: what a region stores in, all of it in its own country, and whom it sends something. */
function enginesOf({ country, publish }: RegionConfig, { remotes, witnesses }: Config): Engines {
  const hostOf = (url: string): string => new URL(url).hostname
  const store = (holds: string, engine: string) => ({ holds, engine, country })
  return {
    stores: [
      store('catalog', 'LMDB in a folder of the region'),
      store('ciphertext', 'files in a folder of the region'),
      store('public log', 'files in a folder of the region'),
      ...publish.flatMap(target =>
        'folder' in target ? [store('copy of the public log', 'files in another folder')] : [],
      ),
    ],
    remotes: remotes.map(({ name, endpoint, country }) => ({ name, host: hostOf(endpoint), country })),
    witnesses: witnesses.map(({ name, url, country }) => ({ name, host: hostOf(url), country })),
  }
}

/** The token of whoever runs the process; it opens the operator's routes and none of a tenant's. */
async function loadOperatorToken(
  folder: string,
  randomBytes: (length: number) => Uint8Array,
): Promise<string> {
  const path = join(folder, 'operator.token')
  if (!existsSync(path)) {
    const token = `hfop_${Buffer.from(randomBytes(32)).toString('base64url')}`
    await writeFileDurable(path, utf8(`${token}\n`), 0o600)
  }
  return readFileSync(path, 'utf8').trim()
}

async function tenantOfToken(
  regions: ReadonlyMap<RegionId, Region>,
  token: string,
): Promise<TenantId | null> {
  for (const region of regions.values()) {
    const row = await findApiToken(region.catalog, token)
    if (row !== null) return row.tenant
  }
  return null
}
