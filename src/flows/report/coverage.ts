import { isoTime } from '../../core/time.ts'
import type { TrafficSums } from '../attribute/attribute.ts'
import type { ServerList } from '../attribute/server-list.ts'
import type { ReadInput } from '../decode/read-input.ts'
import type { CanaryReport } from '../reconcile/canary.ts'
import type { ClockOffset } from '../reconcile/clock.ts'
import type { EnteredNotSeen } from '../reconcile/reconcile.ts'
import type { Coverage } from './report-types.ts'

/** What the records do not show. Missing is reported as missing, and never read as zero. */
export function coverageOf(facts: {
  readonly flows: readonly ReadInput[]
  readonly list: ServerList
  readonly traffic: TrafficSums
  readonly duplicateBytes: number
  readonly repeats: number
  readonly isSampled: boolean
  readonly enteredNotSeen: readonly EnteredNotSeen[]
  readonly unreadableEntries: number
  readonly canaries: CanaryReport | null
  readonly offsets: ReadonlyMap<string, ClockOffset>
}): Coverage {
  const { flows, list, traffic } = facts
  const seen = new Set(list.servers.filter((_, i) => traffic.records[i]! > 0).map(({ server }) => server))
  const named = [...new Set(list.servers.map(({ server }) => server))]
  const from = Math.min(...flows.map(({ fromUnixMs }) => fromUnixMs ?? Number.POSITIVE_INFINITY))
  const until = Math.max(...flows.map(({ untilUnixMs }) => untilUnixMs ?? Number.NEGATIVE_INFINITY))
  const lost = flows.flatMap(({ name, lost: ofOne }) =>
    ofOne.map(({ reason, count }) => ({ input: name, reason, count })),
  )
  const unread = flows.flatMap(({ name, unread: ofOne }) => ofOne.map(note => ({ input: name, ...note })))
  return {
    complete: lost.length === 0 && unread.length === 0 && (facts.canaries?.missed.length ?? 0) === 0,
    canaries: facts.canaries,
    records: flows.reduce((sum, { records }) => sum + records, 0),
    from: Number.isFinite(from) ? isoTime(from) : null,
    until: Number.isFinite(until) ? isoTime(until) : null,
    sampled: facts.isSampled,
    lost,
    unread,
    setAside: flows.flatMap(({ name, setAside }) => setAside.map(note => ({ input: name, ...note }))),
    remarks: flows.flatMap(({ name, remarks }) => remarks.map(remark => ({ input: name, remark }))),
    outsideInventory: { records: traffic.outsideRecords, ipBytes: traffic.outsideBytes },
    toUnplacedPrivate: unplacedPrivate(list, traffic),
    silentServers: named.filter(server => !seen.has(server)).sort(),
    duplicateBytes: facts.duplicateBytes,
    repeatedRecords: facts.repeats,
    enteredNotSeen: facts.enteredNotSeen,
    unreadableEntries: facts.unreadableEntries,
    clockOffsets: [...facts.offsets].map(([region, offset]) => ({ region, ...offset })),
  }
}

const mostSenders = 5

function unplacedPrivate(list: ServerList, { localBytes }: TrafficSums): Coverage['toUnplacedPrivate'] {
  const byServer = new Map<string, number>()
  for (const [number, { server }] of list.servers.entries())
    if (localBytes[number]! > 0) byServer.set(server, (byServer.get(server) ?? 0) + localBytes[number]!)
  const servers = [...byServer].map(([server, ipBytes]) => ({ server, ipBytes }))
  servers.sort((a, b) => b.ipBytes - a.ipBytes || (a.server < b.server ? -1 : 1))
  return {
    ipBytes: servers.reduce((sum, { ipBytes }) => sum + ipBytes, 0),
    servers: servers.slice(0, mostSenders),
  }
}
