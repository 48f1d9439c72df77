import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('tags')
  await s3.makeBucket('tags-versioned')
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await s3.call('PUT', '/tags-versioned', { query: { versioning: '' }, body })
})
afterAll(() => app[Symbol.asyncDispose]())

type Tags = readonly (readonly [string, string])[]
const document = (tags: Tags) =>
  `<Tagging><TagSet>${tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`
const setTags = (path: string, tags: Tags, query = {}) =>
  s3.call('PUT', path, { query: { tagging: '', ...query }, body: document(tags) })
const askTags = (path: string, query = {}) => s3.call('GET', path, { query: { tagging: '', ...query } })
async function tagsOf(path: string, query = {}): Promise<Tags> {
  const reply = await askTags(path, query)
  expect(reply.status).toBe(200)
  return [...reply.body.toString().matchAll(/<Key>([^<]*)<\/Key><Value>([^<]*)</g)].map(
    ([, key, value]) => [key!, value!] as const,
  )
}
const countOf = async (path: string) =>
  (await s3.call('HEAD', path)).headers['x-amz-tagging-count']?.toString()

describe('tags of an object', () => {
  it('are set, replaced and taken away, and each change is entered', async () => {
    await s3.put('/tags/k', 'body')
    expect([await tagsOf('/tags/k'), await countOf('/tags/k')]).toEqual([[], undefined])
    const set = await setTags('/tags/k', [
      ['team', 'red'],
      ['empty', ''],
    ])
    expect([set.status, typeof set.headers['x-holdfast-entry']]).toEqual([200, 'string'])
    expect([await tagsOf('/tags/k'), await countOf('/tags/k')]).toEqual([
      [
        ['team', 'red'],
        ['empty', ''],
      ],
      '2',
    ])
    await setTags('/tags/k', [['only', 'ünïcode 1+-=._:/@']])
    expect(await tagsOf('/tags/k')).toEqual([['only', 'ünïcode 1+-=._:/@']])
    const removed = await s3.call('DELETE', '/tags/k', { query: { tagging: '' } })
    expect([removed.status, typeof removed.headers['x-holdfast-entry']]).toEqual([204, 'string'])
    expect([await tagsOf('/tags/k'), (await s3.get('/tags/k')).body.toString()]).toEqual([[], 'body'])
  })

  it('come with the object, and go with the next one', async () => {
    await s3.put('/tags/header', 'x', { 'x-amz-tagging': 'a=1%202&b&c=+x' })
    expect(await tagsOf('/tags/header')).toEqual([
      ['a', '1 2'],
      ['b', ''],
      ['c', ' x'],
    ])
    expect((await s3.get('/tags/header')).headers['x-amz-tagging-count']).toBe('3')
    await s3.put('/tags/header', 'y')
    expect(await tagsOf('/tags/header')).toEqual([])
  })

  it('come with an upload of several parts', async () => {
    const headers = { 'x-amz-tagging': 'part=many' }
    const begun = await s3.call('POST', '/tags/parts', { query: { uploads: '' }, headers })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
    const part = await s3.call('PUT', '/tags/parts', { query: { partNumber: '1', uploadId }, body: 'part' })
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    expect((await s3.call('POST', '/tags/parts', { query: { uploadId }, body })).status).toBe(200)
    expect(await tagsOf('/tags/parts')).toEqual([['part', 'many']])
  })

  it('are copied, or replaced, as the directive says', async () => {
    await s3.put('/tags/source', 'x', { 'x-amz-tagging': 'from=source' })
    const copy = (headers: Record<string, string>) =>
      s3.call('PUT', '/tags/copy', { headers: { 'x-amz-copy-source': '/tags/source', ...headers } })
    expect((await copy({})).status).toBe(200)
    expect(await tagsOf('/tags/copy')).toEqual([['from', 'source']])
    await copy({ 'x-amz-tagging': 'from=request' })
    expect(await tagsOf('/tags/copy')).toEqual([['from', 'source']])
    await copy({ 'x-amz-tagging': 'from=request', 'x-amz-tagging-directive': 'REPLACE' })
    expect(await tagsOf('/tags/copy')).toEqual([['from', 'request']])
    await copy({ 'x-amz-tagging-directive': 'REPLACE', 'x-amz-metadata-directive': 'REPLACE' })
    expect(await tagsOf('/tags/copy')).toEqual([])
    expect((await copy({ 'x-amz-tagging-directive': 'KEEP' })).code).toBe('InvalidArgument')
  })

  it('are each version’s own', async () => {
    const ids: string[] = []
    for (const body of ['one', 'two']) {
      const { headers } = await s3.put('/tags-versioned/k', body, { 'x-amz-tagging': `v=${body}` })
      ids.push(String(headers['x-amz-version-id']))
    }
    const set = await setTags('/tags-versioned/k', [['v', 'changed']], { versionId: ids[0] })
    expect(set.headers['x-amz-version-id']).toBe(ids[0])
    expect(await tagsOf('/tags-versioned/k')).toEqual([['v', 'two']])
    expect(await tagsOf('/tags-versioned/k', { versionId: ids[0] })).toEqual([['v', 'changed']])
    const query = { tagging: '', versionId: ids[1]! }
    expect((await s3.call('DELETE', '/tags-versioned/k', { query })).status).toBe(204)
    expect(await tagsOf('/tags-versioned/k')).toEqual([])
    const marker = await s3.call('DELETE', '/tags-versioned/k')
    const versionId = String(marker.headers['x-amz-version-id'])
    for (const reply of [
      await askTags('/tags-versioned/k', { versionId }),
      await setTags('/tags-versioned/k', [], { versionId }),
    ]) {
      expect([reply.status, reply.code, reply.headers['x-amz-delete-marker']]).toEqual([
        405,
        'MethodNotAllowed',
        'true',
      ])
    }
    expect((await setTags('/tags-versioned/k', [])).code).toBe('NoSuchKey')
    expect((await askTags('/tags-versioned/k', { versionId: 'null' })).code).toBe('NoSuchVersion')
    expect(await tagsOf('/tags-versioned/k', { versionId: ids[0] })).toEqual([['v', 'changed']])
  })

  const many = (count: number): Tags => Array.from({ length: count }, (_, i) => [`k${i}`, `${i}`] as const)
  it('have limits, up to which they are taken', async () => {
    await s3.put('/tags/limits', 'x')
    expect((await setTags('/tags/limits', many(10))).status).toBe(200)
    expect((await setTags('/tags/limits', [['k'.repeat(128), 'v'.repeat(256)]])).status).toBe(200)
    const before = await tagsOf('/tags/limits')
    for (const [tags, code] of [
      [many(11), 'InvalidTag'],
      [[['k'.repeat(129), '']], 'InvalidTag'],
      [[['k', 'v'.repeat(257)]], 'InvalidTag'],
      [[['k', '*']], 'InvalidTag'],
      [[['aws:k', '']], 'InvalidTag'],
      [
        [
          ['k', '1'],
          ['k', '2'],
        ],
        'InvalidTag',
      ],
    ] as const)
      expect((await setTags('/tags/limits', tags as Tags)).code).toBe(code)
    expect(await tagsOf('/tags/limits')).toEqual(before)
    const header = (value: string) =>
      s3.call('PUT', '/tags/never', { body: 'x', headers: { 'x-amz-tagging': value } })
    expect((await header('a=1&a=2')).code).toBe('InvalidArgument')
    expect((await header('a=1=2')).code).toBe('InvalidArgument')
    expect((await header('a=%zz')).code).toBe('InvalidArgument')
    expect((await header('a=*')).code).toBe('InvalidTag')
    expect(
      (
        await header(
          many(11)
            .map(([key]) => key)
            .join('&'),
        )
      ).code,
    ).toBe('InvalidTag')
    expect((await s3.get('/tags/never')).code).toBe('NoSuchKey')
    const noSet = await s3.call('PUT', '/tags/limits', { query: { tagging: '' }, body: '<Tagging/>' })
    expect(noSet.code).toBe('MalformedXML')
  })

  it('change beside each other and beside writes, and nothing is lost', async () => {
    await s3.put('/tags-versioned/busy', 'first')
    const replies = await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => setTags('/tags-versioned/busy', [['i', `${i}`]])),
      ...Array.from({ length: 10 }, (_, i) => s3.call('PUT', '/tags-versioned/busy', { body: `${i}` })),
    ])
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
    const listed = await s3.call('GET', '/tags-versioned', { query: { versions: '', prefix: 'busy' } })
    expect(listed.body.toString().match(/<Version>/g)).toHaveLength(11)
  })
})
