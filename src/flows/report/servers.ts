import type { ListedServer } from '../attribute/server-list.ts'
import { findingsOf } from './findings.ts'
import type { ServerReport } from './report-types.ts'
import type { ServerTally } from './server-tally.ts'

/** One row of the report: a server, and what is to be said of it. */
export function serverReport(
  { server, home }: ListedServer,
  domesticBytes: number,
  tally: ServerTally,
  relays: readonly { readonly address: string; readonly ipBytes: number }[],
): ServerReport {
  const sums = tally.sums()
  const { bytesAbroad, instructed, claimed, unexplained, disputed, disputedAbroad, overhead } = sums
  return {
    server,
    country: home,
    ...{ bytesAbroad, instructed, claimed, unexplained, disputed, disputedAbroad, overhead },
    couldBe: sums.couldBe,
    unexplainedInterval: sums.unexplainedInterval,
    bytesDomestic: domesticBytes,
    connections: sums.connections,
    destinations: tally.destinations(),
    findings: findingsOf(sums, relays),
  }
}

/** The worst first. */
export function worstFirst(a: ServerReport, b: ServerReport): number {
  return (
    b.unexplained - a.unexplained ||
    b.disputed - a.disputed ||
    b.bytesAbroad - a.bytesAbroad ||
    (a.server < b.server ? -1 : 1)
  )
}
