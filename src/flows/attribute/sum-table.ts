/**
 * Sums by two 32-bit numbers, in open addressing: a `Map` with keys beyond 31 bits allocates for each of them. Hot path,
 * for each record that stays at home (`bench/audit.ts`).
 */
export type SumTable = {
  readonly size: number
  readonly add: (a: number, b: number, value: number) => void
  readonly forEach: (take: (a: number, b: number, sum: number) => void) => void
  readonly clear: () => void
}

/** `most`: the caller clears it at this size at the latest. */
export function createSumTable(most: number): SumTable {
  const slots = 2 ** Math.ceil(Math.log2(most * 2))
  const mask = slots - 1
  const as = new Uint32Array(slots)
  const bs = new Uint32Array(slots)
  const sums = new Float64Array(slots)
  const taken = new Uint8Array(slots)
  /** Slots in the order of their first use, so that clearing costs what was used. */
  const order = new Uint32Array(most)
  let size = 0
  return {
    get size() {
      return size
    },
    add(a, b, value) {
      let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b)
      hash ^= hash >>> 15
      let slot = hash & mask
      while (taken[slot] === 1) {
        if (as[slot] === a && bs[slot] === b) {
          sums[slot]! += value
          return
        }
        slot = (slot + 1) & mask
      }
      if (size === most) throw new Error('the table of sums is full')
      taken[slot] = 1
      as[slot] = a
      bs[slot] = b
      sums[slot] = value
      order[size++] = slot
    },
    forEach(take) {
      for (let i = 0; i < size; i++) {
        const slot = order[i]!
        take(as[slot]!, bs[slot]!, sums[slot]!)
      }
    },
    clear() {
      for (let i = 0; i < size; i++) taken[order[i]!] = 0
      size = 0
    },
  }
}
