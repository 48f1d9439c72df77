import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TenantId } from '../../src/core/ids.ts'
import {
  type AccessQuestion,
  type AccessTarget,
  type AccessVerdict,
  askAccess,
  type Caller,
} from '../../src/policy/access.ts'
import type { Acl } from '../../src/policy/acl.ts'
import { type Policy, type PolicyKind, parsePolicy } from '../../src/policy/document.ts'

const tenants = { ours: 'a'.repeat(64) as TenantId, theirs: 'b'.repeat(64) as TenantId }
const accounts = { ours: '111122223333', theirs: '444455556666' }
type Side = keyof typeof tenants

function read(kind: PolicyKind, statements: readonly object[]): Policy {
  const policy = parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), kind)
  if (typeof policy === 'string') throw new Error(policy)
  return policy
}

const effect = fc.constantFrom('Allow', 'Deny')
const actions = fc.constantFrom(
  's3:GetObject',
  's3:PutObject',
  's3:ListBucket',
  's3:PutBucketPolicy',
  's3:Get*',
  '*',
)
const own = fc.record({
  Effect: effect,
  Action: actions,
  Resource: fc.constantFrom('*', 'arn:aws:s3:::papers/*'),
})
const principal = fc.constantFrom(
  '*',
  { AWS: accounts.ours },
  { AWS: accounts.theirs },
  { AWS: `arn:aws:iam::${accounts.ours}:user/ann` },
)
const ofBucket = fc.record({
  Effect: effect,
  Principal: principal,
  Action: actions,
  Resource: fc.constantFrom('*', 'arn:aws:s3:::papers/*', 'arn:aws:s3:::papers'),
})
const ownPolicies = fc.array(own, { maxLength: 3 })
const bucketPolicy = fc.option(fc.array(ofBucket, { minLength: 1, maxLength: 3 }))

const grantee = fc.constantFrom(
  { tenant: tenants.ours },
  { tenant: tenants.theirs },
  { group: 'AllUsers' as const },
  { group: 'AuthenticatedUsers' as const },
)
const grant = fc.record({
  grantee,
  permission: fc.constantFrom(
    'READ' as const,
    'WRITE' as const,
    'FULL_CONTROL' as const,
    'READ_ACP' as const,
  ),
})
const acl: fc.Arbitrary<Acl> = fc.record({
  owner: fc.constantFrom(tenants.ours, tenants.theirs),
  grants: fc.array(grant, { maxLength: 3 }),
})
const acls = fc.option(fc.record({ bucket: acl, object: fc.option(acl) }))

const who = fc.record({
  side: fc.constantFrom<Side>('ours', 'theirs'),
  user: fc.option(fc.constantFrom('ann', 'bea')),
  policies: ownPolicies,
  session: fc.option(ownPolicies),
})
type Who = typeof who extends fc.Arbitrary<infer Value> ? Value : never

const what = fc.record({
  action: fc.constantFrom(
    's3:GetObject',
    's3:PutObject',
    's3:ListBucket',
    's3:PutBucketPolicy',
    's3:DeleteObject',
  ),
  policy: bucketPolicy,
  acls,
  publicAccess: fc.record({ ignoresPublicAcls: fc.boolean(), restrictsPublicPolicy: fc.boolean() }),
})
type What = typeof what extends fc.Arbitrary<infer Value> ? Value : never

function callerOf({ side, user, policies, session }: Who): Caller {
  const accountId = accounts[side]
  const arn = user === null ? `arn:aws:iam::${accountId}:root` : `arn:aws:iam::${accountId}:user/${user}`
  const common = { accountId, canonicalId: tenants[side], arn, arns: [arn] }
  return {
    tenant: tenants[side],
    policy:
      user === null
        ? { kind: 'root', ...common, userId: accountId, userName: null }
        : { kind: 'user', ...common, userId: user, userName: user },
    identity: user === null ? null : policies.length === 0 ? [] : [read('identity', policies)],
    session: session === null ? null : session.length === 0 ? [] : [read('identity', session)],
  }
}

function questionOf({ action, policy, acls, publicAccess }: What): AccessQuestion {
  const isObject = action.endsWith('Object')
  const target: AccessTarget = {
    bucket: 'papers' as never,
    tenant: tenants.ours,
    accountId: accounts.ours,
    policy: policy === null ? null : read('resource', policy),
    publicAccess,
    // The bucket is ours, whatever its objects are.
    acls:
      acls === null
        ? null
        : { bucket: { ...acls.bucket, owner: tenants.ours }, object: isObject ? acls.object : null },
  }
  return {
    action,
    resource: isObject ? 'arn:aws:s3:::papers/a' : 'arn:aws:s3:::papers',
    target,
    keys: () => null,
  }
}

const ask = (caller: Who | null, question: What): AccessVerdict =>
  askAccess(caller === null ? null : callerOf(caller), questionOf(question))
const allowed = (caller: Who | null, question: What): number => Number(ask(caller, question) === 'allowed')

const options = { numRuns: 2000 }

describe('who may', () => {
  it('a stranger and nobody may nothing where neither policy nor list says so', () => {
    fc.assert(
      fc.property(who, what, (caller, question) => {
        const shut = { ...question, policy: null, acls: null }
        expect(ask({ ...caller, side: 'theirs' }, shut)).not.toBe('allowed')
        expect(ask(null, shut)).toBe('not-allowed')
      }),
      options,
    )
  })

  it('nobody may what a stranger without limits may not', () => {
    fc.assert(
      fc.property(what, question => {
        const root: Who = { side: 'theirs', user: null, policies: [], session: null }
        // What names the account of the stranger may keep the stranger alone out.
        const isAboutThem = JSON.stringify(question.policy ?? '').includes(accounts.theirs)
        if (!isAboutThem) expect(allowed(root, question)).toBeGreaterThanOrEqual(allowed(null, question))
      }),
      options,
    )
  })

  it('a deny on any side never gives, and an allow never takes', () => {
    fc.assert(
      fc.property(who, what, ofBucket, own, (caller, question, bucketSays, ownSays) => {
        const before = allowed(caller, question)
        const more: What = { ...question, policy: [...(question.policy ?? []), bucketSays] }
        // A policy that turns public may be restricted away; that is the setting's doing.
        const plain = { ignoresPublicAcls: false, restrictsPublicPolicy: false }
        const [then, now] = [
          allowed(caller, { ...question, publicAccess: plain }),
          allowed(caller, { ...more, publicAccess: plain }),
        ]
        if (bucketSays.Effect === 'Deny') expect(now).toBeLessThanOrEqual(then)
        else expect(now).toBeGreaterThanOrEqual(then)
        const with_ = allowed({ ...caller, policies: [...caller.policies, ownSays] }, question)
        if (ownSays.Effect === 'Deny') expect(with_).toBeLessThanOrEqual(before)
        else expect(with_).toBeGreaterThanOrEqual(before)
      }),
      options,
    )
  })

  it('a session may no more than whoever began it', () => {
    fc.assert(
      fc.property(who, what, (caller, question) => {
        expect(allowed(caller, question)).toBeLessThanOrEqual(allowed({ ...caller, session: null }, question))
      }),
      options,
    )
  })

  it('a user may no more than the root but by name', () => {
    fc.assert(
      fc.property(who, what, (caller, question) => {
        const isNamed = JSON.stringify(question.policy ?? '').includes(':user/')
        const asRoot = { ...caller, user: null }
        if (!isNamed) expect(allowed(caller, question)).toBeLessThanOrEqual(allowed(asRoot, question))
      }),
      options,
    )
  })

  it('the root of the owner is never shut out of the policy, and nobody else is let at it', () => {
    fc.assert(
      fc.property(who, what, (caller, question) => {
        const about: What = { ...question, action: 's3:PutBucketPolicy' }
        expect(ask({ side: 'ours', user: null, policies: [], session: null }, about)).toBe('allowed')
        expect(ask({ ...caller, side: 'theirs' }, about)).not.toBe('allowed')
        expect(ask(null, about)).not.toBe('allowed')
      }),
      options,
    )
  })

  it('what a block takes the force of, lets nobody in from outside', () => {
    fc.assert(
      fc.property(what, question => {
        const blocked = { ignoresPublicAcls: true, restrictsPublicPolicy: true }
        expect(ask(null, { ...question, publicAccess: blocked })).not.toBe('allowed')
      }),
      options,
    )
  })
})
