import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
})
afterAll(() => app[Symbol.asyncDispose]())

async function list(path: string, query: Record<string, string>) {
  const reply = await s3.call('GET', path, { query })
  const text = reply.body.toString()
  const all = (name: string) =>
    [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(m => m[1]!)
  return {
    text,
    code: reply.code,
    one: (name: string) => all(name)[0],
    all,
    keys: all('Key'),
    groups: [...text.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map(m => m[1]!),
  }
}

describe('ListObjects', () => {
  const keys = ['a', 'a b+c', 'b/1', 'b/2', 'c//x', 'd--e', 'd--f', 'ä', '🔑']
  beforeAll(async () => {
    await s3.makeBucket('objects')
    for (const key of keys) await s3.put(`/objects/${key}`, key)
  })
  const v1 = (query: Record<string, string> = {}) => list('/objects', query)
  const v2 = (query: Record<string, string> = {}) => list('/objects', { 'list-type': '2', ...query })

  it('lists all, in the order of bytes', async () => {
    for (const page of [await v1(), await v2()]) {
      expect(page.keys).toEqual(keys)
      expect([page.one('IsTruncated'), page.one('MaxKeys'), page.one('Name')]).toEqual([
        'false',
        '1000',
        'objects',
      ])
    }
    expect((await v2()).one('KeyCount')).toBe('9')
    expect((await v1()).text).toContain('<Marker></Marker>')
  })

  it('names the owner in version 1, in version 2 when asked', async () => {
    expect((await v1()).all('ID')).toHaveLength(9)
    expect((await v2()).all('ID')).toHaveLength(0)
    expect((await v2({ 'fetch-owner': 'true' })).all('ID')).toHaveLength(9)
    expect((await v2({ 'fetch-owner': 'false' })).all('ID')).toHaveLength(0)
  })

  it.each(['1', '2', '4'])('goes on page by page of %s, by marker and by token', async size => {
    for (const delimiter of ['', '/']) {
      const shape = { 'max-keys': size, ...(delimiter !== '' && { delimiter }) }
      const whole = await v2(delimiter === '' ? {} : { delimiter })
      const first: string[] = []
      for (let marker = ''; ; ) {
        const page = await v1({ ...shape, ...(marker !== '' && { marker }) })
        first.push(...page.keys, ...page.groups)
        const isLast = page.one('IsTruncated') === 'false'
        // S3 names the next marker only where the last key would not do.
        expect(page.one('NextMarker') === undefined).toBe(isLast || delimiter === '')
        if (isLast) break
        marker = page.one('NextMarker') ?? page.keys.at(-1)!
      }
      const second: string[] = []
      for (let token: string | undefined; ; ) {
        const page = await v2({ ...shape, ...(token !== undefined && { 'continuation-token': token }) })
        second.push(...page.keys, ...page.groups)
        expect(page.one('KeyCount')).toBe(String(page.keys.length + page.groups.length))
        expect(page.one('ContinuationToken')).toBe(token)
        token = page.one('NextContinuationToken')
        expect(token === undefined).toBe(page.one('IsTruncated') === 'false')
        if (token === undefined) break
      }
      const expected = [...whole.keys, ...whole.groups].sort()
      expect([first.sort(), second.sort()]).toEqual([expected, expected])
    }
  })

  it('takes markers that are no keys, and such as lie in a group', async () => {
    expect((await v1({ marker: 'a' })).keys[0]).toBe('a b+c')
    expect((await v2({ 'start-after': 'b' })).keys[0]).toBe('b/1')
    expect((await v2({ 'start-after': 'zzz' })).keys).toEqual(['ä', '🔑'])
    const inGroup = await v1({ marker: 'b/1', delimiter: '/' })
    expect([inGroup.keys, inGroup.groups]).toEqual([['d--e', 'd--f', 'ä', '🔑'], ['c/']])
    expect((await v2({ 'start-after': 'a', prefix: 'b/' })).keys).toEqual(['b/1', 'b/2'])
    expect((await v2({ 'start-after': 'c', prefix: 'b/' })).keys).toEqual([])
    const both = await v2({ 'start-after': 'b/1', prefix: 'b/', delimiter: '/' })
    expect([both.keys, both.one('StartAfter')]).toEqual([['b/2'], 'b/1'])
  })

  it('takes delimiters of any length', async () => {
    expect((await v2({ delimiter: '--' })).groups).toEqual(['d--'])
    expect((await v2({ delimiter: 'd-' })).groups).toEqual(['d-'])
    expect((await v2({ delimiter: '//', prefix: 'c' })).groups).toEqual(['c//'])
    expect((await v2({ delimiter: '🔑' })).groups).toEqual(['🔑'])
    expect((await v2({ delimiter: '' })).one('Delimiter')).toBeUndefined()
    expect((await v2({ delimiter: 'nowhere' })).keys).toEqual(keys)
  })

  it('encodes what it says when asked', async () => {
    const page = await v1({
      'encoding-type': 'url',
      delimiter: ' ',
      prefix: 'a',
      marker: 'a',
      'max-keys': '1',
    })
    expect([page.groups, page.one('Delimiter'), page.one('EncodingType')]).toEqual([['a%20'], '%20', 'url'])
    expect((await v2({ 'encoding-type': 'url' })).keys).toContain('a%20b%2Bc')
    expect((await v2({ 'encoding-type': 'url' })).keys).toContain('c//x')
  })

  it('answers nothing to nothing, and refuses what makes no sense', async () => {
    const none = await v2({ 'max-keys': '0' })
    expect([none.keys, none.one('IsTruncated'), none.one('MaxKeys')]).toEqual([[], 'false', '0'])
    expect((await v2({ 'max-keys': '5000' })).one('MaxKeys')).toBe('1000')
    expect((await v2({ 'continuation-token': '' })).keys).toEqual(keys)
    for (const query of [
      { 'max-keys': '-1' },
      { 'max-keys': 'ten' },
      { 'max-keys': '2147483648' },
      { 'encoding-type': 'base64' },
      { 'continuation-token': 'no token' },
    ])
      expect((await v2(query as Record<string, string>)).code).toBe('InvalidArgument')
    const long = 'x'.repeat(1025)
    for (const query of [{ prefix: long }, { 'start-after': long }, { delimiter: long }])
      expect((await v2(query as Record<string, string>)).code).toBe('KeyTooLongError')
    expect((await v1({ marker: long })).code).toBe('KeyTooLongError')
    expect((await v1({ prefix: 'x'.repeat(1024) })).keys).toEqual([])
  })
})

describe('ListMultipartUploads and ListParts', () => {
  const begin = async (key: string, headers = {}) => {
    const reply = await s3.call('POST', `/uploads/${key}`, { query: { uploads: '' }, headers })
    return /<UploadId>([^<]+)</.exec(reply.body.toString())![1]!
  }
  const uploads = (query: Record<string, string> = {}) => list('/uploads', { uploads: '', ...query })
  let ids: string[]
  beforeAll(async () => {
    await s3.makeBucket('uploads')
    ids = []
    for (const key of ['a/1', 'a/2', 'b', 'b', 'b', 'c']) ids.push(await begin(key))
  })

  it('sorts by key, then by when they were begun', async () => {
    const page = await uploads()
    expect([page.keys, page.all('UploadId')]).toEqual([['a/1', 'a/2', 'b', 'b', 'b', 'c'], ids])
    expect(page.all('ID')).toHaveLength(12)
  })

  it.each(['1', '2', '4'])('goes on page by page of %s', async size => {
    const got: string[] = []
    for (let markers: Record<string, string> = {}; ; ) {
      const page = await uploads({ 'max-uploads': size, ...markers })
      got.push(...page.all('UploadId'))
      if (page.one('IsTruncated') === 'false') break
      markers = {
        'key-marker': page.one('NextKeyMarker')!,
        'upload-id-marker': page.one('NextUploadIdMarker')!,
      }
    }
    expect(got).toEqual(ids)
  })

  it('takes markers, prefixes and delimiters', async () => {
    expect((await uploads({ 'key-marker': 'b' })).keys).toEqual(['c'])
    expect((await uploads({ 'key-marker': 'b', 'upload-id-marker': ids[2]! })).all('UploadId')).toEqual(
      ids.slice(3),
    )
    expect((await uploads({ 'upload-id-marker': ids[2]! })).keys).toHaveLength(6)
    const folded = await uploads({ delimiter: '/' })
    expect([folded.groups, folded.keys]).toEqual([['a/'], ['b', 'b', 'b', 'c']])
    const first = await uploads({ delimiter: '/', 'max-uploads': '1' })
    expect([first.groups, first.one('NextKeyMarker'), first.one('NextUploadIdMarker')]).toEqual([
      ['a/'],
      'a/',
      undefined,
    ])
    expect((await uploads({ delimiter: '/', 'key-marker': 'a/' })).keys).toHaveLength(4)
    expect((await uploads({ delimiter: '/', prefix: 'a/' })).keys).toEqual(['a/1', 'a/2'])
    for (const query of [{ 'max-uploads': '0' }, { 'max-uploads': 'x' }, { 'encoding-type': 'x' }])
      expect((await uploads(query as Record<string, string>)).code).toBe('InvalidArgument')
  })

  it('lists parts from a marker, with their checksums', async () => {
    const uploadId = await begin('parts', { 'x-amz-checksum-algorithm': 'CRC32' })
    const crc = { 'x-amz-checksum-crc32': 'NSRBwg==' }
    for (const partNumber of ['1', '2', '5', '10000']) {
      const query = { partNumber, uploadId }
      expect((await s3.call('PUT', '/uploads/parts', { query, body: 'abc', headers: crc })).status).toBe(200)
    }
    const parts = (query: Record<string, string> = {}) => list('/uploads/parts', { uploadId, ...query })
    const all = await parts()
    expect(all.all('PartNumber')).toEqual(['1', '2', '5', '10000'])
    expect([all.one('ChecksumAlgorithm'), all.one('ChecksumType')]).toEqual(['CRC32', 'COMPOSITE'])
    expect(all.all('ChecksumCRC32')).toEqual(Array(4).fill('NSRBwg=='))
    const page = await parts({ 'max-parts': '2' })
    expect([page.one('IsTruncated'), page.one('NextPartNumberMarker'), page.one('MaxParts')]).toEqual([
      'true',
      '2',
      '2',
    ])
    expect((await parts({ 'part-number-marker': '2' })).all('PartNumber')).toEqual(['5', '10000'])
    expect((await parts({ 'part-number-marker': '10000' })).all('PartNumber')).toEqual([])
    expect((await parts({ 'part-number-marker': '99999' })).all('PartNumber')).toEqual([])
    for (const query of [{ 'max-parts': '-1' }, { 'part-number-marker': 'x' }])
      expect((await parts(query as Record<string, string>)).code).toBe('InvalidArgument')
    expect((await list('/uploads/parts', { uploadId: 'x'.repeat(3000) })).code).toBe('NoSuchUpload')
  })
})

describe('ListBuckets', () => {
  it('pages, filters by prefix and by region, and says where', async () => {
    await s3.makeBucket('lb-one')
    await s3.makeBucket('lb-two', 'de-frankfurt')
    await s3.makeBucket('lb-three')
    const plain = await list('/', {})
    expect(plain.all('Name')).toEqual(['lb-one', 'lb-three', 'lb-two', 'objects', 'uploads'])
    expect(plain.all('BucketRegion')).toEqual([])
    const first = await list('/', { prefix: 'lb-', 'max-buckets': '2' })
    expect([first.all('Name'), first.one('Prefix')]).toEqual([['lb-one', 'lb-three'], 'lb-'])
    expect(first.all('BucketRegion')).toEqual(['in-mumbai', 'in-mumbai'])
    const token = first.one('ContinuationToken')!
    const second = await list('/', { prefix: 'lb-', 'max-buckets': '2', 'continuation-token': token })
    expect([second.all('Name'), second.one('ContinuationToken')]).toEqual([['lb-two'], undefined])
    expect((await list('/', { 'bucket-region': 'de-frankfurt' })).all('Name')).toEqual(['lb-two'])
    for (const query of [
      { 'max-buckets': '0' },
      { 'max-buckets': '10001' },
      { 'continuation-token': 'x' },
      { 'bucket-region': 'mars' },
    ])
      expect((await list('/', query as Record<string, string>)).code).toBe('InvalidArgument')
  })
})
