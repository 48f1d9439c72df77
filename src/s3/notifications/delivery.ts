/**
 * Tells webhooks what waits in `events`, at least once and in order for each. A row goes when its webhook has answered
 * with success, or when it is given up: after a crash between the two it is told again.
 */
import type { Socket } from 'node:net'
import { messageOf } from '../../core/errors.ts'
import {
  type CountryCode,
  newSortableId,
  type RandomBytes,
  type RegionId,
  type TenantId,
} from '../../core/ids.ts'
import type { Log } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Clock } from '../../core/time.ts'
import {
  connectionEnteredEveryMs,
  plainAddress,
  type TrackedConnection,
  trackConnection,
} from '../../ledger/connections.ts'
import type { DraftBox } from '../../ledger/drafts.ts'
import type { Door } from '../../outbound/door.ts'
import { resolveHost } from '../../outbound/resolve.ts'
import { isRefusal } from '../../policy/authorized.ts'
import { decideOutbound } from '../../policy/decide.ts'
import type { Catalog, Put, Row } from '../../store/catalog.ts'
import { decodeRow } from '../../store/rows.ts'
import { type EventRow, findWebhook } from '../../store/webhooks.ts'

export interface DeliveryDeps {
  readonly region: {
    readonly id: RegionId
    readonly country: CountryCode
    readonly catalog: Catalog
    readonly drafts: DraftBox
    readonly door: Door
  }
  readonly placeOf: (address: string) => CountryCode | 'home' | null
  /** What could not be told for so long is given up. */
  readonly giveUpMs: number
  readonly isHalted: () => boolean
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly metrics: Metrics
}

const lookEveryMs = 250
const pageRows = 5000
const firstRetryMs = 1000
const longestRetryMs = 300_000
const answerMs = 10_000

interface Pause {
  readonly untilUnixMs: number
  readonly nextMs: number
}

export function startDelivery(deps: DeliveryDeps): AsyncDisposable {
  const { region, clock, log, isHalted } = deps
  const pauses = new Map<string, Pause>()
  const connections = createConnections(deps)
  let disposed = false
  let running: Promise<void> | null = null

  const round = async (): Promise<void> => {
    try {
      const rows = await region.catalog.scan('events', { limit: pageRows })
      const queues = new Map<string, Row[]>()
      for (const row of rows) {
        const { tenant, webhook } = decodeRow<EventRow>(row.value)
        const name = `${tenant}/${webhook}`
        const queue = queues.get(name)
        if (queue === undefined) queues.set(name, [row])
        else queue.push(row)
      }
      await Promise.all([...queues].map(([name, queue]) => tellAll(name, queue)))
    } catch (error) {
      log('error', 'notifications-failed', { region: region.id, error: messageOf(error) })
    } finally {
      running = null
    }
  }

  /** One webhook's, until one fails: those behind it wait, so that the order holds. */
  const tellAll = async (name: string, queue: readonly Row[]): Promise<void> => {
    for (const { key, value } of queue) {
      if (disposed || isHalted()) return
      const event = decodeRow<EventRow>(value)
      const pause = pauses.get(name)
      const isOld = clock() - event.madeUnixMs > deps.giveUpMs
      if (!isOld && pause !== undefined && clock() < pause.untilUnixMs) return
      const failure = await tell(deps, event, connections)
      if (failure === null) {
        pauses.delete(name)
        deps.metrics.count('holdfast_notifications_total', { outcome: 'delivered' })
        await region.catalog.commit({ removes: [{ table: 'events', key }] })
      } else if (isOld || failure.isFinal) {
        await giveUp(deps, key, event, failure.reason)
      } else {
        const nextMs = pause === undefined ? firstRetryMs : Math.min(longestRetryMs, 2 * pause.nextMs)
        pauses.set(name, { untilUnixMs: clock() + nextMs, nextMs })
        deps.metrics.count('holdfast_notifications_total', { outcome: 'failed' })
        log('warn', 'notification-failed', {
          webhook: event.webhook,
          reason: failure.reason,
          retryMs: nextMs,
        })
        return
      }
    }
  }

  const timer = setInterval(() => {
    if (!disposed && !isHalted()) running ??= round()
  }, lookEveryMs)
  timer.unref()
  const hourly = setInterval(() => void connections.enter(true), connectionEnteredEveryMs)
  hourly.unref()
  return {
    async [Symbol.asyncDispose]() {
      disposed = true
      clearInterval(timer)
      await running
      clearInterval(hourly)
      await connections.enter(false)
    },
  }
}

interface Failure {
  readonly reason: string
  /** Trying again cannot help. */
  readonly isFinal: boolean
}

async function tell(
  { region, placeOf }: DeliveryDeps,
  event: EventRow,
  connections: Connections,
): Promise<Failure | null> {
  const webhook = await findWebhook(region.catalog, event.tenant, event.webhook)
  if (webhook === null) return { reason: 'the webhook is not registered any more', isFinal: true }
  try {
    const url = new URL(webhook.url)
    const host = await resolveHost(url.hostname)
    const country = placeOf(plainAddress(host))
    const isPlain = url.protocol === 'http:'
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'webhook',
      host,
      port: Number(url.port || (isPlain ? 80 : 443)),
      certificate: webhook.certificate ?? '',
      registered: true,
      instruction: null,
      webhook: { name: url.hostname, isPlain, country, from: region.country },
    })
    if (isRefusal(decision)) return { reason: decision.message, isFinal: false }
    let wire: Socket | null = null
    const answer = await region.door.send(decision, {
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, 'content-type': 'application/json', 'user-agent': 'Holdfast' },
      body: Buffer.from(event.message),
      idleMs: answerMs,
      onSocket: socket => {
        wire = socket
        connections.opened(socket, country === 'home' ? region.country : country)
      },
    })
    if (wire !== null) connections.charge(wire, event.tenant)
    return answer.status >= 200 && answer.status < 300
      ? null
      : { reason: `it answered ${answer.status}`, isFinal: false }
  } catch (error) {
    return { reason: messageOf(error), isFinal: false }
  }
}

interface Connections {
  opened(socket: Socket, country: CountryCode | null): void
  charge(socket: Socket, tenant: TenantId): void
  /** Enters what was charged and is not entered yet. */
  enter(more: boolean): Promise<void>
}

/** The records of connections, each by its own socket: one that is kept alive tells several messages. */
function createConnections({ region, clock, randomBytes, log }: DeliveryDeps): Connections {
  const open = new Map<Socket, TrackedConnection>()
  const { id, country, catalog, drafts } = region
  return {
    opened(socket, remoteCountry) {
      if (open.has(socket)) return
      const facts = {
        id: newSortableId(clock(), randomBytes),
        role: 'webhook',
        initiator: 'local',
        instruction: null,
        remoteCountry,
        openedUnixMs: clock(),
      } as const
      const tracked = trackConnection(socket, facts, clock, log)
      open.set(socket, tracked)
      socket.once('close', () => {
        // At a stop the others are entered together, while the catalog is still open.
        if (open.delete(socket)) void tracked.enter(false)
      })
    },
    charge(socket, tenant) {
      open.get(socket)?.charge({ region: id, country, catalog, drafts }, tenant, [])
    },
    async enter(more) {
      const all = [...open.values()]
      if (!more) open.clear()
      await Promise.all(all.map(tracked => tracked.enter(more)))
    },
  }
}

async function giveUp(
  { region, log, metrics }: DeliveryDeps,
  key: Uint8Array,
  { tenant, bucket, key: object, event, webhook }: EventRow,
  reason: string,
): Promise<void> {
  metrics.count('holdfast_notifications_total', { outcome: 'dropped' })
  log('error', 'notification-dropped', { webhook, bucket, event, reason })
  const body = {
    bucket,
    key: object,
    event,
    webhook,
    reason: reason.slice(0, 500),
    by: { region: region.id },
  }
  const entry: Put = region.drafts.draft({ tenant, type: 'notification.dropped', body }).put
  await region.catalog.commit({ removes: [{ table: 'events', key }], puts: [entry] })
}
