/** Rules as Cedar: one policy that says when a rule applies, one that says when it applies and is not met. */
import { type CedarPolicies, compilePolicies, faultOfPolicies } from './cedar.ts'
import { isKnownName } from './entities.ts'
import type { Groups, Pack, Rule } from './pack.ts'

const cedarSchema = `
entity Group;
entity Country in [Group];
entity DataClass in [DataClass];
entity Tenant { declared: Bool, capacities: Set<String> };
entity Bucket { country: Country, dataClass: DataClass };
action transfer, disclose appliesTo {
  principal: Tenant,
  resource: Bucket,
  context: { to: Country, mode: String, mechanisms: Set<String>, toOperator?: Country, persons?: Long }
};
`

export interface CompiledRules {
  readonly applies: CedarPolicies
  readonly barred: CedarPolicies
}

/** What is wrong with the packs together, or `null`. */
export function faultOfPacks(packs: readonly Pack[], groups: Groups): string | null {
  const faults: string[] = []
  const seen = new Set<string>()
  for (const { id, jurisdiction, rules } of packs) {
    if (!/^[A-Z]{2}$/.test(jurisdiction) && !Object.hasOwn(groups.groups, jurisdiction))
      faults.push(`${id}: there is no group ${jurisdiction}`)
    for (const rule of rules) {
      if (seen.has(rule.id)) faults.push(`${rule.id}: two packs have this rule`)
      seen.add(rule.id)
      faults.push(...faultsOfNames(rule, groups))
    }
  }
  if (faults.length > 0) return faults.join('\n')
  const rules = packs.flatMap(({ jurisdiction, rules }) => rules.map(rule => ({ rule, jurisdiction })))
  const { applies, barred } = policiesOf(rules)
  return faultOfPolicies(applies, cedarSchema) ?? faultOfPolicies(barred, cedarSchema)
}

export function compileRules(rules: readonly PlacedRule[]): CompiledRules {
  const { applies, barred } = policiesOf(rules)
  return { applies: compilePolicies(applies), barred: compilePolicies(barred) }
}

export interface PlacedRule {
  readonly rule: Rule
  readonly jurisdiction: string
}

/** A misspelt name would be a condition that never holds: a rule that quietly does not apply. */
function faultsOfNames(rule: Rule, groups: Groups): string[] {
  const conditions = `${rule.when ?? ''}\n${rule.unless ?? ''}`
  const faults: string[] = []
  for (const [, type, name] of conditions.matchAll(/\b(Group|DataClass|Country)::"([^"]*)"/g))
    if (!isKnownName(groups, type!, name!)) faults.push(`${rule.id}: there is no ${type} ${name}`)
  for (const [, list] of conditions.matchAll(/\bmechanisms\.contains(?:Any|All)?\(([^)]*)\)/g))
    for (const [, name] of list!.matchAll(/"([^"]*)"/g))
      if (!rule.mechanisms.includes(name!)) faults.push(`${rule.id}: ${name} is not among its mechanisms`)
  return faults
}

function policiesOf(rules: readonly PlacedRule[]): Record<keyof CompiledRules, Record<string, string>> {
  const applies: Record<string, string> = {}
  const barred: Record<string, string> = {}
  for (const placed of rules) {
    const { id } = placed.rule
    const when = conditionsOf(placed)
      .map(condition => `when { ${condition} }`)
      .join(' ')
    const head = `(principal, action == Action::"${placed.rule.action}", resource) ${when}`
    applies[id] = `permit ${head};`
    const unless = unlessOf(placed.rule)
    if (unless !== 'always') barred[id] = `forbid ${head}${unless === null ? '' : ` unless { ${unless} }`};`
  }
  return { applies, barred }
}

function conditionsOf({ rule, jurisdiction }: PlacedRule): string[] {
  const conditions: string[] = []
  if (rule.side === 'source') {
    const place = `${/^[A-Z]{2}$/.test(jurisdiction) ? 'Country' : 'Group'}::"${jurisdiction}"`
    conditions.push(`resource.country in ${place} && !(context.to in ${place})`)
  }
  if (!rule.classes.includes('any'))
    conditions.push(rule.classes.map(each => `resource.dataClass in DataClass::"${each}"`).join(' || '))
  if (rule.capacities.length > 0)
    conditions.push(
      `!principal.declared || principal.capacities.containsAny(${JSON.stringify(rule.capacities)})`,
    )
  if (rule.when !== null) conditions.push(rule.when)
  return conditions
}

/** What meets the rule; `always`: it bars nothing; `null`: nothing meets it. */
function unlessOf({ effect, unless, mechanisms }: Rule): string | 'always' | null {
  switch (effect) {
    case 'permit':
    case 'notify':
    case 'retain':
    case 'switching':
    case 'exposure-flag':
      return 'always'
    case 'permit-with-mechanism':
    case 'foreign-disclosure-block':
      return unless ?? `context.mechanisms.containsAny(${JSON.stringify(mechanisms)})`
    default:
      return unless
  }
}
