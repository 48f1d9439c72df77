import { beaconScore } from './beacon-score.ts'
import { type Channel, joinChannels } from './channels.ts'
import type { Found } from './detection.ts'
import type { PairContext } from './detectors.ts'
import { weightOf } from './payload.ts'
import { hourMs } from './period.ts'
import { findRhythm, type Rhythm } from './regularity.ts'
import { median } from './statistics.ts'
import { carriedText, countText, facts, rounded, targetOf, targetText, timeText } from './words.ts'

/** RITA asks for 4 connections; below 6 a rhythm is not told from chance. */
const leastBeats = 6
/** Judged are at most this many, in blocks of neighbours spread over the period: cost does not grow with traffic. */
const mostJudged = 8192
const blocks = 16
/** Of the beats that its hours have room for: a job that makes four connections a minute apart each night is none. */
const leastFilled = 0.25
/** Starts nearer than this are one beat: first the same instant, then one action's several connections. */
const mergeMs = [1000, 10_000] as const
/** The second merging is worth a try where it changes this much. */
const mergedShare = 0.8
/** Sizes within a bin of a tenth and its neighbours are one size. */
const binsPerE = 10
const sizeBins = 512
/** Somebody who asks regularly from abroad is mostly a monitor, and volume finds the rest. */
const mostAnswered = 65
/** A rhythm alone does not tell an agent from an implant; past this it is the volume that speaks. */
const mostSmall = 74
const largeBytes = 1e9
/** The clock of every server beats so (RFC 5905: 64 to 1024 s); what its packets hide, `cover-protocol` sees. */
const mostTime = 10
/** A cache that asks again when a record expires; what its questions hide, `dns-tunnel` sees. */
const mostNames = 20

/** Clocks of flow logs that know no seconds: what comes often then comes at each tick. */
const coarseMs = [600_000, 300_000, 60_000, 30_000, 10_000, 5000] as const
const leastTicks = 4

type Beats = {
  readonly starts: Float64Array
  readonly sizes: Float64Array
  /** Of the connections that were listened to. */
  readonly connections: number
  readonly bytes: number
  readonly carried: number
}
type Heard = { readonly beats: Beats; readonly rhythm: Rhythm; readonly size: number | null }

/** Connections that come like a clock: all of a service, or those of one size beside its other traffic. */
export function beacon(channel: Channel, { pair, period }: PairContext): Found | null {
  if (channel.length < leastBeats) return null
  const heard = listen(channel, null) ?? listenToOneSize(channel)
  if (heard === null) return null
  const { beats, rhythm, size } = heard
  const sizes = beats.sizes.slice().sort()
  const starts = size === null ? channel.startUnixMs : beats.starts
  const parts = beaconScore(rhythm.sorted, sizes, starts, period)
  const judged = size === null ? channel.sum.connections : beats.starts.length
  const asked = (parts.seenHours * hourMs * rhythm.cycle) / Math.min(hourMs * rhythm.cycle, rhythm.periodMs)
  if (judged < asked * leastFilled) return null
  // What was left out of the judging is taken to be like what was judged.
  const all = facts(channel)
  const heardOnly = { ...all, connections: beats.connections, bytes: Math.round(beats.bytes) }
  const { connections, bytes } = size === null ? all : heardOnly
  const carried = size === null ? channel.sum.carried : beats.carried
  const weighed = 100 * parts.total * weightOf(carried)
  const { service } = channel
  const cap =
    channel.class === 'time'
      ? mostTime
      : channel.class === 'names'
        ? mostNames
        : carried < largeBytes
          ? mostSmall
          : 100
  const score = Math.min(weighed, service.role === 'answered' ? mostAnswered : cap)
  const destination = targetOf(pair, service)
  const usual = median(sizes)
  const rhythmText =
    rhythm.cycle > 1
      ? `in a pattern of ${rhythm.cycle} intervals that repeats every ${timeText(rhythm.periodMs)}`
      : rhythm.skippedShare > 0
        ? `every ${timeText(rhythm.periodMs)} or a multiple of it`
        : `every ${timeText(rhythm.periodMs)}`
  const beside = size === null ? '' : `, of ${countText(all.connections, 'connection')} there,`
  return {
    kind: 'beacon',
    destination,
    score,
    ...all,
    connections,
    bytes,
    reason: `${countText(connections, 'connection')} to ${targetText(destination)}${beside} start ${rhythmText}, half of them within ${timeText(rhythm.jitterMs)} of it, with ${Math.round(usual)} B as a rule; ${carriedText(bytes, carried)}${channel.class === 'time' ? '; clocks are set like this' : ''}.`,
    evidence: rounded({
      periodMs: rhythm.periodMs,
      jitterMs: rhythm.jitterMs,
      intervalsInPeriod: rhythm.cycle,
      skippedShare: rhythm.skippedShare,
      beatsJudged: beats.starts.length,
      medianBytes: usual,
      carriedBytes: carried,
      ritaScore: parts.total,
      timesPart: parts.times,
      sizesPart: parts.sizes,
      durationPart: parts.duration,
      hoursPart: parts.hours,
    }),
  }
}

/** A beacon that changes its port: all data to the address, when no port has a rhythm of its own. */
export function beaconOverPorts(channels: readonly Channel[], context: PairContext): Found | null {
  const data = channels.filter(channel => channel.class === 'data')
  const [first] = data
  const same = data.filter(({ service }) => service.protocol === first?.service.protocol)
  if (same.length < 2 || same.some(channel => beacon(channel, context) !== null)) return null
  return beacon(joinChannels(same), context)
}

function listen(channel: Channel, sizeBin: number | null): Heard | null {
  const leastPeriodMs = leastTicks * tickOf(channel.startUnixMs)
  let before = Number.POSITIVE_INFINITY
  for (const gapMs of mergeMs) {
    const beats = beatsOf(channel, sizeBin, gapMs)
    const count = beats.starts.length
    if (count < leastBeats || count > before * mergedShare) return null
    before = count
    const rhythm = findRhythm(beats.starts, gapMs)
    // A period that is hardly longer than the merging is made by it.
    if (rhythm !== null && rhythm.periodMs >= Math.max(1.5 * gapMs, leastPeriodMs))
      return { beats, rhythm, size: sizeBin }
  }
  return null
}

/** The coarsest clock on which all the starts lie; 0 where they lie on none. */
function tickOf(starts: Float64Array): number {
  return coarseMs.find(tick => starts.every(start => start % tick === 0)) ?? 0
}

/** A beacon beside bulk: the two commonest sizes are listened to alone. */
function listenToOneSize(channel: Channel): Heard | null {
  if (channel.length < 3 * leastBeats) return null
  const counts = new Uint32Array(sizeBins)
  for (let i = 0; i < channel.length; i++) counts[binOf(channel.bytes[i]!)]! += 1
  for (let round = 0; round < 2; round++) {
    let best = 1
    for (let bin = 1; bin < sizeBins - 1; bin++) if (around(counts, bin) > around(counts, best)) best = bin
    const share = around(counts, best) / channel.length
    if (share * channel.length < leastBeats * 2 || share > 0.95) return null
    const heard = listen(channel, best)
    if (heard !== null) return heard
    counts.fill(0, best - 1, best + 2)
  }
  return null
}

function around(counts: Uint32Array, bin: number): number {
  return counts[bin - 1]! + counts[bin]! + counts[bin + 1]!
}

function binOf(bytes: number): number {
  return Math.min(sizeBins - 2, Math.max(1, Math.floor(Math.log(bytes) * binsPerE)))
}

function beatsOf(channel: Channel, sizeBin: number | null, gapMs: number): Beats {
  const { startUnixMs, bytes, carried, connections, length } = channel
  const rows = Math.min(length, sizeBin === null ? mostJudged : length)
  const starts = new Float64Array(Math.min(rows, mostJudged))
  const sizes = new Float64Array(starts.length)
  const sum = { connections: 0, bytes: 0, carried: 0 }
  let at = -1
  let beforeMs = Number.NEGATIVE_INFINITY
  const isWhole = length <= mostJudged || sizeBin !== null
  const block = isWhole ? length : Math.floor(mostJudged / blocks)
  const stride = isWhole ? length : length / blocks
  for (let b = 0; b * stride < length; b++) {
    const from = Math.floor(b * stride)
    for (let i = from; i < Math.min(length, from + block); i++) {
      // Rows that stand for several have no start of their own.
      if (connections[i]! > 1) continue
      if (sizeBin !== null && Math.abs(binOf(bytes[i]!) - sizeBin) > 1) continue
      sum.connections += 1
      sum.bytes += bytes[i]!
      sum.carried += carried[i]!
      if (startUnixMs[i]! - beforeMs < gapMs) {
        if (at >= 0 && at < starts.length) sizes[at]! += bytes[i]!
        continue
      }
      beforeMs = startUnixMs[i]!
      at += 1
      if (at >= starts.length) continue
      starts[at] = beforeMs
      sizes[at] = bytes[i]!
    }
  }
  const used = Math.min(starts.length, at + 1)
  return { starts: starts.subarray(0, used), sizes: sizes.subarray(0, used), ...sum }
}
