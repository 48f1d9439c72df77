import { isoTime } from '../../core/time.ts'
import type { Attribution } from '../attribute/attribute.ts'
import type { ReadInput } from '../decode/read-input.ts'
import type { Inventory } from '../locate/inventory.ts'
import type { Reconciliation } from '../reconcile/reconcile.ts'
import type { Coverage } from './report-types.ts'

/** What the records do not show. Missing is reported as missing, and never read as zero. */
export function coverageOf(
  flows: readonly ReadInput[],
  attribution: Attribution,
  inventory: Inventory,
  reconciliation: Reconciliation,
): Coverage {
  const seen = new Set([...attribution.servers().values()].map(({ server }) => server))
  const named = [...new Set(inventory.rows.map(({ server }) => server))]
  const from = Math.min(...flows.map(({ fromUnixMs }) => fromUnixMs ?? Number.POSITIVE_INFINITY))
  const until = Math.max(...flows.map(({ untilUnixMs }) => untilUnixMs ?? Number.NEGATIVE_INFINITY))
  const lost = flows.flatMap(({ name, lost: ofOne }) =>
    ofOne.map(({ reason, count }) => ({ input: name, reason, count })),
  )
  const unread = flows.flatMap(({ name, unread: ofOne }) => ofOne.map(note => ({ input: name, ...note })))
  const { connections } = reconciliation
  return {
    complete: lost.length === 0 && unread.length === 0,
    records: flows.reduce((sum, { records }) => sum + records, 0),
    from: Number.isFinite(from) ? isoTime(from) : null,
    until: Number.isFinite(until) ? isoTime(until) : null,
    sampled: connections.some(({ variance }) => variance > 0),
    lost,
    unread,
    setAside: flows.flatMap(({ name, setAside }) => setAside.map(note => ({ input: name, ...note }))),
    remarks: flows.flatMap(({ name, remarks }) => remarks.map(remark => ({ input: name, remark }))),
    outsideInventory: attribution.outside(),
    silentServers: named.filter(server => !seen.has(server)).sort(),
    duplicateBytes: connections.reduce((sum, row) => sum + row.duplicateBytes, 0),
    repeatedRecords: connections.reduce((sum, row) => sum + row.repeats, 0),
    enteredNotSeen: reconciliation.enteredNotSeen,
    unreadableEntries: reconciliation.unreadableEntries,
    clockOffsets: [...reconciliation.offsets].map(([region, offset]) => ({ region, ...offset })),
  }
}
