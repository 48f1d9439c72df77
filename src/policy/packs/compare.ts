/** What other packs would change, before they take effect. Pure. */
import { canonicalJson, type Json } from '../../core/canonical-json.ts'
import type { Pack, Rule } from './pack.ts'
import type { PackBook, PackFacts } from './pack-book.ts'
import type { Outcome, PackVerdict } from './verdict.ts'

export interface PackChanges {
  /** Version by pack; `null` where it is not there. */
  readonly packs: readonly {
    readonly id: string
    readonly before: string | null
    readonly after: string | null
  }[]
  readonly rules: readonly { readonly id: string; readonly change: 'added' | 'removed' | 'changed' }[]
}

/** What one act would come to instead, from a day on. */
export interface OutcomeChange {
  readonly fromUnixMs: number
  readonly before: Outcome
  readonly after: Outcome
  /** Rules that speak before and not after, or the other way round, or otherwise. */
  readonly rules: readonly string[]
}

export function comparePacks(before: PackBook, after: PackBook): PackChanges {
  const versions = ({ packs }: PackBook): Map<string, string> =>
    new Map(packs.map(({ id, version }: Pack) => [id, version]))
  const rules = ({ packs }: PackBook): Map<string, string> =>
    new Map(
      packs.flatMap(pack =>
        pack.rules.map(rule => [rule.id, canonicalJson(rule as unknown as Json)] as const),
      ),
    )
  const [oldVersions, newVersions] = [versions(before), versions(after)]
  const [oldRules, newRules] = [rules(before), rules(after)]
  return {
    packs: unionOf(oldVersions, newVersions)
      .map(id => ({ id, before: oldVersions.get(id) ?? null, after: newVersions.get(id) ?? null }))
      .filter(each => each.before !== each.after),
    rules: unionOf(oldRules, newRules).flatMap(id => {
      const [one, other] = [oldRules.get(id), newRules.get(id)]
      if (one === other) return []
      return [
        { id, change: one === undefined ? 'added' : other === undefined ? 'removed' : 'changed' } as const,
      ]
    }),
  }
}

/** Now, and on each later day on which the difference is another one. */
export function compareOutcomes(
  before: PackBook,
  after: PackBook,
  facts: PackFacts,
  nowUnixMs: number,
): OutcomeChange[] {
  const changes: OutcomeChange[] = []
  let last = ''
  for (let at = nowUnixMs; at < Number.POSITIVE_INFINITY; ) {
    const [one, other] = [before.decide(facts, at), after.decide(facts, at)]
    const pair = `${one.outcome} ${other.outcome}`
    if (one.outcome !== other.outcome && pair !== last)
      changes.push({
        fromUnixMs: at,
        before: one.outcome,
        after: other.outcome,
        rules: differing(one, other),
      })
    last = pair
    at = Math.min(one.untilUnixMs, other.untilUnixMs)
  }
  return changes
}

function differing(one: PackVerdict, other: PackVerdict): string[] {
  const said = ({ findings }: PackVerdict): Set<string> =>
    new Set(findings.map(({ kind, rule }) => `${kind} ${(rule as Rule | null)?.id ?? '(no rule)'}`))
  const [before, after] = [said(one), said(other)]
  const either = [
    ...[...before].filter(text => !after.has(text)),
    ...[...after].filter(text => !before.has(text)),
  ]
  return [...new Set(either)].map(text => text.slice(text.indexOf(' ') + 1)).sort()
}

function unionOf(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].sort()
}
