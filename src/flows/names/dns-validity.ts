/** Programs keep an answer for longer than its TTL says, and connect a little after they asked. */
const floorMs = 10 * 60_000
/** A year's TTL is no year's certainty. */
const ceilingMs = 24 * 3_600_000

/** Until when a connection may begin that an answer with this TTL gives its name to. */
export function answerHoldsUntil(unixMs: number, ttlSeconds: number): number {
  return unixMs + Math.min(ceilingMs, Math.max(floorMs, ttlSeconds * 1000))
}
