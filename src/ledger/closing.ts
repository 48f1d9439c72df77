/**
 * The books are closed on a schedule: at the end of each period (periods begin at multiples of their length since
 * 1970, UTC) every tenant gets the entry `books.closed`. A customer who expects it notices when a region falls silent,
 * also when nothing else happened, and a statement from one closing to the next is that period's statement.
 *
 * Crash points: the entry and the row that says so are one batch, conditional on the row before; so a period is closed
 * once, whoever runs and how often it is started. Periods that passed while nothing ran are closed in one.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { type Clock, isoTime } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { rowsOf } from '../store/rows-of.ts'
import type { DraftBox } from './drafts.ts'

export interface ClosingDeps {
  readonly id: RegionId
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly everyMs: number
  readonly clock: Clock
  readonly log: Log
  /** While the ledger stands still nothing is entered. */
  readonly isHalted: () => boolean
}

interface Closed {
  readonly number: number
  readonly untilUnixMs: number
}

function closedKey(tenant: TenantId): Uint8Array {
  return utf8(`closed/${tenant}`)
}

/** Closes what is due, of all tenants of the region. */
export async function closeBooks({ catalog, drafts, everyMs, clock }: ClosingDeps): Promise<number> {
  const untilUnixMs = Math.floor(clock() / everyMs) * everyMs
  let closed = 0
  for await (const { key, value } of rowsOf(catalog, 'tenants')) {
    const tenant = fromUtf8(key) as TenantId
    const before = await catalog.get('meta', closedKey(tenant))
    const { joinedUnixMs } = JSON.parse(fromUtf8(value)) as { joinedUnixMs: number }
    const last: Closed =
      before === null ? { number: -1, untilUnixMs: joinedUnixMs } : (JSON.parse(fromUtf8(before)) as Closed)
    if (last.untilUnixMs >= untilUnixMs) continue
    const number = last.number + 1
    const body = { number, from: isoTime(last.untilUnixMs), until: isoTime(untilUnixMs) }
    const row = utf8(JSON.stringify({ v: 1, number, untilUnixMs }))
    const held = await catalog.commit({
      checks: [{ table: 'meta', key: closedKey(tenant), expected: before }],
      puts: [
        { table: 'meta', key: closedKey(tenant), value: row },
        drafts.draft({ tenant, type: 'books.closed', body }).put,
      ],
    })
    if (held) closed++
  }
  return closed
}

/** At once, for what became due meanwhile, and at each end of a period. */
export function startClosing(deps: ClosingDeps): AsyncDisposable {
  const { id, everyMs, clock, log, isHalted } = deps
  let timer: NodeJS.Timeout | null = null
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  const round = async (): Promise<void> => {
    try {
      if (!isHalted()) await closeBooks(deps)
    } catch (error) {
      log('error', 'books-not-closed', { region: id, error: messageOf(error) })
    }
    if (stopped) return
    // A timer holds at most 24 days; looking more often than needed costs nothing.
    const waitMs = Math.min(everyMs - (clock() % everyMs) + 10, 3600e3)
    timer = setTimeout(() => {
      running = round()
    }, waitMs)
    timer.unref()
  }
  running = round()
  return {
    async [Symbol.asyncDispose]() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}
