import { humanBytes } from '../report/units.ts'
import { type Best, createBest } from './best.ts'
import type { Channel } from './channels.ts'
import type { Destination, Found, Service } from './detection.ts'
import type { PairContext, ServerWideDetector } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayOf, type Period } from './period.ts'
import { median, medianDistance } from './statistics.ts'
import type { PairTraffic } from './traffic.ts'
import { countText, rounded, serviceText, targetText } from './words.ts'

/** What the innocence threshold lets pass in all: a sum above it is looked for in small pieces. */
const leastTotal = 1_000_000
/** A larger day is found by its volume. */
const mostADay = 1_000_000
const leastDays = 10
const leastShareOfDays = 1 / 3
/** Less on a day is a look whether something is there. */
const leastADay = 1000
const evenSpread = 0.3
const patterns = { even: 0.9, uneven: 0.8, ofSomethingLarge: 0.5, ofDownloads: 0.55 } as const
/** Where this many times as much comes in, what goes out is mostly the asking for it. */
const downloadFactor = 10
const mostKept = 200
const mostNetworks = 20_000
/** As many drips in one network are one service with several addresses, and one finding. */
const leastFolded = 3
/** In as many networks at one port it is what the server is for: mail, or its like. */
const leastScattered = 20
const mailPorts: readonly (number | null)[] = [25, 465, 587]
const mostMail = 40

type Drip = {
  readonly address: string
  readonly place: PairTraffic['place']
  readonly service: Service
  readonly days: number
  readonly usualDay: number
  readonly largestDay: number
  readonly spread: number
  readonly carried: number
  /** `null`: the records hold nothing inbound. */
  readonly receivedBytes: number | null
  readonly bytes: number
  readonly connections: number
  readonly fromUnixMs: number
  readonly untilUnixMs: number
}

/** A little each day to the same address, which no day gives away and the sum does. */
export function createSlowDrip(period: Period): ServerWideDetector {
  const networks = new Map<number, number>()
  const drips: Best<Drip> = createBest(mostKept, ({ carried }) => carried)
  const byDay = new Float64Array(period.days)
  return {
    pair(channels, context) {
      const data = channels.filter(channel => channel.class === 'data')
      const carried = data.reduce((sum, channel) => sum + channel.sum.carried, 0)
      const { asn } = context.pair.place
      if (carried > 0 && asn !== null && (networks.has(asn) || networks.size < mostNetworks)) {
        networks.set(asn, (networks.get(asn) ?? 0) + carried)
      }
      const drip = period.days < leastDays ? null : dripOf(data, carried, context, byDay)
      if (drip !== null) drips.add(drip)
    },
    finish() {
      const all = drips.list()
      const byNetwork = Map.groupBy(all, ({ place, address }) => place.asn ?? address)
      if (byNetwork.size >= leastScattered) return scattered(all)
      return [...byNetwork.values()].flatMap(ofOne => {
        const { asn } = ofOne[0]!.place
        const network = asn === null ? 0 : (networks.get(asn) ?? 0)
        const isLarge = network > period.days * mostADay
        return ofOne.length >= leastFolded
          ? [folded(ofOne, isLarge)]
          : ofOne.map(drip => describe(drip, isLarge))
      })
    },
  }
}

function dripOf(
  data: readonly Channel[],
  carried: number,
  { pair, period }: PairContext,
  byDay: Float64Array,
): Drip | null {
  const rows = data.reduce((sum, { length }) => sum + length, 0)
  if (rows < leastDays || carried < leastTotal || carried > period.days * mostADay) return null
  byDay.fill(0)
  for (const { length, startUnixMs, carried: ofRow } of data) {
    for (let i = 0; i < length; i++) byDay[dayOf(period, startUnixMs[i]!)]! += ofRow[i]!
  }
  const days = byDay.filter(bytes => bytes >= leastADay).sort()
  const largestDay = days[days.length - 1] ?? 0
  if (largestDay >= mostADay || days.length < Math.max(leastDays, period.days * leastShareOfDays)) return null
  const usualDay = median(days)
  return {
    address: pair.dstAddr,
    place: pair.place,
    service: data.reduce((a, b) => (b.sum.carried > a.sum.carried ? b : a)).service,
    days: days.length,
    usualDay,
    largestDay,
    spread: medianDistance(days, usualDay) / usualDay,
    carried,
    receivedBytes: pair.receivedBytes,
    bytes: data.reduce((sum, channel) => sum + channel.sum.bytes, 0),
    connections: data.reduce((sum, channel) => sum + channel.sum.connections, 0),
    fromUnixMs: data.reduce((first, { startUnixMs }) => Math.min(first, startUnixMs[0]!), Infinity),
    untilUnixMs: data.reduce((last, { sum }) => Math.max(last, sum.untilUnixMs), 0),
  }
}

function describe(drip: Drip, isOfSomethingLarge: boolean): Found {
  const { address, place, service, days, usualDay, largestDay, spread, carried, connections } = drip
  const destination = { address, place, service }
  const received = drip.receivedBytes ?? 0
  const isDownload = received > downloadFactor * carried
  const even = spread <= evenSpread ? patterns.even : patterns.uneven
  const pattern = isOfSomethingLarge ? patterns.ofSomethingLarge : isDownload ? patterns.ofDownloads : even
  const score = 100 * pattern * weightOf(carried)
  const back = isDownload ? `; ${humanBytes(received)} came back` : ''
  const large = isOfSomethingLarge ? '; its network received far more' : ''
  return {
    kind: 'slow-drip',
    destination,
    score: mailPorts.includes(service.port) ? Math.min(mostMail, score) : score,
    fromUnixMs: drip.fromUnixMs,
    untilUnixMs: drip.untilUnixMs,
    connections,
    bytes: Math.round(drip.bytes),
    reason: `${humanBytes(carried)} of data to ${targetText(destination)} in ${countText(days, 'day')}, ${humanBytes(usualDay)} on a usual day and never more than ${humanBytes(largestDay)}, in ${countText(connections, 'connection')}${back}${large}.`,
    evidence: rounded({
      carriedBytes: carried,
      ...(drip.receivedBytes === null ? {} : { receivedBytes: received }),
      days,
      usualDayBytes: usualDay,
      largestDayBytes: largestDay,
      daySpreadPart: spread,
    }),
  }
}

/** Several addresses of one network that drip: a service, which is judged by what all of them got. */
function folded(drips: readonly Drip[], isOfSomethingLarge: boolean): Found {
  const first = drips[0]!
  const destination = { address: null, place: first.place, service: first.service }
  const large = isOfSomethingLarge ? '; with its other addresses the network received far more' : ''
  return together(drips, isOfSomethingLarge, destination, `of ${targetText(destination)}${large}`)
}

/** One finding for each port: what reaches so many networks a little each day is one habit of the server. */
function scattered(drips: readonly Drip[]): Found[] {
  const byPort = Map.groupBy(drips, ({ service }) => `${service.protocol} ${service.port}`)
  return [...byPort.values()].map(ofPort => {
    const { service } = ofPort[0]!
    const countries = new Set(ofPort.map(({ place }) => place.country ?? place.candidates.join(' or ')))
    const destination = { address: null, place: anywhere, service }
    const where = `${serviceText(service)}, in ${countText(countries.size, 'country', 'countries')}`
    return together(ofPort, false, destination, where)
  })
}

const anywhere: PairTraffic['place'] = {
  country: null,
  candidates: [],
  basis: 'unknown',
  asn: null,
  asName: null,
}

function together(drips: readonly Drip[], isLarge: boolean, destination: Destination, where: string): Found {
  const first = drips[0]!
  const carried = drips.reduce((sum, drip) => sum + drip.carried, 0)
  const connections = drips.reduce((sum, drip) => sum + drip.connections, 0)
  const largestDay = drips.reduce((most, drip) => Math.max(most, drip.largestDay), 0)
  const receivedBytes =
    first.receivedBytes === null ? null : drips.reduce((sum, drip) => sum + (drip.receivedBytes ?? 0), 0)
  const days = drips.reduce((most, drip) => Math.max(most, drip.days), 0)
  return {
    ...describe({ ...first, carried, receivedBytes }, isLarge),
    destination,
    fromUnixMs: drips.reduce((from, drip) => Math.min(from, drip.fromUnixMs), Infinity),
    untilUnixMs: drips.reduce((until, drip) => Math.max(until, drip.untilUnixMs), 0),
    connections,
    bytes: Math.round(drips.reduce((sum, { bytes }) => sum + bytes, 0)),
    reason: `${humanBytes(carried)} of data to ${countText(drips.length, 'address', 'addresses')} ${where}, on up to ${countText(days, 'day')} each and never more than ${humanBytes(largestDay)} a day to one, in ${countText(connections, 'connection')}.`,
    evidence: rounded({ carriedBytes: carried, addresses: drips.length, days, largestDayBytes: largestDay }),
  }
}
