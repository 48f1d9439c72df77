import type { Conversation } from './conversation.ts'

/** How near in time an entry of another connection must be to be a "could be". */
export const couldBeWindowMs = 5 * 60_000

/** What was entered of connections between two addresses and has explained nothing. */
export type LeftOvers = {
  /** Takes up to `wanted` bytes of those near that time; returns what it got. Each byte is given once. */
  readonly take: (fromUnixMs: number, untilUnixMs: number, wanted: number) => number
}

/** A pair can have tens of thousands on either side, so what is used up is stepped over. */
export function createLeftOvers(conversations: readonly Conversation[]): LeftOvers {
  const talks = conversations.toSorted((a, b) => a.fromUnixMs - b.fromUnixMs)
  const longestMs = talks.reduce((most, talk) => Math.max(most, talk.untilUnixMs - talk.fromUnixMs), 0)
  /** From each the next that may have something left; itself, as long as it may. */
  const next = Int32Array.from({ length: talks.length + 1 }, (_, at) => at)
  const openFrom = (start: number): number => {
    let at = start
    while (next[at] !== at) at = next[at]!
    // The way there is remembered.
    for (let step = start; step !== at; ) {
      const after = next[step]!
      next[step] = at
      step = after
    }
    return at
  }
  const firstFrom = (unixMs: number): number => {
    let [low, high] = [0, talks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (talks[middle]!.fromUnixMs < unixMs) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    take(fromUnixMs, untilUnixMs, wanted) {
      let open = wanted
      const first = firstFrom(fromUnixMs - couldBeWindowMs - longestMs)
      for (let at = openFrom(first); open > 0 && at < talks.length; at = openFrom(at + 1)) {
        const talk = talks[at]!
        if (talk.fromUnixMs > untilUnixMs + couldBeWindowMs) break
        if (talk.untilUnixMs < fromUnixMs - couldBeWindowMs) continue
        const spend = Math.max(0, Math.min(open, talk.leftBytes - talk.couldBeBytes))
        talk.couldBeBytes += spend
        open -= spend
        if (talk.leftBytes <= talk.couldBeBytes) next[at] = at + 1
      }
      return wanted - open
    },
  }
}
