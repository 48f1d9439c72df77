import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createConfigCache, findConfig } from '../../src/store/bucket-configs.ts'
import { findBucket } from '../../src/store/buckets.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1, { newBuckets: 'classic' })
  s3 = createS3(credentials.endpoint, credentials)
})
afterAll(() => app[Symbol.asyncDispose]())

const catalog = () => app.app.regions.get('in-mumbai' as never)!.catalog
const rowOf = async (name: string) => (await findBucket(catalog(), name as never))!.row

const put = (bucket: string, kind: string, body: string) =>
  s3.call('PUT', `/${bucket}`, { query: { [kind]: '' }, body })
const get = (bucket: string, kind: string) => s3.call('GET', `/${bucket}`, { query: { [kind]: '' } })
const remove = (bucket: string, kind: string) => s3.call('DELETE', `/${bucket}`, { query: { [kind]: '' } })

const tagging = (...tags: readonly (readonly [string, string])[]) =>
  `<Tagging><TagSet>${tags.map(([k, v]) => `<Tag><Key>${k}</Key><Value>${v}</Value></Tag>`).join('')}</TagSet></Tagging>`
const encryption = (algorithm: string, keyId = '') =>
  `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm>${keyId && `<KMSMasterKeyID>${keyId}</KMSMasterKeyID>`}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`

describe('a bucket’s configurations', () => {
  it.each([
    [
      'tagging',
      tagging(['team', 'a / b'], ['empty', '']),
      204,
      'NoSuchTagSet',
      '<Tag><Key>team</Key><Value>a / b</Value></Tag>',
    ],
    [
      'publicAccessBlock',
      '<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><BlockPublicAcls>TRUE</BlockPublicAcls></PublicAccessBlockConfiguration>',
      200,
      'NoSuchPublicAccessBlockConfiguration',
      '<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>',
    ],
    [
      'ownershipControls',
      '<OwnershipControls>\n <Rule>\n  <ObjectOwnership>ObjectWriter</ObjectOwnership>\n </Rule>\n</OwnershipControls>',
      200,
      'OwnershipControlsNotFoundError',
      '<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>',
    ],
  ])('%s is not there, is set, replaced and taken away', async (kind, body, status, absent, answer) => {
    const name = `configs-${kind.toLowerCase()}`
    await s3.makeBucket(name)
    expect(await get(name, kind)).toMatchObject({ status: 404, code: absent })
    expect((await remove(name, kind)).headers['x-holdfast-entry']).toBeUndefined()
    const set = await put(name, kind, body)
    expect(set.status).toBe(status)
    expect(set.headers['x-holdfast-entry']).toMatch(/^[0-9a-z]{26}$/)
    const answered = await get(name, kind)
    expect(answered.status).toBe(200)
    expect(answered.headers['content-type']).toBe('application/xml')
    expect(answered.body.toString()).toContain(answer)
    // What was answered can be sent back.
    expect((await put(name, kind, answered.body.toString())).status).toBe(status)
    const removed = await remove(name, kind)
    expect([removed.status, typeof removed.headers['x-holdfast-entry']]).toEqual([204, 'string'])
    expect(await get(name, kind)).toMatchObject({ status: 404, code: absent })
  })

  it('encryption is AES256 when nothing is set, and again when it was deleted', async () => {
    await s3.makeBucket('configs-encryption')
    const said = async () => (await get('configs-encryption', 'encryption')).body.toString()
    expect(await said()).toContain('<SSEAlgorithm>AES256</SSEAlgorithm>')
    expect((await put('configs-encryption', 'encryption', encryption('aws:kms', 'alias/k'))).status).toBe(200)
    expect(await said()).toContain('<KMSMasterKeyID>alias/k</KMSMasterKeyID>')
    expect((await remove('configs-encryption', 'encryption')).status).toBe(204)
    expect(await said()).toContain('<SSEAlgorithm>AES256</SSEAlgorithm>')
  })

  it.each([
    ['tagging', 'no xml', 'MalformedXML'],
    ['tagging', '<Tagging/>', 'MalformedXML'],
    ['tagging', '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['tagging', tagging(['a', '1'], ['a', '2']), 'InvalidTag'],
    ['tagging', tagging(['', '1']), 'InvalidTag'],
    ['tagging', tagging(['aws:mine', '1']), 'InvalidTag'],
    ['tagging', tagging(['a', 'b*c']), 'InvalidTag'],
    ['tagging', tagging(['k'.repeat(129), '1']), 'InvalidTag'],
    ['tagging', tagging(['k', 'v'.repeat(257)]), 'InvalidTag'],
    ['tagging', tagging(...Array.from({ length: 51 }, (_, i) => [`k${i}`, ''] as const)), 'InvalidTag'],
    [
      'publicAccessBlock',
      '<PublicAccessBlockConfiguration><BlockPublicAcls>yes</BlockPublicAcls></PublicAccessBlockConfiguration>',
      'MalformedXML',
    ],
    [
      'ownershipControls',
      '<OwnershipControls><Rule><ObjectOwnership>Mine</ObjectOwnership></Rule></OwnershipControls>',
      'MalformedXML',
    ],
    ['ownershipControls', '<OwnershipControls/>', 'MalformedXML'],
    ['encryption', encryption('ROT13'), 'MalformedXML'],
    ['encryption', encryption('AES256', 'alias/k'), 'InvalidArgument'],
    ['encryption', '<ServerSideEncryptionConfiguration/>', 'MalformedXML'],
    ['website', '<WebsiteConfiguration/>', 'NotImplemented'],
  ])('%s, case %#: what does not fit is refused and changes nothing', async (kind, body, code) => {
    await s3.call('PUT', '/configs-refused')
    expect((await put('configs-refused', kind, body)).code).toBe(code)
    expect((await rowOf('configs-refused')).configs ?? {}).toEqual({})
  })

  it('end with their bucket, and are not those of the next one of that name', async () => {
    await s3.makeBucket('configs-again')
    await put('configs-again', 'tagging', tagging(['a', '1']))
    const { id } = await rowOf('configs-again')
    expect((await s3.call('DELETE', '/configs-again')).status).toBe(204)
    for await (const { key } of rowsOf(catalog(), 'bucketconfigs'))
      expect(Buffer.from(key).toString('hex').startsWith(id)).toBe(false)
    await s3.makeBucket('configs-again')
    expect((await get('configs-again', 'tagging')).code).toBe('NoSuchTagSet')
  })

  it('are parsed once for each document, and never stale', async () => {
    await s3.makeBucket('configs-cached')
    let parsed = 0
    const cached = createConfigCache('tagging', body => {
      parsed++
      return body
    })
    expect(await cached(catalog(), await rowOf('configs-cached'))).toBeNull()
    await put('configs-cached', 'tagging', tagging(['a', '1']))
    const before = await rowOf('configs-cached')
    for (let i = 0; i < 3; i++) expect(await cached(catalog(), before)).toContain('<Value>1</Value>')
    expect(parsed).toBe(1)
    await put('configs-cached', 'tagging', tagging(['a', '2']))
    const after = await rowOf('configs-cached')
    expect(await cached(catalog(), after)).toContain('<Value>2</Value>')
    await remove('configs-cached', 'tagging')
    expect(await findConfig(catalog(), after, 'tagging')).toBeNull()
  })

  it('change while objects are written, and no write fails of it', async () => {
    await s3.makeBucket('configs-busy')
    const writes = Array.from({ length: 100 }, (_, i) =>
      s3.call('PUT', `/configs-busy/${i % 40}`, { body: `${i}` }),
    )
    const uploads = Array.from({ length: 20 }, (_, i) =>
      s3.call('POST', `/configs-busy/${i}`, { query: { uploads: '' } }),
    )
    const changes = Array.from({ length: 30 }, (_, i) =>
      put('configs-busy', 'tagging', tagging(['i', `${i}`])),
    )
    const replies = await Promise.all([...writes, ...uploads, ...changes])
    expect(replies.map(({ status }) => status).filter(status => status !== 200 && status !== 204)).toEqual([])
    expect((await rowOf('configs-busy')).configs).toHaveProperty('tagging')
  })
})

it('docs/s3.md has the table of operations that requests are routed by', () => {
  const tool = join(import.meta.dirname, '..', '..', 'tools', 's3-table.ts')
  expect(spawnSync(process.execPath, [tool, '--check'], { encoding: 'utf8' }).stderr).toBe('')
})
