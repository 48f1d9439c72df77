import type { Segment } from '../attribute/observed.ts'
import { portion } from './portion.ts'

export type Deduped = {
  readonly pieces: readonly Segment[]
  /** IP bytes that a second observer reported again. */
  readonly duplicateBytes: number
  /** Records that came twice from one observer, to the last number. */
  readonly repeats: number
}

/** Exporters' clocks and timeouts differ by this much when they describe the same packets. */
const toleranceMs = 15_000

/**
 * One connection seen by several exporters (or by one, going in and going out) is one connection. The observer with
 * the most bytes is taken; of the others only what lies outside its time counts, so that neither a second exporter
 * doubles the bytes nor a route that changes halfway hides some.
 */
export function dedupe(segments: readonly Segment[]): Deduped {
  const unique = withoutRepeats(segments)
  const repeats = segments.length - unique.length
  const byObserver = Map.groupBy(unique, segment => segment.observer)
  if (byObserver.size === 1) return { pieces: unique, duplicateBytes: 0, repeats }
  const ranked = [...byObserver.entries()].sort(
    ([nameA, a], [nameB, b]) => sum(b) - sum(a) || (nameA < nameB ? -1 : 1),
  )
  const pieces: Segment[] = []
  let duplicateBytes = 0
  for (const [, ofOne] of ranked) {
    const taken = merged(pieces)
    for (const segment of ofOne) {
      const fresh = uncoveredShare(segment, taken)
      const freshBytes = Math.round(segment.ipBytes * fresh)
      duplicateBytes += segment.ipBytes - freshBytes
      if (freshBytes > 0) pieces.push(fresh === 1 ? segment : portion(segment, freshBytes))
    }
  }
  return { pieces, duplicateBytes, repeats }
}

function withoutRepeats(segments: readonly Segment[]): Segment[] {
  if (segments.length < 2) return [...segments]
  const seen = new Set<string>()
  return segments.filter(({ observer, startUnixMs, endUnixMs, ipBytes, packets }) => {
    const key = `${observer}\n${startUnixMs} ${endUnixMs} ${ipBytes} ${packets}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

function sum(segments: readonly Segment[]): number {
  return segments.reduce((total, { ipBytes }) => total + ipBytes, 0)
}

type Interval = { from: number; until: number }

function merged(pieces: readonly Segment[]): Interval[] {
  const intervals = pieces
    .map(piece => ({ from: piece.startUnixMs - toleranceMs, until: piece.endUnixMs + toleranceMs }))
    .sort((a, b) => a.from - b.from)
  const out: Interval[] = []
  for (const interval of intervals) {
    const last = out.at(-1)
    if (last !== undefined && interval.from <= last.until) last.until = Math.max(last.until, interval.until)
    else out.push(interval)
  }
  return out
}

function uncoveredShare(segment: Segment, taken: readonly Interval[]): number {
  const lengthMs = segment.endUnixMs - segment.startUnixMs
  let coveredMs = 0
  for (const { from, until } of taken) {
    if (lengthMs === 0 && from <= segment.startUnixMs && segment.startUnixMs <= until) return 0
    coveredMs += Math.max(0, Math.min(until, segment.endUnixMs) - Math.max(from, segment.startUnixMs))
  }
  return lengthMs === 0 ? 1 : 1 - coveredMs / lengthMs
}
