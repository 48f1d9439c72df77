/**
 * May this caller do this, by the policies that the customers themselves set? ("How Amazon S3 authorizes a request",
 * "Policy evaluation logic".) Holdfast's own rules come after it and apply to everyone.
 */
import type { BucketName, TenantId } from '../core/ids.ts'
import { type Acl, bucketPermissionOf, isGranted, isOfObject, objectPermissionOf } from './acl.ts'
import { isPublicPolicy } from './bucket-policy.ts'
import type { Keys } from './conditions.ts'
import type { Policy } from './document.ts'
import {
  askIdentityPolicies,
  askResourcePolicy,
  type PolicyRequest,
  type ResourceVerdict,
} from './evaluate.ts'
import type { PolicyCaller } from './principals.ts'

export interface Caller {
  readonly tenant: TenantId
  readonly policy: PolicyCaller
  /** What its account lets it do; `null`: everything, as the account's root. */
  readonly identity: readonly Policy[] | null
  /** What a session was narrowed to when it began; `null`: nothing less than its identity. */
  readonly session: readonly Policy[] | null
}

export interface AccessQuestion {
  /** `s3:GetObject` */
  readonly action: string
  /** `arn:aws:s3:::bucket/key` */
  readonly resource: string
  /** `null` for what is about no bucket that is there: listing them, making one. */
  readonly target: AccessTarget | null
  readonly keys: Keys
}

export interface AccessTarget {
  readonly bucket: BucketName
  readonly tenant: TenantId
  readonly accountId: string
  readonly policy: Policy | null
  readonly publicAccess: PublicAccess
  /** `null`: ACLs are disabled, and every object is the bucket owner's. */
  readonly acls: TargetAcls | null
}

export interface TargetAcls {
  readonly bucket: Acl
  /** `null`: the question is about no object, or about one that is not there. */
  readonly object: Acl | null
}

/** The two settings of a public access block that hold while a request is decided. */
export interface PublicAccess {
  readonly ignoresPublicAcls: boolean
  readonly restrictsPublicPolicy: boolean
}

export type AccessVerdict =
  | 'allowed'
  /** A policy says no. */
  | 'denied'
  /** No policy says yes. */
  | 'not-allowed'

/** Whoever owns a bucket cannot be shut out of its policy, or a slip in it would be for ever. */
const ownersAlways = new Set(['s3:getbucketpolicy', 's3:putbucketpolicy', 's3:deletebucketpolicy'])
const aclsOwnersAlways = new Set(['READ_ACP', 'WRITE_ACP'])

export function askAccess(caller: Caller | null, question: AccessQuestion): AccessVerdict {
  const { target, resource, keys } = question
  const action = question.action.toLowerCase()
  const isOwners = caller !== null && target !== null && caller.tenant === target.tenant
  // By far the most requests: an account's root at its own bucket, which has neither policy nor ACLs.
  const isPlain = target === null || (isOwners && target.policy === null && target.acls === null)
  if (caller !== null && isPlain && caller.identity === null && caller.session === null) return 'allowed'
  const ownerAccountId = target?.accountId ?? caller?.policy.accountId ?? ''
  const request: PolicyRequest = { caller: caller?.policy ?? null, action, resource, keys, ownerAccountId }

  const own = caller === null ? 'not-allowed' : askOwn(caller, request)
  if (own === 'denied') return 'denied'
  if (target === null) return own
  const said = target.policy === null ? null : askResourcePolicy(target.policy, request)
  if (said === 'deny') {
    const isRoot = isOwners && caller.policy.kind === 'root'
    if (!isRoot || !ownersAlways.has(action)) return 'denied'
  }
  // A session does no more than it was narrowed to, whoever else would let it.
  if (caller?.session && askIdentityPolicies(caller.session, request) !== 'allow') return 'not-allowed'
  const allowed = isOwners
    ? askSameAccount(caller, target, action, own, said)
    : askFromOutside(caller, target, action, own, said)
  return allowed ? 'allowed' : 'not-allowed'
}

/** What the caller's own account says. */
function askOwn({ identity, session }: Caller, request: PolicyRequest): AccessVerdict {
  const byIdentity = identity === null ? 'allow' : askIdentityPolicies(identity, request)
  const bySession = session === null ? 'allow' : askIdentityPolicies(session, request)
  if (byIdentity === 'deny' || bySession === 'deny') return 'denied'
  return byIdentity === 'allow' && bySession === 'allow' ? 'allowed' : 'not-allowed'
}

/** Within an account either side's word is enough. */
function askSameAccount(
  caller: Caller,
  target: AccessTarget,
  action: string,
  own: AccessVerdict,
  said: ResourceVerdict,
): boolean {
  const { acls } = target
  if (acls !== null && acls.object !== null && acls.object.owner !== caller.tenant && isOfObject(action))
    return own === 'allowed' && isGrantedBy(acls, target, caller.tenant, action)
  if (said === 'exact') return true
  if (own !== 'allowed') return false
  // An owner who took its own grant away has done without it; the list itself stays in its hands.
  const permission = acls === null ? null : bucketPermissionOf(action)
  if (permission === null || aclsOwnersAlways.has(permission)) return true
  return isGranted(acls!.bucket, permission, caller.tenant, target.publicAccess.ignoresPublicAcls)
}

/** Over accounts both sides must say yes; of the anonymous, whose account says nothing, the owner alone. */
function askFromOutside(
  caller: Caller | null,
  target: AccessTarget,
  action: string,
  own: AccessVerdict,
  said: ResourceVerdict,
): boolean {
  if (caller !== null && own !== 'allowed') return false
  // A bucket's policy is its account's affair, even where it would let others change it.
  if (ownersAlways.has(action)) return false
  const tenant = caller?.tenant ?? null
  const { acls, policy, publicAccess } = target
  if (acls !== null && acls.object !== null && isOfObject(action)) {
    if (acls.object.owner === tenant) return true
    // A bucket's policy speaks of what its owner owns, and not of what others keep in it.
    if (acls.object.owner !== target.tenant) return isGrantedBy(acls, target, tenant, action)
  }
  const isShut = publicAccess.restrictsPublicPolicy && policy !== null && isPublicPolicy(policy)
  if (!isShut && (said === 'exact' || (said === 'account' && caller !== null))) return true
  return acls !== null && isGrantedBy(acls, target, tenant, action)
}

function isGrantedBy(
  acls: TargetAcls,
  target: AccessTarget,
  tenant: TenantId | null,
  action: string,
): boolean {
  const ignores = target.publicAccess.ignoresPublicAcls
  const ofBucket = bucketPermissionOf(action)
  if (ofBucket !== null) return isGranted(acls.bucket, ofBucket, tenant, ignores)
  const ofObject = objectPermissionOf(action)
  if (ofObject === null) return false
  if (acls.object !== null) return isGranted(acls.object, ofObject, tenant, ignores)
  // Who may add objects may say who else may use them.
  if (ofObject === 'WRITE_ACP') return isGranted(acls.bucket, 'WRITE', tenant, ignores)
  // Who may list a bucket may be told that a key is not there.
  return ofObject === 'READ' && isGranted(acls.bucket, 'READ', tenant, ignores)
}
