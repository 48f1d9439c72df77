import { isoTime } from '../../core/time.ts'
import type { Named } from '../names/namer.ts'
import type { BookFault } from '../reconcile/conversation.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import { createNameSums } from './name-sums.ts'
import type { DestinationReport, Grades, Interval } from './report-types.ts'

/** What is said of a server, summed connection by connection as they come, so that none has to be kept. */
export type ServerTally = {
  /** In order of destination address: what comes of one address comes together. */
  readonly add: (connection: Reconciled, named: Named | null) => void
  readonly sums: () => TallySums
  readonly destinations: () => DestinationReport[]
  /** The name of most bytes to an address, among the addresses that were named first. */
  readonly hostnames: () => ReadonlyMap<string, string>
}

export type TallySums = Grades & {
  readonly connections: number
  readonly couldBe: Interval
  readonly unexplainedInterval: Interval
  readonly duplicateBytes: number
  readonly translatedBytes: number
  readonly repeats: number
  readonly isSampled: boolean
  /** Connections and addresses with bytes that nothing explains and whose place is certain. */
  readonly open: { readonly connections: number; readonly addresses: number }
  /** Each once, with the bytes of all that read alike. */
  readonly faults: readonly BookFault[]
  readonly moreFaults: number
  /** IP bytes by hours since 1970. */
  readonly hours: ReadonlyMap<number, { abroad: number; open: number }>
}

const maxAddresses = 10
const maxFaults = 1000
const maxHostnames = 10_000
const hourMs = 3_600_000

export function createServerTally(): ServerTally {
  const grades = createGrades()
  const destinations = new Map<string, DestinationTally>()
  const faults = new Map<string, BookFault>()
  /** A conversation's fault comes with each of its connections. */
  const told = new Set<BookFault>()
  const hours = new Map<number, { abroad: number; open: number }>()
  const hostnames = new Map<string, string>()
  const open = { connections: 0, addresses: 0 }
  let couldBe = 0
  let variance = 0
  let connections = 0
  let duplicateBytes = 0
  let translatedBytes = 0
  let repeats = 0
  let lastOpenAddress = ''
  let moreFaults = 0

  return {
    add(connection, named) {
      const { observed, unexplained, disputed, ipBytes } = connection
      translatedBytes += connection.translatedBytes
      // All of it was seen behind the translator, and is told of there.
      if (ipBytes === 0 && connection.translatedBytes > 0) return
      connections += 1
      grades.add(connection)
      couldBe += connection.couldBe
      variance += connection.variance
      duplicateBytes += connection.duplicateBytes
      repeats += connection.repeats
      if (unexplained > 0) {
        open.connections += 1
        if (observed.dstAddr !== lastOpenAddress) open.addresses += 1
        lastOpenAddress = observed.dstAddr
      }
      for (const fault of connection.faults) {
        if (told.has(fault)) continue
        told.add(fault)
        const own = `${fault.kind} ${fault.detail}`
        // Of more than are told of, the bytes count all the same.
        const isTold = faults.has(own) || faults.size < maxFaults
        const key = isTold ? own : fault.kind
        const known = faults.get(key)
        if (known !== undefined && !isTold) moreFaults += 1
        faults.set(key, known === undefined ? fault : { ...known, bytes: known.bytes + fault.bytes })
      }
      const openShare = ipBytes === 0 ? 0 : (unexplained + disputed) / ipBytes
      for (const segment of connection.pieces) {
        const hour = Math.floor(segment.startUnixMs / hourMs)
        const known = hours.get(hour)
        const openBytes = segment.ipBytes * openShare
        if (known === undefined) hours.set(hour, { abroad: segment.ipBytes, open: openBytes })
        else {
          known.abroad += segment.ipBytes
          known.open += openBytes
        }
      }
      const { place } = observed
      const key = `${place.country ?? place.candidates.join('/')} ${place.asn ?? ''}`
      let destination = destinations.get(key)
      if (destination === undefined) {
        destination = createDestination(hostnames)
        destinations.set(key, destination)
      }
      destination.add(connection, named)
    },
    hostnames: () => hostnames,
    sums() {
      const sums = grades.sums()
      const high = Math.min(sums.unexplained + sums.disputed, couldBe)
      // 95 %: what a sampled count can be off by, if packets were sampled without regard to what they carry.
      const half = Math.round(1.96 * Math.sqrt(variance))
      return {
        ...sums,
        connections,
        couldBe: { low: 0, high },
        unexplainedInterval: {
          low: Math.max(0, sums.unexplained - high - half),
          high: sums.unexplained === 0 && half === 0 ? 0 : sums.unexplained + half,
        },
        duplicateBytes,
        translatedBytes,
        repeats,
        isSampled: variance > 0,
        open,
        faults: [...faults.values()],
        moreFaults,
        hours,
      }
    },
    destinations: () =>
      [...destinations.values()]
        .map(destination => destination.report())
        .sort((a, b) => b.bytes - a.bytes || (`${a.country}` < `${b.country}` ? -1 : 1)),
  }
}

type DestinationTally = ReturnType<typeof createDestination>

function createDestination(hostnames: Map<string, string>) {
  const grades = createGrades()
  let first: Reconciled | null = null
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  let connections = 0
  let addressCount = 0
  let address = { address: '', bytes: 0, unexplained: 0 }
  const largest: { address: string; bytes: number; unexplained: number; name: string | null }[] = []
  const names = createNameSums()
  let ofAddress: ReturnType<typeof createNameSums> | null = null
  const close = (): void => {
    if (address.address === '') return
    const name = ofAddress?.largest() ?? null
    if (name !== null && hostnames.size < maxHostnames) hostnames.set(address.address, name)
    ofAddress = null
    largest.push({ ...address, name })
    largest.sort((a, b) => b.bytes - a.bytes)
    largest.length = Math.min(largest.length, maxAddresses)
    address = { address: '', bytes: 0, unexplained: 0 }
  }
  return {
    add(connection: Reconciled, named: Named | null): void {
      const { dstAddr } = connection.observed
      first ??= connection
      grades.add(connection)
      connections += 1
      fromUnixMs = Math.min(fromUnixMs, connection.fromUnixMs)
      untilUnixMs = Math.max(untilUnixMs, connection.untilUnixMs)
      if (dstAddr !== address.address) {
        close()
        addressCount += 1
        address.address = dstAddr
      }
      address.bytes += connection.ipBytes
      address.unexplained += connection.unexplained
      if (named === null) return
      names.add(connection, named)
      ofAddress ??= createNameSums()
      ofAddress.add(connection, named)
    },
    report(): DestinationReport {
      close()
      const { place } = first!.observed
      const sums = grades.sums()
      return {
        country: place.country,
        candidates: place.candidates,
        asn: place.asn,
        asName: place.asName,
        bytes: sums.bytesAbroad,
        ...sums,
        from: isoTime(fromUnixMs),
        until: isoTime(untilUnixMs),
        connections,
        addresses: largest,
        addressCount,
        ...names.report(),
      }
    },
  }
}

/** The four grades of any number of connections. */
export function createGrades() {
  const sums = {
    bytesAbroad: 0,
    instructed: 0,
    claimed: 0,
    unexplained: 0,
    disputed: 0,
    disputedAbroad: 0,
    overhead: 0,
  }
  return {
    add(row: Reconciled): void {
      const { place, home } = row.observed
      sums.bytesAbroad += row.ipBytes
      sums.instructed += row.instructed
      sums.claimed += row.claimed
      sums.unexplained += row.unexplained
      sums.disputed += row.disputed
      sums.overhead += row.overhead
      if (place.candidates.length > 0 && !place.candidates.includes(home)) sums.disputedAbroad += row.disputed
    },
    addAll(more: Grades): void {
      for (const grade of Object.keys(sums) as (keyof Grades)[]) sums[grade] += more[grade]
    },
    sums: (): Grades => ({ ...sums }),
  }
}
