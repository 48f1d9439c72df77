/** Who asks, in the words of policy documents, and how a document's `Principal` names them. */

/** Somebody whose policies are evaluated. The anonymous are `null` wherever a caller is asked for. */
export interface PolicyCaller {
  readonly kind: 'root' | 'user' | 'role' | 'federated'
  readonly accountId: string
  /** The account's canonical user id, as ACLs and `CanonicalUser` name it. */
  readonly canonicalId: string
  /** `aws:PrincipalArn`: of a session, its role's. */
  readonly arn: string
  /** Every ARN by which a policy may name this caller and nobody else. */
  readonly arns: readonly string[]
  readonly userId: string
  /** `null` but for a user. */
  readonly userName: string | null
}

export type PrincipalSpec =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'account'; readonly accountId: string }
  | { readonly kind: 'arn'; readonly arn: string }
  /** `arn:aws:iam:::user/NAME`: a user of the account that owns the resource, or another's root by its id. */
  | { readonly kind: 'nearby-user'; readonly name: string }
  | { readonly kind: 'canonical'; readonly id: string }
  /** A service or an identity provider: nobody who calls here is one. */
  | { readonly kind: 'outside' }

/**
 * `exact`: the caller itself is named, which is a grant of its own. `account`: its account is, which leaves it to the
 * account to say who of it may.
 */
export type PrincipalMatch = 'exact' | 'account' | null

const accountPattern = /^[A-Za-z0-9]{1,64}$/

/** `null`: it names nobody that a policy can name. */
export function parsePrincipal(value: unknown): readonly PrincipalSpec[] | null {
  if (value === '*') return [{ kind: 'everyone' }]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const specs: PrincipalSpec[] = []
  for (const [type, named] of Object.entries(value)) {
    const names = Array.isArray(named) ? named : [named]
    if (names.length === 0) return null
    for (const name of names) {
      const spec = typeof name === 'string' ? specOf(type, name) : null
      if (spec === null) return null
      specs.push(spec)
    }
  }
  return specs.length === 0 ? null : specs
}

function specOf(type: string, name: string): PrincipalSpec | null {
  if (type === 'AWS') return awsSpec(name)
  if (type === 'CanonicalUser')
    return /^[\w.@+=:$-]{1,128}$/.test(name) ? { kind: 'canonical', id: name } : null
  if (type === 'Service' || type === 'Federated') return name === '' ? null : { kind: 'outside' }
  return null
}

function awsSpec(name: string): PrincipalSpec | null {
  if (name === '*') return { kind: 'everyone' }
  if (accountPattern.test(name)) return { kind: 'account', accountId: name }
  const match = /^arn:aws:(iam|sts)::([^:]*):(.+)$/.exec(name)
  if (match === null) return null
  const [, service, accountId, resource] = match as unknown as [string, string, string, string]
  if (/[*?]/.test(name) || (accountId !== '' && !accountPattern.test(accountId))) return null
  if (resource === 'root') return accountId === '' ? null : { kind: 'account', accountId }
  if (!/^(?:user|role|assumed-role|federated-user)\/.+/.test(resource)) return null
  if (accountId !== '') return { kind: 'arn', arn: name }
  return service === 'iam' && resource.startsWith('user/')
    ? { kind: 'nearby-user', name: resource.slice('user/'.length) }
    : null
}

export function matchPrincipal(
  specs: readonly PrincipalSpec[],
  caller: PolicyCaller | null,
  /** The account that owns the resource. */
  ownerAccountId: string,
): PrincipalMatch {
  let found: PrincipalMatch = null
  for (const spec of specs) {
    const match = matchOne(spec, caller, ownerAccountId)
    if (match === 'exact') return 'exact'
    found ??= match
  }
  return found
}

function matchOne(spec: PrincipalSpec, caller: PolicyCaller | null, ownerAccountId: string): PrincipalMatch {
  if (spec.kind === 'everyone') return 'exact'
  if (caller === null) return null
  switch (spec.kind) {
    case 'account':
      if (spec.accountId !== caller.accountId) return null
      return caller.kind === 'root' ? 'exact' : 'account'
    case 'canonical':
      if (spec.id !== caller.canonicalId) return null
      return caller.kind === 'root' ? 'exact' : 'account'
    case 'arn':
      return caller.arns.includes(spec.arn) ? 'exact' : null
    case 'nearby-user':
      if (caller.kind === 'root') return spec.name === caller.canonicalId ? 'exact' : null
      return caller.accountId === ownerAccountId && spec.name === caller.userName ? 'exact' : null
    case 'outside':
      return null
    default:
      return spec satisfies never
  }
}
