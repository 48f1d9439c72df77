import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Call, type S3Reply, send } from '../support/s3.ts'

let app: TestApp
let owner: S3
let stranger: S3
const agent = new Agent({ keepAlive: true })

beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('owner', 1, 1)
  owner = createS3(credentials.endpoint, credentials)
  const other = (await app.customer('stranger', 1, 1)).credentials
  stranger = createS3(other.endpoint, other)
  await owner.makeBucket('secrets')
  await owner.put('/secrets/there', 'what nobody else may know')
})
afterAll(async () => {
  agent.destroy()
  await app[Symbol.asyncDispose]()
})

function anyone(
  method: string,
  path: string,
  { query = {}, headers = {}, body = '' }: S3Call = {},
): Promise<S3Reply> {
  const url = `${path}?${new URLSearchParams(query)}`
  return send(
    agent,
    owner.endpoint,
    method,
    url,
    { 'content-length': Buffer.byteLength(body), ...headers },
    body,
  )
}

/** Everything of an answer that could tell something, but what names the request itself. */
function told({ status, headers, body }: S3Reply, key: string) {
  const { date: _date, 'x-amz-request-id': _id, ...rest } = headers
  return {
    status,
    headers: { ...rest, 'content-length': undefined },
    body: body
      .toString()
      .replace(/<RequestId>.*?<\/RequestId>/, '')
      .replaceAll(key, 'KEY'),
  }
}

const objectRequests: readonly (readonly [name: string, method: string, call: S3Call])[] = [
  ['GET', 'GET', {}],
  ['HEAD', 'HEAD', {}],
  ['a range', 'GET', { headers: { range: 'bytes=0-3' } }],
  ['a conditional GET', 'GET', { headers: { 'if-none-match': '*' } }],
  ['PUT', 'PUT', { body: 'x' }],
  ['a conditional PUT', 'PUT', { body: 'x', headers: { 'if-none-match': '*' } }],
  ['DELETE', 'DELETE', {}],
  ['parts', 'POST', { query: { uploads: '' } }],
  ['a part', 'PUT', { query: { uploadId: '01', partNumber: '1' }, body: 'x' }],
]

describe('a tenant learns nothing of another’s objects', () => {
  for (const who of ['stranger', 'nobody'] as const) {
    const call = (method: string, path: string, options: S3Call) =>
      who === 'stranger' ? stranger.call(method, path, options) : anyone(method, path, options)

    it.each(objectRequests)(
      `${who}, by %s: one that is there is as one that is not`,
      async (_name, method, options) => {
        const there = told(await call(method, '/secrets/there', options), 'there')
        expect(there.status).toBe(403)
        expect(told(await call(method, '/secrets/absent', options), 'absent')).toEqual(there)
        if (method !== 'HEAD') expect(there.body).toContain('<Code>AccessDenied</Code>')
      },
    )

    it.each([
      ['a list', 'GET', {}],
      ['a list of version 2', 'GET', { query: { 'list-type': '2' } }],
      ['HEAD', 'HEAD', {}],
      ['uploads', 'GET', { query: { uploads: '' } }],
      ['its region', 'GET', { query: { location: '' } }],
      ['its ACL', 'GET', { query: { acl: '' } }],
      ['its policy', 'GET', { query: { policy: '' } }],
      ['its tags', 'GET', { query: { tagging: '' } }],
      ['its end', 'DELETE', {}],
    ] as const)(`${who}, of the bucket: %s`, async (_name, method, options) => {
      expect((await call(method, '/secrets', options)).status).toBe(403)
    })

    it(`${who}, by a list of deletions: each is refused, there or not`, async () => {
      const body = '<Delete><Object><Key>there</Key></Object><Object><Key>absent</Key></Object></Delete>'
      const answer = (await call('POST', '/secrets', { query: { delete: '' }, body })).body.toString()
      expect(answer.match(/<Code>AccessDenied<\/Code>/g)).toHaveLength(2)
      expect(answer).not.toContain('<Deleted>')
    })
  }

  it('by a copy', async () => {
    await stranger.makeBucket('own')
    const copy = async (key: string) =>
      told(await stranger.call('PUT', '/own/x', { headers: { 'x-amz-copy-source': `/secrets/${key}` } }), key)
    const there = await copy('there')
    expect(there.status).toBe(403)
    expect(await copy('absent')).toEqual(there)
  })

  it('by the list of buckets, nor can a taken name be made', async () => {
    expect((await stranger.call('GET', '/')).body.toString()).not.toContain('secrets')
    expect((await anyone('GET', '/')).body.toString()).not.toContain('secrets')
    expect(await stranger.call('PUT', '/secrets')).toMatchObject({ status: 409, code: 'BucketAlreadyExists' })
  })

  it('and nothing of it was changed', async () => {
    expect((await owner.get('/secrets/there')).body.toString()).toBe('what nobody else may know')
    expect((await owner.call('GET', '/secrets')).body.toString().match(/<Key>/g)).toHaveLength(1)
  })
})

describe('who may read and not list', () => {
  it('is told the same of what is not there as of what is not theirs', async () => {
    await owner.makeBucket('readable')
    await owner.call('DELETE', '/readable', { query: { publicAccessBlock: '' } })
    await owner.put('/readable/there', 'hello')
    const read = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::readable/*',
    }
    const list = { ...read, Action: 's3:ListBucket', Resource: 'arn:aws:s3:::readable' }
    const put = (...statements: object[]) =>
      owner.call('PUT', '/readable', {
        query: { policy: '' },
        body: JSON.stringify({ Statement: statements }),
      })
    expect((await put(read)).status).toBe(204)
    for (const get of [stranger.get, (path: string) => anyone('GET', path)]) {
      expect((await get('/readable/there')).status).toBe(200)
      expect(await get('/readable/absent')).toMatchObject({ status: 403, code: 'AccessDenied' })
    }
    expect(await owner.get('/readable/absent')).toMatchObject({ status: 404, code: 'NoSuchKey' })
    expect((await put(read, list)).status).toBe(204)
    expect(await stranger.get('/readable/absent')).toMatchObject({ status: 404, code: 'NoSuchKey' })
  })
})
