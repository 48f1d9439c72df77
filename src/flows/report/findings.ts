import type { DetectionKind } from '../detect/detection.ts'
import { targetText } from '../detect/words.ts'
import type { BookFault } from '../reconcile/conversation.ts'
import type { DetectionReport, Finding } from './report-types.ts'
import type { TallySums } from './server-tally.ts'
import { humanBytes, humanCount } from './units.ts'

/**
 * Below this a finding is `low`: name look-ups, time, a package index. Stated, so that innocence has a measure and a
 * reader can move it.
 */
const smallBytes = 1_000_000
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

/** Below this a detection is not among the findings. */
const leastScore = 25

const detectionTitles: Readonly<Record<DetectionKind, string>> = {
  beacon: 'Regular contact',
  'long-connection': 'A connection that lasts for hours',
  'first-seen': 'New in the last days',
  'upload-ratio': 'Sends much more than it gets',
  schedule: 'Sends at certain hours only',
  'volume-change': 'Sends more than it used to',
  'slow-drip': 'Small amounts over many days',
  'dns-tunnel': 'Name look-ups that carry data',
  'icmp-tunnel': 'ICMP that carries data',
  'cover-protocol': 'Not what its port is for',
  'fan-out': 'Spread over many addresses',
}

/** What the audit says of one server, gravest first. `relays`: domestic hosts outside the inventory, and their bytes. */
export function findingsOf(
  sums: TallySums,
  relays: readonly { readonly address: string; readonly ipBytes: number }[],
  detections: readonly DetectionReport[],
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
  // The rest is in `detections`: too faint to be worth a reader's time.
  for (const detection of detections.filter(({ score }) => score >= leastScore)) {
    const { kind, destination, expected, attack } = detection
    const at = destination === null ? '' : `: ${targetText(destination)}`
    const signs = attack.map(({ id }) => id).join(', ')
    const mark =
      expected === null
        ? detection.markRanOut
          ? ' A mark of it as expected has run out.'
          : ''
        : ` Expected: ${expected.reason} (${expected.by}).`
    findings.push({
      kind,
      severity: expected === null ? detection.severity : 'info',
      title: `${detectionTitles[kind]}${at}`,
      detail: `${detection.reason} Score ${detection.score}; ATT&CK ${signs}.${mark}`,
      bytes: detection.bytes,
    })
  }
  const rank = { high: 0, medium: 1, low: 2, info: 3 }
  return findings.sort((a, b) => rank[a.severity] - rank[b.severity] || b.bytes - a.bytes)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${humanCount(count)} ${count === 1 ? one : many}`
}
