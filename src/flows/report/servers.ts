import { isoTime } from '../../core/time.ts'
import type { ServerTraffic } from '../attribute/attribute.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import { findingsOf } from './findings.ts'
import type { DestinationReport, Grades, Interval, ServerReport } from './report-types.ts'

const maxAddresses = 10

/** One row a server, the worst first. */
export function serverReports(
  servers: ReadonlyMap<string, ServerTraffic>,
  connections: readonly Reconciled[],
): ServerReport[] {
  const byServer = Map.groupBy(connections, ({ observed }) => `${observed.server}\n${observed.home}`)
  return [...servers]
    .map(([key, traffic]) => serverReport(traffic, byServer.get(key) ?? []))
    .sort(
      (a, b) =>
        b.unexplained - a.unexplained ||
        b.disputed - a.disputed ||
        b.bytesAbroad - a.bytesAbroad ||
        (a.server < b.server ? -1 : 1),
    )
}

function serverReport(traffic: ServerTraffic, connections: readonly Reconciled[]): ServerReport {
  const grades = sumGrades(connections)
  const open = grades.unexplained + grades.disputed
  const couldBe: Interval = {
    low: 0,
    high: Math.min(
      open,
      sum(connections, row => row.couldBe),
    ),
  }
  // 95 %: what a sampled count can be off by, if packets were sampled without regard to what they carry.
  const half = Math.round(1.96 * Math.sqrt(sum(connections, row => row.variance)))
  return {
    server: traffic.server,
    country: traffic.home,
    ...grades,
    couldBe,
    unexplainedInterval: {
      low: Math.max(0, grades.unexplained - couldBe.high - half),
      high: grades.unexplained === 0 && half === 0 ? 0 : grades.unexplained + half,
    },
    bytesDomestic: traffic.domesticBytes,
    connections: connections.length,
    destinations: destinations(connections),
    findings: findingsOf(traffic, connections, { ...grades, couldBe }),
  }
}

function destinations(connections: readonly Reconciled[]): DestinationReport[] {
  const keyOf = ({ observed: { place } }: Reconciled) =>
    `${place.country ?? place.candidates.join('/')} ${place.asn ?? ''}`
  return [...Map.groupBy(connections, keyOf).values()]
    .map(rows => {
      const { place } = rows[0]!.observed
      const grades = sumGrades(rows)
      const addresses = [...Map.groupBy(rows, row => row.observed.dstAddr)]
        .map(([address, ofAddress]) => ({
          address,
          bytes: sum(ofAddress, row => row.ipBytes),
          unexplained: sum(ofAddress, row => row.unexplained),
        }))
        .sort((a, b) => b.bytes - a.bytes)
      return {
        country: place.country,
        candidates: place.candidates,
        asn: place.asn,
        asName: place.asName,
        bytes: grades.bytesAbroad,
        ...grades,
        from: isoTime(rows.reduce((first, row) => Math.min(first, row.fromUnixMs), Number.POSITIVE_INFINITY)),
        until: isoTime(rows.reduce((last, row) => Math.max(last, row.untilUnixMs), Number.NEGATIVE_INFINITY)),
        connections: rows.length,
        addresses: addresses.slice(0, maxAddresses),
        addressCount: addresses.length,
      }
    })
    .sort((a, b) => b.bytes - a.bytes)
}

export function sumGrades(connections: readonly Reconciled[]): Grades {
  return {
    bytesAbroad: sum(connections, row => row.ipBytes),
    instructed: sum(connections, row => row.instructed),
    claimed: sum(connections, row => row.claimed),
    unexplained: sum(connections, row => row.unexplained),
    disputed: sum(connections, row => row.disputed),
    disputedAbroad: sum(connections, row => (isAbroadAnyway(row) ? row.disputed : 0)),
    overhead: sum(connections, row => row.overhead),
  }
}

function isAbroadAnyway({ observed: { place, home } }: Reconciled): boolean {
  return place.candidates.length > 0 && !place.candidates.includes(home)
}

function sum(rows: readonly Reconciled[], of: (row: Reconciled) => number): number {
  return rows.reduce((total, row) => total + of(row), 0)
}
