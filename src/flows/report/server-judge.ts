import type { CountryCode } from '../../core/ids.ts'
import { isoTime } from '../../core/time.ts'
import type { ListedServer } from '../attribute/server-list.ts'
import { type ExpectedMarks, judgeExpected } from '../detect/expected.ts'
import { homeOffsetMinutes } from '../detect/home-offset.ts'
import { type InnocenceLimits, isInnocent } from '../detect/innocence.ts'
import { createPairColumns } from '../detect/pair-columns.ts'
import { createServerDetector } from '../detect/server-detector.ts'
import type { Place } from '../locate/locate.ts'
import type { Named } from '../names/namer.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import { findingsOf } from './findings.ts'
import type { DetectionReport, ServerReport } from './report-types.ts'
import { createServerTally, type TallySums } from './server-tally.ts'

export type JudgeSettings = {
  readonly periodFromUnixMs: number
  readonly periodUntilUnixMs: number
  readonly limits: InnocenceLimits
  readonly expected: ExpectedMarks | null
  readonly nowUnixMs: number
}

const hourMs = 3_600_000
/** Records of one connection that follow each other within this are one: exporters cut long connections into pieces. */
const gapMs = 30_000

/**
 * One server at a time: its sums, what is conspicuous about them, and whether it is innocent. Connections come by
 * destination address, all of one address together.
 */
export function createServerJudge(settings: JudgeSettings) {
  const rows = createRows()
  const offsets = new Map<CountryCode, number | null>()
  const offsetOf = (home: CountryCode): number | null => {
    const known = offsets.get(home)
    if (known !== undefined) return known
    const offset = homeOffsetMinutes(home, settings.periodFromUnixMs)
    offsets.set(home, offset)
    return offset
  }
  const columns = createPairColumns()

  const first = Math.floor(settings.periodFromUnixMs / hourMs)
  const count = Math.min(mostHours, Math.floor(settings.periodUntilUnixMs / hourMs) - first + 1)

  return {
    /** Room for a server's bytes by hours from the period's first. */
    hours() {
      const bytes = new Float64Array(count)
      return {
        bytes,
        add(hour: number, ipBytes: number): void {
          bytes[Math.min(count - 1, Math.max(0, hour - first))]! += ipBytes
        },
      }
    },
    begin(listed: ListedServer) {
      const { server, home } = listed
      const tally = createServerTally()
      const detector = createServerDetector({
        server,
        home,
        periodFromUnixMs: settings.periodFromUnixMs,
        periodUntilUnixMs: settings.periodUntilUnixMs,
        utcOffsetMinutes: offsetOf(home),
        known: null,
        limits: settings.limits,
      })
      let pair: { dstAddr: string; place: Place; receivedBytes: number | null } | null = null
      const closePair = (): void => {
        if (pair === null || rows.length() === 0) return
        rows.inOrder(columns.add)
        detector.pair({ ...pair, columns: columns.columns() })
        columns.clear()
        rows.clear()
      }
      return {
        add(connection: Reconciled, receivedBytes: number | null, named: Named | null): void {
          const { dstAddr, place } = connection.observed
          if (pair?.dstAddr !== dstAddr) {
            closePair()
            pair = { dstAddr, place, receivedBytes }
          }
          tally.add(connection, named)
          if (connection.ipBytes > 0) rows.add(connection)
        },
        /** `domestic`: IP bytes by hours from the period's first. */
        finish(
          domesticBytes: number,
          domestic: Float64Array,
          relays: readonly { readonly address: string; readonly ipBytes: number }[],
        ): { readonly report: ServerReport; readonly sums: TallySums } {
          closePair()
          const sums = tally.sums()
          const found = detector.finish({ domesticBytesByHour: domestic })
          const judged = judgeExpected(found.detections, settings.expected, settings.nowUnixMs)
          const open = judged.filter(({ expected }) => expected === null).map(({ detection }) => detection)
          const destinations = tally.destinations()
          const hostnames = tally.hostnames()
          const detections = judged.map(
            ({ detection, expected, ranOut }): DetectionReport => ({
              ...detection,
              from: isoTime(detection.fromUnixMs),
              until: isoTime(detection.untilUnixMs),
              expected: expected === null ? null : { reason: expected.reason, by: expected.by },
              markRanOut: ranOut !== null,
              hostname: hostnames.get(detection.destination?.address ?? '') ?? null,
            }),
          )
          const { bytesAbroad, instructed, claimed, unexplained, disputed, disputedAbroad, overhead } = sums
          const report: ServerReport = {
            server,
            country: home,
            ...{ bytesAbroad, instructed, claimed, unexplained, disputed, disputedAbroad, overhead },
            couldBe: sums.couldBe,
            unexplainedInterval: sums.unexplainedInterval,
            bytesDomestic: domesticBytes,
            bytesTranslated: sums.translatedBytes,
            connections: sums.connections,
            innocence: isInnocent(found.summary, open, settings.limits),
            destinations,
            findings: findingsOf(sums, relays, detections),
            detections,
            detectionsLeftOut: found.leftOut,
            remarks: found.remarks,
            activity: activityOf(sums, settings),
          }
          return { report, sums }
        },
      }
    },
  }
}

export type ServerJudge = ReturnType<typeof createServerJudge>

/** Ten years: a record with a clock that is far off must not cost memory. */
const mostHours = 87_660
const mostBins = 60

/** Bytes abroad over time, in at most sixty bins: what a sparkline shows. */
function activityOf({ hours }: TallySums, settings: JudgeSettings): ServerReport['activity'] {
  const first = Math.floor(settings.periodFromUnixMs / hourMs)
  const last = Math.floor(settings.periodUntilUnixMs / hourMs)
  const hoursEach = Math.max(1, Math.ceil((last - first + 1) / mostBins))
  const bins = Math.ceil((last - first + 1) / hoursEach)
  const abroad = new Array<number>(bins).fill(0)
  const open = new Array<number>(bins).fill(0)
  for (const [hour, bytes] of hours) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((hour - first) / hoursEach)))
    abroad[bin]! += bytes.abroad
    open[bin]! += bytes.open
  }
  return { hoursEach, abroad, open: open.map(Math.round) }
}

const firstRoom = 1024

/** What is not explained of one pair's connections, piece by piece, to be given on in the order of time. */
function createRows() {
  let room = firstRoom
  let length = 0
  let columns = allocate(room)
  const grow = (): void => {
    room *= 2
    const larger = allocate(room)
    for (const name of rowNames) larger[name].set(columns[name])
    columns = larger
  }
  return {
    length: () => length,
    clear(): void {
      length = 0
    },
    add(connection: Reconciled): void {
      const open = connection.unexplained + connection.disputed
      if (open <= 0) return
      const share = open / connection.ipBytes
      const { protocol, srcPort, dstPort } = connection.observed
      let last = -1
      for (const piece of connection.pieces) {
        const joins = last >= 0 && piece.startUnixMs - columns.endUnixMs[last]! <= gapMs
        if (!joins) {
          if (length === room) grow()
          last = length++
          columns.startUnixMs[last] = piece.startUnixMs
          columns.endUnixMs[last] = piece.endUnixMs
          columns.ipBytes[last] = 0
          columns.packets[last] = 0
          columns.unexplained[last] = 0
          columns.protocol[last] = protocol
          columns.srcPort[last] = srcPort
          columns.dstPort[last] = dstPort
        }
        columns.endUnixMs[last] = Math.max(columns.endUnixMs[last]!, piece.endUnixMs)
        columns.ipBytes[last]! += piece.ipBytes
        columns.packets[last]! += piece.packets
        columns.unexplained[last]! += piece.ipBytes * share
      }
    },
    inOrder(give: ReturnType<typeof createPairColumns>['add']): void {
      const { startUnixMs, endUnixMs, ipBytes, packets, unexplained, protocol, srcPort, dstPort } = columns
      let isSorted = true
      for (let i = 1; i < length && isSorted; i++) isSorted = startUnixMs[i]! >= startUnixMs[i - 1]!
      const order = Uint32Array.from({ length }, (_, i) => i)
      if (!isSorted) order.sort((a, b) => startUnixMs[a]! - startUnixMs[b]! || a - b)
      for (const i of order)
        give(
          startUnixMs[i]!,
          endUnixMs[i]!,
          ipBytes[i]!,
          packets[i]!,
          unexplained[i]!,
          protocol[i]!,
          srcPort[i]!,
          dstPort[i]!,
        )
    },
  }
}

const rowNames = [
  'startUnixMs',
  'endUnixMs',
  'ipBytes',
  'packets',
  'unexplained',
  'protocol',
  'srcPort',
  'dstPort',
] as const

function allocate(room: number) {
  const floats = () => new Float64Array(room)
  return {
    startUnixMs: floats(),
    endUnixMs: floats(),
    ipBytes: floats(),
    packets: floats(),
    unexplained: floats(),
    protocol: new Uint8Array(room),
    srcPort: new Uint16Array(room),
    dstPort: new Uint16Array(room),
  }
}
