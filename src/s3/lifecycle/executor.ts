/** Runs a region's lifecycle rules: every bucket that has some is walked once a day, or more often with short days. */
import { messageOf } from '../../core/errors.ts'
import { findConfig } from '../../store/bucket-configs.ts'
import type { Catalog } from '../../store/catalog.ts'
import type { KnownBucket } from '../../store/objects.ts'
import { type BucketRow, bucketPrefix, decodeRow } from '../../store/rows.ts'
import { rowsOf } from '../../store/rows-of.ts'
import { readLifecycle } from '../configs/lifecycle.ts'
import { realDayMs } from './rules.ts'
import { type WalkDeps, type WalkRow, walkBucket, walkTables } from './walk.ts'

export interface LifecycleOptions extends Omit<WalkDeps, 'stopped'> {
  /** The region's ledger has stopped: what cannot be entered is not done. */
  readonly isHalted: () => boolean
}

export function startLifecycle(options: LifecycleOptions): AsyncDisposable {
  const { id, dayMs, log, isHalted } = options
  let disposed = false
  let running: Promise<void> | null = null
  const stopped = (): boolean => disposed || isHalted()
  const round = async (): Promise<void> => {
    try {
      await lifecycleRound({ ...options, stopped })
    } catch (error) {
      log('error', 'lifecycle-failed', { region: id, error: messageOf(error) })
    } finally {
      running = null
    }
  }
  const everyMs = Math.max(100, Math.min(3600e3, dayMs / 24))
  const timer = setInterval(() => {
    if (!stopped()) running ??= round()
  }, everyMs)
  timer.unref()
  // A walk that a stop cut off goes on now, and not in an hour.
  running = round()
  return {
    async [Symbol.asyncDispose]() {
      disposed = true
      clearInterval(timer)
      await running
    },
  }
}

/** Every bucket once that is due for a walk. */
async function lifecycleRound(deps: WalkDeps): Promise<void> {
  const { catalog, clock, dayMs, log } = deps
  const seen = new Set<string>()
  for (const known of await bucketsWithRules(catalog)) {
    if (deps.stopped()) return
    const { row } = known
    seen.add(row.id)
    const sha256 = row.configs!.lifecycle!
    const bytes = await catalog.get('lifecycle', bucketPrefix(row.id))
    const before = bytes === null ? null : decodeRow<WalkRow>(bytes)
    const isSame = before?.sha256 === sha256
    if (isSame && before.table === null && !isDueAgain(before.startedUnixMs, clock(), dayMs)) continue
    const goesOn = isSame && before.table !== null
    const start: WalkRow = goesOn
      ? before
      : { v: 1, sha256, startedUnixMs: clock(), table: walkTables[0], after: null }
    const body = await findConfig(catalog, row, 'lifecycle')
    if (body === null) continue
    try {
      await walkBucket(deps, known, readLifecycle(Buffer.from(body)), start)
    } catch (error) {
      // One bucket that cannot be walked must not keep the others from it.
      log('error', 'lifecycle-walk-failed', { bucket: row.name, error: messageOf(error) })
    }
  }
  for await (const { key } of rowsOf(catalog, 'lifecycle'))
    if (!seen.has(Buffer.from(key).toString('hex')))
      await catalog.commit({ removes: [{ table: 'lifecycle', key }] })
}

/** Real days end at midnight, so nothing comes due between one and the next. */
function isDueAgain(startedUnixMs: number, nowUnixMs: number, dayMs: number): boolean {
  return dayMs !== realDayMs || Math.floor(startedUnixMs / realDayMs) < Math.floor(nowUnixMs / realDayMs)
}

async function bucketsWithRules(catalog: Catalog): Promise<KnownBucket[]> {
  const found: KnownBucket[] = []
  for await (const { key, value } of rowsOf(catalog, 'buckets')) {
    // The index by tenant begins with a zero byte.
    if (key[0] === 0) continue
    const row = decodeRow<BucketRow>(value)
    if (row.configs?.lifecycle !== undefined) found.push({ row, bytes: value })
  }
  return found
}
