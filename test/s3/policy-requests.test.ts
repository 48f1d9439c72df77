import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../src/store/tenants.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Call, type S3Reply, send } from '../support/s3.ts'

let app: TestApp
let acme: Customer
let other: Customer
let s3: S3
let theirs: S3
const agent = new Agent({ keepAlive: true })

beforeAll(async () => {
  app = await startTestApp()
  acme = await app.customer('acme', 1, 1)
  other = await app.customer('other', 1, 1)
  s3 = createS3(acme.credentials.endpoint, acme.credentials)
  theirs = createS3(other.credentials.endpoint, other.credentials)
})
afterAll(async () => {
  agent.destroy()
  await app[Symbol.asyncDispose]()
})

const accountId = (customer: Customer) => accountOf({ tenant: customer.tenant }).accountId

/** Unsigned. */
function anyone(
  method: string,
  path: string,
  { query = {}, headers = {}, body = '' }: S3Call = {},
): Promise<S3Reply> {
  const url = `${path}?${new URLSearchParams(query)}`
  return send(
    agent,
    s3.endpoint,
    method,
    url,
    { 'content-length': Buffer.byteLength(body), ...headers },
    body,
  )
}

const putPolicy = (bucket: string, ...statements: object[]) =>
  s3.call('PUT', `/${bucket}`, {
    query: { policy: '' },
    body: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
  })

/** A bucket whose policy says this, with one object in it. */
async function bucketWith(bucket: string, ...statements: object[]): Promise<void> {
  await s3.makeBucket(bucket)
  await s3.call('DELETE', `/${bucket}`, { query: { publicAccessBlock: '' } })
  await s3.put(`/${bucket}/there`, 'hello')
  expect(await putPolicy(bucket, ...statements)).toMatchObject({ status: 204 })
}

const allow = (bucket: string, action: string | string[], principal: unknown = '*', more: object = {}) => ({
  Effect: 'Allow',
  Principal: principal,
  Action: action,
  Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
  ...more,
})

describe('a bucket’s policy', () => {
  it('is kept as it was sent, answered, and taken away', async () => {
    await s3.makeBucket('kept')
    const about = { query: { policy: '' } }
    expect(await s3.call('GET', '/kept', about)).toMatchObject({ status: 404, code: 'NoSuchBucketPolicy' })
    const body = JSON.stringify({ Statement: allow('kept', 's3:*', { AWS: accountId(acme) }) }, null, 3)
    const put = await s3.call('PUT', '/kept', { ...about, body })
    expect(put.status).toBe(204)
    expect(put.headers['x-holdfast-entry']).toBeTypeOf('string')
    const got = await s3.call('GET', '/kept', about)
    expect(got.body.toString()).toBe(body)
    expect(got.headers['content-type']).toBe('application/json')
    expect((await s3.call('DELETE', '/kept', about)).status).toBe(204)
    expect((await s3.call('GET', '/kept', about)).code).toBe('NoSuchBucketPolicy')
  })

  it('is refused in S3’s words, and the one before stays', async () => {
    await bucketWith('strict', allow('strict', 's3:ListBucket'))
    const put = (body: string) => s3.call('PUT', '/strict', { query: { policy: '' }, body })
    expect(await put('{')).toMatchObject({ status: 400, code: 'MalformedPolicy' })
    expect(await putPolicy('strict', allow('elsewhere', 's3:ListBucket'))).toMatchObject({
      status: 400,
      code: 'MalformedPolicy',
      message: 'Policy has invalid resource',
    })
    const long = JSON.stringify({ Id: 'x'.repeat(20_500), Statement: allow('strict', 's3:ListBucket') })
    expect(await put(long)).toMatchObject({ status: 400, code: 'PolicyTooLarge' })
    expect((await anyone('GET', '/strict')).status).toBe(200)
  })

  it('lets everyone in, to what it says and to nothing else', async () => {
    await bucketWith('open', allow('open', ['s3:GetObject', 's3:PutObject']))
    const got = await anyone('GET', '/open/there')
    expect(got).toMatchObject({ status: 200 })
    expect(got.body.toString()).toBe('hello')
    expect((await anyone('PUT', '/open/new', { body: 'from nobody' })).status).toBe(200)
    expect((await s3.get('/open/new')).body.toString()).toBe('from nobody')
    expect((await theirs.get('/open/there')).status).toBe(200)
    expect(await anyone('DELETE', '/open/there')).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await anyone('GET', '/open')).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await theirs.call('DELETE', '/open/there')).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  it('binds its owner too, but for the policy itself', async () => {
    await bucketWith('denied', { ...allow('denied', 's3:*'), Effect: 'Deny' })
    expect(await s3.get('/denied/there')).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect((await s3.call('GET', '/denied')).status).toBe(403)
    expect((await s3.call('GET', '/denied', { query: { policy: '' } })).status).toBe(200)
    expect((await s3.call('DELETE', '/denied', { query: { policy: '' } })).status).toBe(204)
    expect((await s3.get('/denied/there')).status).toBe(200)
  })

  it('names another account, by number, ARN or canonical id', async () => {
    const id = accountId(other)
    for (const [index, principal] of [
      { AWS: id },
      { AWS: `arn:aws:iam::${id}:root` },
      { CanonicalUser: other.tenant },
    ].entries()) {
      const bucket = `named-${index}`
      await bucketWith(bucket, allow(bucket, ['s3:GetObject', 's3:ListBucket'], principal))
      expect((await theirs.get(`/${bucket}/there`)).status).toBe(200)
      expect((await theirs.call('GET', `/${bucket}`)).body.toString()).toContain('<Key>there</Key>')
      expect((await anyone('GET', `/${bucket}/there`)).status).toBe(403)
    }
  })

  it('cannot be given out of hand', async () => {
    await bucketWith('mine', allow('mine', 's3:*', { AWS: accountId(other) }))
    expect((await theirs.call('DELETE', '/mine', { query: { policy: '' } })).status).toBe(403)
    expect((await theirs.call('GET', '/mine', { query: { tagging: '' } })).code).toBe('NoSuchTagSet')
  })

  it('asks for what the request has: addresses, agents, prefixes, headers', async () => {
    const condition = (bucket: string, action: string, conditions: object) =>
      bucketWith(bucket, allow(bucket, action, '*', { Condition: conditions }))
    await condition('from-here', 's3:GetObject', { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } })
    expect((await anyone('GET', '/from-here/there')).status).toBe(200)
    await condition('from-there', 's3:GetObject', { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } })
    expect((await anyone('GET', '/from-there/there')).status).toBe(403)
    await condition('agents', 's3:GetObject', { StringLike: { 'aws:UserAgent': 'spoon/*' } })
    expect((await anyone('GET', '/agents/there', { headers: { 'user-agent': 'spoon/1' } })).status).toBe(200)
    expect((await anyone('GET', '/agents/there', { headers: { 'user-agent': 'fork/1' } })).status).toBe(403)
    await condition('prefixes', 's3:ListBucket', { StringEquals: { 's3:prefix': 'public/' } })
    expect((await anyone('GET', '/prefixes', { query: { prefix: 'public/' } })).status).toBe(200)
    expect((await anyone('GET', '/prefixes', { query: { prefix: 'private/' } })).status).toBe(403)
    expect((await anyone('GET', '/prefixes')).status).toBe(403)
    await condition('sealed', 's3:PutObject', {
      StringEquals: { 's3:x-amz-server-side-encryption': 'AES256' },
    })
    expect(
      (await anyone('PUT', '/sealed/a', { headers: { 'x-amz-server-side-encryption': 'AES256' } })).status,
    ).toBe(200)
    expect((await anyone('PUT', '/sealed/a')).status).toBe(403)
    await condition('plain', 's3:GetObject', { Bool: { 'aws:SecureTransport': 'true' } })
    expect((await anyone('GET', '/plain/there')).status).toBe(403)
  })

  it('asks for tags, of what is there and of what is sent', async () => {
    const condition = (name: string) => ({ Condition: { StringEquals: { [name]: 'yes' } } })
    await bucketWith('tagged', allow('tagged', 's3:GetObject', '*', condition('s3:ExistingObjectTag/public')))
    await s3.put('/tagged/yes', 'y', { 'x-amz-tagging': 'public=yes' })
    await s3.put('/tagged/no', 'n', { 'x-amz-tagging': 'public=no&Public=yes' })
    expect((await anyone('GET', '/tagged/yes')).status).toBe(200)
    for (const key of ['no', 'there', 'absent'])
      expect((await anyone('GET', `/tagged/${key}`)).status).toBe(403)
    const put = ['s3:PutObject', 's3:PutObjectTagging']
    await bucketWith('tagging', allow('tagging', put, '*', condition('s3:RequestObjectTag/public')))
    const send = (tagging: string) =>
      anyone('PUT', '/tagging/a', { body: 'a', headers: { 'x-amz-tagging': tagging } })
    expect((await send('public=yes')).status).toBe(200)
    expect((await send('public=no')).status).toBe(403)
    const body = '<Tagging><TagSet><Tag><Key>public</Key><Value>yes</Value></Tag></TagSet></Tagging>'
    expect((await anyone('PUT', '/tagging/a', { query: { tagging: '' }, body })).status).toBe(200)
    const other = body.replace('yes', 'no')
    expect((await anyone('PUT', '/tagging/a', { query: { tagging: '' }, body: other })).status).toBe(403)
  })

  it('decides on each key of a list', async () => {
    const statement = { ...allow('keys', 's3:DeleteObject'), Resource: 'arn:aws:s3:::keys/public/*' }
    await bucketWith('keys', statement)
    await s3.put('/keys/public/a', 'a')
    const body = '<Delete><Object><Key>public/a</Key></Object><Object><Key>there</Key></Object></Delete>'
    const answer = await anyone('POST', '/keys', { query: { delete: '' }, body })
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).toContain('<Deleted><Key>public/a</Key></Deleted>')
    expect(answer.body.toString()).toMatch(/<Error><Key>there<\/Key><Code>AccessDenied<\/Code>/)
    expect((await s3.get('/keys/there')).status).toBe(200)
    expect((await s3.get('/keys/public/a')).status).toBe(404)
  })

  it('must agree at both ends of a copy', async () => {
    const foreign = { AWS: accountId(other) }
    await bucketWith('copy-from', allow('copy-from', 's3:GetObject', foreign))
    await bucketWith('copy-to', allow('copy-to', 's3:PutObject', foreign))
    await bucketWith('copy-shut', allow('copy-shut', 's3:ListBucket', foreign))
    const copy = (from: string, to: string) =>
      theirs.call('PUT', `/${to}/copied`, { headers: { 'x-amz-copy-source': `/${from}/there` } })
    expect((await copy('copy-from', 'copy-to')).status).toBe(200)
    expect((await copy('copy-from', 'copy-shut')).status).toBe(403)
    expect((await copy('copy-shut', 'copy-to')).status).toBe(403)
    await theirs.makeBucket('copy-home')
    expect((await copy('copy-from', 'copy-home')).status).toBe(200)
  })

  it('does not move data over a border: a rule holds for whoever a policy lets in', async () => {
    await bucketWith('stays', allow('stays', 's3:GetObject', { AWS: accountId(other) }))
    await theirs.makeBucket('abroad', 'de-frankfurt')
    const copy = await theirs.call('PUT', '/abroad/copied', {
      headers: { 'x-amz-copy-source': '/stays/there' },
    })
    expect(copy).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(copy.body.toString()).toContain('<HoldfastRule>copy-leaves-the-country</HoldfastRule>')
  })
})

describe('a public access block', () => {
  const block = (bucket: string, ...names: string[]) =>
    s3.call('PUT', `/${bucket}`, {
      query: { publicAccessBlock: '' },
      body: `<PublicAccessBlockConfiguration>${names.map(name => `<${name}>true</${name}>`).join('')}</PublicAccessBlockConfiguration>`,
    })
  const isPublic = async (bucket: string) =>
    /<IsPublic>(\w+)</.exec(
      (await s3.call('GET', `/${bucket}`, { query: { policyStatus: '' } })).body.toString(),
    )?.[1]

  it('keeps public policies out', async () => {
    await s3.makeBucket('blocked')
    expect((await block('blocked', 'BlockPublicPolicy')).status).toBe(200)
    expect(await putPolicy('blocked', allow('blocked', 's3:GetObject'))).toMatchObject({
      status: 403,
      code: 'AccessDenied',
    })
    expect(
      (await putPolicy('blocked', allow('blocked', 's3:GetObject', { AWS: accountId(other) }))).status,
    ).toBe(204)
  })

  it('takes the force of one that is there, also for those whom it names', async () => {
    await bucketWith('restricted', allow('restricted', 's3:GetObject'))
    expect(await isPublic('restricted')).toBe('true')
    expect((await anyone('GET', '/restricted/there')).status).toBe(200)
    expect((await block('restricted', 'RestrictPublicBuckets')).status).toBe(200)
    expect(await isPublic('restricted')).toBe('false')
    expect((await anyone('GET', '/restricted/there')).status).toBe(403)
    expect((await theirs.get('/restricted/there')).status).toBe(403)
    expect((await s3.get('/restricted/there')).status).toBe(200)
  })
})

describe('expected owners', () => {
  it('are checked before anything is done', async () => {
    await s3.makeBucket('expected')
    const put = (owner: string) =>
      s3.call('PUT', '/expected/a', { body: 'a', headers: { 'x-amz-expected-bucket-owner': owner } })
    expect((await put(accountId(acme))).status).toBe(200)
    expect(await put(accountId(other))).toMatchObject({ status: 403, code: 'AccessDenied' })
  })
})
