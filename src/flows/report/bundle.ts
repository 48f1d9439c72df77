import { isoTime } from '../../core/time.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import type { AuditReport } from './report-types.ts'

/** Connections written out one by one; the sums of a larger audit are still whole. */
const maxConnections = 100_000

/**
 * The evidence behind a report: what went in, by hash, which rules were used, what matched what, and what is left.
 * `sign-bundle.ts` makes a file of it.
 */
export function evidenceBundle(report: AuditReport, connections: readonly Reconciled[]): object {
  const isExplained = ({ instructed, claimed }: Reconciled) => instructed + claimed > 0
  const isOpen = ({ unexplained, disputed }: Reconciled) => unexplained + disputed > 0
  const ranked = connections.toSorted((a, b) => b.ipBytes - a.ipBytes)
  return {
    generated: report.generated,
    verdict: report.verdict,
    totals: report.totals,
    servers: report.servers,
    inputs: report.inputs,
    databases: report.databases,
    coverage: report.coverage,
    rules: report.method,
    matches: ranked.filter(isExplained).slice(0, maxConnections).map(row),
    residual: ranked.filter(isOpen).slice(0, maxConnections).map(row),
    leftOut: {
      matches: Math.max(0, connections.filter(isExplained).length - maxConnections),
      residual: Math.max(0, connections.filter(isOpen).length - maxConnections),
    },
  }
}

function row(connection: Reconciled): object {
  const { observed } = connection
  const { server, home, srcAddr, srcPort, dstAddr, dstPort, protocol, place } = observed
  return {
    server,
    home,
    source: { address: srcAddr, port: srcPort },
    destination: { address: dstAddr, port: dstPort, ...place },
    protocol,
    from: isoTime(connection.fromUnixMs),
    until: isoTime(connection.untilUnixMs),
    ipBytes: connection.ipBytes,
    packets: connection.packets,
    instructed: connection.instructed,
    claimed: connection.claimed,
    unexplained: connection.unexplained,
    disputed: connection.disputed,
    overhead: connection.overhead,
    couldBe: connection.couldBe,
    duplicateBytes: connection.duplicateBytes,
    observers: [...new Set(observed.segments.map(({ observer }) => observer))].slice(0, 20),
    instruction: connection.instruction,
    entries: connection.entryIds,
  }
}
