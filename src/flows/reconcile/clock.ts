import type { Words } from './words.ts'

/** How far the flow records' clock is ahead of a region's. */
export type ClockOffset = { readonly offsetMs: number; readonly samples: number }

/** A region that claims to be further off than this is not believed: an offset would let any time match. */
export const maxOffsetMs = 5 * 60_000
const maxSamples = 20_000

/** A connection as the records have it, from its first to its last packet. */
export type SeenTimes = { readonly tuple: string; readonly startUnixMs: number; readonly endUnixMs: number }

/**
 * Estimated for each region from connections whose 5-tuple stands once in its books. Each such connection allows the
 * shifts under which its two times overlap; the shift that the most of them allow is taken, the smallest of equals.
 * So a few entries with made-up times do not move it, and neither does a region that dates long connections late.
 */
export async function estimateOffsets(
  seen: AsyncIterable<SeenTimes>,
  words: Words,
): Promise<Map<string, ClockOffset>> {
  const allowed = new Map<string, { from: number; until: number }[]>()
  for await (const { tuple, startUnixMs: start, endUnixMs: end } of seen) {
    const found = words.byTuple.get(words.aliases.get(tuple) ?? tuple)
    if (found === undefined) continue
    for (const [region, ofRegion] of Map.groupBy(found, word => word.region)) {
      const [word, ...others] = ofRegion
      if (word === undefined || others.length > 0) continue
      const from = Math.max(-maxOffsetMs, start - word.endUnixMs)
      const until = Math.min(maxOffsetMs, end - word.startUnixMs)
      if (from > until) continue
      const list = allowed.get(region) ?? []
      allowed.set(region, list)
      if (list.length < maxSamples) list.push({ from, until })
    }
  }
  const offsets = new Map<string, ClockOffset>()
  for (const [region, intervals] of allowed) {
    offsets.set(region, { offsetMs: mostAllowed(intervals), samples: intervals.length })
  }
  return offsets
}

function mostAllowed(intervals: readonly { from: number; until: number }[]): number {
  const edges = intervals
    .flatMap(({ from, until }) => [
      { at: from, step: 1 },
      { at: until, step: -1 },
    ])
    .sort((a, b) => a.at - b.at || b.step - a.step)
  let depth = 0
  let deepest = 0
  let best = 0
  for (const [i, { at, step }] of edges.entries()) {
    depth += step
    if (step < 0) continue
    const nearest = Math.min(Math.max(0, at), edges[i + 1]?.at ?? at)
    if (depth > deepest || (depth === deepest && Math.abs(nearest) < Math.abs(best))) {
      deepest = depth
      best = nearest
    }
  }
  return best
}
