import { humanBytes } from '../report/units.ts'
import type { Channel } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext, ServerWideDetector } from './detectors.ts'
import { weightOf } from './payload.ts'
import type { Period } from './period.ts'
import { ramp } from './statistics.ts'
import type { PairTraffic } from './traffic.ts'
import { countText, rounded, targetText } from './words.ts'

/** Less to an address is a connection that came to nothing; more is found by itself. */
const leastEach = 500
const mostEach = 1_000_000
const leastAddresses = 100
const leastTotal = 1_000_000
/** No address holds more of it than this. */
const mostShare = 0.05
/** Without one network in common: mail servers and peer-to-peer look so too. */
const leastInCountry = 200
const networkPattern = [0.75, 0.95] as const
const countryPattern = [0.55, 0.7] as const
const mostGroups = 5000

type Group = {
  readonly place: PairTraffic['place']
  addresses: number
  carried: number
  bytes: number
  connections: number
  largest: number
  fromUnixMs: number
  untilUnixMs: number
}

/** A little to each of many addresses of one network, or one country. */
export function createFanOut(_period: Period): ServerWideDetector {
  const networks = new Map<string, Group>()
  const countries = new Map<string, Group>()
  return {
    pair(channels: readonly Channel[], { pair }: PairContext) {
      const sent = channels.filter(channel => channel.class === 'data')
      const carried = sent.reduce((sum, channel) => sum + channel.sum.carried, 0)
      if (carried < leastEach || carried > mostEach) return
      const { place } = pair
      const country = place.country ?? place.candidates.join(' ')
      if (place.asn !== null) addTo(networks, `${place.asn} ${country}`, place, sent, carried)
      addTo(countries, country, { ...place, asn: null, asName: null }, sent, carried)
    },
    finish() {
      const found: Found[] = []
      const seen = new Set<string>()
      for (const group of networks.values()) {
        if (!isSpread(group, leastAddresses)) continue
        found.push(describe(group, networkPattern, leastAddresses))
        seen.add(group.place.country ?? group.place.candidates.join(' '))
      }
      for (const [country, group] of countries) {
        if (!seen.has(country) && isSpread(group, leastInCountry)) {
          found.push(describe(group, countryPattern, leastInCountry))
        }
      }
      return found
    },
  }
}

function addTo(
  groups: Map<string, Group>,
  key: string,
  place: PairTraffic['place'],
  channels: readonly Channel[],
  carried: number,
): void {
  let group = groups.get(key)
  if (group === undefined) {
    if (groups.size >= mostGroups) return
    group = {
      place,
      addresses: 0,
      carried: 0,
      bytes: 0,
      connections: 0,
      largest: 0,
      fromUnixMs: Infinity,
      untilUnixMs: 0,
    }
    groups.set(key, group)
  }
  group.addresses += 1
  group.carried += carried
  group.largest = Math.max(group.largest, carried)
  for (const { sum, startUnixMs } of channels) {
    group.bytes += sum.bytes
    group.connections += sum.connections
    group.fromUnixMs = Math.min(group.fromUnixMs, startUnixMs[0]!)
    group.untilUnixMs = Math.max(group.untilUnixMs, sum.untilUnixMs)
  }
}

function isSpread({ addresses, carried, largest }: Group, least: number): boolean {
  return addresses >= least && carried >= leastTotal && largest <= carried * mostShare
}

function describe(group: Group, [from, to]: readonly [number, number], least: number): Found {
  const { place, addresses, carried, bytes, connections, largest, fromUnixMs, untilUnixMs } = group
  const destination = { address: null, place, service: null }
  const where =
    place.asn === null ? targetText(destination).replace(/^AS\? in /, '') : targetText(destination)
  return {
    kind: 'fan-out',
    destination,
    score: 100 * (from + (to - from) * ramp(addresses, least, 10 * least)) * weightOf(carried),
    fromUnixMs,
    untilUnixMs,
    connections,
    bytes: Math.round(bytes),
    reason: `${humanBytes(carried)} of data to ${countText(addresses, 'address', 'addresses')} of ${where}, never more than ${humanBytes(largest)} to one, in ${countText(connections, 'connection')}.`,
    evidence: rounded({ addresses, carriedBytes: carried, largestBytes: largest }),
  }
}
