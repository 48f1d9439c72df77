import type { Named } from '../names/namer.ts'
import type { NameSource } from '../names/sighting.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import type { NameReport } from './report-types.ts'

/** Names of one destination that are told apart; a server that visits the whole Web must not fill the memory. */
const mostNames = 1000
const mostListed = 20

type Sum = {
  readonly named: Named
  readonly sources: Set<NameSource>
  bytes: number
  unexplained: number
  disputed: number
  connections: number
  isExact: boolean
  sharedBytes: number
  mayBeOuter: boolean
}

/** Bytes by name, connection by connection. */
export function createNameSums() {
  const sums = new Map<string, Sum>()
  let leftOut = 0
  return {
    add(connection: Reconciled, named: Named): void {
      let sum = sums.get(named.name)
      if (sum === undefined) {
        if (sums.size >= mostNames) {
          leftOut += 1
          return
        }
        sum = {
          ...{ named, sources: new Set<NameSource>(), bytes: 0, unexplained: 0, disputed: 0, connections: 0 },
          ...{ isExact: true, sharedBytes: 0, mayBeOuter: false },
        }
        sums.set(named.name, sum)
      }
      sum.sources.add(named.source)
      sum.bytes += connection.ipBytes
      sum.unexplained += connection.unexplained
      sum.disputed += connection.disputed
      sum.connections += 1
      sum.isExact &&= named.isExact
      if (named.isShared) sum.sharedBytes += connection.ipBytes
      sum.mayBeOuter ||= named.mayBeOuter
    },
    /** The name of most bytes; `null`: none. */
    largest(): string | null {
      let most: Sum | null = null
      for (const sum of sums.values()) if (most === null || isBefore(sum, most)) most = sum
      return most?.named.name ?? null
    },
    report(): { readonly names: readonly NameReport[]; readonly namesLeftOut: number } {
      const all = [...sums.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1))
      const names = all.slice(0, mostListed).map(
        ({ named, sources, ...sum }): NameReport => ({
          name: named.name,
          sources: [...sources].sort(),
          service: named.service,
          tags: named.tags,
          ...sum,
        }),
      )
      return { names, namesLeftOut: leftOut + all.length - names.length }
    },
  }
}

function isBefore(a: Sum, b: Sum): boolean {
  return a.bytes > b.bytes || (a.bytes === b.bytes && a.named.name < b.named.name)
}
