import { humanBytes } from '../report/units.ts'
import { type Best, createBest } from './best.ts'
import type { Channel } from './channels.ts'
import { type ChanceOf, findPeaks, logChances, type Peaks } from './daily-peaks.ts'
import type { Destination, Found } from './detection.ts'
import type { PairContext, ServerWideDetector } from './detectors.ts'
import { weightOf } from './payload.ts'
import { hourMs, hourOfDay, type Period } from './period.ts'
import { countText, rounded, targetOf, targetText } from './words.ts'

const leastCarried = 10_000
const mostKept = 50
const leastRows = 4
/** Ten hours that people work; by day, more than the clock's chance is no wonder. */
const workFrom = 8
const workUntil = 18
const nightUntil = 6
const nightFrom = 22
const nightPattern = 0.9
const dayPattern = 0.65
/** The server's own habit at home never explains more than every other day. */
const mostChance = 0.5

type Candidate = {
  readonly destination: Destination | null
  readonly byHour: Float64Array
  readonly carried: number
  readonly bytes: number
  readonly connections: number
  readonly fromUnixMs: number
  readonly untilUnixMs: number
}

/** What is sent at the same time of the day, or day of the week, while the server's domestic traffic is not. */
export function createSchedule(period: Period): ServerWideDetector {
  const best: Best<Candidate> = createBest(mostKept, ({ carried }) => carried)
  const firstHour = Math.floor((period.fromUnixMs + period.offsetMs) / hourMs)
  const scratch = new Float64Array(period.hours)
  const all = {
    byHour: new Float64Array(period.hours),
    carried: 0,
    bytes: 0,
    connections: 0,
    from: Infinity,
    until: 0,
  }

  return {
    pair(channels: readonly Channel[], { pair }: PairContext) {
      let rows = 0
      let [carried, bytes, connections, fromUnixMs, untilUnixMs] = [0, 0, 0, Infinity, 0]
      let largest: Channel | null = null
      for (const channel of channels) {
        if (channel.class !== 'data') continue
        rows += channel.length
        carried += channel.sum.carried
        bytes += channel.sum.bytes
        connections += channel.sum.connections
        fromUnixMs = Math.min(fromUnixMs, channel.startUnixMs[0]!)
        untilUnixMs = Math.max(untilUnixMs, channel.sum.untilUnixMs)
        if (largest === null || channel.sum.carried > largest.sum.carried) largest = channel
      }
      if (largest === null) return
      const isCandidate = rows >= leastRows && carried >= leastCarried
      if (isCandidate) scratch.fill(0)
      for (const channel of channels) {
        if (channel.class !== 'data') continue
        for (let i = 0; i < channel.length; i++) {
          const hour = Math.floor((channel.startUnixMs[i]! + period.offsetMs) / hourMs) - firstHour
          const at = hour < 0 ? 0 : hour >= period.hours ? period.hours - 1 : hour
          all.byHour[at]! += channel.carried[i]!
          if (isCandidate) scratch[at]! += channel.carried[i]!
        }
      }
      all.carried += carried
      all.bytes += bytes
      all.connections += connections
      all.from = Math.min(all.from, fromUnixMs)
      all.until = Math.max(all.until, untilUnixMs)
      // What the server does at home can only take a schedule back, so this is a fair first sieve.
      if (!isCandidate || findPeaks(scratch, period, clockChance, logChances.pair) === null) return
      const destination = targetOf(pair, largest.service)
      best.add({ destination, byHour: scratch.slice(), carried, bytes, connections, fromUnixMs, untilUnixMs })
    },
    finish({ domesticBytesByHour }) {
      const chanceOf = createChance(period, domesticBytesByHour)
      const found: Found[] = []
      for (const candidate of best.list()) {
        const peaks = findPeaks(candidate.byHour, period, chanceOf, logChances.pair)
        if (peaks !== null) found.push(describe(candidate, peaks, period, domesticBytesByHour !== null))
      }
      if (found.length > 0 || all.carried < leastCarried) return found
      // Another address each night: only the sum over all of them shows it.
      const peaks = findPeaks(all.byHour, period, chanceOf, logChances.server)
      if (peaks === null) return found
      const server = { ...all, destination: null, fromUnixMs: all.from, untilUnixMs: all.until }
      return [describe(server, peaks, period, domesticBytesByHour !== null)]
    },
  }
}

const clockChance: ChanceOf = (_fromHour, widthHours) => widthHours / 24

function createChance(period: Period, domestic: Float64Array | null): ChanceOf {
  if (domestic === null) {
    return (fromHour, widthHours) =>
      fromHour >= workFrom && fromHour < workUntil ? widthHours / (workUntil - workFrom) : widthHours / 24
  }
  const shares = new Float64Array(24)
  let sum = 0
  const firstHour = Math.floor(period.fromUnixMs / hourMs)
  for (let i = 0; i < domestic.length; i++) {
    const bytes = domestic[i]!
    if (!(bytes > 0 && bytes < Number.MAX_SAFE_INTEGER)) continue
    shares[hourOfDay(period, (firstHour + i + 0.5) * hourMs)]! += bytes
    sum += bytes
  }
  return (fromHour, widthHours) => {
    let inWindow = 0
    for (let i = 0; i < widthHours; i++) inWindow += shares[(fromHour + i) % 24]!
    const share = sum === 0 ? 0 : inWindow / sum
    return Math.max(widthHours / 24, Math.min(mostChance, share))
  }
}

function describe(
  candidate: Candidate | (Omit<Candidate, 'destination'> & { readonly destination: null }),
  peaks: Peaks,
  period: Period,
  isCompared: boolean,
): Found {
  const { fromHour, widthHours, weekday, weekendOnly, days, inWindow } = peaks
  const { destination, carried, bytes, connections, fromUnixMs, untilUnixMs } = candidate
  const isNight = widthHours < 24 && (fromHour >= nightFrom || fromHour + widthHours <= nightUntil)
  const untilHour = (fromHour + widthHours) % 24
  const two = (hour: number) => `${String(hour).padStart(2, '0')}:00`
  const window =
    widthHours === 24 ? 'at weekends only' : `between ${two(fromHour)} and ${two(untilHour)} ${period.zone}`
  const on = weekday === null ? '' : ` on ${weekdayNames[weekday]}s`
  const whereto = destination === null ? 'abroad, to one address or another' : `to ${targetText(destination)}`
  const home = isCompared ? ', when the traffic at home is not so placed' : ''
  return {
    kind: 'schedule',
    destination,
    score: 100 * (isNight ? nightPattern : dayPattern) * weightOf(carried),
    fromUnixMs,
    untilUnixMs,
    connections,
    bytes: Math.round(bytes),
    reason: `Sends ${whereto} ${window}${on}: ${inWindow} of ${countText(days, 'day')} on which it sent${home}; ${humanBytes(carried)} of data in ${countText(connections, 'connection')}.`,
    evidence: rounded({
      fromHour,
      widthHours,
      days,
      daysInWindow: inWindow,
      isNight: isNight ? 1 : 0,
      weekendOnly: weekendOnly ? 1 : 0,
      ...(weekday === null ? {} : { weekday }),
      utcOffsetMs: period.offsetMs,
      carriedBytes: carried,
      peakBytes: peaks.bytes,
    }),
  }
}

const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
