/** Seeded chance: a failed run says its seed, and the same seed gives the same choices again. */
export interface Chance {
  /** 0 ≤ n < limit */
  below(limit: number): number
  bytes(length: number): Buffer
}

/** mulberry32: small, good enough to choose moments and sizes with, and of no use for anything secret. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return (x ^ (x >>> 14)) >>> 0
  }
  return {
    below: limit => next() % limit,
    bytes(length) {
      const out = Buffer.allocUnsafe(length)
      for (let i = 0; i < length; i++) out[i] = i % 4 === 0 ? next() & 255 : (out[i - 1]! * 31 + 7) & 255
      return out
    },
  }
}
