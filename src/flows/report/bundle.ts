import { isoTime } from '../../core/time.ts'
import type { Named } from '../names/namer.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import type { AuditReport } from './report-types.ts'

/** Connections written out one by one; the sums of a larger audit are still whole. */
const maxConnections = 100_000

/** The connections behind a report: those that something explains, and those that are left, the largest of each. */
export type Evidence = {
  readonly matches: readonly object[]
  readonly residual: readonly object[]
  readonly leftOut: { readonly matches: number; readonly residual: number }
}

export function createEvidence() {
  const matches = createLargest()
  const residual = createLargest()
  return {
    add(connection: Reconciled, named: Named | null): void {
      if (connection.instructed + connection.claimed > 0) matches.add(connection, named)
      if (connection.unexplained + connection.disputed > 0) residual.add(connection, named)
    },
    rows(): Evidence {
      return {
        matches: matches.rows(),
        residual: residual.rows(),
        leftOut: { matches: matches.leftOut(), residual: residual.leftOut() },
      }
    },
  }
}

/** The largest connections, and how many there were; twice as many as are kept are held at most. */
function createLargest() {
  let kept: { readonly ipBytes: number; readonly row: object }[] = []
  let count = 0
  let least = Number.NEGATIVE_INFINITY
  const trim = (): void => {
    kept.sort((a, b) => b.ipBytes - a.ipBytes)
    if (kept.length < maxConnections) return
    kept = kept.slice(0, maxConnections)
    least = kept.at(-1)!.ipBytes
  }
  return {
    add(connection: Reconciled, named: Named | null): void {
      count += 1
      if (connection.ipBytes <= least) return
      kept.push({ ipBytes: connection.ipBytes, row: row(connection, named) })
      if (kept.length >= 2 * maxConnections) trim()
    },
    rows(): object[] {
      trim()
      return kept.map(each => each.row)
    },
    leftOut: () => Math.max(0, count - maxConnections),
  }
}

/**
 * The evidence behind a report: what went in, by hash, which rules were used, what matched what, and what is left.
 * `sign-bundle.ts` makes a file of it.
 */
export function evidenceBundle(report: AuditReport, { matches, residual, leftOut }: Evidence): object {
  return {
    generated: report.generated,
    verdict: report.verdict,
    totals: report.totals,
    servers: report.servers,
    services: report.services,
    inputs: report.inputs,
    databases: report.databases,
    coverage: report.coverage,
    rules: report.method,
    matches,
    residual,
    leftOut,
  }
}

function row(connection: Reconciled, named: Named | null): object {
  const { observed } = connection
  const { server, home, srcAddr, srcPort, dstAddr, dstPort, protocol, place } = observed
  return {
    server,
    home,
    source: { address: srcAddr, port: srcPort },
    destination: { address: dstAddr, port: dstPort, ...place },
    protocol,
    // A claim; and only where there is one, for there are many rows.
    ...(named === null ? {} : { named }),
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
