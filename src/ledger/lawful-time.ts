import type { Clock } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { witnessedKey } from './tables.ts'
import { decodeWitnessed, openWitnessed, type WitnessedDeps, witnessedTime } from './witnessed.ts'

/**
 * By which an expiry is judged: the region's clock, and never before the time that a witness has put to its log. So a
 * clock that was turned back does not give an instruction its life again.
 */
export interface LawfulTime {
  readonly now: Clock
  /** POSIX seconds. */
  witnessed(timeUnixS: number): void
}

export async function openLawfulTime(
  catalog: Pick<Catalog, 'get'>,
  deps: WitnessedDeps,
  clock: Clock,
): Promise<LawfulTime> {
  const opened = decodeWitnessed(await catalog.get('meta', witnessedKey)).map(note =>
    openWitnessed(note, deps),
  )
  let latest = witnessedTime(opened.flatMap(each => (typeof each === 'string' ? [] : [each.witnessed])))
  return {
    now: () => Math.max(clock(), latest * 1000),
    witnessed(timeUnixS) {
      latest = Math.max(latest, timeUnixS)
    },
  }
}
