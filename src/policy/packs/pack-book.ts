/**
 * All packs together, and the one question that they answer: what does the law that they know say of this? Pure: the
 * same packs, facts and time give the same verdict, here and when an auditor asks again with the packs of that hash.
 */
import { createHash } from 'node:crypto'
import { canonicalJson, type Json } from '../../core/canonical-json.ts'
import type { CountryCode } from '../../core/ids.ts'
import { type DataClass, dataClassParents, parseDataClass } from '../data-classes.ts'
import { createTenantPolicies, type TenantPolicies } from '../tenant/policies.ts'
import type { CedarRequest } from './cedar.ts'
import { type CompiledRules, compileRules, faultOfPacks, type PlacedRule } from './compile.ts'
import { countryEntities, countryRef, dataClassEntities, dataClassRef } from './entities.ts'
import type { Groups, Pack, PackAction, Rule } from './pack.ts'
import { type Finding, findingKinds, findingOf, outcomeOf, type PackVerdict, reviewed } from './verdict.ts'

export interface PackFacts {
  readonly action: PackAction
  readonly from: CountryCode
  /** Of a disclosure, the country that asks. */
  readonly to: CountryCode
  /** As the bucket has it; one that is not known is not covered. */
  readonly dataClass: string
  readonly mode: 'copy' | 'move'
  readonly mechanisms: readonly string[]
  /** What the tenant has said that it is; `null`: it has said nothing. */
  readonly capacities: readonly string[] | null
  /** The country under whose control the destination's operator is, where that is known. */
  readonly toOperator: CountryCode | null
  /** Whose data it is, at most; `null`: not known. */
  readonly persons: number | null
}

/** Of what regions are not told. */
export const notSaid = { capacities: null, toOperator: null, persons: null } as const

export interface PackBook {
  readonly packs: readonly Pack[]
  /** Hex SHA-256 over packs and groups as they were parsed: what an entry names. */
  readonly hash: string
  /** Tenants' own policies, which speak of countries and classes in the groups of these packs. */
  readonly policies: TenantPolicies
  decide(facts: PackFacts, atUnixMs: number): PackVerdict
}

/** Decisions that are kept. A tenant's transfers ask the same few questions. */
const keptDecisions = 10_000

/** The book, or everything that is wrong with the packs. */
export function createPackBook(packs: readonly Pack[], groups: Groups): PackBook | string {
  const fault = faultOfPacks(packs, groups)
  if (fault !== null) return fault
  const hash = createHash('sha256')
    .update(canonicalJson({ groups: { ...groups }, packs: [...packs].sort(byId) } as unknown as Json))
    .digest('hex')
  const scopes = new Map<string, Scope>()
  const kept = new Map<string, PackVerdict>()

  const scopeOf = (from: CountryCode): Scope => {
    let scope = scopes.get(from)
    if (scope === undefined) scopes.set(from, (scope = createScope(packs, groups, from)))
    return scope
  }

  return {
    packs,
    hash,
    policies: createTenantPolicies(groups),
    decide(facts, atUnixMs) {
      const key = keyOf(facts)
      const known = kept.get(key)
      if (known !== undefined && atUnixMs >= known.sinceUnixMs && atUnixMs < known.untilUnixMs) return known
      const verdict = decide(facts, atUnixMs, scopeOf(facts.from), groups)
      if (kept.size >= keptDecisions) kept.delete(kept.keys().next().value!)
      kept.set(key, verdict)
      return verdict
    },
  }
}

/** The rules that can concern what leaves a country, compiled: a handful, where all packs have dozens. */
interface Scope extends CompiledRules {
  readonly rules: ReadonlyMap<string, PlacedRule>
  /** Of the packs that are about what leaves this country. */
  readonly ownRules: readonly Rule[]
  /** The days on which a rule begins or ends, ascending. */
  readonly days: readonly number[]
}

function createScope(packs: readonly Pack[], { groups }: Groups, from: CountryCode): Scope {
  const covers = ({ jurisdiction }: Pack): boolean =>
    jurisdiction === from || groups[jurisdiction]?.includes(from) === true
  const placed = packs.flatMap(pack =>
    pack.rules
      .filter(({ side }) => side === 'any' || covers(pack))
      .map(rule => ({ rule, jurisdiction: pack.jurisdiction })),
  )
  const days = placed.flatMap(({ rule: { fromUnixMs, untilUnixMs } }) =>
    untilUnixMs === null ? [fromUnixMs] : [fromUnixMs, untilUnixMs],
  )
  return {
    ...compileRules(placed),
    rules: new Map(placed.map(each => [each.rule.id, each])),
    ownRules: packs.filter(covers).flatMap(({ rules }) => rules),
    days: [...new Set(days)].sort((a, b) => a - b),
  }
}

function decide(facts: PackFacts, atUnixMs: number, scope: Scope, groups: Groups): PackVerdict {
  const { from, to, action, dataClass, mechanisms, capacities } = facts
  const findings: Finding[] = []
  const notCovered = (why: string): void => {
    const remedy = `have it looked into, and sign that: --mechanism ${reviewed}`
    findings.push({ kind: 'not-covered', rule: null, why, remedy })
  }
  const known = parseDataClass(dataClass)
  if (known === null) notCovered(`No rule knows the data class “${dataClass}”.`)
  else {
    // Within a country nothing leaves, whoever knows its law.
    if (from !== to && !isKnownTo(scope.ownRules, action, known))
      notCovered(
        scope.ownRules.length === 0
          ? `No pack knows the law of ${from}.`
          : `The pack of ${from} has no rule on ${known} data.`,
      )
    const request = requestOf(facts, groups)
    const applies = scope.applies(request)
    const barred = applies.satisfied.length === 0 ? applies : scope.barred(request)
    for (const error of [...applies.errors, ...barred.errors])
      notCovered(`A rule could not be asked: ${error}`)
    for (const id of applies.satisfied) {
      const { rule } = scope.rules.get(id)!
      const binds = rule.capacities.length === 0 || capacities !== null
      findings.push(findingOf(rule, barred.satisfied.includes(id), binds, atUnixMs))
    }
  }
  findings.sort(
    (a, b) =>
      findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind) ||
      ((a.rule?.id ?? '') < (b.rule?.id ?? '') ? -1 : 1),
  )
  return {
    outcome: outcomeOf(findings, mechanisms),
    findings,
    sinceUnixMs: scope.days.findLast(day => day <= atUnixMs) ?? Number.NEGATIVE_INFINITY,
    untilUnixMs: scope.days.find(day => day > atUnixMs) ?? Number.POSITIVE_INFINITY,
  }
}

/**
 * Silence of a pack says something only on what it is about: a pack with one rule on health data does not allow
 * everything else. Of data that is nobody's in particular no rule is the rule.
 */
function isKnownTo(rules: readonly Rule[], action: PackAction, dataClass: DataClass): boolean {
  if (rules.length === 0) return false
  if (action === 'transfer' && dataClass === 'non-personal') return true
  const classes = new Set<string>(action === 'disclose' ? ['any'] : [])
  for (let at: DataClass | null = dataClass; at !== null; at = dataClassParents[at]) classes.add(at)
  return rules.some(rule => rule.action === action && rule.classes.some(each => classes.has(each)))
}

function requestOf(facts: PackFacts, groups: Groups): CedarRequest {
  const { from, to, toOperator, dataClass, mode, mechanisms, capacities, persons } = facts
  const countries = new Set([from, to, ...(toOperator === null ? [] : [toOperator])])
  const principal = { type: 'Tenant', id: 'tenant' }
  const resource = { type: 'Bucket', id: 'bucket' }
  const entities: CedarRequest['entities'] = [
    ...countryEntities(groups, countries),
    ...dataClassEntities(groups, dataClass),
    {
      uid: principal,
      attrs: { declared: capacities !== null, capacities: [...(capacities ?? [])] },
      parents: [],
    },
    {
      uid: resource,
      attrs: { country: countryRef(from), dataClass: dataClassRef(dataClass) },
      parents: [],
    },
  ]
  return {
    principal,
    action: { type: 'Action', id: facts.action },
    resource,
    context: {
      to: countryRef(to),
      mode,
      mechanisms: [...mechanisms],
      ...(toOperator !== null && { toOperator: countryRef(toOperator) }),
      ...(persons !== null && { persons }),
    },
    entities,
  }
}

/** Everything that a decision depends on but the time. */
function keyOf(facts: PackFacts): string {
  const { action, from, to, dataClass, mode, mechanisms, capacities, toOperator, persons } = facts
  // Printed so that no two lists read alike: mechanisms and classes are what somebody wrote.
  return JSON.stringify([action, from, to, dataClass, mode, mechanisms, capacities, toOperator, persons])
}

function byId(a: Pack, b: Pack): number {
  return a.id < b.id ? -1 : 1
}
