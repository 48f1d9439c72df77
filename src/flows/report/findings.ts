import type { ServerTraffic } from '../attribute/attribute.ts'
import type { BookFault } from '../reconcile/conversation.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import type { Finding, Grades, Interval } from './report-types.ts'
import { humanBytes, humanCount } from './units.ts'

/**
 * Below this a finding is `low`: name look-ups, time, a package index. Stated, so that innocence has a measure and a
 * reader can move it.
 */
export const smallBytes = 1_000_000
/** A domestic host that took this much and is in nobody's inventory could pass it on. */
const relayBytes = 100_000_000
const longMs = 3_600_000
const maxRelays = 5

const faultTitles: Readonly<Record<BookFault['kind'], { title: string; severity: Finding['severity'] }>> = {
  'entered-twice': { title: 'The same connection stands in the books twice', severity: 'high' },
  'ends-disagree': { title: 'The two ends of a transfer entered different amounts', severity: 'high' },
  'not-approved': { title: 'Sent under an instruction that does not hold', severity: 'high' },
  'one-sided': { title: 'Only one end entered the transfer', severity: 'medium' },
  'beyond-entered-objects': { title: 'More bytes entered than the entered objects can be', severity: 'high' },
}

/** What the audit says of one server, gravest first. */
export function findingsOf(
  traffic: ServerTraffic,
  connections: readonly Reconciled[],
  sums: Grades & { readonly couldBe: Interval },
): Finding[] {
  const findings: Finding[] = []
  const size = (bytes: number): Finding['severity'] => (bytes >= smallBytes ? 'high' : 'low')
  if (sums.unexplained > 0) {
    const open = connections.filter(({ unexplained }) => unexplained > 0)
    const addresses = new Set(open.map(({ observed }) => observed.dstAddr))
    const couldBe =
      sums.couldBe.high > 0
        ? ` Entries of other connections of the same addresses could be up to ${humanBytes(sums.couldBe.high)} of it.`
        : ''
    findings.push({
      kind: 'unexplained-abroad',
      severity: size(sums.unexplained),
      title: `${humanBytes(sums.unexplained)} went abroad and no entry accounts for it`,
      detail: `${plural(open.length, 'connection')} to ${plural(addresses.size, 'address', 'addresses')}.${couldBe}`,
      bytes: sums.unexplained,
    })
  }
  if (sums.disputed > 0) {
    const certain =
      sums.disputedAbroad > 0
        ? ` ${humanBytes(sums.disputedAbroad)} of it left the country whichever database is right.`
        : ''
    findings.push({
      kind: 'disputed-place',
      severity: sums.disputedAbroad > 0 ? size(sums.disputedAbroad) : 'medium',
      title: `${humanBytes(sums.disputed)} went to places that are in doubt`,
      detail: `The databases name different countries, or none.${certain} Say what you know with --places.`,
      bytes: sums.disputed,
    })
  }
  for (const [kind, faults] of Map.groupBy(distinctFaults(connections), fault => fault.kind)) {
    const bytes = faults.reduce((sum, fault) => sum + fault.bytes, 0)
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
    findings.push({ kind, ...faultTitles[kind], detail: `${faults[0]!.detail}${more}`, bytes })
  }
  const long = connections.filter(
    connection => connection.unexplained > 0 && connection.untilUnixMs - connection.fromUnixMs >= longMs,
  )
  if (long.length > 0) {
    const bytes = long.reduce((sum, { unexplained }) => sum + unexplained, 0)
    const longest = Math.max(
      ...long.slice(0, 1000).map(({ fromUnixMs, untilUnixMs }) => untilUnixMs - fromUnixMs),
    )
    findings.push({
      kind: 'long-connection',
      severity: 'medium',
      title: `${plural(long.length, 'unexplained connection')} of an hour or more`,
      detail: `The longest was seen for ${(longest / longMs).toFixed(1)} hours.`,
      bytes,
    })
  }
  const relays = [...traffic.outsiders].filter(([, bytes]) => bytes >= relayBytes).sort((a, b) => b[1] - a[1])
  for (const [address, bytes] of relays.slice(0, maxRelays)) {
    findings.push({
      kind: 'possible-relay',
      severity: 'low',
      title: `${humanBytes(bytes)} to ${address}, a domestic host outside the inventory`,
      detail: 'What it passes on is not in these records. If it is yours, add it to the inventory.',
      bytes,
    })
  }
  const rank = { high: 0, medium: 1, low: 2, info: 3 }
  return findings.sort((a, b) => rank[a.severity] - rank[b.severity] || b.bytes - a.bytes)
}

/** Both directions of one connection carry the same fault. */
function distinctFaults(connections: readonly Reconciled[]): BookFault[] {
  const faults = new Map<string, BookFault>()
  for (const { faults: ofOne } of connections)
    for (const fault of ofOne) faults.set(`${fault.kind} ${fault.detail}`, fault)
  return [...faults.values()]
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${humanCount(count)} ${count === 1 ? one : many}`
}
