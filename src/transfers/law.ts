/** What the packs and the tenant's own policy are asked of a transfer, by either end, from what that end knows itself. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import { mechanismsOf } from '../instructions/kinds/mechanisms.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { askOwnPolicy, type OwnPolicy } from '../instructions/own-policy.ts'
import type { LawBody } from '../ledger/entry-types.ts'
import { type ClassedBucket, classesWithin, lostWithin } from '../policy/bucket-classes.ts'
import { decideWithin, worstOf } from '../policy/packs/decide-within.ts'
import { notSaid, type PackBook, type PackFacts } from '../policy/packs/pack-book.ts'
import type { PackVerdict } from '../policy/packs/verdict.ts'
import type { ApproverSet } from '../verify/approver-set.ts'

export interface TransferPlaces {
  /** The asking end. */
  readonly here: RegionId
  readonly from: CountryCode
  readonly to: CountryCode
  /** That the asking end has; `null`: it has none, of a class that nobody knows. */
  readonly bucket: (ClassedBucket & { readonly name: string }) | null
  /** Whoever may sign for the tenant now, and what it forbids itself. */
  readonly set: ApproverSet
}

export interface TransferLaw {
  readonly facts: PackFacts
  /** Of the class in the scope that fares worst. */
  readonly verdict: PackVerdict
  /** `null`: the tenant has no policy of its own. */
  readonly own: OwnPolicy | null
  /** For the entry: with the instruction, all that it takes to decide it again. */
  readonly body: LawBody
}

const unknownBucket = { name: '', dataClass: '' }

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
  instruction: TransferInstruction,
  { here, from, to, bucket, set }: TransferPlaces,
  nowUnixMs: number,
): TransferLaw {
  const { mode, mechanism, prefix } = instruction
  const within = classesWithin(bucket ?? unknownBucket, prefix)
  const act = {
    action: 'transfer',
    ...{ from, to, mode },
    mechanisms: mechanismsOf(mechanism),
    ...notSaid,
  } as const
  const judged = decideWithin(packs, bucket ?? unknownBucket, prefix, act, nowUnixMs)
  const said = new Map(
    judged.flatMap(({ verdict }) =>
      verdict.findings.map(
        ({ kind, rule }) => [`${kind} ${rule?.id ?? ''}`, [kind, rule?.id ?? ''] as const] as const,
      ),
    ),
  )
  const end = { region: here, country: instruction.from.region === here ? from : to }
  const own = askOwnPolicy(
    packs.policies,
    set,
    instruction,
    { ...end, bucket: bucket ?? unknownBucket },
    { from, to },
    nowUnixMs,
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
    ...(own !== null && { ownPolicy: own.body }),
  }
  return { ...worstOf(judged), own, body }
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
