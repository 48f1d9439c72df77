import type { RandomBytes } from './ids.ts'

const poolBytes = 64 * 1024

/**
 * Takes random bytes from the system by the block: a PUT needs ten small draws and each system call costs as much as
 * sealing. Every byte is given out once, as a copy, and wiped from the pool.
 */
export function createRandomPool(fill: (pool: Uint8Array) => void): RandomBytes {
  const pool = new Uint8Array(poolBytes)
  let at = poolBytes
  return length => {
    if (length > poolBytes / 4) {
      const own = new Uint8Array(length)
      fill(own)
      return own
    }
    if (at + length > poolBytes) {
      fill(pool)
      at = 0
    }
    const out = Buffer.allocUnsafe(length)
    out.set(pool.subarray(at, at + length))
    pool.fill(0, at, at + length)
    at += length
    return out
  }
}
