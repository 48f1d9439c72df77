/** What the packs are asked of a transfer, by either end, from what that end knows itself. */
import type { CountryCode } from '../core/ids.ts'
import { mechanismsOf, type TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { LawBody } from '../ledger/entry-types.ts'
import { keepsRules } from '../policy/data-classes.ts'
import type { PackBook, PackFacts } from '../policy/packs/pack-book.ts'
import type { PackVerdict } from '../policy/packs/verdict.ts'

export interface TransferPlaces {
  readonly from: CountryCode
  readonly to: CountryCode
  /** Of the bucket that the asking end has. */
  readonly dataClass: string
}

export interface TransferLaw {
  readonly facts: PackFacts
  readonly verdict: PackVerdict
  /** For the entry: with the instruction, all that it takes to decide it again. */
  readonly body: LawBody
}

/** Out of a bucket and into one that other rules are for: once there, what bound the data would bind it no more. */
export function classLost(
  from: string,
  to: { readonly name: string; readonly dataClass: string },
): string | null {
  if (keepsRules(from, to.dataClass)) return null
  return (
    `${to.name} holds ${to.dataClass} data, and what would come is ${from} data, whose rules it would leave behind. ` +
    `What would change it: holdfast instruct class --bucket ${to.name} --class ${from} --purpose "…"`
  )
}

export function lawOf(
  packs: PackBook,
  { mode, mechanism }: Pick<TransferInstruction, 'mode' | 'mechanism'>,
  { from, to, dataClass }: TransferPlaces,
  nowUnixMs: number,
): TransferLaw {
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
  const verdict = packs.decide(facts, nowUnixMs)
  const rules = verdict.findings.map(({ kind, rule }) => [kind, rule?.id ?? ''] as const)
  const versions = versionsOf(packs, verdict)
  return { facts, verdict, body: { packs: packs.hash, versions, from, to, dataClass, rules } }
}

/** Of the packs that said something. The hash says which they were; this says it to people. */
function versionsOf({ packs }: PackBook, { findings }: PackVerdict): { readonly [pack: string]: string } {
  const named = new Set(findings.flatMap(({ rule }) => (rule === null ? [] : [rule.pack])))
  return Object.fromEntries(packs.filter(({ id }) => named.has(id)).map(({ id, version }) => [id, version]))
}
