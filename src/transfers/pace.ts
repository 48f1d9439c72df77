/** How fast a transfer may go: paused or not, its own limit and its region's. A row, so that it outlives the process. */
import { concat, utf8 } from '../core/bytes.ts'
import type { InstructionId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Catalog } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'

export interface Pace {
  readonly paused: boolean
  /** `null`: as its region's. */
  readonly bytesPerSecond: number | null
}

interface PaceRow extends Pace {
  readonly v: 1
}

const paceKey = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('/pace'))

export async function paceOf(catalog: Catalog, id: InstructionId): Promise<Pace> {
  const bytes = await catalog.get('transfers', paceKey(id))
  return bytes === null ? { paused: false, bytesPerSecond: null } : decodeRow<PaceRow>(bytes)
}

/** The change and its entry are one transaction. `null`: it is so already, and nothing is entered. */
export async function changePace(
  { catalog, drafts }: { readonly catalog: Catalog; readonly drafts: DraftBox },
  { id, tenant }: { readonly id: InstructionId; readonly tenant: Parameters<DraftBox['draft']>[0]['tenant'] },
  change: Partial<Pace>,
): Promise<Drafted | null> {
  for (;;) {
    const before = await catalog.get('transfers', paceKey(id))
    const pace = await paceOf(catalog, id)
    const row: PaceRow = { ...pace, ...change, v: 1 }
    if (row.paused === pace.paused && row.bytesPerSecond === pace.bytesPerSecond) return null
    const entry =
      change.paused === undefined
        ? drafts.draft({
            tenant,
            type: 'transfer.limited',
            body: { instruction: id, bytesPerSecond: row.bytesPerSecond },
          })
        : drafts.draft({
            tenant,
            type: row.paused ? 'transfer.paused' : 'transfer.resumed',
            body: { instruction: id },
          })
    const held = await catalog.commit({
      checks: [{ table: 'transfers', key: paceKey(id), expected: before }],
      puts: [{ table: 'transfers', key: paceKey(id), value: encodeRow(row) }, entry.put],
    })
    if (held) return entry
  }
}

/** Shared by all who take from it: together they get `bytesPerSecond`, and up to a second of it at once. */
export interface Throttle {
  /** Resolves when so many bytes may go; 0 or `null`: there is no limit. */
  take(bytes: number, bytesPerSecond: number | null): Promise<void>
}

export function createThrottle(clock: Clock, sleep: (ms: number) => Promise<void>): Throttle {
  let freeAtMs = 0
  return {
    async take(bytes, bytesPerSecond) {
      if (bytesPerSecond === null || bytesPerSecond <= 0) return
      const now = clock()
      // Counted before anybody waits: who comes next waits behind this one.
      freeAtMs = Math.max(freeAtMs, now - 1000) + (bytes * 1000) / bytesPerSecond
      if (freeAtMs > now) await sleep(freeAtMs - now)
    },
  }
}
