import type { Clock } from '../core/time.ts'

/** Takes one from whoever's bucket; false when it is empty. */
export type RateLimiter = (id: string) => boolean

/** So much of a second's worth can come at once. */
const burstSeconds = 2
const maxKnown = 10_000

/**
 * A bucket of tokens for each id, filled at `perSecond`. Of this process alone: what several serve together is a limit
 * each has its share of. `null`: no limit.
 */
export function createRateLimiter(perSecond: number | null, clock: Clock): RateLimiter {
  if (perSecond === null) return () => true
  const most = Math.max(1, perSecond * burstSeconds)
  const known = new Map<string, { tokens: number; atUnixMs: number }>()
  return id => {
    const now = clock()
    let bucket = known.get(id)
    if (bucket === undefined) {
      // Forgetting gives a full bucket at worst, and only to those among thousands who were known.
      if (known.size >= maxKnown) known.clear()
      bucket = { tokens: most, atUnixMs: now }
      known.set(id, bucket)
    }
    const elapsedMs = Math.max(0, now - bucket.atUnixMs)
    bucket.tokens = Math.min(most, bucket.tokens + (elapsedMs / 1000) * perSecond)
    bucket.atUnixMs = now
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}
