import type { BookFault } from '../reconcile/conversation.ts'
import type { Finding } from './report-types.ts'
import type { TallySums } from './server-tally.ts'
import { humanBytes, humanCount } from './units.ts'

/**
 * Below this a finding is `low`: name look-ups, time, a package index. Stated, so that innocence has a measure and a
 * reader can move it.
 */
export const smallBytes = 1_000_000
/** A domestic host that took this much and is in nobody's inventory could pass it on. */
export const relayBytes = 100_000_000
const maxRelays = 5

const faultTitles: Readonly<Record<BookFault['kind'], { title: string; severity: Finding['severity'] }>> = {
  'entered-twice': { title: 'The same connection stands in the books twice', severity: 'high' },
  'ends-disagree': { title: 'The two ends of a transfer entered different amounts', severity: 'high' },
  'not-approved': { title: 'Sent under an instruction that does not hold', severity: 'high' },
  'one-sided': { title: 'Only one end entered the transfer', severity: 'medium' },
  'beyond-entered-objects': { title: 'More bytes entered than the entered objects can be', severity: 'high' },
}

/** What the audit says of one server, gravest first. `relays`: domestic hosts outside the inventory, and their bytes. */
export function findingsOf(
  sums: TallySums,
  relays: readonly { readonly address: string; readonly ipBytes: number }[],
): Finding[] {
  const findings: Finding[] = []
  const size = (bytes: number): Finding['severity'] => (bytes >= smallBytes ? 'high' : 'low')
  if (sums.unexplained > 0) {
    const { open } = sums
    const couldBe =
      sums.couldBe.high > 0
        ? ` Entries of other connections of the same addresses could be up to ${humanBytes(sums.couldBe.high)} of it.`
        : ''
    findings.push({
      kind: 'unexplained-abroad',
      severity: size(sums.unexplained),
      title: `${humanBytes(sums.unexplained)} went abroad and no entry accounts for it`,
      detail: `${plural(open.connections, 'connection')} to ${plural(open.addresses, 'address', 'addresses')}.${couldBe}`,
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
  for (const [kind, faults] of Map.groupBy(sums.faults, fault => fault.kind)) {
    const bytes = faults.reduce((sum, fault) => sum + fault.bytes, 0)
    const others = faults.length - 1 + sums.moreFaults
    const more = others > 0 ? ` (and ${others} more)` : ''
    findings.push({ kind, ...faultTitles[kind], detail: `${faults[0]!.detail}${more}`, bytes })
  }
  for (const { address, ipBytes } of relays.slice(0, maxRelays)) {
    findings.push({
      kind: 'possible-relay',
      severity: 'low',
      title: `${humanBytes(ipBytes)} to ${address}, a domestic host outside the inventory`,
      detail: 'What it passes on is not in these records. If it is yours, add it to the inventory.',
      bytes: ipBytes,
    })
  }
  const rank = { high: 0, medium: 1, low: 2, info: 3 }
  return findings.sort((a, b) => rank[a.severity] - rank[b.severity] || b.bytes - a.bytes)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${humanCount(count)} ${count === 1 ? one : many}`
}
