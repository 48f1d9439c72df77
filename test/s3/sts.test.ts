import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeRow, encodeRow } from '../../src/store/rows.ts'
import { type AccessKeyRow, accessKeyRowKey, accountOf } from '../../src/store/tenants.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createIam, type Iam, type IamIdentity, type IamReply } from '../support/iam.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let acme: Customer
let other: Customer
let iam: Iam
let s3: S3

beforeAll(async () => {
  app = await startTestApp()
  acme = await app.customer('acme', 1, 1)
  other = await app.customer('other', 1, 1)
  iam = createIam(acme.credentials.endpoint, acme.credentials)
  s3 = createS3(acme.credentials.endpoint, acme.credentials)
  await s3.makeBucket('vault')
  await s3.put('/vault/a', 'a')
})
afterAll(() => app[Symbol.asyncDispose]())

const accountId = (customer: Customer) => accountOf({ tenant: customer.tenant }).accountId
const sts = (identity: IamIdentity) => createIam(acme.credentials.endpoint, identity, 'sts')
const as = (identity: IamIdentity) =>
  createS3(acme.credentials.endpoint, { region: 'in-mumbai', ...identity })

async function did(reply: Promise<IamReply>): Promise<IamReply> {
  const answer = await reply
  if (answer.status !== 200) throw new Error(answer.text)
  return answer
}

const keyOf = (reply: IamReply): IamIdentity => ({
  accessKeyId: reply.of('AccessKeyId')!,
  secretAccessKey: reply.of('SecretAccessKey')!,
  ...(reply.of('SessionToken') !== null && { sessionToken: reply.of('SessionToken')! }),
})

const document = (Action: string | string[], Resource = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] })

async function makeUser(UserName: string, ...actions: string[]): Promise<IamIdentity> {
  await did(iam('CreateUser', { UserName }))
  if (actions.length > 0)
    await did(iam('PutUserPolicy', { UserName, PolicyName: 'p', PolicyDocument: document(actions) }))
  return keyOf(await did(iam('CreateAccessKey', { UserName })))
}

const trust = (Principal: unknown, Condition: object = {}) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Principal, Action: 'sts:AssumeRole', Condition },
  })

async function makeRole(
  RoleName: string,
  AssumeRolePolicyDocument: string,
  ...actions: string[]
): Promise<string> {
  const made = await did(iam('CreateRole', { RoleName, AssumeRolePolicyDocument }))
  await did(iam('PutRolePolicy', { RoleName, PolicyName: 'p', PolicyDocument: document(actions) }))
  return made.of('Arn')!
}

describe('who am I', () => {
  it('a root, a user, a session', async () => {
    const root = await did(sts(acme.credentials)('GetCallerIdentity'))
    expect(root.of('Arn')).toBe(`arn:aws:iam::${accountId(acme)}:root`)
    expect(root.of('Account')).toBe(accountId(acme))
    expect(root.text).toContain('xmlns="https://sts.amazonaws.com/doc/2011-06-15/"')
    const user = await did(sts(await makeUser('who'))('GetCallerIdentity'))
    expect(user.of('Arn')).toMatch(/:user\/who$/)
    expect(user.of('UserId')).toMatch(/^AIDA/)
  })
})

describe('session tokens', () => {
  it('speak for whoever asked, as long as they last', async () => {
    const key = await makeUser('sessions', 's3:GetObject')
    const session = keyOf(await did(sts(key)('GetSessionToken', { DurationSeconds: '900' })))
    expect(session.accessKeyId).toMatch(/^ASIA/)
    expect((await as(session).get('/vault/a')).status).toBe(200)
    expect((await as(session).call('PUT', '/vault/b', { body: 'b' })).status).toBe(403)
    expect((await sts(session)('GetSessionToken')).code).toBe('AccessDenied')
  })

  it('are no keys without their token, or with another', async () => {
    const key = await makeUser('tokens', 's3:GetObject')
    const session = keyOf(await did(sts(key)('GetSessionToken')))
    const { sessionToken: _token, ...bare } = session
    expect(await as(bare).get('/vault/a')).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' })
    expect(await as({ ...session, sessionToken: 'another' }).get('/vault/a')).toMatchObject({
      status: 400,
      code: 'InvalidToken',
    })
    expect(await as({ ...key, sessionToken: session.sessionToken! }).get('/vault/a')).toMatchObject({
      status: 400,
      code: 'InvalidToken',
    })
    expect((await as(session).get('/vault/a')).status).toBe(200)
  })
})

describe('roles', () => {
  it('lend what they may do to those whom they trust', async () => {
    const key = await makeUser('assumer', 'sts:AssumeRole')
    const RoleArn = await makeRole(
      'reader',
      trust({ AWS: `arn:aws:iam::${accountId(acme)}:root` }),
      's3:GetObject',
    )
    expect((await as(key).get('/vault/a')).status).toBe(403)
    const answer = await did(sts(key)('AssumeRole', { RoleArn, RoleSessionName: 'job-1' }))
    expect(answer.text).toContain(`<Arn>arn:aws:sts::${accountId(acme)}:assumed-role/reader/job-1</Arn>`)
    const session = keyOf(answer)
    expect((await as(session).get('/vault/a')).status).toBe(200)
    expect((await as(session).call('DELETE', '/vault/a')).status).toBe(403)
    expect((await did(sts(session)('GetCallerIdentity'))).of('Arn')).toMatch(/assumed-role\/reader\/job-1$/)
    // What the role may do holds for sessions that are under way.
    await did(iam('DeleteRolePolicy', { RoleName: 'reader', PolicyName: 'p' }))
    expect((await as(session).get('/vault/a')).status).toBe(403)
    await did(iam('DeleteRole', { RoleName: 'reader' }))
    expect((await as(session).get('/vault/a')).code).toBe('InvalidAccessKeyId')
  })

  it('need both sides where the trust names an account, and one where it names the user', async () => {
    const unable = await makeUser('unable')
    const able = await makeUser('able', 'sts:AssumeRole')
    const account = await makeRole('by-account', trust({ AWS: accountId(acme) }), 's3:GetObject')
    const named = await makeRole(
      'by-name',
      trust({ AWS: `arn:aws:iam::${accountId(acme)}:user/unable` }),
      's3:GetObject',
    )
    const assume = async (key: IamIdentity, RoleArn: string) =>
      (await sts(key)('AssumeRole', { RoleArn, RoleSessionName: 'me' })).status
    expect(await assume(unable, account)).toBe(403)
    expect(await assume(able, account)).toBe(200)
    expect(await assume(unable, named)).toBe(200)
    expect(await assume(able, named)).toBe(403)
    expect(await assume(able, account.replace('by-account', 'absent'))).toBe(403)
  })

  it('are lent to another account only where they say so, and with its own word', async () => {
    const RoleArn = await makeRole(
      'for-others',
      trust({ AWS: accountId(other) }, { StringEquals: { 'sts:ExternalId': 'x1' } }),
      's3:GetObject',
    )
    const assume = (customer: Customer, more: Record<string, string> = {}) =>
      sts(customer.credentials)('AssumeRole', { RoleArn, RoleSessionName: 'theirs', ...more })
    expect((await assume(other)).code).toBe('AccessDenied')
    expect((await assume(acme, { ExternalId: 'x1' })).code).toBe('AccessDenied')
    const session = keyOf(await did(assume(other, { ExternalId: 'x1' })))
    expect((await as(session).get('/vault/a')).status).toBe(200)
    expect((await as(session).call('GET', '/')).status).toBe(403)
  })

  it('are narrowed by a session’s own policy, and never widened', async () => {
    const RoleArn = await makeRole('wide', trust({ AWS: accountId(acme) }), 's3:GetObject', 's3:PutObject')
    const assume = async (Policy: string) =>
      as(
        keyOf(await did(sts(acme.credentials)('AssumeRole', { RoleArn, RoleSessionName: 'narrow', Policy }))),
      )
    const reading = await assume(document(['s3:GetObject', 's3:DeleteObject']))
    expect((await reading.get('/vault/a')).status).toBe(200)
    expect((await reading.call('PUT', '/vault/c', { body: 'c' })).status).toBe(403)
    expect((await reading.call('DELETE', '/vault/a')).status).toBe(403)
    const bad = await sts(acme.credentials)('AssumeRole', {
      RoleArn,
      RoleSessionName: 'narrow',
      Policy: '{}',
    })
    expect(bad.code).toBe('MalformedPolicyDocument')
  })
})

describe('federated users', () => {
  it('may do what both their policy and the asker’s say', async () => {
    const key = await makeUser('broker', 's3:GetObject', 'sts:GetFederationToken')
    const token = async (more: Record<string, string>) =>
      as(keyOf(await did(sts(key)('GetFederationToken', { Name: 'visitor', ...more }))))
    expect((await (await token({})).get('/vault/a')).status).toBe(403)
    const visitor = await token({ Policy: document('s3:*') })
    expect((await visitor.get('/vault/a')).status).toBe(200)
    expect((await visitor.call('PUT', '/vault/d', { body: 'd' })).status).toBe(403)
  })
})

describe('sessions that have ended', () => {
  it('say so', async () => {
    const session = keyOf(await did(sts(acme.credentials)('GetSessionToken', { DurationSeconds: '900' })))
    const { catalog } = app.app.regions.get('in-mumbai' as never)!
    const key = accessKeyRowKey(session.accessKeyId)
    const row = decodeRow<AccessKeyRow>((await catalog.get('accesskeys', key))!)
    const ended = { ...row, session: { ...row.session, expiresUnixMs: Date.now() - 1 } }
    await catalog.commit({ puts: [{ table: 'accesskeys', key, value: encodeRow(ended) }] })
    expect(await as(session).get('/vault/a')).toMatchObject({ status: 400, code: 'ExpiredToken' })
    expect(await sts(session)('GetCallerIdentity')).toMatchObject({ status: 403, code: 'ExpiredToken' })
  })
})
