import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('plain')
  await s3.makeBucket('versioned')
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await s3.call('PUT', '/versioned', { query: { versioning: '' }, body })
})
afterAll(() => app[Symbol.asyncDispose]())

const outcome = ({ status, code }: S3Reply) => (status < 300 ? status : `${status} ${code}`)
const put = async (path: string, body: string, headers = {}) =>
  outcome(await s3.call('PUT', path, { body, headers }))
const remove = async (path: string, headers = {}, query = {}) =>
  outcome(await s3.call('DELETE', path, { headers, query }))
const etagOf = async (path: string, body = path) => String((await s3.put(path, body)).headers.etag)
const bodyOf = async (path: string) => (await s3.get(path)).body.toString()

const absent = { 'if-none-match': '*' }
const wrong = { 'if-match': '"00000000000000000000000000000000"' }

async function completing(path: string) {
  const begun = await s3.call('POST', path, { query: { uploads: '' } })
  const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
  const part = await s3.call('PUT', path, { query: { partNumber: '1', uploadId }, body: 'parts' })
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
  return async (headers = {}) => outcome(await s3.call('POST', path, { query: { uploadId }, body, headers }))
}

describe.each(['plain', 'versioned'])('in a %s bucket', bucket => {
  it('a write may demand that nothing is there', async () => {
    const path = `/${bucket}/absent`
    expect(await put(path, 'one', absent)).toBe(200)
    expect(await put(path, 'two', absent)).toBe('412 PreconditionFailed')
    expect(await bodyOf(path)).toBe('one')
    await remove(path)
    expect(await put(path, 'three', absent)).toBe(200)
    expect(await put(path, 'four', { 'if-none-match': '"abc"' })).toBe('501 NotImplemented')
  })

  it('a write may demand what is there', async () => {
    const path = `/${bucket}/match`
    expect(await put(path, 'x', wrong)).toBe('404 NoSuchKey')
    const etag = await etagOf(path)
    expect(await put(path, 'two', wrong)).toBe('412 PreconditionFailed')
    expect(await put(path, 'two', { 'if-match': etag })).toBe(200)
    expect(await put(path, 'three', { 'if-match': etag })).toBe('412 PreconditionFailed')
    expect(await bodyOf(path)).toBe('two')
    await remove(path)
    expect(await put(path, 'four', { 'if-match': etag })).toBe('404 NoSuchKey')
  })

  it('so may a completed upload, which stays open when it fails', async () => {
    const path = `/${bucket}/upload`
    const complete = await completing(path)
    expect(await complete(wrong)).toBe('404 NoSuchKey')
    const etag = await etagOf(path, 'before')
    expect(await complete(absent)).toBe('412 PreconditionFailed')
    expect(await bodyOf(path)).toBe('before')
    expect(await complete({ 'if-match': etag })).toBe(200)
    expect(await bodyOf(path)).toBe('parts')
  })

  it('so may a copy, of its destination', async () => {
    await s3.put(`/${bucket}/source`, 'source')
    const path = `/${bucket}/copy`
    const copy = (headers: Record<string, string>) =>
      put(path, '', { 'x-amz-copy-source': `/${bucket}/source`, ...headers })
    expect(await copy(wrong)).toBe('404 NoSuchKey')
    expect(await copy(absent)).toBe(200)
    expect(await copy(absent)).toBe('412 PreconditionFailed')
    expect(await copy({ 'if-match': await etagOf(path, 'other') })).toBe(200)
    expect(await bodyOf(path)).toBe('source')
  })

  it('a deletion may demand what is there, by its ETag, time and size', async () => {
    const path = `/${bucket}/delete`
    expect(await remove(path, { 'if-match': '*' })).toBe('412 PreconditionFailed')
    expect(await remove(path, wrong)).toBe('404 NoSuchKey')
    const etag = await etagOf(path, '12345')
    const { headers } = await s3.call('HEAD', path)
    expect(await remove(path, wrong)).toBe('412 PreconditionFailed')
    expect(await remove(path, { 'x-amz-if-match-size': '4' })).toBe('412 PreconditionFailed')
    const never = { 'x-amz-if-match-last-modified-time': 'Wed, 01 Jan 2020 00:00:00 GMT' }
    expect(await remove(path, never)).toBe('412 PreconditionFailed')
    expect(await remove(path, { 'x-amz-if-match-size': 'many' })).toBe('400 InvalidArgument')
    expect(await bodyOf(path)).toBe('12345')
    const all = {
      'if-match': etag,
      'x-amz-if-match-size': '5',
      'x-amz-if-match-last-modified-time': String(headers['last-modified']),
    }
    expect(await remove(path, all)).toBe(204)
    expect((await s3.get(path)).code).toBe('NoSuchKey')
    // By the reference, these two let pass what is not there.
    expect(await remove(path, { 'x-amz-if-match-size': '4' })).toBe(204)
    await s3.put(path, 'again')
    expect(await remove(path, { 'if-match': '*' })).toBe(204)
  })

  it('so may a deletion of many, each for itself', async () => {
    const [a, b] = [await etagOf(`/${bucket}/many-a`), await etagOf(`/${bucket}/many-b`)]
    const object = (key: string, etag: string) => `<Object><Key>${key}</Key><ETag>${etag}</ETag></Object>`
    const body = `<Delete>${object('many-a', b)}${object('many-b', b)}${object('many-c', a)}</Delete>`
    const text = (await s3.call('POST', `/${bucket}`, { query: { delete: '' }, body })).body.toString()
    expect(text).toMatch(/<Deleted><Key>many-b</)
    expect(text).toMatch(/<Error><Key>many-a<\/Key><Code>PreconditionFailed</)
    expect(text).toMatch(/<Error><Key>many-c<\/Key><Code>NoSuchKey</)
    expect([(await s3.get(`/${bucket}/many-a`)).status, (await s3.get(`/${bucket}/many-b`)).status]).toEqual([
      200, 404,
    ])
  })

  it('of many who demand the same, one wins', async () => {
    const path = `/${bucket}/race`
    const count = (outcomes: readonly (string | number)[], wanted: string | number) =>
      outcomes.filter(each => each === wanted).length
    const first = await Promise.all(Array.from({ length: 20 }, (_, i) => put(path, `${i}`, absent)))
    expect([count(first, 200), count(first, '412 PreconditionFailed')]).toEqual([1, 19])
    const etag = String((await s3.call('HEAD', path)).headers.etag)
    const complete = await completing(path)
    const second = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => put(path, `second ${i}`, { 'if-match': etag })),
      complete({ 'if-match': etag }),
      remove(path, { 'if-match': etag }),
    ])
    expect(count(second, 200) + count(second, 204)).toBe(1)
    expect(count(second, '412 PreconditionFailed') + count(second, '404 NoSuchKey')).toBe(11)
  })
})

it('a lock file is held by one at a time, through many hands', async () => {
  let holders = 0
  let most = 0
  let turns = 0
  const worker = async (name: string): Promise<void> => {
    for (let mine = 0; mine < 3; ) {
      const reply = await s3.call('PUT', '/plain/.tflock', { body: name, headers: absent })
      if (reply.status !== 200) continue
      most = Math.max(most, ++holders)
      mine++
      turns++
      await new Promise(resolve => setImmediate(resolve))
      holders--
      expect(await remove('/plain/.tflock', { 'if-match': String(reply.headers.etag) })).toBe(204)
    }
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(worker))
  expect([most, turns]).toEqual([1, 12])
})

it('a deletion of a version is judged by the current one', async () => {
  const first = await s3.put('/versioned/judged', 'first')
  const second = await s3.put('/versioned/judged', 'second')
  const query = { versionId: String(first.headers['x-amz-version-id']) }
  expect(await remove('/versioned/judged', { 'if-match': String(first.headers.etag) }, query)).toBe(
    '412 PreconditionFailed',
  )
  expect(await remove('/versioned/judged', { 'if-match': String(second.headers.etag) }, query)).toBe(204)
  expect((await s3.call('GET', '/versioned/judged', { query })).code).toBe('NoSuchVersion')
  expect(await bodyOf('/versioned/judged')).toBe('second')
})
