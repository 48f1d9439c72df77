/** What documents say of a request. An explicit deny wins over any allow; where none speaks, nothing is allowed. */
import type { Keys } from './conditions.ts'
import type { PatternList, Policy, Statement } from './document.ts'
import { matchesPattern, type Resolve } from './pattern.ts'
import { matchPrincipal, type PolicyCaller, type PrincipalMatch } from './principals.ts'

export interface PolicyRequest {
  /** `null`: anonymous. */
  readonly caller: PolicyCaller | null
  /** In lower case: `s3:getobject`. */
  readonly action: string
  readonly resource: string
  readonly keys: Keys
  /** The account that owns the resource. */
  readonly ownerAccountId: string
}

/** `exact` and `account` allow, as `PrincipalMatch` says; `null`: no statement speaks of the request. */
export type ResourceVerdict = 'deny' | 'exact' | 'account' | null
export type IdentityVerdict = 'deny' | 'allow' | null

export function askResourcePolicy(policy: Policy, request: PolicyRequest): ResourceVerdict {
  const resolve = resolver(request.keys)
  let verdict: 'exact' | 'account' | null = null
  for (const statement of policy.statements) {
    const match = principalOf(statement, request)
    if (match === null || !speaksOf(statement, request, resolve)) continue
    if (statement.effect === 'Deny') return 'deny'
    verdict = verdict === 'exact' ? verdict : match
  }
  return verdict
}

export function askIdentityPolicies(policies: readonly Policy[], request: PolicyRequest): IdentityVerdict {
  const resolve = resolver(request.keys)
  let verdict: IdentityVerdict = null
  for (const { statements } of policies) {
    for (const statement of statements) {
      if (!speaksOf(statement, request, resolve)) continue
      if (statement.effect === 'Deny') return 'deny'
      verdict = 'allow'
    }
  }
  return verdict
}

function principalOf({ principals }: Statement, request: PolicyRequest): PrincipalMatch {
  if (principals === null) return null
  const match = matchPrincipal(principals.specs, request.caller, request.ownerAccountId)
  if (!principals.inverted) return match
  return match === null ? 'exact' : null
}

function speaksOf(statement: Statement, request: PolicyRequest, resolve: Resolve): boolean {
  return (
    matchesList(statement.actions, request.action, noVariables) &&
    (statement.resources === null || matchesList(statement.resources, request.resource, resolve)) &&
    statement.conditions.every(condition => condition.holds(request.keys, resolve))
  )
}

function matchesList(list: PatternList, text: string, resolve: Resolve): boolean {
  return list.patterns.some(pattern => matchesPattern(pattern, text, resolve)) !== list.inverted
}

const noVariables: Resolve = () => null

/** A key of several values has none that a variable could stand for. */
function resolver(keys: Keys): Resolve {
  return key => {
    const values = keys(key)
    return values?.length === 1 ? values[0]! : null
  }
}
