import { type Best, createBest } from './best.ts'
import type { Channel } from './channels.ts'
import type { Found, Service } from './detection.ts'
import type { PairContext, ServerWideDetector } from './detectors.ts'
import { weightOf } from './payload.ts'
import { dayMs, type Period } from './period.ts'
import type { PairTraffic } from './traffic.ts'
import { carriedText, countText, rounded, targetText, timeText } from './words.ts'

const newDays = 7
/** New is what was not there for at least as long as the new days are. */
const leastDays = 2 * newDays
/** A new network says more than one more address of a known one: clouds change addresses all the time. */
const newNetworkPattern = 0.8
const newAddressPattern = 0.5
const leastCarried = 10_000
const mostKept = 50
const mostNetworks = 20_000

type Candidate = {
  readonly address: string
  readonly place: PairTraffic['place']
  readonly service: Service
  readonly firstUnixMs: number
  readonly untilUnixMs: number
  readonly bytes: number
  readonly carried: number
  readonly connections: number
}

/** Destinations that the server had never sent to, in the last week or since an earlier period. */
export function createFirstSeen(period: Period, known: ReadonlySet<string> | null): ServerWideDetector {
  const isLongEnough = period.untilUnixMs - period.fromUnixMs >= leastDays * dayMs
  const newFrom = period.untilUnixMs - newDays * dayMs
  const networks = new Map<number, number>()
  const candidates: Best<Candidate> = createBest(mostKept, ({ carried }) => carried)
  /** Addresses first seen by week, to know how often this server meets new ones. */
  const newByWeek = new Float64Array(Math.ceil((period.untilUnixMs - period.fromUnixMs) / (7 * dayMs)) + 1)
  let fresh = 0

  const add = (channels: readonly Channel[], { pair }: PairContext): void => {
    const sent = channels.filter(({ service }) => service.role === 'sent')
    if (sent.length === 0) return
    const firstUnixMs = sent.reduce((first, { startUnixMs }) => Math.min(first, startUnixMs[0]!), Infinity)
    const { asn } = pair.place
    if (asn !== null && (networks.has(asn) || networks.size < mostNetworks)) {
      networks.set(asn, Math.min(networks.get(asn) ?? Infinity, firstUnixMs))
    }
    const week = Math.floor((period.untilUnixMs - firstUnixMs) / (7 * dayMs))
    if (week >= 0 && week < newByWeek.length) newByWeek[week]! += 1
    const isNew = known === null ? isLongEnough && firstUnixMs >= newFrom : !known.has(pair.dstAddr)
    if (!isNew) return
    fresh += 1
    const carried = sent.reduce((sum, channel) => sum + channel.sum.carried, 0)
    if (carried < leastCarried) return
    const largest = sent.reduce((a, b) => (b.sum.carried > a.sum.carried ? b : a))
    candidates.add({
      address: pair.dstAddr,
      place: pair.place,
      service: largest.service,
      firstUnixMs,
      untilUnixMs: sent.reduce((last, { sum }) => Math.max(last, sum.untilUnixMs), 0),
      bytes: sent.reduce((sum, channel) => sum + channel.sum.bytes, 0),
      carried,
      connections: sent.reduce((sum, channel) => sum + channel.sum.connections, 0),
    })
  }

  const judge = (candidate: Candidate, usualNew: number): Found => {
    const { address, place, service, firstUnixMs, untilUnixMs, bytes, carried, connections } = candidate
    const networkFirst = place.asn === null ? Infinity : (networks.get(place.asn) ?? Infinity)
    const isNewNetwork = place.asn === null || networkFirst >= firstUnixMs
    // A server that meets new addresses every week is no news when it does again.
    const surprise = 1 / (1 + Math.log10(1 + usualNew / 3))
    const pattern = isNewNetwork ? newNetworkPattern : newAddressPattern * surprise
    const destination = { address, place, service }
    const ago = timeText(Math.max(0, firstUnixMs - period.fromUnixMs))
    const since = known === null ? `${ago} into the records` : 'and not in the earlier period'
    const network =
      place.asn === null ? '' : isNewNetwork ? ', the first in its network' : ', in a network known before'
    return {
      kind: 'first-seen',
      destination,
      score: 100 * pattern * weightOf(carried),
      fromUnixMs: firstUnixMs,
      untilUnixMs,
      connections,
      bytes: Math.round(bytes),
      reason: `First sent to ${targetText(destination)}, ${since}${network}; ${countText(connections, 'connection')}, ${carriedText(bytes, carried)}.`,
      evidence: rounded({
        carriedBytes: carried,
        quietBeforeMs: firstUnixMs - period.fromUnixMs,
        isNewNetwork: isNewNetwork ? 1 : 0,
        usualNewAddressesAWeek: usualNew,
        newAddresses: fresh,
      }),
    }
  }

  return {
    pair: add,
    finish() {
      // Neither the last week, which is judged, nor the first whole one, when everything is new.
      const between = newByWeek.subarray(1, Math.max(1, newByWeek.length - 2))
      const usual = between.length === 0 ? 0 : Float64Array.from(between).sort()[between.length >> 1]!
      return candidates.list().map(candidate => judge(candidate, usual))
    },
  }
}
