/** What the packs are asked of a transfer, by either end, from what that end knows itself. */
import type { CountryCode } from '../core/ids.ts'
import { mechanismsOf, type TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { LawBody } from '../ledger/entry-types.ts'
import { type ClassedBucket, classesWithin, lostWithin } from '../policy/bucket-classes.ts'
import type { PackBook, PackFacts } from '../policy/packs/pack-book.ts'
import type { Outcome, PackVerdict } from '../policy/packs/verdict.ts'

export interface TransferPlaces {
  readonly from: CountryCode
  readonly to: CountryCode
  /** That the asking end has; `null`: it has none, of a class that nobody knows. */
  readonly bucket: ClassedBucket | null
}

export interface TransferLaw {
  readonly facts: PackFacts
  /** Of the class in the scope that fares worst. */
  readonly verdict: PackVerdict
  /** For the entry: with the instruction, all that it takes to decide it again. */
  readonly body: LawBody
}

const unknownBucket: ClassedBucket = { dataClass: '' }
const worstFirst: readonly Outcome[] = ['refused', 'needs-review', 'allowed']

/** Out of a bucket and into one that other rules are for: once there, what bound the data would bind it no more. */
export function classLost(
  from: ClassedBucket,
  to: ClassedBucket & { readonly name: string },
  scope: string,
): string | null {
  const lost = lostWithin(from, to, scope)
  if (lost === null) return null
  const where = lost.prefix === scope ? to.name : `${to.name}/${lost.prefix}*`
  const prefix = lost.prefix === scope ? '' : ` --prefix ${lost.prefix}`
  return (
    `${where} holds ${lost.to} data, and what would come is ${lost.from} data, whose rules it would leave behind. ` +
    `What would change it: holdfast instruct class --bucket ${to.name}${prefix} --class ${lost.from} --purpose "…"`
  )
}

export function lawOf(
  packs: PackBook,
  { mode, mechanism, prefix }: Pick<TransferInstruction, 'mode' | 'mechanism' | 'prefix'>,
  { from, to, bucket }: TransferPlaces,
  nowUnixMs: number,
): TransferLaw {
  const within = classesWithin(bucket ?? unknownBucket, prefix)
  const judged = [...new Set(within.map(({ dataClass }) => dataClass))].map(dataClass => {
    const facts: PackFacts = {
      action: 'transfer',
      from,
      to,
      dataClass,
      mode,
      mechanisms: mechanismsOf(mechanism),
      capacities: null,
      toOperator: null,
      persons: null,
    }
    return { facts, verdict: packs.decide(facts, nowUnixMs) }
  })
  const [worst] = judged.toSorted(
    (a, b) => worstFirst.indexOf(a.verdict.outcome) - worstFirst.indexOf(b.verdict.outcome),
  )
  const said = new Map(
    judged.flatMap(({ verdict }) =>
      verdict.findings.map(
        ({ kind, rule }) => [`${kind} ${rule?.id ?? ''}`, [kind, rule?.id ?? ''] as const] as const,
      ),
    ),
  )
  const body: LawBody = {
    packs: packs.hash,
    versions: versionsOf(
      packs,
      judged.map(({ verdict }) => verdict),
    ),
    from,
    to,
    dataClass: within[0]!.dataClass,
    ...(within.length > 1 && {
      classes: within.map(({ prefix, dataClass }) => [prefix, dataClass] as const),
    }),
    rules: [...said.values()],
  }
  return { ...worst!, body }
}

/** Of the packs that said something. The hash says which they were; this says it to people. */
function versionsOf(
  { packs }: PackBook,
  verdicts: readonly PackVerdict[],
): { readonly [pack: string]: string } {
  const named = new Set(
    verdicts.flatMap(({ findings }) => findings.flatMap(({ rule }) => (rule === null ? [] : [rule.pack]))),
  )
  return Object.fromEntries(packs.filter(({ id }) => named.has(id)).map(({ id, version }) => [id, version]))
}
