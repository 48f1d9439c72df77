import type { CountryCode } from '../../core/ids.ts'
import { type Best, createBest } from './best.ts'
import { createChannelSplitter } from './channels.ts'
import { type Detection, type DetectionKind, detection, type Found } from './detection.ts'
import { channelDetectors, pairDetectors, serverWideDetectors } from './detectors.ts'
import { createSummary, defaultLimits, type InnocenceLimits, type Summary } from './innocence.ts'
import { createPeriod, dayMs } from './period.ts'
import type { PairTraffic, ServerTotals } from './traffic.ts'
import { countText } from './words.ts'

export type DetectorOptions = {
  readonly server: string
  readonly home: CountryCode
  readonly periodFromUnixMs: number
  readonly periodUntilUnixMs: number
  /** Of the server's country (`homeOffsetMinutes`); `null`: not one, so hours are UTC and are called so. */
  readonly utcOffsetMinutes: number | null
  /** Addresses that this server was already seen with before the period; `null`: none was given. */
  readonly known: ReadonlySet<string> | null
  /** `defaultLimits` unless the auditor moved them. */
  readonly limits?: InnocenceLimits
}

export type ServerDetections = {
  /** Highest score first; of each kind at most `mostOfAKind`. */
  readonly detections: readonly Detection[]
  /** Found and left out of `detections`, by kind. */
  readonly leftOut: Readonly<Record<string, number>>
  /** What `isInnocent` judges. */
  readonly summary: Summary
  /** What could not be judged, and why: a sentence each. */
  readonly remarks: readonly string[]
}

export type ServerDetector = {
  /** Once for each address, in any order. Nothing of `traffic` is kept: its arrays may be used again. */
  readonly pair: (traffic: PairTraffic) => void
  readonly finish: (totals: ServerTotals) => ServerDetections
}

export const mostOfAKind = 50
/** Below this a pattern is not worth a line. */
const leastScore = 5

/** Memory does not grow with connections: what is kept is by day, by hour, by network, and the best detections. */
export function createServerDetector(options: DetectorOptions): ServerDetector {
  const { server, home, known, limits = defaultLimits } = options
  const period = createPeriod(options.periodFromUnixMs, options.periodUntilUnixMs, options.utcOffsetMinutes)
  const splitter = createChannelSplitter()
  const summary = createSummary(period, limits)
  const wide = Object.values(serverWideDetectors).map(create => create(period, known))
  const found = new Map<DetectionKind, Best<Found>>()
  let summarised = 0

  const keep = (item: Found | null): void => {
    if (item === null || !(item.score >= leastScore)) return
    let best = found.get(item.kind)
    if (best === undefined) found.set(item.kind, (best = createBest(mostOfAKind, ({ score }) => score)))
    best.add(item)
  }

  return {
    pair(traffic) {
      const channels = splitter.split(traffic)
      if (channels.length === 0) return
      const { receivedBytes } = traffic
      const isSound = receivedBytes !== null && receivedBytes >= 0 && receivedBytes < Number.MAX_SAFE_INTEGER
      const pair = { ...traffic, receivedBytes: isSound ? receivedBytes : null }
      const context = { pair, period }
      summary.pair(channels, pair.receivedBytes)
      for (const channel of channels) {
        for (const detect of Object.values(channelDetectors)) keep(detect(channel, context))
      }
      for (const detect of Object.values(pairDetectors)) keep(detect(channels, context))
      for (const detector of wide) detector.pair(channels, context)
      if (channels.some(({ sum, length }) => sum.connections > length)) summarised += 1
    },
    finish(totals) {
      for (const detector of wide) detector.finish(totals).forEach(keep)
      const detections = [...found.values()].flatMap(best => best.list())
      const leftOut = [...found].map(([kind, best]) => [kind, best.leftOut()] as const)
      const remarks: string[] = []
      const days = (period.untilUnixMs - period.fromUnixMs) / dayMs
      if (days < 14 && known === null) {
        remarks.push('Less than 14 days of records: which destinations are new cannot be said.')
      }
      if (days < 10) {
        remarks.push('Less than 10 days of records: slow drips and changes of volume cannot be told.')
      }
      if (options.utcOffsetMinutes === null) {
        remarks.push(`The clocks of ${home} are not one: hours of the day are UTC.`)
      }
      if (summarised > 0) {
        remarks.push(
          `At ${countText(summarised, 'address', 'addresses')} there were too many connections to keep one by one: volumes are whole, rhythms are judged on a part of the days.`,
        )
      }
      const unsound = splitter.leftOut()
      if (unsound > 0)
        remarks.push(`${countText(unsound, 'connection')} with impossible times or sizes left out.`)
      return {
        detections: detections
          .map(item => detection(server, home, item))
          .sort((a, b) => b.score - a.score || b.bytes - a.bytes || (a.key < b.key ? -1 : 1)),
        leftOut: Object.fromEntries(leftOut.filter(([, count]) => count > 0)),
        summary: summary.summary(),
        remarks,
      }
    },
  }
}
