/** The one place where the parts are put together. */
import { randomFillSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { bookRoutes } from './api/books.ts'
import { instructionRoutes } from './api/instructions.ts'
import { createApiHandler } from './api/server.ts'
import { tenantRoutes } from './api/tenants.ts'
import type { Config } from './config.ts'
import { utf8 } from './core/bytes.ts'
import { HoldfastError, messageOf } from './core/errors.ts'
import { createHolds } from './core/holds.ts'
import type { CountryCode, RegionId, TenantId } from './core/ids.ts'
import { newSortableId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import { createMetrics } from './core/metrics.ts'
import { createRandomPool } from './core/random-pool.ts'
import type { Clock } from './core/time.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { installedDatabases } from './flows/locate/installed-databases.ts'
import { createLocator } from './flows/locate/locate.ts'
import { parsePlaces } from './flows/locate/places.ts'
import { createInstructionBook } from './instructions/instruction-book.ts'
import type { KeyHolder } from './keys/key-holder.ts'
import { createLeases } from './keys/leases.ts'
import { createXksClient } from './keys/xks-client.ts'
import { openRegion, type Region } from './open-region.ts'
import { createInstructionPipe, type InstructionRegion } from './pipes/instruction.ts'
import { createRequestPipe } from './pipes/request.ts'
import { isRefusal } from './policy/authorized.ts'
import { decideOutbound } from './policy/decide.ts'
import type { ClientPlace, S3Region } from './s3/operation.ts'
import { writeFileDurable } from './store/durable-file.ts'
import { createRowCache } from './store/row-cache.ts'
import type { BucketKeyRow } from './store/rows.ts'
import { findApiToken, findTenant, type TenantRow } from './store/tenants.ts'
import { createExecutor } from './transfers/executor.ts'
import { createPeerServer } from './transfers/peer-server.ts'
import type { Peer, Peers } from './transfers/peers.ts'
import { createReceiver } from './transfers/receiver.ts'
import { parseVerifierKey } from './verify/verifier-key.ts'

export interface App extends AsyncDisposable {
  readonly s3Port: number
  readonly s3TlsPort: number | null
  readonly apiPort: number
  readonly regions: ReadonlyMap<RegionId, Region>
}

export interface AppDeps {
  readonly log: Log
  readonly clock: Clock
}

const counters = {
  holdfast_requests_total: 'S3 requests answered, by operation and status.',
  holdfast_refusals_total: 'Requests that policy refused, by rule.',
  holdfast_entries_total: 'Entries in published checkpoints since the start, by region.',
  holdfast_lease_requests_total: 'Questions to key holders for a bucket key, by outcome.',
}
const holderIdleMs = 5000

export async function startApp(config: Config, deps: AppDeps): Promise<App> {
  const { log, clock } = deps
  const randomBytes = createRandomPool(randomFillSync)
  await using stack = new AsyncDisposableStack()
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  const operatorToken = await loadOperatorToken(config.dataFolder, randomBytes)
  const faults = new Map<string, string>()
  const metrics = createMetrics(counters)
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  metrics.gauge(
    'nodejs_heap_used_bytes',
    'JavaScript heap of the main thread.',
    () => process.memoryUsage().heapUsed,
  )
  metrics.gauge('nodejs_external_bytes', 'Memory of buffers.', () => process.memoryUsage().external)

  const regions = new Map<RegionId, Region>()
  for (const regionConfig of config.regions) {
    const region = await openRegion(regionConfig, {
      folder: config.dataFolder,
      publicHost: config.publicHost,
      clock,
      randomBytes,
      log,
      onEntered: count => metrics.count('holdfast_entries_total', { region: regionConfig.id }, count),
      onFatal: (id, error) => {
        faults.set(id, `the ledger of ${id} has stopped: ${error.message}`)
        log('error', 'ledger-stopped', { region: id, error: error.message })
      },
    })
    regions.set(region.id, stack.use(region))
  }

  const serving = new Map<RegionId, S3Region>()
  for (const region of regions.values()) {
    // Each region asks for itself, so that a key holder's journal says which one had which key.
    const holderOf = createHolders(region, clock, randomBytes)
    const { leaseMs } = config
    const leases = stack.use(createLeases({ holderOf, leaseMs, clock, randomBytes, log, metrics }))
    serving.set(region.id, { ...region, leases, stopped: () => faults.get(region.id) ?? null })
  }
  const decodeBucketKey = createRowCache<BucketKeyRow>()
  const services = {
    regions: serving,
    bucketNames: createHolds(),
    decodeBucketKey,
    clock,
    randomBytes,
    log,
    metrics,
  }
  const pipe = stack.use(
    createRequestPipe({ services, domains: config.s3Domains, placeOf: createPlaces(config) }),
  )

  const peers = createPeers(regions)
  const working = new Map<RegionId, InstructionRegion>()
  for (const region of regions.values()) {
    const { id, catalog, drafts } = region
    const book = createInstructionBook({ id, catalog, drafts, clock })
    const transferRegion = { ...region, book }
    const executor = createExecutor({
      region: transferRegion,
      door: region.door,
      peers,
      clock,
      randomBytes,
      log,
      undoMs: config.moveUndoMs,
      sleep: ms => setTimeout(ms, undefined, { ref: false }),
    })
    stack.use(executor)
    working.set(id, { ...transferRegion, executor })
    const receiver = createReceiver(transferRegion, clock, randomBytes)
    const { server, settle } = createPeerServer({
      region: transferRegion,
      identity: region.identity,
      peers,
      receiver,
      clock,
      randomBytes,
      log,
    })
    await listenOn(server as unknown as Server, region.peer.host, region.peer.port)
    stack.defer(async () => {
      await closeServer(server as unknown as Server)
      await settle()
    })
  }
  const instructions = createInstructionPipe(working)

  const listen = async (server: Server, port: number): Promise<number> => {
    await listenOn(server, config.host, port)
    stack.defer(() => closeServer(server))
    return (server.address() as AddressInfo).port
  }
  const serveS3 = (server: Server): Server => {
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true)
      pipe.connected(socket)
    })
    server.on('request', (message, response) => pipe.handle(message, response, false))
    // Node answers `100 Continue` by itself unless asked; then a refused upload would be sent all the same.
    server.on('checkContinue', (message, response) => pipe.handle(message, response, true))
    server.requestTimeout = 0
    server.headersTimeout = 30_000
    server.keepAliveTimeout = 75_000
    return server
  }
  const limits = { maxHeaderSize: 32 * 1024 }
  const s3Port = await listen(serveS3(createServer(limits)), config.s3Port)
  let s3TlsPort: number | null = null
  if (config.s3Tls !== null) {
    const { keyFile, certificateFile, port } = config.s3Tls
    const tls = { key: readFileSync(keyFile), cert: readFileSync(certificateFile) }
    s3TlsPort = await listen(serveS3(createTlsServer({ ...limits, ...tls }) as unknown as Server), port)
  }
  const api = createApiHandler({
    routes: [
      ...tenantRoutes(regions, clock, randomBytes),
      ...bookRoutes(regions),
      ...instructionRoutes(instructions, working),
    ],
    logs: new Map([...regions].map(([id, { tiles, logKey }]) => [id, { tiles, vkey: logKey.vkey }])),
    operatorToken,
    tenantOfToken: token => tenantOfToken(regions, token),
    faults: () => [...faults.values()],
    metrics: () => metrics.print(),
    log,
  })
  const apiPort = await listen(createServer(limits, api), config.apiPort)

  for (const { executor } of working.values()) await executor.start()
  const owned = stack.move()
  return { s3Port, s3TlsPort, apiPort, regions, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** The regions of this process know each other by what they opened with; nothing is learnt over the network. */
function createPeers(regions: ReadonlyMap<RegionId, Region>): Peers {
  const peers = new Map<RegionId, Peer>()
  for (const { id, country, operator, peer, identity, logKey } of regions.values()) {
    const key = parseVerifierKey(logKey.vkey, nodeVerifyCrypto)!
    peers.set(id, { id, country, operator, ...peer, certificate: identity.certificate, key })
  }
  return peers
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      reject(
        new HoldfastError('conflict', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {}, error),
      )
    })
    server.listen(port, host, resolve)
  })
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

/** Where a client is: the operator's places first, then the country databases; on one's own machine, at home. */
function createPlaces(config: Config): (address: string) => ClientPlace {
  const overrides =
    config.places.length === 0
      ? null
      : parsePlaces(
          'places',
          `cidr,country\n${config.places.map(({ cidr, country }) => `${cidr},${country}`).join('\n')}\n`,
        )
  let locator: ReturnType<typeof createLocator> | null = null
  const known = new Map<string, ClientPlace>()
  const find = (address: string): CountryCode | 'home' | null => {
    // The databases take a second and memory to load; most set-ups in one place never need them.
    locator ??= createLocator({ overrides, ...installedDatabases() })
    const place = locator.place(address)
    const isLoopback = /^127\.|^::1$/.test(address)
    if (place.basis === 'local' && isLoopback && config.loopbackIsHome) return 'home'
    return place.country
  }
  return address => {
    let place = known.get(address)
    if (place === undefined) {
      if (known.size > 10_000) known.clear()
      place = find(address)
      known.set(address, place)
    }
    return place
  }
}

/** Each tenant's key holder, as it is registered in a region and through that region's door. */
function createHolders(
  region: Region,
  clock: Clock,
  randomBytes: (length: number) => Uint8Array,
): (tenant: TenantId) => KeyHolder {
  const clientOf = async (tenant: TenantId): Promise<KeyHolder> => {
    const row = await findTenant(region.catalog, tenant)
    if (row !== null) return holderClient(region, row, clock, randomBytes)
    throw new HoldfastError(
      'key-holder-unavailable',
      `no key holder of the tenant is registered in ${region.id}`,
    )
  }
  return tenant => ({
    wrap: async (plaintext, binding, use) => (await clientOf(tenant)).wrap(plaintext, binding, use),
    unwrap: async (wrapped, binding, use) => (await clientOf(tenant)).unwrap(wrapped, binding, use),
  })
}

function holderClient(
  region: Region,
  { holder }: TenantRow,
  clock: Clock,
  randomBytes: (length: number) => Uint8Array,
): KeyHolder {
  const { host, port, certificate, keyId, accessKeyId, secretAccessKey } = holder
  return createXksClient({
    host: `${host}:${port}`,
    keyId,
    credentials: { accessKeyId, secretAccessKey },
    principal: `holdfast:region:${region.id}`,
    clock,
    newRequestId: () => newSortableId(clock(), randomBytes),
    post: async (path, headers, body) => {
      const decision = decideOutbound({
        action: 'outbound',
        purpose: 'key-holder',
        host,
        port,
        certificate,
        registered: true,
        instruction: null,
      })
      if (isRefusal(decision)) throw new HoldfastError('key-holder-refused', decision.message)
      try {
        const request = { method: 'POST', path, headers, body: utf8(body), idleMs: holderIdleMs } as const
        return await region.door.send(decision, request)
      } catch (error) {
        throw new HoldfastError('key-holder-unavailable', messageOf(error), {}, error)
      }
    },
  })
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

const drainMs = 10_000

/** Takes no new connections, lets running requests end, then closes what is still open. */
async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const done = new AbortController()
  void setTimeout(drainMs, undefined, { signal: done.signal, ref: false }).then(
    () => server.closeAllConnections(),
    () => {},
  )
  await closed
  done.abort()
}
