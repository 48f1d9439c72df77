/** What the packs say of everything in a scope of a bucket, which may be of several classes of data. */
import { type ClassedBucket, dataClassesWithin } from '../bucket-classes.ts'
import type { PackBook, PackFacts } from './pack-book.ts'
import type { Outcome, PackVerdict } from './verdict.ts'

export interface JudgedClass {
  readonly facts: PackFacts
  readonly verdict: PackVerdict
}

const worstFirst: readonly Outcome[] = ['refused', 'needs-review', 'allowed']

/** Of each class once, that of the scope itself first. */
export function decideWithin(
  packs: Pick<PackBook, 'decide'>,
  bucket: ClassedBucket,
  prefix: string,
  act: Omit<PackFacts, 'dataClass'>,
  nowUnixMs: number,
): JudgedClass[] {
  return dataClassesWithin(bucket, prefix).map(dataClass => {
    const facts = { ...act, dataClass }
    return { facts, verdict: packs.decide(facts, nowUnixMs) }
  })
}

/** The one that fares worst: what is ordered goes as a whole. */
export function worstOf(judged: readonly JudgedClass[]): JudgedClass {
  const rank = ({ verdict }: JudgedClass): number => worstFirst.indexOf(verdict.outcome)
  return judged.toSorted((a, b) => rank(a) - rank(b))[0]!
}
