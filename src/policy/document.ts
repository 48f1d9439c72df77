/** Policy documents ("IAM JSON policy elements"): read once into what evaluation needs. */
import { type Condition, compileCondition } from './conditions.ts'
import { compilePattern, type Pattern, variablesOf } from './pattern.ts'
import { type PrincipalSpec, parsePrincipal } from './principals.ts'

/** `resource`: stands at a bucket. `identity`: at a user, a group, a role or a session. `trust`: says who may be a role. */
export type PolicyKind = 'resource' | 'identity' | 'trust'

export interface Policy {
  readonly version: string
  readonly statements: readonly Statement[]
  /** It asks for tags of the object that is there, which cost a look-up. */
  readonly usesExistingTags: boolean
}

export interface Statement {
  readonly sid: string | null
  readonly effect: 'Allow' | 'Deny'
  /** `null` in a policy that stands at whom it is about. */
  readonly principals: { readonly specs: readonly PrincipalSpec[]; readonly inverted: boolean } | null
  readonly actions: PatternList
  /** `null` in a trust policy. */
  readonly resources: PatternList | null
  readonly conditions: readonly Condition[]
}

export interface PatternList {
  readonly patterns: readonly Pattern[]
  /** As written; actions in lower case. */
  readonly texts: readonly string[]
  /** `NotAction`, `NotResource`. */
  readonly inverted: boolean
}

const versions = ['2012-10-17', '2008-10-17']
const statementFields = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
])

/** The fault, in the words that S3 has for it, when the document is not a policy. */
export function parsePolicy(text: string, kind: PolicyKind): Policy | string {
  let value: unknown
  try {
    value = text.startsWith('{') ? JSON.parse(text) : null
  } catch {
    value = null
  }
  if (!isRecord(value)) return "Policies must be valid JSON and the first byte must be '{'"
  for (const field of Object.keys(value))
    if (!['Version', 'Id', 'Statement'].includes(field)) return `Unknown field ${field}`
  const { Version: version = '2008-10-17', Id: id, Statement: listed } = value
  if (typeof version !== 'string' || !versions.includes(version))
    return 'The policy must contain a valid version string'
  if (id !== undefined && typeof id !== 'string') return 'Invalid policy syntax.'
  if (listed === undefined) return 'Missing required field Statement'
  const list = Array.isArray(listed) ? listed : [listed]
  if (list.length === 0) return 'Could not parse the policy: Statement is empty!'
  const statements: Statement[] = []
  const sids = new Set<string>()
  for (const each of list) {
    const statement = parseStatement(each, kind, version === '2012-10-17')
    if (typeof statement === 'string') return statement
    if (kind === 'identity' && statement.sid !== null && statement.sid !== '') {
      if (sids.has(statement.sid)) return 'Statement IDs (SID) in a single policy must be unique.'
      sids.add(statement.sid)
    }
    statements.push(statement)
  }
  return { version, statements, usesExistingTags: usedKeys(statements).some(isExistingTag) }
}

function parseStatement(value: unknown, kind: PolicyKind, hasVariables: boolean): Statement | string {
  if (!isRecord(value)) return 'Invalid policy syntax.'
  for (const field of Object.keys(value)) if (!statementFields.has(field)) return `Unknown field ${field}`
  const { Sid: sid = null, Effect: effect } = value
  if (sid !== null && typeof sid !== 'string') return 'Invalid policy syntax.'
  if (effect === undefined) return 'Missing required field Effect'
  if (effect !== 'Allow' && effect !== 'Deny') return `Invalid effect: ${String(effect)}`
  const principals = parsePrincipals(value, kind)
  if (typeof principals === 'string') return principals
  const actions = parseList(value, 'Action', true, false)
  if (typeof actions === 'string') return actions
  if (actions === null) return 'Missing required field Action'
  if (!actions.texts.every(action => action === '*' || /^[a-z0-9*?-]+:[a-z0-9*?]+$/.test(action)))
    return 'Policy has invalid action'
  const resources = parseList(value, 'Resource', false, hasVariables)
  if (typeof resources === 'string') return resources
  if (kind === 'trust') {
    if (resources !== null) return 'Has prohibited field Resource'
  } else if (resources === null) return 'Missing required field Resource'
  const conditions = parseConditions(value.Condition, hasVariables)
  if (typeof conditions === 'string') return conditions
  return { sid, effect, principals, actions, resources, conditions }
}

function parsePrincipals(
  value: Readonly<Record<string, unknown>>,
  kind: PolicyKind,
): Statement['principals'] | string {
  const { Principal: plain, NotPrincipal: not } = value
  if (plain === undefined && not === undefined)
    return kind === 'identity' ? null : 'Missing required field Principal'
  if (kind === 'identity') return 'Has prohibited field Principal'
  if (plain !== undefined && not !== undefined) return 'Invalid policy syntax.'
  const specs = parsePrincipal(plain ?? not)
  return specs === null ? 'Invalid principal in policy' : { specs, inverted: plain === undefined }
}

function parseList(
  value: Readonly<Record<string, unknown>>,
  name: 'Action' | 'Resource',
  foldCase: boolean,
  hasVariables: boolean,
): PatternList | string | null {
  const plain = value[name]
  const not = value[`Not${name}`]
  if (plain === undefined && not === undefined) return null
  if (plain !== undefined && not !== undefined) return 'Invalid policy syntax.'
  const given = plain ?? not
  const list: unknown[] = Array.isArray(given) ? given : [given]
  const fault = `Policy has invalid ${name.toLowerCase()}`
  if (list.length === 0) return `Missing required field ${name}`
  const texts: string[] = []
  const patterns: Pattern[] = []
  for (const each of list) {
    if (typeof each !== 'string' || each === '') return fault
    const text = foldCase ? each.toLowerCase() : each
    const pattern = compilePattern(text, hasVariables)
    if (pattern === null) return fault
    texts.push(text)
    patterns.push(pattern)
  }
  return { patterns, texts, inverted: plain === undefined }
}

function parseConditions(value: unknown, hasVariables: boolean): Condition[] | string {
  if (value === undefined) return []
  if (!isRecord(value)) return 'Invalid policy syntax.'
  const conditions: Condition[] = []
  for (const [operator, keys] of Object.entries(value)) {
    if (!isRecord(keys)) return 'Invalid policy syntax.'
    for (const [key, given] of Object.entries(keys)) {
      const list: unknown[] = Array.isArray(given) ? given : [given]
      const values: string[] = []
      for (const each of list) {
        if (typeof each !== 'string' && typeof each !== 'boolean' && typeof each !== 'number')
          return 'Invalid policy syntax.'
        values.push(String(each))
      }
      const condition = compileCondition(operator, key, values, hasVariables)
      if (typeof condition === 'string') return condition
      conditions.push(condition)
    }
  }
  return conditions
}

const isExistingTag = (key: string): boolean => key.startsWith('s3:existingobjecttag/')

function usedKeys(statements: readonly Statement[]): string[] {
  return statements.flatMap(({ conditions, resources }) => [
    ...conditions.flatMap(condition => [condition.key, ...condition.variables]),
    ...(resources?.patterns ?? []).flatMap(variablesOf),
  ])
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
