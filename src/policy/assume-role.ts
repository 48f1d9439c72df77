/** Who may be a role: the role's own trust policy says it, and the caller's account where that leaves it to the account. */
import { askAccess, type Caller } from './access.ts'
import type { Keys } from './conditions.ts'
import type { Policy } from './document.ts'
import { askResourcePolicy } from './evaluate.ts'

export interface RoleQuestion {
  /** `arn:aws:iam::…:role/…` */
  readonly role: string
  readonly accountId: string
  readonly trust: Policy
  readonly keys: Keys
}

export function mayAssume(caller: Caller, { role, accountId, trust, keys }: RoleQuestion): boolean {
  const action = 'sts:AssumeRole'
  const own = askAccess(caller, { action, resource: role, target: null, keys })
  const said = askResourcePolicy(trust, {
    caller: caller.policy,
    action: action.toLowerCase(),
    resource: role,
    keys,
    ownerAccountId: accountId,
  })
  if (own === 'denied' || said === 'deny' || said === null) return false
  const isSameAccount = caller.policy.accountId === accountId
  return own === 'allowed' || (isSameAccount && said === 'exact')
}
