/** The S3 face of a process: the request pipe and the servers in front of it, HTTP and TLS. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createAnswerTimes } from './app-metrics.ts'
import { createPlaces } from './client-places.ts'
import type { Config } from './config.ts'
import type { Holds } from './core/holds.ts'
import type { RandomBytes, RegionId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Metrics } from './core/metrics.ts'
import type { Clock } from './core/time.ts'
import { createHolders } from './key-holders.ts'
import { createLeases } from './keys/leases.ts'
import { closeServer, listenOn } from './listen.ts'
import type { RegionAccess } from './open-region.ts'
import { createRequestPipe } from './pipes/request.ts'
import { restartIdleTime } from './s3/body.ts'
import { readCors } from './s3/configs/cors.ts'
import { readEncryption } from './s3/configs/encryption.ts'
import { createTargets } from './s3/iam/targets.ts'
import { createLifecycleHeaders } from './s3/lifecycle/headers.ts'
import { createAccessLog } from './s3/logging/access-log.ts'
import { createNotifiers } from './s3/notifications/notifier.ts'
import type { LocatedBucket, S3Region } from './s3/operation.ts'
import { createOwners } from './s3/owners.ts'
import { createConfigCache } from './store/bucket-configs.ts'
import { createRowCache } from './store/row-cache.ts'
import type { BucketKeyRow, ShreddedKeyRow } from './store/rows.ts'

export interface S3FaceDeps {
  readonly regions: ReadonlyMap<RegionId, RegionAccess>
  /** Why a region's ledger has stopped; `null` while it runs. */
  readonly stopped: (region: RegionId) => string | null
  /** Over all processes that serve the same regions. */
  readonly bucketNames: Holds
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly metrics: Metrics
}

export interface S3Face extends AsyncDisposable {
  readonly port: number
  readonly tlsPort: number | null
  /** Reads key and certificate again; connections that are open keep what they have. Throws when they do not fit. */
  reloadCertificate(): void
}

export const httpLimits = { maxHeaderSize: 32 * 1024 }

export async function startS3Face(config: Config, deps: S3FaceDeps): Promise<S3Face> {
  const { clock, randomBytes, log, metrics } = deps
  await using stack = new AsyncDisposableStack()
  const regions = new Map<RegionId, S3Region>()
  for (const region of deps.regions.values()) {
    // Each region asks for itself, so that a key holder's journal says which one had which key.
    const holderOf = createHolders(region, clock, randomBytes)
    const { leaseMs } = config
    const leases = stack.use(createLeases({ holderOf, leaseMs, clock, randomBytes, log, metrics }))
    regions.set(region.id, { ...region, leases, stopped: () => deps.stopped(region.id) })
  }
  const { bucketNames } = deps
  const decodeBucketKey = createRowCache<BucketKeyRow | ShreddedKeyRow>()
  const targets = createTargets()
  const owners = createOwners(regions)
  const cors = createConfigCache('cors', body => readCors(Buffer.from(body)))
  const encryptions = createConfigCache('encryption', body => readEncryption(Buffer.from(body)))
  const services = {
    regions,
    bucketNames,
    targets,
    owners,
    encryptionOf: ({ region, row }: LocatedBucket) => encryptions(region.catalog, row),
    corsOf: ({ region, row }: LocatedBucket) => cors(region.catalog, row),
    customerKeysOverHttp: config.customerKeysOverHttp,
    lifecycleHeaders: createLifecycleHeaders(),
    notifiers: createNotifiers(),
    decodeBucketKey,
    clock,
    randomBytes,
    log,
    metrics,
  }
  const { tenantRequestsPerSecond, keyRequestsPerSecond } = config.limits
  // Connections spread over the workers, and each keeps to its part.
  const share = (perSecond: number | null): number | null =>
    perSecond === null ? null : perSecond / Math.max(1, config.workers)
  const accessLog = stack.use(createAccessLog(services, config.accessLogMs))
  const pipe = stack.use(
    createRequestPipe({
      services,
      accessLog,
      domains: config.s3Domains,
      formsVersion2: config.formsVersion2,
      placeOf: createPlaces(config),
      onAnswered: createAnswerTimes(metrics),
      elsewhere: new Map(config.peers.map(({ id, s3 }) => [id, s3 ?? null])),
      limits: { tenant: share(tenantRequestsPerSecond), key: share(keyRequestsPerSecond) },
    }),
  )

  const serve = async (server: Server, port: number): Promise<number> => {
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true)
      pipe.connected(socket)
    })
    server.on('request', (message, response) => {
      endStalled(message, response)
      pipe.handle(message, response, false)
    })
    // Node answers `100 Continue` by itself unless asked; then a refused upload would be sent all the same.
    server.on('checkContinue', (message, response) => {
      endStalled(message, response)
      pipe.handle(message, response, true)
    })
    // A body may take as long as it needs, and no pause in it longer than this; the same for whoever reads an answer. An
    // answer that is being made may take its time (`endStalled`).
    server.requestTimeout = 0
    server.timeout = config.s3IdleMs
    server.headersTimeout = 30_000
    server.keepAliveTimeout = 75_000
    await listenOn(server, config.host, port)
    stack.defer(() => closeServer(server))
    return (server.address() as AddressInfo).port
  }
  const port = await serve(createServer(httpLimits), config.s3Port)
  let tlsServer: TlsServer | null = null
  let tlsPort: number | null = null
  if (config.s3Tls !== null) {
    tlsServer = createTlsServer({ ...httpLimits, ...readCertificate(config.s3Tls) })
    tlsPort = await serve(tlsServer as unknown as Server, config.s3Tls.port)
  }
  const owned = stack.move()
  return {
    port,
    tlsPort,
    reloadCertificate() {
      if (config.s3Tls !== null) tlsServer?.setSecureContext(readCertificate(config.s3Tls))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/**
 * What becomes of a connection over which nothing has gone for the idle time. Of a client that is expected to send,
 * whoever reads its body says so; while nobody reads it yet, or an answer is being made, it is our turn and not the
 * client's. One that does not take its answer, or that has one and still owes its body, is let go of.
 */
function endStalled(message: IncomingMessage, response: ServerResponse): void {
  message.on('timeout', () => {
    if (message.listenerCount('timeout') > 1) return
    if (response.writableEnded) message.socket.destroy()
    else restartIdleTime(message)
  })
  response.on('timeout', (socket: Socket) => {
    if (socket.writableLength > 0) socket.destroy()
  })
}

function readCertificate({ keyFile, certificateFile }: NonNullable<Config['s3Tls']>) {
  return { key: readFileSync(keyFile), cert: readFileSync(certificateFile) }
}
