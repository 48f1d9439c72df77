/**
 * Observers as numbers, the same in every process: FNV-1a of the name, over two halves, 53 bits. That two of a million
 * observers are taken for one has a chance of one in eighteen thousand; nobody gains by being taken for another.
 */
export function observerId(name: string): number {
  let a = 0x811c9dc5
  let b = 0x01000193
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ (unit + 0x9e37), 0x85ebca6b)
  }
  return (a >>> 0) * 2 ** 21 + (b >>> 11)
}

/** Names for the evidence, as far as a bounded list reaches. */
const maxNames = 100_000

export type ObserverBook = {
  readonly idOf: (exporter: string, direction: 'in' | 'out' | null) => number
  readonly names: ReadonlyMap<number, string>
}

export function createObserverBook(): ObserverBook {
  const names = new Map<number, string>()
  const ids = new Map<string, { in: number; out: number; none: number }>()
  const nameIt = (name: string): number => {
    const id = observerId(name)
    if (names.size < maxNames) names.set(id, name)
    return id
  }
  return {
    names,
    idOf(exporter, direction) {
      let known = ids.get(exporter)
      if (known === undefined) {
        if (ids.size >= maxNames) ids.clear()
        known = { in: nameIt(`${exporter} in`), out: nameIt(`${exporter} out`), none: nameIt(exporter) }
        ids.set(exporter, known)
      }
      return direction === null ? known.none : known[direction]
    },
  }
}
