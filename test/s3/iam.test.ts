// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how policies write variables
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createIam, type Iam, type IamReply } from '../support/iam.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let acme: Customer
let other: Customer
let root: Iam
let s3: S3

beforeAll(async () => {
  app = await startTestApp()
  acme = await app.customer('acme', 1, 1)
  other = await app.customer('other', 1, 1)
  root = createIam(acme.credentials.endpoint, acme.credentials)
  s3 = createS3(acme.credentials.endpoint, acme.credentials)
})
afterAll(() => app[Symbol.asyncDispose]())

interface Key {
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const keyOf = (reply: IamReply): Key => ({
  region: 'in-mumbai',
  accessKeyId: reply.of('AccessKeyId')!,
  secretAccessKey: reply.of('SecretAccessKey')!,
})

/** Demands success. */
async function did(reply: Promise<IamReply>): Promise<IamReply> {
  const answer = await reply
  if (answer.status !== 200) throw new Error(answer.text)
  return answer
}

async function makeUser(UserName: string): Promise<Key> {
  await did(root('CreateUser', { UserName }))
  return keyOf(await did(root('CreateAccessKey', { UserName })))
}

const document = (Effect: string, Action: string | string[], Resource: string | string[] = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect, Action, Resource }] })
const as = (key: Key) => createS3(acme.credentials.endpoint, key)
const iamAs = (key: Key) => createIam(acme.credentials.endpoint, key)

describe('entries of changes that race', () => {
  it('are told of only when they took effect: what lost a race is promised to nobody', async () => {
    await did(root('CreateUser', { UserName: 'contended' }))
    const policies = Array.from({ length: 12 }, (_, i) => `p${i}`)
    const replies = await Promise.all(
      policies.map(PolicyName =>
        did(
          root('PutUserPolicy', {
            UserName: 'contended',
            PolicyName,
            PolicyDocument: document('Allow', 's3:GetObject'),
          }),
        ),
      ),
    )
    const told = replies.map(({ entry }) => entry!)
    expect(told.filter(entry => entry.includes(','))).toEqual([])
    expect(new Set(told).size).toBe(policies.length)
    for (const PolicyName of policies)
      await did(root('DeleteUserPolicy', { UserName: 'contended', PolicyName }))
    await did(root('DeleteUser', { UserName: 'contended' }))
  })

  it('name one deletion of many at once of one object', async () => {
    await s3.call('PUT', '/raced-deletions')
    await s3.call('PUT', '/raced-deletions/k', { body: Buffer.from('x') })
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => s3.call('DELETE', '/raced-deletions/k')),
    )
    const told = answers.filter(({ headers }) => headers['x-holdfast-entry'] !== undefined)
    expect(told).toHaveLength(1)
  })
})

describe('users', () => {
  it('are made, shown, listed by pages, renamed and ended', async () => {
    const made = await did(root('CreateUser', { UserName: 'Ann', Path: '/staff/' }))
    expect(made.of('Arn')).toMatch(/^arn:aws:iam::\d{12}:user\/staff\/Ann$/)
    expect(made.of('UserId')).toMatch(/^AIDA[A-Z2-7]{17}$/)
    expect(made.text).toContain(
      '<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User>',
    )
    expect(made.entry).toBeTypeOf('string')
    expect((await root('CreateUser', { UserName: 'ann' })).code).toBe('EntityAlreadyExists')
    expect((await did(root('GetUser', { UserName: 'ANN' }))).of('UserName')).toBe('Ann')
    for (const UserName of ['bea', 'cleo']) await did(root('CreateUser', { UserName }))
    const first = await did(root('ListUsers', { MaxItems: '2' }))
    expect(first.all('UserName')).toEqual(['Ann', 'bea'])
    expect(first.of('IsTruncated')).toBe('true')
    const rest = await did(root('ListUsers', { MaxItems: '2', Marker: first.of('Marker')! }))
    expect(rest.all('UserName')).toEqual(['cleo'])
    expect((await did(root('ListUsers', { PathPrefix: '/staff/' }))).all('UserName')).toEqual(['Ann'])
    expect((await root('UpdateUser', { UserName: 'Ann', NewUserName: 'bea' })).code).toBe(
      'EntityAlreadyExists',
    )
    await did(root('UpdateUser', { UserName: 'Ann', NewUserName: 'Anna', NewPath: '/' }))
    expect((await root('GetUser', { UserName: 'Ann' })).code).toBe('NoSuchEntity')
    expect((await did(root('GetUser', { UserName: 'Anna' }))).of('UserId')).toBe(made.of('UserId'))
    for (const UserName of ['Anna', 'bea', 'cleo']) await did(root('DeleteUser', { UserName }))
    expect((await root('DeleteUser', { UserName: 'Anna' })).status).toBe(404)
  })

  it.each([
    ['no name', 'CreateUser', {}, 'ValidationError'],
    ['a name that is none', 'CreateUser', { UserName: 'a b' }, 'ValidationError'],
    ['a path that is none', 'CreateUser', { UserName: 'p', Path: 'staff' }, 'ValidationError'],
    ['an action that is none', 'CreateUsers', {}, 'InvalidAction'],
    [
      'a policy that is none',
      'PutUserPolicy',
      { UserName: 'x', PolicyName: 'p', PolicyDocument: '{}' },
      'MalformedPolicyDocument',
    ],
    [
      'nobody',
      'PutUserPolicy',
      { UserName: 'x', PolicyName: 'p', PolicyDocument: document('Allow', 's3:*') },
      'NoSuchEntity',
    ],
  ])('refuse %s', async (_name, action, parameters, code) => {
    const reply = await root(action, parameters as Record<string, string>)
    expect(reply.code).toBe(code)
    expect(reply.text).toContain(
      '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>',
    )
  })

  it('may do what their policies say, from the next request on', async () => {
    const key = await makeUser('worker')
    await s3.makeBucket('works')
    await s3.put('/works/a', 'a')
    expect(await as(key).get('/works/a')).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect((await as(key).call('GET', '/')).status).toBe(403)
    const put = (PolicyDocument: string) =>
      did(root('PutUserPolicy', { UserName: 'worker', PolicyName: 'p', PolicyDocument }))
    await put(
      document('Allow', ['s3:GetObject', 's3:ListAllMyBuckets'], ['arn:aws:s3:::works/*', 'arn:aws:s3:::*']),
    )
    expect((await as(key).get('/works/a')).status).toBe(200)
    expect((await as(key).call('GET', '/')).body.toString()).toContain('<Name>works</Name>')
    expect((await as(key).call('PUT', '/works/b', { body: 'b' })).status).toBe(403)
    expect((await as(key).get('/works/absent')).code).toBe('AccessDenied')
    await put(document('Allow', 's3:*'))
    expect((await as(key).call('PUT', '/works/b', { body: 'b' })).status).toBe(200)
    await did(root('DeleteUserPolicy', { UserName: 'worker', PolicyName: 'p' }))
    expect((await as(key).get('/works/a')).status).toBe(403)
  })

  it('are let in by a bucket’s policy alone, and kept out by a deny of either side', async () => {
    const key = await makeUser('guest')
    const arn = (await did(root('GetUser', { UserName: 'guest' }))).of('Arn')
    await s3.makeBucket('guests')
    await s3.put('/guests/a', 'a')
    const policy = (Principal: unknown) =>
      s3.call('PUT', '/guests', {
        query: { policy: '' },
        body: JSON.stringify({
          Statement: {
            Effect: 'Allow',
            Principal,
            Action: 's3:GetObject',
            Resource: 'arn:aws:s3:::guests/*',
          },
        }),
      })
    await policy({ AWS: arn })
    expect((await as(key).get('/guests/a')).status).toBe(200)
    // The account alone leaves it to the account, which says nothing.
    await policy({ AWS: arn!.split(':')[4] })
    expect((await as(key).get('/guests/a')).status).toBe(403)
    await policy({ AWS: arn })
    await did(
      root('PutUserPolicy', {
        UserName: 'guest',
        PolicyName: 'no',
        PolicyDocument: document('Deny', 's3:GetObject'),
      }),
    )
    const refused = await as(key).get('/guests/a')
    expect(refused.status).toBe(403)
    expect(refused.message).toContain('explicit deny')
  })

  it('keep to variables of their own name', async () => {
    const PolicyDocument = document('Allow', 's3:*', 'arn:aws:s3:::homes/${aws:username}/*')
    await s3.makeBucket('homes')
    const keys = [await makeUser('home-1'), await makeUser('home-2')]
    for (const [index, key] of keys.entries()) {
      await did(root('PutUserPolicy', { UserName: `home-${index + 1}`, PolicyName: 'p', PolicyDocument }))
      expect((await as(key).call('PUT', `/homes/home-${index + 1}/x`, { body: 'x' })).status).toBe(200)
      expect((await as(key).call('PUT', `/homes/home-${2 - index}/y`, { body: 'y' })).status).toBe(403)
    }
  })

  it('manage what they are allowed to, and cannot reach the root’s keys', async () => {
    const key = await makeUser('manager')
    expect((await iamAs(key)('ListUsers')).code).toBe('AccessDenied')
    expect((await iamAs(key)('GetUser')).code).toBe('AccessDenied')
    await did(
      root('AttachUserPolicy', {
        UserName: 'manager',
        PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess',
      }),
    )
    expect((await iamAs(key)('ListUsers')).status).toBe(200)
    expect((await iamAs(key)('GetUser')).of('UserName')).toBe('manager')
    expect((await iamAs(key)('CreateUser', { UserName: 'friend' })).code).toBe('AccessDenied')
    await did(
      root('AttachUserPolicy', {
        UserName: 'manager',
        PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
      }),
    )
    expect((await iamAs(key)('CreateUser', { UserName: 'friend' })).status).toBe(200)
    expect((await iamAs(key)('DeleteAccessKey', { AccessKeyId: acme.credentials.accessKeyId })).code).toBe(
      'NoSuchEntity',
    )
  })
})

describe('access keys', () => {
  it('are two at most, switched off and on, and ended', async () => {
    const key = await makeUser('keys')
    await did(
      root('AttachUserPolicy', { UserName: 'keys', PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3FullAccess' }),
    )
    const second = keyOf(await did(root('CreateAccessKey', { UserName: 'keys' })))
    expect((await root('CreateAccessKey', { UserName: 'keys' })).code).toBe('LimitExceeded')
    expect((await did(root('ListAccessKeys', { UserName: 'keys' }))).all('AccessKeyId').sort()).toEqual(
      [key.accessKeyId, second.accessKeyId].sort(),
    )
    const status = (Status: string) =>
      did(root('UpdateAccessKey', { UserName: 'keys', AccessKeyId: key.accessKeyId, Status }))
    expect((await as(key).call('GET', '/')).status).toBe(200)
    expect((await status('Inactive')).entry).toBeTypeOf('string')
    expect(await as(key).call('GET', '/')).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' })
    expect((await as(second).call('GET', '/')).status).toBe(200)
    await status('Active')
    expect((await as(key).call('GET', '/')).status).toBe(200)
    expect((await root('DeleteUser', { UserName: 'keys' })).code).toBe('DeleteConflict')
    for (const { accessKeyId } of [key, second])
      await did(root('DeleteAccessKey', { UserName: 'keys', AccessKeyId: accessKeyId }))
    expect((await as(key).call('GET', '/')).code).toBe('InvalidAccessKeyId')
    expect((await iamAs(key)('GetUser')).code).toBe('InvalidClientTokenId')
  })

  it('of the root rotate', async () => {
    const owner = await app.customer('rotating', 1, 1)
    const iam = createIam(owner.credentials.endpoint, owner.credentials)
    const next = keyOf(await did(iam('CreateAccessKey')))
    const renewed = createIam(owner.credentials.endpoint, next)
    await did(renewed('DeleteAccessKey', { AccessKeyId: owner.credentials.accessKeyId }))
    expect((await iam('ListUsers')).code).toBe('InvalidClientTokenId')
    expect((await createS3(owner.credentials.endpoint, owner.credentials).call('GET', '/')).code).toBe(
      'InvalidAccessKeyId',
    )
    const found = await did(renewed('ListAccessKeys'))
    expect(found.all('AccessKeyId')).toEqual([next.accessKeyId])
    const s3 = createS3(owner.credentials.endpoint, next)
    await s3.makeBucket('rotated', 'de-frankfurt')
    await s3.put('/rotated/a', 'a')
  })

  it('can be brought along, but not another’s', async () => {
    await did(root('CreateUser', { UserName: 'moved' }))
    const given = { AccessKeyId: 'OLDHOME0000000000001', SecretAccessKey: 'a-secret-of-before' }
    await did(root('CreateAccessKey', { UserName: 'moved', ...given }))
    const s3 = as({
      region: 'in-mumbai',
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
    })
    expect((await s3.call('GET', '/')).code).toBe('AccessDenied')
    const taken = { ...given, AccessKeyId: other.credentials.accessKeyId }
    expect((await root('CreateAccessKey', { UserName: 'moved', ...taken })).code).toBe('EntityAlreadyExists')
  })
})

describe('policies of their own', () => {
  it('have versions, are attached, and stand in the way of their own end', async () => {
    const key = await makeUser('attached')
    const made = await did(
      root('CreatePolicy', {
        PolicyName: 'reading',
        PolicyDocument: document('Allow', 's3:ListAllMyBuckets'),
      }),
    )
    const PolicyArn = made.of('Arn')!
    expect(PolicyArn).toMatch(/:policy\/reading$/)
    expect(
      (await root('CreatePolicy', { PolicyName: 'reading', PolicyDocument: document('Allow', 's3:*') })).code,
    ).toBe('EntityAlreadyExists')
    await did(root('AttachUserPolicy', { UserName: 'attached', PolicyArn }))
    expect((await as(key).call('GET', '/')).status).toBe(200)
    expect((await did(root('ListAttachedUserPolicies', { UserName: 'attached' }))).of('PolicyName')).toBe(
      'reading',
    )
    expect((await did(root('ListEntitiesForPolicy', { PolicyArn }))).of('UserName')).toBe('attached')
    await did(
      root('CreatePolicyVersion', {
        PolicyArn,
        PolicyDocument: document('Deny', 's3:*'),
        SetAsDefault: 'true',
      }),
    )
    expect((await as(key).call('GET', '/')).status).toBe(403)
    expect((await did(root('GetPolicy', { PolicyArn }))).of('DefaultVersionId')).toBe('v2')
    const version = await did(root('GetPolicyVersion', { PolicyArn, VersionId: 'v1' }))
    expect(JSON.parse(decodeURIComponent(version.of('Document')!)).Statement[0].Action).toBe(
      's3:ListAllMyBuckets',
    )
    await did(root('SetDefaultPolicyVersion', { PolicyArn, VersionId: 'v1' }))
    expect((await as(key).call('GET', '/')).status).toBe(200)
    expect((await root('DeletePolicyVersion', { PolicyArn, VersionId: 'v1' })).code).toBe('DeleteConflict')
    expect((await root('DeletePolicy', { PolicyArn })).code).toBe('DeleteConflict')
    await did(root('DetachUserPolicy', { UserName: 'attached', PolicyArn }))
    expect((await as(key).call('GET', '/')).status).toBe(403)
    await did(root('DeletePolicyVersion', { PolicyArn, VersionId: 'v2' }))
    await did(root('DeletePolicy', { PolicyArn }))
    expect((await root('AttachUserPolicy', { UserName: 'attached', PolicyArn })).code).toBe('NoSuchEntity')
  })

  it('come through groups too', async () => {
    const key = await makeUser('member')
    const group = await did(root('CreateGroup', { GroupName: 'readers' }))
    expect(group.of('GroupId')).toMatch(/^AGPA/)
    await did(
      root('PutGroupPolicy', {
        GroupName: 'readers',
        PolicyName: 'p',
        PolicyDocument: document('Allow', 's3:ListAllMyBuckets'),
      }),
    )
    await did(root('AddUserToGroup', { GroupName: 'readers', UserName: 'member' }))
    expect((await as(key).call('GET', '/')).status).toBe(200)
    expect((await did(root('GetGroup', { GroupName: 'readers' }))).of('UserName')).toBe('member')
    expect((await did(root('ListGroupsForUser', { UserName: 'member' }))).of('GroupName')).toBe('readers')
    expect((await root('DeleteGroup', { GroupName: 'readers' })).code).toBe('DeleteConflict')
    await did(root('RemoveUserFromGroup', { GroupName: 'readers', UserName: 'member' }))
    expect((await as(key).call('GET', '/')).status).toBe(403)
    await did(root('DeleteGroupPolicy', { GroupName: 'readers', PolicyName: 'p' }))
    await did(root('DeleteGroup', { GroupName: 'readers' }))
  })

  it('inline ones are listed, answered as they came, and limited', async () => {
    await did(root('CreateUser', { UserName: 'inline' }))
    const PolicyDocument = document('Allow', 's3:Get*', 'arn:aws:s3:::a b+c/*')
    await did(root('PutUserPolicy', { UserName: 'inline', PolicyName: 'p', PolicyDocument }))
    expect((await did(root('ListUserPolicies', { UserName: 'inline' }))).all('member')).toEqual(['p'])
    const got = await did(root('GetUserPolicy', { UserName: 'inline', PolicyName: 'p' }))
    expect(decodeURIComponent(got.of('PolicyDocument')!)).toBe(PolicyDocument)
    const long = document('Allow', 's3:GetObject', `arn:aws:s3:::${'x'.repeat(3000)}`)
    expect(
      (await root('PutUserPolicy', { UserName: 'inline', PolicyName: 'q', PolicyDocument: long })).code,
    ).toBe('LimitExceeded')
    expect((await root('GetUserPolicy', { UserName: 'inline', PolicyName: 'q' })).code).toBe('NoSuchEntity')
    expect((await root('DeleteUser', { UserName: 'inline' })).code).toBe('DeleteConflict')
  })
})

describe('accounts', () => {
  it('are strangers to each other', async () => {
    await did(root('CreateUser', { UserName: 'ours' }))
    const theirs = createIam(other.credentials.endpoint, other.credentials)
    expect((await theirs('GetUser', { UserName: 'ours' })).code).toBe('NoSuchEntity')
    expect((await did(theirs('ListUsers'))).all('UserName')).toEqual([])
    const id = acme.credentials.accessKeyId
    expect((await theirs('DeleteAccessKey', { AccessKeyId: id })).code).toBe('NoSuchEntity')
  })

  it('need a signature, and the right one', async () => {
    const bare = await fetch(acme.credentials.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=ListUsers&Version=2010-05-08',
    })
    expect(bare.status).toBe(403)
    expect(await bare.text()).toContain('<Code>MissingAuthenticationToken</Code>')
    const wrong = createIam(acme.credentials.endpoint, { ...acme.credentials, secretAccessKey: 'wrong' })
    expect(await wrong('ListUsers')).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  it('are reached at the control API’s port too', async () => {
    const iam = createIam(app.api, acme.credentials)
    expect((await did(iam('GetUser'))).of('Arn')).toMatch(/:root$/)
  })

  it('enter every change', async () => {
    const { entry } = await did(root('CreateUser', { UserName: 'entered' }))
    const { entry: keyed } = await did(root('CreateAccessKey', { UserName: 'entered' }))
    const token = acme.credentials.apiToken
    for (const id of [entry, keyed]) {
      const receipt = async () =>
        fetch(`${app.api}/api/v1/entries/${id}/receipt`, { headers: { authorization: `Bearer ${token}` } })
      for (let tries = 0; (await receipt()).status !== 200 && tries < 1200; tries++)
        await new Promise(resolve => setTimeout(resolve, 50))
      expect((await receipt()).status).toBe(200)
    }
  })
})
