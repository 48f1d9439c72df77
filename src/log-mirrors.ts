/** Keeps the copies of a region's public log up to date, each by itself, from the main process. */
import type { PublishTarget } from './config.ts'
import { messageOf } from './core/errors.ts'
import type { RegionId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Metrics } from './core/metrics.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import type { LogKeyHistory } from './ledger/log-keys.ts'
import { createLogMirror, type LogMirror, MirrorFault } from './ledger/log-mirror.ts'
import { readPublished } from './ledger/published-log.ts'
import type { TileStore } from './ledger/tile-store.ts'
import { openRemote, type RemoteDeps } from './remotes.ts'
import type { Depot } from './store/depot.ts'
import { createFolderDepot } from './store/folder-depot.ts'
import type { LogKeys } from './verify/log-keys.ts'

export interface LogMirrorsDeps {
  readonly region: RegionId
  readonly tiles: Pick<TileStore, 'read'>
  readonly keys: LogKeys
  readonly history: LogKeyHistory
  readonly depots: readonly Depot[]
  readonly log: Log
  readonly metrics: Metrics
  /** A copy has a checkpoint by this log's key that the region does not continue: one of the two was turned back. */
  readonly onFork: (reason: string) => void
}

const everyMs = 1000
const longestRetryMs = 300_000
/** A copy that is behind for so long is worth a line. */
const lateMs = 60_000

/** The depots of `publish` in a region's configuration. A remote whose files cannot be read fails the start. */
export function mirrorDepots(targets: readonly PublishTarget[], region: RegionId, deps: RemoteDeps): Depot[] {
  return targets.map(target =>
    'folder' in target
      ? createFolderDepot(target.folder, 'shared')
      : openRemote(target.remote, region, 'public-log', deps),
  )
}

export function startLogMirrors(deps: LogMirrorsDeps): AsyncDisposable {
  const running = deps.depots.map(depot => keepUp(deps, depot))
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map(each => each[Symbol.asyncDispose]()))
    },
  }
}

function keepUp(deps: LogMirrorsDeps, depot: Depot): AsyncDisposable {
  const { region, tiles, keys, history, log, metrics } = deps
  const mirror: LogMirror = createLogMirror({ tiles, keys, history, crypto: nodeVerifyCrypto, depot })
  const labels = { region, mirror: depot.name }
  let ownSize = 0
  let size = 0
  let behindSince: number | null = null
  let isLate = false
  let isStopped = false
  let retryMs = everyMs
  let timer: NodeJS.Timeout | null = null
  const stopping = new AbortController()
  metrics.gauge(
    'holdfast_log_mirror_lag_entries',
    'Published entries that a copy of the log does not have yet.',
    () => Math.max(0, ownSize - size),
    labels,
  )
  metrics.gauge(
    'holdfast_log_mirror_stopped',
    'Whether a copy of the log was given up until a person has looked.',
    () => (isStopped ? 1 : 0),
    labels,
  )

  const round = async (): Promise<void> => {
    try {
      ownSize = (await readPublished(tiles, keys, nodeVerifyCrypto))?.size ?? 0
      if (ownSize > size) behindSince ??= Date.now()
      const state = await mirror.step(stopping.signal)
      size = state.size
      metrics.count('holdfast_log_mirror_files_total', labels, state.copied)
      if (isLate) log('info', 'log-mirror-caught-up', { region, mirror: depot.name, size })
      behindSince = null
      isLate = false
      retryMs = everyMs
    } catch (error) {
      if (stopping.signal.aborted) return
      const reason = messageOf(error)
      if (error instanceof MirrorFault) {
        isStopped = true
        log('error', 'log-mirror-stopped', { region, mirror: depot.name, reason })
        if (error.kind === 'fork') deps.onFork(reason)
        return
      }
      metrics.count('holdfast_log_mirror_failures_total', labels)
      retryMs = Math.min(longestRetryMs, 2 * retryMs)
      log('warn', 'log-mirror-failed', { region, mirror: depot.name, reason, retryMs })
    }
    if (!isLate && behindSince !== null && Date.now() - behindSince > lateMs) {
      isLate = true
      log('warn', 'log-mirror-late', { region, mirror: depot.name, size, published: ownSize })
    }
  }

  let current = Promise.resolve()
  const schedule = (ms: number): void => {
    if (stopping.signal.aborted || isStopped) return
    timer = setTimeout(() => {
      current = round().then(() => schedule(retryMs))
    }, ms)
    timer.unref()
  }
  schedule(0)
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      if (timer !== null) clearTimeout(timer)
      await current
    },
  }
}
