/**
 * Observers as numbers, the same in every process: 53 bits of two multiplicative hashes of the name and of the way it
 * looked. That two of a million observers are taken for one has a chance of one in eighteen thousand; nobody gains by
 * being taken for another.
 */
export type Direction = 'in' | 'out' | null

/** Names for the evidence, as far as a bounded list reaches. */
const maxNames = 100_000

export type ObserverBook = {
  readonly idOf: (exporter: string, direction: Direction) => number
  /** The same, of ASCII in `bytes`, without a string for each record. */
  readonly idOfBytes: (bytes: Uint8Array, from: number, to: number, direction: Direction) => number
  readonly names: Map<number, string>
}

export function createObserverBook(): ObserverBook {
  const names = new Map<number, string>()
  const ids = new Map<string, number>()
  const name = (id: number, exporter: string, direction: Direction): void => {
    if (names.size < maxNames) names.set(id, direction === null ? exporter : `${exporter} ${direction}`)
  }
  return {
    names,
    idOf(exporter, direction) {
      const key = direction === null ? exporter : `${exporter}\n${direction}`
      const known = ids.get(key)
      if (known !== undefined) return known
      const bytes = Buffer.from(exporter, 'utf8')
      const id = hashOf(bytes, 0, bytes.length, direction)
      if (ids.size >= maxNames) ids.clear()
      ids.set(key, id)
      name(id, exporter, direction)
      return id
    },
    idOfBytes(bytes, from, to, direction) {
      const id = hashOf(bytes, from, to, direction)
      if (!names.has(id)) name(id, Buffer.from(bytes.subarray(from, to)).toString('latin1'), direction)
      return id
    },
  }
}

function hashOf(bytes: Uint8Array, from: number, to: number, direction: Direction): number {
  let a = direction === null ? 0x811c9dc5 : direction === 'in' ? 0x6c62272e : 0x07bb0142
  let b = a ^ 0x5bd1e995
  for (let i = from; i < to; i++) {
    a = Math.imul(a ^ bytes[i]!, 0x01000193)
    b = Math.imul(b ^ (bytes[i]! + 0x9e37), 0x85ebca6b)
  }
  a ^= a >>> 15
  b ^= b >>> 13
  return (a >>> 0) * 2 ** 21 + (b >>> 11)
}
