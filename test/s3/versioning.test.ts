import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBucket } from '../../src/store/buckets.ts'
import { fsckVersions } from '../../src/store/fsck-versions.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
})
afterAll(async () => {
  expect(await fsckVersions(catalog(), () => 'bucket')).toEqual([])
  await app[Symbol.asyncDispose]()
})

const catalog = () => app.app.regions.get('in-mumbai' as never)!.catalog

let made = 0
async function bucketWith(status?: 'Enabled' | 'Suspended'): Promise<string> {
  const name = `versions-${++made}`
  await s3.makeBucket(name)
  if (status !== undefined) await setVersioning(name, status)
  return name
}

async function setVersioning(bucket: string, status: string): Promise<void> {
  const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`
  expect((await s3.call('PUT', `/${bucket}`, { query: { versioning: '' }, body })).status).toBe(200)
}

const put = async (path: string, body: string): Promise<string> =>
  String((await s3.put(path, body)).headers['x-amz-version-id'])
const get = (path: string, versionId?: string) => s3.call('GET', path, query(versionId))
const remove = (path: string, versionId?: string) => s3.call('DELETE', path, query(versionId))
const query = (versionId?: string) => (versionId === undefined ? {} : { query: { versionId } })
const markerOf = ({ headers }: S3Reply): readonly [string | undefined, string | undefined] => [
  headers['x-amz-delete-marker']?.toString(),
  headers['x-amz-version-id']?.toString(),
]

interface Listed {
  kind: string
  key: string
  id: string
  latest: boolean
}

async function listVersions(bucket: string, parameters: Record<string, string> = {}) {
  const reply = await s3.call('GET', `/${bucket}`, { query: { versions: '', ...parameters } })
  expect(reply.status).toBe(200)
  const text = reply.body.toString()
  const element = (name: string, within = text) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(within)?.[1]
  const versions = [...text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)].map(
    ([, kind, inner]): Listed => ({
      kind: kind!,
      key: element('Key', inner)!,
      id: element('VersionId', inner)!,
      latest: element('IsLatest', inner) === 'true',
    }),
  )
  const prefixes = [...text.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map(match => match[1]!)
  return { versions, prefixes, text, element }
}

describe('a bucket’s versioning', () => {
  it('is never set, then enabled, then suspended', async () => {
    const bucket = await bucketWith()
    const said = async () =>
      (await s3.call('GET', `/${bucket}`, { query: { versioning: '' } })).body.toString()
    expect(await said()).not.toContain('<Status>')
    await setVersioning(bucket, 'Enabled')
    expect(await said()).toContain('<Status>Enabled</Status>')
    await setVersioning(bucket, 'Suspended')
    expect(await said()).toContain('<Status>Suspended</Status>')
  })

  it.each([
    ['<VersioningConfiguration/>', 'IllegalVersioningConfigurationException'],
    [
      '<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>',
      'IllegalVersioningConfigurationException',
    ],
    ['<Versioning/>', 'MalformedXML'],
    [
      '<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>',
      'NotImplemented',
    ],
  ])('case %#: refuses what is no such configuration', async (body, code) => {
    const bucket = await bucketWith()
    expect((await s3.call('PUT', `/${bucket}`, { query: { versioning: '' }, body })).code).toBe(code)
    expect((await findBucket(catalog(), bucket as never))!.row.versioning).toBeUndefined()
  })
})

describe('without versioning', () => {
  it('answers speak of no versions, and `null` names the one there is', async () => {
    const bucket = await bucketWith()
    const stored = await s3.put(`/${bucket}/k`, 'one')
    expect(stored.headers['x-amz-version-id']).toBeUndefined()
    const read = await get(`/${bucket}/k`, 'null')
    expect([read.body.toString(), read.headers['x-amz-version-id']]).toEqual(['one', undefined])
    expect((await listVersions(bucket)).versions).toEqual([
      { kind: 'Version', key: 'k', id: 'null', latest: true },
    ])
    expect(markerOf(await remove(`/${bucket}/k`))).toEqual([undefined, undefined])
    expect(markerOf(await get(`/${bucket}/k`))).toEqual([undefined, undefined])
    await s3.put(`/${bucket}/k`, 'two')
    expect((await remove(`/${bucket}/k`, 'null')).status).toBe(204)
    expect((await get(`/${bucket}/k`)).code).toBe('NoSuchKey')
  })
})

describe('versioning enabled', () => {
  it('keeps what is replaced, each under its id', async () => {
    const bucket = await bucketWith('Enabled')
    const ids = [
      await put(`/${bucket}/k`, 'one'),
      await put(`/${bucket}/k`, 'two'),
      await put(`/${bucket}/k`, '3'),
    ]
    expect(new Set(ids).size).toBe(3)
    for (const [index, body] of ['one', 'two', '3'].entries()) {
      const read = await get(`/${bucket}/k`, ids[index])
      expect([read.body.toString(), read.headers['x-amz-version-id']]).toEqual([body, ids[index]])
      const head = await s3.call('HEAD', `/${bucket}/k`, query(ids[index]))
      expect([head.headers['content-length'], head.headers['x-amz-version-id']]).toEqual([
        String(body.length),
        ids[index],
      ])
    }
    expect((await get(`/${bucket}/k`)).headers['x-amz-version-id']).toBe(ids[2])
    const { versions } = await listVersions(bucket)
    expect(versions.map(({ id, latest }) => [id, latest])).toEqual([
      [ids[2], true],
      [ids[1], false],
      [ids[0], false],
    ])
    const list = (await s3.call('GET', `/${bucket}`, { query: { 'list-type': '2' } })).body.toString()
    expect(list.match(/<Contents>/g)).toHaveLength(1)
  })

  it('a deletion puts a marker on top, and deleting the marker brings the object back', async () => {
    const bucket = await bucketWith('Enabled')
    const first = await put(`/${bucket}/k`, 'one')
    const deleted = await remove(`/${bucket}/k`)
    const marker = String(deleted.headers['x-amz-version-id'])
    expect([deleted.status, ...markerOf(deleted)]).toEqual([204, 'true', marker])
    expect(deleted.headers['x-holdfast-entry']).toMatch(/^[0-9a-z]{26}$/)
    for (const method of ['GET', 'HEAD']) {
      const read = await s3.call(method, `/${bucket}/k`)
      expect([read.status, ...markerOf(read)]).toEqual([404, 'true', marker])
      const byId = await s3.call(method, `/${bucket}/k`, query(marker))
      expect([byId.status, ...markerOf(byId)]).toEqual([405, 'true', marker])
      expect(byId.headers['last-modified']).toMatch(/GMT$/)
    }
    expect((await get(`/${bucket}/k`, marker)).code).toBe('MethodNotAllowed')
    expect((await get(`/${bucket}/k`, first)).body.toString()).toBe('one')
    expect((await s3.call('GET', `/${bucket}`)).body.toString()).not.toContain('<Contents>')
    expect((await listVersions(bucket)).versions).toEqual([
      { kind: 'DeleteMarker', key: 'k', id: marker, latest: true },
      { kind: 'Version', key: 'k', id: first, latest: false },
    ])
    const unmarked = await remove(`/${bucket}/k`, marker)
    expect([unmarked.status, ...markerOf(unmarked)]).toEqual([204, 'true', marker])
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('one')
  })

  it('marks a key that never was, and marks again what is marked', async () => {
    const bucket = await bucketWith('Enabled')
    const ids = [await remove(`/${bucket}/k`), await remove(`/${bucket}/k`)].map(reply => markerOf(reply)[1])
    expect(new Set(ids).size).toBe(2)
    expect((await listVersions(bucket)).versions.map(({ id }) => id)).toEqual([ids[1], ids[0]])
  })

  it('deleting the current version makes the next newest current', async () => {
    const bucket = await bucketWith('Enabled')
    const ids = [
      await put(`/${bucket}/k`, 'one'),
      await put(`/${bucket}/k`, 'two'),
      await put(`/${bucket}/k`, '3'),
    ]
    expect(markerOf(await remove(`/${bucket}/k`, ids[2]))).toEqual([undefined, ids[2]])
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('two')
    await remove(`/${bucket}/k`, ids[0])
    await remove(`/${bucket}/k`, ids[1])
    expect((await get(`/${bucket}/k`)).code).toBe('NoSuchKey')
    expect(markerOf(await get(`/${bucket}/k`))).toEqual([undefined, undefined])
    expect((await listVersions(bucket)).versions).toEqual([])
  })

  it('tells an id that is none from one that is not there', async () => {
    const bucket = await bucketWith('Enabled')
    const id = await put(`/${bucket}/k`, 'one')
    const gone = await put(`/${bucket}/k`, 'two')
    await remove(`/${bucket}/k`, gone)
    expect(await get(`/${bucket}/k`, gone)).toMatchObject({ status: 404, code: 'NoSuchVersion' })
    expect(await get(`/${bucket}/k`, 'null')).toMatchObject({ status: 404, code: 'NoSuchVersion' })
    expect(await get(`/${bucket}/other`, id)).toMatchObject({ status: 404, code: 'NoSuchVersion' })
    expect(await get(`/${bucket}/k`, 'no-id')).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(await get(`/${bucket}/k`, '')).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(await remove(`/${bucket}/k`, 'no-id')).toMatchObject({ status: 400, code: 'InvalidArgument' })
    const again = await remove(`/${bucket}/k`, gone)
    expect([again.status, again.headers['x-holdfast-entry']]).toEqual([204, undefined])
    expect(await s3.call('PUT', `/${bucket}/k`, { ...query(id), body: 'x' })).toMatchObject({
      status: 400,
      code: 'InvalidArgument',
    })
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('one')
  })

  it('keeps what was there before as the null version', async () => {
    const bucket = await bucketWith()
    await s3.put(`/${bucket}/k`, 'before')
    await setVersioning(bucket, 'Enabled')
    expect((await get(`/${bucket}/k`)).headers['x-amz-version-id']).toBe('null')
    const id = await put(`/${bucket}/k`, 'after')
    expect((await get(`/${bucket}/k`, 'null')).body.toString()).toBe('before')
    expect((await listVersions(bucket)).versions.map(version => version.id)).toEqual([id, 'null'])
    await remove(`/${bucket}/k`, id)
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('before')
  })

  it('copies versions, and says which', async () => {
    const bucket = await bucketWith('Enabled')
    const ids = [await put(`/${bucket}/k`, 'one'), await put(`/${bucket}/k`, 'two')]
    const copy = (source: string) =>
      s3.call('PUT', `/${bucket}/copy`, { headers: { 'x-amz-copy-source': source } })
    const copied = await copy(`/${bucket}/k?versionId=${ids[0]}`)
    expect(copied.status).toBe(200)
    expect(copied.headers['x-amz-copy-source-version-id']).toBe(ids[0])
    const made = String(copied.headers['x-amz-version-id'])
    expect((await get(`/${bucket}/copy`, made)).body.toString()).toBe('one')
    expect((await copy(`/${bucket}/k`)).headers['x-amz-copy-source-version-id']).toBe(ids[1])
    // Bringing an old version back is a copy onto itself.
    const back = await s3.call('PUT', `/${bucket}/k`, {
      headers: { 'x-amz-copy-source': `${bucket}/k?versionId=${ids[0]}` },
    })
    expect(back.status).toBe(200)
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('one')
    const marker = markerOf(await remove(`/${bucket}/k`))[1]
    expect(await copy(`/${bucket}/k`)).toMatchObject({ status: 404, code: 'NoSuchKey' })
    expect(await copy(`/${bucket}/k?versionId=${marker}`)).toMatchObject({
      status: 400,
      code: 'InvalidRequest',
    })
    expect(await copy(`/${bucket}/k?versionId=null`)).toMatchObject({ status: 404, code: 'NoSuchVersion' })
  })

  it('of several parts, too', async () => {
    const bucket = await bucketWith('Enabled')
    const parts = [Buffer.alloc(5 << 20, 'a'), Buffer.from('end')]
    const ids = [
      await s3.putParts(`/${bucket}/k`, parts),
      await s3.putParts(`/${bucket}/k`, parts.toReversed().slice(0, 1)),
    ]
    const [first, second] = ids.map(({ headers }) => String(headers['x-amz-version-id']))
    expect((await get(`/${bucket}/k`, first)).body.equals(Buffer.concat(parts))).toBe(true)
    expect((await get(`/${bucket}/k`, second)).body.toString()).toBe('end')
    await remove(`/${bucket}/k`, first)
    await remove(`/${bucket}/k`, second)
    const { id } = (await findBucket(catalog(), bucket as never))!.row
    for (const table of ['objects', 'versions', 'markers', 'nullversions'] as const)
      for await (const { key } of rowsOf(catalog(), table))
        expect(Buffer.from(key).toString('hex').startsWith(id)).toBe(false)
  })

  it('a bucket is empty only without versions and markers', async () => {
    const bucket = await bucketWith('Enabled')
    const id = await put(`/${bucket}/k`, 'one')
    const marker = markerOf(await remove(`/${bucket}/k`))[1]
    expect((await s3.call('DELETE', `/${bucket}`)).code).toBe('BucketNotEmpty')
    await remove(`/${bucket}/k`, id)
    expect((await s3.call('DELETE', `/${bucket}`)).code).toBe('BucketNotEmpty')
    await remove(`/${bucket}/k`, marker)
    expect((await s3.call('DELETE', `/${bucket}`)).status).toBe(204)
  })
})

describe('versioning suspended', () => {
  it('the null version is replaced wherever it is', async () => {
    const bucket = await bucketWith('Enabled')
    const kept = await put(`/${bucket}/k`, 'kept')
    await setVersioning(bucket, 'Suspended')
    expect(await put(`/${bucket}/k`, 'null one')).toBe('null')
    expect(await put(`/${bucket}/k`, 'null two')).toBe('null')
    expect((await listVersions(bucket)).versions.map(({ id }) => id)).toEqual(['null', kept])
    await setVersioning(bucket, 'Enabled')
    const top = await put(`/${bucket}/k`, 'top')
    await setVersioning(bucket, 'Suspended')
    // Now noncurrent, between two that have ids.
    await put(`/${bucket}/k`, 'null three')
    expect((await listVersions(bucket)).versions.map(({ id }) => id)).toEqual(['null', top, kept])
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('null three')
  })

  it('a deletion puts a null marker on top and takes the null version away', async () => {
    const bucket = await bucketWith('Enabled')
    const kept = await put(`/${bucket}/k`, 'kept')
    await setVersioning(bucket, 'Suspended')
    await put(`/${bucket}/k`, 'null')
    expect(markerOf(await remove(`/${bucket}/k`))).toEqual(['true', 'null'])
    expect((await listVersions(bucket)).versions).toEqual([
      { kind: 'DeleteMarker', key: 'k', id: 'null', latest: true },
      { kind: 'Version', key: 'k', id: kept, latest: false },
    ])
    await remove(`/${bucket}/k`)
    expect((await listVersions(bucket)).versions).toHaveLength(2)
    expect(markerOf(await remove(`/${bucket}/k`, 'null'))).toEqual(['true', 'null'])
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('kept')
  })
})

describe('ListObjectVersions', () => {
  let bucket: string
  beforeAll(async () => {
    bucket = await bucketWith('Enabled')
    for (const key of ['a/1', 'a/2', 'a\0', 'b', 'c/ü', 'c/z z']) {
      await put(`/${bucket}/${key}`, key)
      if (key !== 'b') await put(`/${bucket}/${key}`, key)
    }
    await remove(`/${bucket}/b`)
  })

  const names = (list: { versions: readonly Listed[] }) =>
    list.versions.map(({ key, kind }) => `${kind[0]} ${key}`)

  it('sorts by key, newest first, with markers in their place', async () => {
    expect(names(await listVersions(bucket, { 'encoding-type': 'url' }))).toEqual(
      'V a%00,V a%00,V a/1,V a/1,V a/2,V a/2,D b,V b,V c/z%20z,V c/z%20z,V c/%C3%BC,V c/%C3%BC'.split(','),
    )
  })

  it.each([1, 2, 3, 5])('goes on page by page of %i', async size => {
    const all = await listVersions(bucket, { 'encoding-type': 'url' })
    const got: Listed[] = []
    let markers: Record<string, string> = {}
    for (;;) {
      const page = await listVersions(bucket, {
        'encoding-type': 'url',
        'max-keys': String(size),
        ...markers,
      })
      got.push(...page.versions)
      expect(page.element('MaxKeys')).toBe(String(size))
      if (page.element('IsTruncated') === 'false') break
      expect(page.versions).toHaveLength(size)
      markers = {
        'key-marker': decodeURIComponent(page.element('NextKeyMarker')!),
        'version-id-marker': page.element('NextVersionIdMarker')!,
      }
    }
    expect(got).toEqual(all.versions)
  })

  it('folds what lies behind a delimiter', async () => {
    const list = await listVersions(bucket, { delimiter: '/', 'encoding-type': 'url' })
    expect([names(list), list.prefixes]).toEqual([
      ['V a%00', 'V a%00', 'D b', 'V b'],
      ['a/', 'c/'],
    ])
    const page = await listVersions(bucket, { delimiter: '/', 'max-keys': '3', 'encoding-type': 'url' })
    expect([page.prefixes, page.element('NextKeyMarker'), page.element('NextVersionIdMarker')]).toEqual([
      ['a/'],
      'a/',
      undefined,
    ])
    const rest = await listVersions(bucket, { delimiter: '/', 'key-marker': 'a/' })
    expect([names(rest), rest.prefixes]).toEqual([['D b', 'V b'], ['c/']])
    expect(names(await listVersions(bucket, { prefix: 'a/', 'key-marker': 'a/1' }))).toEqual([
      'V a/2',
      'V a/2',
    ])
  })

  it('takes nothing at all, and refuses what makes no sense', async () => {
    const none = await listVersions(bucket, { 'max-keys': '0' })
    expect([none.versions, none.element('IsTruncated')]).toEqual([[], 'false'])
    const ask = (parameters: Record<string, string>) =>
      s3.call('GET', `/${bucket}`, { query: { versions: '', ...parameters } })
    expect((await ask({ 'version-id-marker': 'null' })).code).toBe('InvalidArgument')
    expect((await ask({ 'key-marker': 'b', 'version-id-marker': 'none' })).code).toBe('InvalidArgument')
    expect((await ask({ 'max-keys': '-1' })).code).toBe('InvalidArgument')
    expect((await ask({ 'encoding-type': 'gzip' })).code).toBe('InvalidArgument')
  })
})

describe('DeleteObjects', () => {
  const deleteMany = async (bucket: string, objects: string, quiet = false) => {
    const body = `<Delete>${quiet ? '<Quiet>true</Quiet>' : ''}${objects}</Delete>`
    return s3.call('POST', `/${bucket}`, { query: { delete: '' }, body })
  }
  const object = (key: string, versionId?: string) =>
    `<Object><Key>${key}</Key>${versionId === undefined ? '' : `<VersionId>${versionId}</VersionId>`}</Object>`

  it('marks keys and takes versions and markers away', async () => {
    const bucket = await bucketWith('Enabled')
    const ids = [await put(`/${bucket}/k`, 'one'), await put(`/${bucket}/k`, 'two')]
    const marked = (await deleteMany(bucket, object('k') + object('never'))).body.toString()
    const markers = [...marked.matchAll(/<DeleteMarker>true<\/DeleteMarker><DeleteMarkerVersionId>([^<]+)</g)]
    expect(markers).toHaveLength(2)
    expect(marked).not.toContain('<VersionId>')
    const gone = (await deleteMany(bucket, object('k', ids[0]) + object('k', markers[0]![1]))).body.toString()
    expect(gone).toContain(`<Deleted><Key>k</Key><VersionId>${ids[0]}</VersionId></Deleted>`)
    expect(gone).toContain(
      `<VersionId>${markers[0]![1]}</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>${markers[0]![1]}<`,
    )
    expect((await get(`/${bucket}/k`)).body.toString()).toBe('two')
  })

  it('tells what failed, each by its key and version, and does the rest', async () => {
    const bucket = await bucketWith('Enabled')
    const id = await put(`/${bucket}/k`, 'one')
    const reply = await deleteMany(bucket, object('k', 'no-id') + object('k', id), true)
    expect(reply.status).toBe(200)
    expect(reply.body.toString()).toContain(
      '<Error><Key>k</Key><VersionId>no-id</VersionId><Code>InvalidArgument</Code>',
    )
    expect(reply.body.toString()).not.toContain('<Deleted>')
    expect((await get(`/${bucket}/k`, id)).code).toBe('NoSuchVersion')
  })

  it('refuses more than a thousand, and an empty list', async () => {
    const bucket = await bucketWith()
    const many = Array.from({ length: 1001 }, (_, i) => object(`k${i}`)).join('')
    expect((await deleteMany(bucket, many)).code).toBe('MalformedXML')
    expect((await deleteMany(bucket, '')).code).toBe('MalformedXML')
    expect((await deleteMany(bucket, many.slice(0, many.lastIndexOf('<Object>')))).status).toBe(200)
  })
})

describe('races', () => {
  it('of writers, deleters and switches on one key lose and invent nothing', async () => {
    const bucket = await bucketWith('Enabled')
    const path = `/${bucket}/k`
    const first = await Promise.all(Array.from({ length: 20 }, (_, i) => put(path, `first ${i}`)))
    expect(new Set(first).size).toBe(20)
    const removed = first.slice(0, 10)
    const replies = await Promise.all([
      ...Array.from({ length: 15 }, async (_, i) => put(path, `second ${i}`)),
      ...removed.map(async id => String((await remove(path, id)).headers['x-amz-version-id'])),
      ...Array.from({ length: 5 }, async () => String(markerOf(await remove(path))[1])),
    ])
    const expected = new Set([...first.slice(10), ...replies].filter(id => !removed.includes(id)))
    const { versions } = await listVersions(bucket)
    expect(new Set(versions.map(({ id }) => id))).toEqual(expected)
    expect(versions.map(({ id }) => id)).toEqual(
      versions
        .map(({ id }) => id)
        .sort()
        .reverse(),
    )
    expect(versions.filter(({ latest }) => latest)).toEqual([versions[0]])
  })

  it('of overwrites and a switch to enabled: what was acknowledged after it is kept', async () => {
    const bucket = await bucketWith()
    const writes = Array.from({ length: 30 }, (_, i) => put(`/${bucket}/k`, `${i}`))
    const switched = setVersioning(bucket, 'Enabled')
    const ids = (await Promise.all(writes)).filter(id => id !== 'undefined' && id !== 'null')
    await switched
    const later = await put(`/${bucket}/k`, 'later')
    const listed = (await listVersions(bucket)).versions.map(({ id }) => id)
    for (const id of [...ids, later]) expect(listed).toContain(id)
    expect(listed.filter(id => id === 'null').length).toBeLessThanOrEqual(1)
  })
})
