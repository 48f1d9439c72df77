/**
 * Cedar, compiled once: named policies that are asked which of them a request satisfies. The schema is checked in
 * strict mode when they are compiled, so a policy that names what is not there is refused before it decides anything.
 */
import {
  type Context,
  type EntityJson,
  type EntityUid,
  type PolicyJson,
  policyToJson,
  preparsePolicySet,
  statefulIsAuthorized,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs'

export interface CedarRequest {
  readonly principal: EntityUid
  readonly action: EntityUid
  readonly resource: EntityUid
  readonly context: Context
  readonly entities: EntityJson[]
}

/** Names of the policies that the request satisfies; as an error, what could not be evaluated. */
export interface CedarAnswer {
  readonly satisfied: readonly string[]
  readonly errors: readonly string[]
}

export type CedarPolicies = (request: CedarRequest) => CedarAnswer

/** The module keeps what is parsed by name and never lets go of it, so names are not used twice. */
let compiled = 0

/** One policy as it was parsed, or what is wrong with it. */
export function readPolicy(text: string): PolicyJson | string {
  const parsed = policyToJson(text)
  return parsed.type === 'success' ? parsed.json : parsed.errors.map(({ message }) => message).join('\n')
}

/** What is wrong with the policies, or `null`. */
export function faultOfPolicies(policies: Readonly<Record<string, string>>, schema: string): string | null {
  const answer = validate({
    schema,
    policies: { staticPolicies: { ...policies } },
    validationSettings: { mode: 'strict' },
  })
  if (answer.type === 'failure') return answer.errors.map(({ message }) => message).join('\n')
  // One that can never hold is a mistake that nobody would notice.
  const never = answer.validationWarnings.filter(({ error }) => error.message.includes('impossible'))
  const faults = [...answer.validationErrors, ...never].map(
    ({ policyId, error }) => `${policyId}: ${error.message}`,
  )
  return faults.length === 0 ? null : faults.join('\n')
}

/**
 * All policies of a set have one effect, so Cedar's reasons for its decision name every one that is satisfied. They
 * must have passed `faultOfPolicies`. A name that is given is one for these policies alone.
 */
export function compilePolicies(
  policies: Readonly<Record<string, string>>,
  preparsedPolicySetId = `packs-${compiled++}`,
): CedarPolicies {
  if (Object.keys(policies).length === 0) return () => ({ satisfied: [], errors: [] })
  const parsed = preparsePolicySet(preparsedPolicySetId, { staticPolicies: { ...policies } })
  if (parsed.type === 'failure') throw new Error(parsed.errors.map(({ message }) => message).join('\n'))
  return ({ principal, action, resource, context, entities }) => {
    const answer = statefulIsAuthorized({
      principal,
      action,
      resource,
      context,
      entities,
      preparsedPolicySetId,
    })
    if (answer.type === 'failure')
      return { satisfied: [], errors: answer.errors.map(({ message }) => message) }
    const { reason, errors } = answer.response.diagnostics
    return {
      satisfied: reason,
      errors: errors.map(({ policyId, error }) => `${policyId}: ${error.message}`),
    }
  }
}
