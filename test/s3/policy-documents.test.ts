// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how policies write variables
import { describe, expect, it } from 'vitest'
import { isPublicPolicy, parseBucketPolicy } from '../../src/policy/bucket-policy.ts'
import { type Policy, parsePolicy } from '../../src/policy/document.ts'
import { askIdentityPolicies, askResourcePolicy } from '../../src/policy/evaluate.ts'
import type { PolicyCaller } from '../../src/policy/principals.ts'

const everyone = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::papers/*',
}

function bucketPolicy(...statements: object[]): Policy | string {
  return parseBucketPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'papers')
}

function user(name: string, accountId = '111122223333'): PolicyCaller {
  const arn = `arn:aws:iam::${accountId}:user/${name}`
  const common = { accountId, canonicalId: `canon-${accountId}`, arn, arns: [arn] }
  return { kind: 'user', ...common, userId: `AIDA${name}`, userName: name }
}

function root(accountId: string): PolicyCaller {
  const arn = `arn:aws:iam::${accountId}:root`
  const common = { accountId, canonicalId: `canon-${accountId}`, arn, arns: [arn] }
  return { kind: 'root', ...common, userId: accountId, userName: null }
}

interface Ask {
  readonly caller?: PolicyCaller | null
  readonly action?: string
  readonly resource?: string
  readonly keys?: Readonly<Record<string, string | readonly string[]>>
}

const request = ({
  caller = null,
  action = 's3:getobject',
  resource = 'arn:aws:s3:::papers/a',
  keys = {},
}: Ask) => ({
  caller,
  action,
  resource,
  ownerAccountId: '111122223333',
  keys: (key: string) => {
    const value = Object.entries(keys).find(([name]) => name.toLowerCase() === key)?.[1]
    return value === undefined ? null : typeof value === 'string' ? [value] : value
  },
})

function ask(policy: Policy | string, what: Ask = {}) {
  if (typeof policy === 'string') throw new Error(policy)
  return askResourcePolicy(policy, request(what))
}

function holds(condition: object, keys: Ask['keys']): boolean {
  return ask(bucketPolicy({ ...everyone, Condition: condition }), { keys: keys ?? {} }) === 'exact'
}

describe('bucket policies that S3 refuses', () => {
  it.each<[string, object | string, RegExp]>([
    ['no JSON', 'allow all', /first byte must be '\{'/],
    ['an array', '[]', /first byte must be '\{'/],
    ['a version of its own', { Version: '2020-01-01', Statement: [everyone] }, /valid version string/],
    ['no statement', { Version: '2012-10-17' }, /Missing required field Statement/],
    ['an empty list of statements', { Version: '2012-10-17', Statement: [] }, /Statement is empty/],
    [
      'a field that is none',
      { Version: '2012-10-17', Statement: [everyone], Extra: 1 },
      /Unknown field Extra/,
    ],
    ['no effect', { Statement: [{ ...everyone, Effect: undefined }] }, /Missing required field Effect/],
    ['another effect', { Statement: [{ ...everyone, Effect: 'Maybe' }] }, /Invalid effect: Maybe/],
    [
      'no principal',
      { Statement: [{ ...everyone, Principal: undefined }] },
      /Missing required field Principal/,
    ],
    ['nobody', { Statement: [{ ...everyone, Principal: {} }] }, /Invalid principal/],
    [
      'a principal in part',
      { Statement: [{ ...everyone, Principal: { AWS: 'arn:aws:iam::1*:root' } }] },
      /Invalid principal/,
    ],
    ['no action', { Statement: [{ ...everyone, Action: undefined }] }, /Missing required field Action/],
    [
      'an action of another service',
      { Statement: [{ ...everyone, Action: 'sqs:SendMessage' }] },
      /invalid action/,
    ],
    [
      'an action that is not there',
      { Statement: [{ ...everyone, Action: 's3:GetObjects' }] },
      /invalid action/,
    ],
    ['no resource', { Statement: [{ ...everyone, Resource: undefined }] }, /Missing required field Resource/],
    [
      'another bucket',
      { Statement: [{ ...everyone, Resource: 'arn:aws:s3:::letters/*' }] },
      /invalid resource/,
    ],
    ['a bare name', { Statement: [{ ...everyone, Resource: 'papers/*' }] }, /invalid resource/],
    [
      'a bucket action on objects',
      { Statement: [{ ...everyone, Action: 's3:ListBucket' }] },
      /does not apply to any resource/,
    ],
    [
      'an object action on the bucket',
      { Statement: [{ ...everyone, Resource: 'arn:aws:s3:::papers' }] },
      /does not apply to any resource/,
    ],
    [
      'an operator that is none',
      { Statement: [{ ...everyone, Condition: { StringIs: { 's3:prefix': 'a' } } }] },
      /Invalid condition operator/,
    ],
    [
      'a key that is none',
      { Statement: [{ ...everyone, Condition: { StringEquals: { 's3:colour': 'a' } } }] },
      /invalid condition key/,
    ],
    [
      'no address',
      { Statement: [{ ...everyone, Condition: { IpAddress: { 'aws:SourceIp': 'home' } } }] },
      /Invalid value/,
    ],
    [
      'an unclosed variable',
      { Statement: [{ ...everyone, Resource: 'arn:aws:s3:::papers/${aws:username' }], Version: '2012-10-17' },
      /invalid resource/,
    ],
  ])('%s', (_name, document, message) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    expect(parseBucketPolicy(text, 'papers')).toMatch(message)
  })

  it('take what S3 takes: one statement for a list, wildcards, both levels, an account in the resource', () => {
    for (const statement of [
      { ...everyone, Action: ['s3:Get*', 'S3:PUTOBJECT'] },
      { ...everyone, Action: '*', Resource: ['arn:aws:s3:::papers', 'arn:aws:s3:::papers/*'] },
      { ...everyone, Action: 's3:ListBucket', Resource: 'arn:aws:s3::*:papers' },
      { ...everyone, Action: 's3:*', Resource: 'arn:aws:s3:::*' },
      { ...everyone, Principal: { CanonicalUser: ['abc'], AWS: ['111122223333', 'arn:aws:iam:::user/ann'] } },
    ])
      expect(bucketPolicy(statement)).toBeTypeOf('object')
    expect(parseBucketPolicy(JSON.stringify({ Statement: everyone }), 'papers')).toBeTypeOf('object')
  })
})

describe('who is meant', () => {
  const naming = (principal: unknown) => bucketPolicy({ ...everyone, Principal: principal })

  it('everyone is everyone, the anonymous too', () => {
    for (const principal of ['*', { AWS: '*' }]) {
      expect(ask(naming(principal))).toBe('exact')
      expect(ask(naming(principal), { caller: user('ann') })).toBe('exact')
    }
  })

  it('an account leaves it to the account; a user or a root is meant itself', () => {
    const account = naming({ AWS: '444455556666' })
    expect(ask(account)).toBeNull()
    expect(ask(account, { caller: user('ann', '444455556666') })).toBe('account')
    expect(ask(account, { caller: root('444455556666') })).toBe('exact')
    expect(ask(account, { caller: root('777788889999') })).toBeNull()
    const one = naming({ AWS: 'arn:aws:iam::444455556666:user/ann' })
    expect(ask(one, { caller: user('ann', '444455556666') })).toBe('exact')
    expect(ask(one, { caller: user('bea', '444455556666') })).toBeNull()
    expect(ask(naming({ CanonicalUser: 'canon-444455556666' }), { caller: root('444455556666') })).toBe(
      'exact',
    )
  })

  it('a user without an account is one of the owner’s, and nobody else’s of the same name', () => {
    const near = naming({ AWS: 'arn:aws:iam:::user/ann' })
    expect(ask(near, { caller: user('ann') })).toBe('exact')
    expect(ask(near, { caller: user('ann', '444455556666') })).toBeNull()
  })

  it('NotPrincipal is all the others', () => {
    const others = bucketPolicy({
      ...everyone,
      Effect: 'Deny',
      Principal: undefined,
      NotPrincipal: { AWS: '111122223333' },
    })
    expect(ask(others, { caller: root('111122223333') })).toBeNull()
    expect(ask(others, { caller: root('444455556666') })).toBe('deny')
    expect(ask(others)).toBe('deny')
  })

  it('a service is nobody here', () => {
    expect(ask(naming({ Service: 'logging.s3.amazonaws.com' }), { caller: root('111122223333') })).toBeNull()
  })
})

describe('variables', () => {
  const home = (version: string) =>
    parseBucketPolicy(
      JSON.stringify({
        Version: version,
        Statement: [{ ...everyone, Resource: 'arn:aws:s3:::papers/${aws:username}/*' }],
      }),
      'papers',
    )

  it('stand for the request’s own value', () => {
    const at = (resource: string, name: string) =>
      ask(home('2012-10-17'), { resource: `arn:aws:s3:::papers/${resource}`, keys: { 'aws:username': name } })
    expect(at('ann/x', 'ann')).toBe('exact')
    expect(at('bea/x', 'ann')).toBeNull()
    expect(at('anything/x', '*')).toBeNull()
    expect(at('*/x', '*')).toBe('exact')
  })

  it('match nothing when the request has no such value, and are text in the older version', () => {
    expect(ask(home('2012-10-17'), { resource: 'arn:aws:s3:::papers//x' })).toBeNull()
    const literal = { resource: 'arn:aws:s3:::papers/${aws:username}/x', keys: { 'aws:username': 'ann' } }
    expect(ask(home('2008-10-17'), literal)).toBe('exact')
  })

  it('have a value for want of one, and escapes for the signs themselves', () => {
    const policy = bucketPolicy({
      ...everyone,
      Resource: ["arn:aws:s3:::papers/${aws:username, 'guest'}/*", 'arn:aws:s3:::papers/${*}${?}${$}'],
    })
    expect(ask(policy, { resource: 'arn:aws:s3:::papers/guest/x' })).toBe('exact')
    expect(ask(policy, { resource: 'arn:aws:s3:::papers/*?$' })).toBe('exact')
    expect(ask(policy, { resource: 'arn:aws:s3:::papers/abc' })).toBeNull()
  })
})

describe('conditions', () => {
  it.each<[string, object, Ask['keys'], boolean]>([
    ['equal text', { StringEquals: { 's3:prefix': ['a', 'b'] } }, { 's3:prefix': 'b' }, true],
    ['text in another case', { StringEquals: { 's3:prefix': 'a' } }, { 's3:prefix': 'A' }, false],
    ['a key in another case', { StringEquals: { 'S3:Prefix': 'a' } }, { 's3:prefix': 'a' }, true],
    [
      'text whatever its case',
      { StringEqualsIgnoreCase: { 's3:prefix': 'Ab' } },
      { 's3:prefix': 'aB' },
      true,
    ],
    ['a star that is only a star', { StringEquals: { 's3:prefix': 'a*' } }, { 's3:prefix': 'ab' }, false],
    ['none of several', { StringNotEquals: { 's3:prefix': ['a', 'b'] } }, { 's3:prefix': 'b' }, false],
    ['a pattern', { StringLike: { 's3:prefix': 'a?c*' } }, { 's3:prefix': 'abcde' }, true],
    ['a pattern that is not', { StringNotLike: { 's3:prefix': 'a*' } }, { 's3:prefix': 'abcde' }, false],
    ['a missing key', { StringEquals: { 's3:prefix': 'a' } }, {}, false],
    ['a missing key that is not', { StringNotEquals: { 's3:prefix': 'a' } }, {}, true],
    ['if it exists', { StringEqualsIfExists: { 's3:prefix': 'a' } }, {}, true],
    ['if it exists, and does', { StringEqualsIfExists: { 's3:prefix': 'a' } }, { 's3:prefix': 'b' }, false],
    ['a number', { NumericLessThanEquals: { 's3:max-keys': 10 } }, { 's3:max-keys': '10' }, true],
    ['no number', { NumericLessThanEquals: { 's3:max-keys': 10 } }, { 's3:max-keys': 'ten' }, false],
    ['another number', { NumericNotEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': '11' }, true],
    [
      'a day',
      { DateGreaterThan: { 'aws:CurrentTime': '2026-01-01' } },
      { 'aws:CurrentTime': '2026-01-01T00:00:01Z' },
      true,
    ],
    ['seconds', { DateLessThan: { 'aws:EpochTime': '100' } }, { 'aws:EpochTime': '99' }, true],
    ['truth', { Bool: { 'aws:SecureTransport': true } }, { 'aws:SecureTransport': 'true' }, true],
    ['untruth', { Bool: { 'aws:SecureTransport': 'false' } }, { 'aws:SecureTransport': 'true' }, false],
    ['an address', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:SourceIp': '10.1.2.3' }, true],
    [
      'an address beside it',
      { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      { 'aws:SourceIp': '11.1.2.3' },
      false,
    ],
    [
      'an address of six',
      { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } },
      { 'aws:SourceIp': '2001:db8:1::ffff' },
      true,
    ],
    [
      'an address of four seen as six',
      { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      { 'aws:SourceIp': '::ffff:10.1.2.3' },
      true,
    ],
    [
      'not there',
      { NotIpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.1'] } },
      { 'aws:SourceIp': '192.0.2.1' },
      false,
    ],
    [
      'an ARN',
      { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/a*' } },
      { 'aws:PrincipalArn': 'arn:aws:iam::1:user/ann' },
      true,
    ],
    [
      'a star that must not reach over a colon',
      { ArnLike: { 'aws:PrincipalArn': 'arn:aws:*:user/a*' } },
      { 'aws:PrincipalArn': 'arn:aws:iam::1:user/ann' },
      false,
    ],
    ['absence', { Null: { 's3:x-amz-acl': 'true' } }, {}, true],
    ['presence', { Null: { 's3:x-amz-acl': false } }, { 's3:x-amz-acl': 'private' }, true],
    [
      'all of the given',
      { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b'] } },
      { 's3:RequestObjectTagKeys': ['a', 'b'] },
      true,
    ],
    [
      'not all of the given',
      { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } },
      { 's3:RequestObjectTagKeys': ['a', 'b'] },
      false,
    ],
    ['all of none', { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } }, {}, true],
    [
      'one of the given',
      { 'ForAnyValue:StringLike': { 's3:RequestObjectTagKeys': ['b*'] } },
      { 's3:RequestObjectTagKeys': ['a', 'bc'] },
      true,
    ],
    ['one of none', { 'ForAnyValue:StringNotEquals': { 's3:RequestObjectTagKeys': ['b'] } }, {}, false],
    [
      'a variable',
      { StringEquals: { 's3:prefix': '${aws:username}/' } },
      { 's3:prefix': 'ann/', 'aws:username': 'ann' },
      true,
    ],
    [
      'all at once',
      { Bool: { 'aws:SecureTransport': true }, StringEquals: { 's3:prefix': 'a' } },
      { 'aws:SecureTransport': 'true' },
      false,
    ],
  ])('%s', (_name, condition, keys, expected) => expect(holds(condition, keys)).toBe(expected))
})

describe('weighing', () => {
  it('a deny wins, wherever it stands', () => {
    const deny = { ...everyone, Effect: 'Deny', Resource: 'arn:aws:s3:::papers/secret/*' }
    for (const policy of [bucketPolicy(everyone, deny), bucketPolicy(deny, everyone)]) {
      expect(ask(policy, { resource: 'arn:aws:s3:::papers/secret/a' })).toBe('deny')
      expect(ask(policy, { resource: 'arn:aws:s3:::papers/a' })).toBe('exact')
    }
  })

  it('NotAction and NotResource speak of everything else', () => {
    const policy = bucketPolicy({
      ...everyone,
      Action: undefined,
      NotAction: 's3:Delete*',
      Resource: undefined,
      NotResource: 'arn:aws:s3:::papers/secret/*',
    })
    expect(ask(policy)).toBe('exact')
    expect(ask(policy, { action: 's3:deleteobject' })).toBeNull()
    expect(ask(policy, { resource: 'arn:aws:s3:::papers/secret/x' })).toBeNull()
  })

  it('several identity policies add up', () => {
    const identity = (effect: string, action: string) =>
      parsePolicy(
        JSON.stringify({ Statement: { Effect: effect, Action: action, Resource: '*' } }),
        'identity',
      ) as Policy
    const all = [identity('Allow', 's3:*'), identity('Deny', 's3:Delete*')]
    expect(askIdentityPolicies(all, request({}))).toBe('allow')
    expect(askIdentityPolicies(all, request({ action: 's3:deleteobject' }))).toBe('deny')
    expect(askIdentityPolicies(all.slice(1), request({}))).toBeNull()
  })
})

describe('public', () => {
  const isPublic = (statement: object) =>
    isPublicPolicy(bucketPolicy({ ...everyone, ...statement }) as Policy)

  it.each<[string, object, boolean]>([
    ['everyone', {}, true],
    ['everyone by another name', { Principal: { AWS: ['111122223333', '*'] } }, true],
    ['all but one', { Principal: undefined, NotPrincipal: { AWS: '111122223333' } }, true],
    ['a deny', { Effect: 'Deny' }, false],
    ['an account', { Principal: { AWS: '111122223333' } }, false],
    ['everyone of a network', { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }, false],
    ['everyone of the Internet', { Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/1' } } }, true],
    ['everyone but a network', { Condition: { NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }, true],
    ['everyone over TLS', { Condition: { Bool: { 'aws:SecureTransport': true } } }, true],
    [
      'everyone of an account',
      { Condition: { StringEquals: { 'aws:PrincipalAccount': '111122223333' } } },
      false,
    ],
    [
      'everyone of an account, or of none',
      { Condition: { StringEqualsIfExists: { 'aws:PrincipalAccount': '111122223333' } } },
      true,
    ],
    ['everyone of any account', { Condition: { StringLike: { 'aws:PrincipalAccount': '*' } } }, true],
    ['every session of a role', { Condition: { StringLike: { 'aws:userid': 'AROAEXAMPLE:*' } } }, false],
  ])('%s', (_name, statement, expected) => expect(isPublic(statement)).toBe(expected))
})
