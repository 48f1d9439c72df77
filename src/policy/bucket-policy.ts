/** What S3 demands of a bucket's policy beyond its syntax, and when it counts as public. */
import type { Condition } from './conditions.ts'
import { type Policy, parsePolicy, type Statement } from './document.ts'
import { parseIpRange } from './ip-range.ts'
import { compilePattern, matchesPattern } from './pattern.ts'
import { type ActionLevel, isConditionKey, s3Actions } from './s3-actions.ts'

export const maxBucketPolicyBytes = 20 * 1024

/** The fault, in S3's words, when the document may not stand at this bucket. */
export function parseBucketPolicy(text: string, bucket: string): Policy | string {
  const policy = parsePolicy(text, 'resource')
  if (typeof policy === 'string') return policy
  for (const statement of policy.statements) {
    const fault = faultOf(statement, bucket)
    if (fault !== null) return fault
  }
  return policy
}

function faultOf({ actions, resources, conditions }: Statement, bucket: string): string | null {
  const levels = new Set<ActionLevel>()
  for (const text of resources!.texts) {
    const found = levelsOf(text, bucket)
    if (found.length === 0) return 'Policy has invalid resource'
    for (const level of found) levels.add(level)
  }
  for (const text of actions.texts) {
    const named = actionsLike(text)
    if (named.length === 0) return 'Policy has invalid action'
    const applies = named.some(level => levels.has(level))
    if (!applies && !actions.inverted && !resources!.inverted)
      return 'Action does not apply to any resource(s) in statement'
  }
  if (!conditions.every(({ key }) => isConditionKey(key))) return 'Policy has an invalid condition key'
  return null
}

/** What a resource can be at this bucket: the bucket, objects in it, both, or nothing of it. */
function levelsOf(text: string, bucket: string): ActionLevel[] {
  if (text === '*') return ['bucket', 'object']
  const match = /^arn:aws:s3:\*?:\*?:(.+)$/s.exec(text)
  if (match === null) return []
  const named = match[1]!
  const slash = named.indexOf('/')
  const name = slash < 0 ? named : named.slice(0, slash)
  const isOpen = /[*?]|\$\{/.test(name)
  const pattern = compilePattern(name.replace(/\$\{[^}]*\}/g, '*'), false)!
  if (!matchesPattern(pattern, bucket, () => null)) return []
  if (slash >= 0) return ['object']
  return isOpen && /[*}]$/.test(name) ? ['bucket', 'object'] : ['bucket']
}

function actionsLike(text: string): ActionLevel[] {
  const exact = s3Actions.get(text)
  if (exact !== undefined) return [exact.level]
  const pattern = compilePattern(text, false)!
  const found: ActionLevel[] = []
  for (const { name, level } of s3Actions.values())
    if (matchesPattern(pattern, name, () => null)) found.push(level)
  return found
}

/**
 * "The meaning of public" (S3 User Guide, Blocking public access): some allow is for everyone and not narrowed by a
 * condition to fixed values of a key that tells who or where the caller is.
 */
export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some(({ effect, principals, conditions }) => {
    if (effect !== 'Allow' || principals === null) return false
    const isOpen = principals.inverted || principals.specs.some(({ kind }) => kind === 'everyone')
    return isOpen && !conditions.some(isNarrowing)
  })
}

const narrowingKeys = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  'aws:username',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
])
const narrowingOperators = /^(?:String(?:Equals|EqualsIgnoreCase|Like)|Arn(?:Equals|Like))$/
/** Wider than this is the Internet by another name. */
const widestSource = { v4: 2n ** 24n, v6: 2n ** 96n }

function isNarrowing({ key, operator, values }: Condition): boolean {
  if (key === 'aws:sourceip') {
    return (
      operator === 'IpAddress' &&
      values.every(value => {
        const range = parseIpRange(value)
        if (range === null) return false
        return range.last - range.first < (range.isV6 ? widestSource.v6 : widestSource.v4)
      })
    )
  }
  if (!narrowingKeys.has(key) || !narrowingOperators.test(operator)) return false
  // `AROLEID:*` names one role whatever its session is called.
  return values.every(value => !/[*?]|\$\{/.test(key === 'aws:userid' ? value.replace(/:\*$/, '') : value))
}
