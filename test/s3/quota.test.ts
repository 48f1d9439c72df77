import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { findBucket } from '../../src/store/buckets.ts'
import { countOnce, fsckUsage, usageOfBucket, usageOfTenant } from '../../src/store/usage.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let acme: Customer
let s3: S3
let token: string

beforeAll(async () => {
  app = await startTestApp()
  acme = await app.customer('acme', 1, 1)
  s3 = createS3(acme.credentials.endpoint, acme.credentials)
  token = readFileSync(join(app.folder, 'data', 'operator.token'), 'utf8').trim()
})
afterAll(() => app[Symbol.asyncDispose]())

const catalog = () => app.app.regions.get('in-mumbai' as never)!.catalog
const usage = async (bucket: string) =>
  usageOfBucket(catalog(), (await findBucket(catalog(), bucket as never))!.row)
const put = async (path: string, bytes: number) => {
  const { status, code } = await s3.call('PUT', path, { body: 'x'.repeat(bytes) })
  return code ?? status
}

async function limit(quota: {
  bucket?: string
  objects: number | null
  bytes: number | null
}): Promise<void> {
  const answer = await fetch(`${app.api}/api/v1/quotas`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ tenant: acme.tenant, ...quota }),
  })
  expect(answer.status).toBe(200)
}

describe('a quota', () => {
  it('of a bucket holds to the byte, and gives room when something goes', async () => {
    await s3.makeBucket('bytes')
    await limit({ bucket: 'bytes', objects: null, bytes: 100 })
    expect(await put('/bytes/a', 60)).toBe(200)
    expect(await put('/bytes/b', 41)).toBe('QuotaExceeded')
    expect(await put('/bytes/b', 40)).toBe(200)
    expect(await put('/bytes/c', 1)).toBe('QuotaExceeded')
    expect(await put('/bytes/c', 0)).toBe(200)
    // What replaces counts with what it replaces.
    expect(await put('/bytes/a', 60)).toBe(200)
    expect(await put('/bytes/a', 61)).toBe('QuotaExceeded')
    expect((await s3.get('/bytes/a')).body.length).toBe(60)
    await s3.call('DELETE', '/bytes/b')
    expect(await put('/bytes/c', 40)).toBe(200)
    expect(await usage('bytes')).toEqual({ objects: 2, bytes: 100 })
    // Lowered below what is there: nothing goes, nothing grows, and deleting goes on.
    await limit({ bucket: 'bytes', objects: null, bytes: 10 })
    expect(await put('/bytes/d', 1)).toBe('QuotaExceeded')
    expect((await s3.call('DELETE', '/bytes/a')).status).toBe(204)
    await limit({ bucket: 'bytes', objects: null, bytes: null })
    expect(await put('/bytes/d', 500)).toBe(200)
  })

  it('of objects holds against many writers at once', async () => {
    await s3.makeBucket('many')
    await limit({ bucket: 'many', objects: 7, bytes: null })
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => put(`/many/${i}`, 1)))
    expect(answers.filter(answer => answer === 200)).toHaveLength(7)
    expect(answers.filter(answer => answer === 'QuotaExceeded')).toHaveLength(23)
    expect((await s3.call('GET', '/many')).body.toString().match(/<Key>/g)).toHaveLength(7)
  })

  it('of a tenant holds over its buckets, and for versions, copies and parts', async () => {
    const now = await usageOfTenant(catalog(), acme.tenant)
    await limit({ objects: null, bytes: now.bytes + 100 })
    try {
      await s3.makeBucket('one')
      await s3.makeBucket('two')
      await s3.call('PUT', '/one', {
        query: { versioning: '' },
        body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
      })
      expect(await put('/one/a', 30)).toBe(200)
      expect(await put('/one/a', 30)).toBe(200)
      expect(await put('/two/a', 41)).toBe('QuotaExceeded')
      const copy = () => s3.call('PUT', '/two/a', { headers: { 'x-amz-copy-source': '/one/a' } })
      expect((await copy()).status).toBe(200)
      expect((await s3.call('PUT', '/two/b', { headers: { 'x-amz-copy-source': '/one/a' } })).code).toBe(
        'QuotaExceeded',
      )
      const begun = await s3.call('POST', '/two/parts', { query: { uploads: '' } })
      const uploadId = /<UploadId>(.*?)</.exec(begun.body.toString())![1]!
      const part = (bytes: number) =>
        s3.call('PUT', '/two/parts', { query: { uploadId, partNumber: '1' }, body: 'x'.repeat(bytes) })
      expect((await part(11)).code).toBe('QuotaExceeded')
      const { headers } = await part(10)
      expect(await put('/two/c', 1)).toBe('QuotaExceeded')
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${headers.etag}</ETag></Part></CompleteMultipartUpload>`
      expect((await s3.call('POST', '/two/parts', { query: { uploadId }, body })).status).toBe(200)
      expect(await usage('two')).toEqual({ objects: 2, bytes: 40 })
      // A delete marker is no object, and gives no room.
      expect((await s3.call('DELETE', '/one/a')).status).toBe(204)
      expect(await put('/two/c', 1)).toBe('QuotaExceeded')
    } finally {
      await limit({ objects: null, bytes: null })
    }
  })

  it('is the operator’s to set', async () => {
    const answer = await fetch(`${app.api}/api/v1/quotas`, {
      method: 'POST',
      headers: { authorization: `Bearer ${acme.credentials.apiToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tenant: acme.tenant, objects: null, bytes: null }),
    })
    expect(answer.status).toBe(401)
  })
})

describe('what is counted', () => {
  it('is what is there, whatever was done', async () => {
    let bucket = 0
    const key = fc.constantFrom('a', 'b')
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key, bytes: fc.nat(30) }),
      fc.record({ do: fc.constant('delete' as const), key }),
      fc.record({ do: fc.constant('oldest' as const), key }),
      fc.record({
        do: fc.constant('parts' as const),
        key,
        ends: fc.constantFrom('complete', 'abort', 'open'),
      }),
      fc.record({ do: fc.constant('version' as const), status: fc.constantFrom('Enabled', 'Suspended') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        const name = `counted-${bucket++}`
        await s3.makeBucket(name)
        for (const each of steps) {
          if (each.do === 'put') await put(`/${name}/${each.key}`, each.bytes)
          else if (each.do === 'delete') await s3.call('DELETE', `/${name}/${each.key}`)
          else if (each.do === 'version') {
            const body = `<VersioningConfiguration><Status>${each.status}</Status></VersioningConfiguration>`
            await s3.call('PUT', `/${name}`, { query: { versioning: '' }, body })
          } else if (each.do === 'oldest') {
            const list = await s3.call('GET', `/${name}`, { query: { versions: '', prefix: each.key } })
            const versionId = list.body
              .toString()
              .match(/<VersionId>(.*?)</g)
              ?.at(-1)
              ?.slice(11, -1)
            if (versionId !== undefined)
              await s3.call('DELETE', `/${name}/${each.key}`, { query: { versionId } })
          } else {
            const begun = await s3.call('POST', `/${name}/${each.key}`, { query: { uploads: '' } })
            const uploadId = /<UploadId>(.*?)</.exec(begun.body.toString())![1]!
            const send = async (partNumber: string, body: string) =>
              (await s3.call('PUT', `/${name}/${each.key}`, { query: { uploadId, partNumber }, body }))
                .headers.etag
            await send('1', 'first')
            const etag = await send('1', 'second')
            await send('2', 'unused')
            const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
            if (each.ends === 'complete')
              await s3.call('POST', `/${name}/${each.key}`, { query: { uploadId }, body })
            if (each.ends === 'abort')
              await s3.call('DELETE', `/${name}/${each.key}`, { query: { uploadId } })
          }
        }
        expect(await fsckUsage(catalog())).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  it('a part that is sent again while its upload completes is in it whole, or not at all', async () => {
    await s3.makeBucket('racing')
    const uploads = new Set<string>()
    for (let round = 0; round < 15; round++) {
      const path = `/racing/${round}`
      const begun = await s3.call('POST', path, { query: { uploads: '' } })
      const uploadId = /<UploadId>(.*?)</.exec(begun.body.toString())![1]!
      uploads.add(uploadId)
      const send = (body: string) => s3.call('PUT', path, { query: { uploadId, partNumber: '1' }, body })
      const { headers } = await send('the first')
      const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${headers.etag}</ETag></Part></CompleteMultipartUpload>`
      const [completed] = await Promise.all([
        s3.call('POST', path, { query: { uploadId }, body: list }),
        send('the first'),
        s3.call('PUT', path, { query: { uploadId, partNumber: '2' }, body: 'left over' }),
      ])
      expect(completed.status).toBe(200)
      expect((await s3.get(path)).body.toString()).toBe('the first')
    }
    const parts = await catalog().scan('parts', { limit: 1000 })
    expect(parts.filter(({ key }) => uploads.has(fromUtf8(key.subarray(0, -2))))).toEqual([])
    expect(await fsckUsage(catalog())).toEqual([])
  })

  it('is counted at the start of a store of before', async () => {
    const before = await usageOfTenant(catalog(), acme.tenant)
    const rows = await catalog().scan('usage', { limit: 1000 })
    await catalog().commit({
      removes: [
        ...rows.map(({ key }) => ({ table: 'usage' as const, key })),
        { table: 'meta', key: utf8('usage') },
      ],
    })
    await countOnce(catalog())
    expect(await usageOfTenant(catalog(), acme.tenant)).toEqual(before)
    expect(await fsckUsage(catalog())).toEqual([])
  })
})
