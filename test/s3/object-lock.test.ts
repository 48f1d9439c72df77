import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await makeLockBucket('lock')
  await s3.makeBucket('no-lock')
})
afterAll(() => app[Symbol.asyncDispose]())

async function makeLockBucket(name: string): Promise<void> {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'True' }
  expect((await s3.call('PUT', `/${name}`, { headers })).status).toBe(200)
}

const dayMs = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * dayMs).toISOString()
const md5 = (body: string) => ({ 'content-md5': createHash('md5').update(body).digest('base64') })
const bypass = { 'x-amz-bypass-governance-retention': 'true' }

async function put(path: string, mode?: string, until?: string, hold?: string): Promise<string> {
  const headers = {
    ...md5(path),
    ...(mode !== undefined && {
      'x-amz-object-lock-mode': mode,
      'x-amz-object-lock-retain-until-date': until!,
    }),
    ...(hold !== undefined && { 'x-amz-object-lock-legal-hold': hold }),
  }
  return String((await s3.put(path, path, headers)).headers['x-amz-version-id'])
}
const remove = (path: string, versionId?: string, headers = {}) =>
  s3.call('DELETE', path, { query: versionId === undefined ? {} : { versionId }, headers })
const retain = (path: string, mode: string, until: string, headers = {}, query = {}) =>
  s3.call('PUT', path, {
    query: { retention: '', ...query },
    headers,
    body: `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`,
  })
const hold = (path: string, status: string) =>
  s3.call('PUT', path, {
    query: { 'legal-hold': '' },
    body: `<LegalHold><Status>${status}</Status></LegalHold>`,
  })
const configure = (bucket: string, rule: string, enabled = 'Enabled') =>
  s3.call('PUT', `/${bucket}`, {
    query: { 'object-lock': '' },
    body: `<ObjectLockConfiguration><ObjectLockEnabled>${enabled}</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`,
  })
const rule = (inner: string) => `<Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`
const outcome = ({ status, code }: S3Reply) => (status < 300 ? status : `${status} ${code}`)
const lockOf = async (path: string) => {
  const { headers } = await s3.call('HEAD', path)
  return ['mode', 'retain-until-date', 'legal-hold'].map(name => headers[`x-amz-object-lock-${name}`])
}

describe('a bucket with object lock', () => {
  it('keeps versions and cannot stop', async () => {
    await makeLockBucket('lock-state')
    const versioning = (status: string) =>
      s3.call('PUT', '/lock-state', {
        query: { versioning: '' },
        body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
      })
    const state = await s3.call('GET', '/lock-state', { query: { versioning: '' } })
    expect(state.body.toString()).toContain('<Status>Enabled</Status>')
    expect(outcome(await versioning('Suspended'))).toBe('409 InvalidBucketState')
    expect(outcome(await versioning('Enabled'))).toBe(200)
    const asked = await s3.call('GET', '/lock-state', { query: { 'object-lock': '' } })
    expect(asked.body.toString()).toContain('<ObjectLockEnabled>Enabled</ObjectLockEnabled></Object')
  })

  it('is made of one that keeps versions, and of no other', async () => {
    await s3.makeBucket('lock-later')
    expect((await s3.call('GET', '/lock-later', { query: { 'object-lock': '' } })).code).toBe(
      'ObjectLockConfigurationNotFoundError',
    )
    expect(outcome(await configure('lock-later', ''))).toBe('409 InvalidBucketState')
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await s3.call('PUT', '/lock-later', { query: { versioning: '' }, body })
    expect(outcome(await configure('lock-later', ''))).toBe(200)
    const id = await put('/lock-later/k', 'COMPLIANCE', inDays(1))
    expect(outcome(await remove('/lock-later/k', id))).toBe('403 AccessDenied')
  })

  it.each([
    [rule('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'), 'MalformedXML'],
    [rule('<Mode>GOVERNANCE</Mode>'), 'MalformedXML'],
    [rule('<Days>1</Days>'), 'MalformedXML'],
    [rule('<Mode>governance</Mode><Days>1</Days>'), 'MalformedXML'],
    [rule('<Mode>GOVERNANCE</Mode><Days>one</Days>'), 'MalformedXML'],
    [rule('<Mode>GOVERNANCE</Mode><Days>0</Days>'), 'InvalidArgument'],
    [rule('<Mode>GOVERNANCE</Mode><Years>-1</Years>'), 'InvalidArgument'],
    [rule('<Mode>GOVERNANCE</Mode><Days>36501</Days>'), 'InvalidArgument'],
    [rule('<Mode>GOVERNANCE</Mode><Years>101</Years>'), 'InvalidArgument'],
    [rule('<Mode>GOVERNANCE</Mode><Days>1</Days><DefaultEventHold/>'), 'NotImplemented'],
    ['<Rule/>', 'MalformedXML'],
  ])('case %#: refuses a rule that makes no sense', async (inner, code) => {
    expect((await configure('lock', inner)).code).toBe(code)
    expect((await configure('lock', '', 'Disabled')).code).toBe('MalformedXML')
  })

  it('locks by default what has no lock of its own', async () => {
    await makeLockBucket('lock-default')
    expect(outcome(await configure('lock-default', rule('<Mode>GOVERNANCE</Mode><Days>2</Days>')))).toBe(200)
    const asked = await s3.call('GET', '/lock-default', { query: { 'object-lock': '' } })
    expect(asked.body.toString()).toContain(rule('<Mode>GOVERNANCE</Mode><Days>2</Days>'))
    const before = Date.now()
    await put('/lock-default/k')
    const [mode, until, held] = await lockOf('/lock-default/k')
    expect([mode, held]).toEqual(['GOVERNANCE', undefined])
    expect(Date.parse(String(until))).toBeGreaterThanOrEqual(before + 2 * dayMs)
    expect(Date.parse(String(until))).toBeLessThanOrEqual(Date.now() + 2 * dayMs)
    const own = inDays(1)
    await put('/lock-default/own', 'COMPLIANCE', own)
    expect(await lockOf('/lock-default/own')).toEqual(['COMPLIANCE', own, undefined])
    // What a client did not say it means to store is not locked for it.
    const unchecked = await s3.call('PUT', '/lock-default/unchecked', { body: 'x' })
    expect(outcome(unchecked)).toBe('400 InvalidRequest')
    await configure('lock-default', '')
    await put('/lock-default/free')
    expect(await lockOf('/lock-default/free')).toEqual([undefined, undefined, undefined])
  })
})

describe('a bucket without', () => {
  it('refuses locks, and passes over what would bypass one', async () => {
    await s3.put('/no-lock/k', 'x')
    expect(outcome(await retain('/no-lock/k', 'GOVERNANCE', inDays(1)))).toBe('400 InvalidRequest')
    expect(outcome(await hold('/no-lock/k', 'ON'))).toBe('400 InvalidRequest')
    for (const name of ['retention', 'legal-hold'])
      expect(outcome(await s3.call('GET', '/no-lock/k', { query: { [name]: '' } }))).toBe(
        '400 InvalidRequest',
      )
    const headers = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': inDays(1),
      ...md5('x'),
    }
    expect(outcome(await s3.call('PUT', '/no-lock/locked', { body: 'x', headers }))).toBe(
      '400 InvalidRequest',
    )
    expect(outcome(await s3.call('POST', '/no-lock/locked', { query: { uploads: '' }, headers }))).toBe(
      '400 InvalidRequest',
    )
    expect(outcome(await remove('/no-lock/k', undefined, bypass))).toBe(204)
  })
})

describe('a locked version', () => {
  it('of compliance mode goes for nobody, and only lengthens', async () => {
    const until = inDays(2)
    const id = await put('/lock/compliance', 'COMPLIANCE', until)
    const denied = await remove('/lock/compliance', id, bypass)
    expect([outcome(denied), denied.message]).toEqual([
      '403 AccessDenied',
      'Access Denied because object protected by object lock.',
    ])
    expect(outcome(await retain('/lock/compliance', 'COMPLIANCE', inDays(1), bypass))).toBe(
      '403 AccessDenied',
    )
    expect(outcome(await retain('/lock/compliance', 'GOVERNANCE', inDays(9), bypass))).toBe(
      '403 AccessDenied',
    )
    const empty = await s3.call('PUT', '/lock/compliance', {
      query: { retention: '' },
      headers: bypass,
      body: '<Retention/>',
    })
    expect(outcome(empty)).toBe('403 AccessDenied')
    const longer = inDays(3)
    const lengthened = await retain('/lock/compliance', 'COMPLIANCE', longer)
    expect([outcome(lengthened), typeof lengthened.headers['x-holdfast-entry']]).toEqual([200, 'string'])
    expect(await lockOf('/lock/compliance')).toEqual(['COMPLIANCE', longer, undefined])
  })

  it('of governance mode goes for those who may, and say so', async () => {
    const id = await put('/lock/governance', 'GOVERNANCE', inDays(2))
    expect(outcome(await remove('/lock/governance', id))).toBe('403 AccessDenied')
    expect(outcome(await retain('/lock/governance', 'GOVERNANCE', inDays(3)))).toBe(200)
    expect(outcome(await retain('/lock/governance', 'GOVERNANCE', inDays(1)))).toBe('403 AccessDenied')
    expect(outcome(await retain('/lock/governance', 'COMPLIANCE', inDays(3)))).toBe('403 AccessDenied')
    expect(outcome(await retain('/lock/governance', 'GOVERNANCE', inDays(1), bypass))).toBe(200)
    expect(outcome(await remove('/lock/governance', id, bypass))).toBe(204)
    expect(outcome(await s3.get('/lock/governance'))).toBe('404 NoSuchKey')
  })

  it('with its retention taken away is free', async () => {
    const id = await put('/lock/emptied', 'GOVERNANCE', inDays(2))
    const query = { retention: '' }
    const empty = (headers = {}) => s3.call('PUT', '/lock/emptied', { query, headers, body: '<Retention/>' })
    expect(outcome(await empty())).toBe('403 AccessDenied')
    expect(outcome(await empty(bypass))).toBe(200)
    expect(outcome(await s3.call('GET', '/lock/emptied', { query }))).toBe(
      '404 NoSuchObjectLockConfiguration',
    )
    expect(outcome(await remove('/lock/emptied', id))).toBe(204)
  })

  it('under a legal hold stays, whatever its retention', async () => {
    const id = await put('/lock/held', 'GOVERNANCE', inDays(1), 'ON')
    expect(outcome(await remove('/lock/held', id, bypass))).toBe('403 AccessDenied')
    expect(outcome(await hold('/lock/held', 'on'))).toBe('400 MalformedXML')
    expect(outcome(await hold('/lock/held', 'OFF'))).toBe(200)
    const said = await s3.call('GET', '/lock/held', { query: { 'legal-hold': '' } })
    expect(said.body.toString()).toContain('<Status>OFF</Status>')
    expect((await lockOf('/lock/held'))[2]).toBe('OFF')
    expect(outcome(await remove('/lock/held', id, bypass))).toBe(204)
    await put('/lock/never-held')
    expect(outcome(await s3.call('GET', '/lock/never-held', { query: { 'legal-hold': '' } }))).toBe(
      '404 NoSuchObjectLockConfiguration',
    )
  })

  it('is free when its time is over', async () => {
    const until = Date.now() + 6000
    const id = await put('/lock/short', 'COMPLIANCE', new Date(until).toISOString())
    expect(outcome(await remove('/lock/short', id))).toBe('403 AccessDenied')
    await setTimeout(until + 50 - Date.now())
    expect((await lockOf('/lock/short'))[0]).toBe('COMPLIANCE')
    expect(outcome(await remove('/lock/short', id))).toBe(204)
  })

  it('is hidden by a marker and covered by newer ones, and stays', async () => {
    const id = await put('/lock/covered', 'COMPLIANCE', inDays(1))
    await put('/lock/covered')
    const marker = await remove('/lock/covered')
    expect(outcome(marker)).toBe(204)
    expect(outcome(await remove('/lock/covered', String(marker.headers['x-amz-version-id'])))).toBe(204)
    expect(outcome(await remove('/lock/covered', id))).toBe('403 AccessDenied')
    const query = { versionId: id }
    expect((await s3.call('GET', '/lock/covered', { query })).body.toString()).toBe('/lock/covered')
  })

  it('named among many is the only one that stays', async () => {
    const [locked, free] = [await put('/lock/many', 'GOVERNANCE', inDays(1)), await put('/lock/many')]
    const all = (headers = {}) =>
      s3.call('POST', '/lock', {
        query: { delete: '' },
        headers,
        body: `<Delete>${[locked, free].map(id => `<Object><Key>many</Key><VersionId>${id}</VersionId></Object>`).join('')}</Delete>`,
      })
    const text = (await all()).body.toString()
    expect(text).toContain(`<Deleted><Key>many</Key><VersionId>${free}</VersionId></Deleted>`)
    expect(text).toContain(`<VersionId>${locked}</VersionId><Code>AccessDenied</Code>`)
    expect((await all(bypass)).body.toString()).not.toContain('<Error>')
  })

  it('lends its lock to no copy', async () => {
    await put('/lock/source', 'COMPLIANCE', inDays(1), 'ON')
    await s3.call('PUT', '/lock/copy', { headers: { 'x-amz-copy-source': '/lock/source' } })
    expect(await lockOf('/lock/copy')).toEqual([undefined, undefined, undefined])
    const until = inDays(1)
    const own = {
      'x-amz-copy-source': '/lock/source',
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': until,
    }
    expect((await s3.call('PUT', '/lock/copy', { headers: own })).status).toBe(200)
    expect(await lockOf('/lock/copy')).toEqual(['GOVERNANCE', until, undefined])
  })

  it('of several parts is locked as its upload was begun', async () => {
    const until = inDays(1)
    const headers = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': until,
      'x-amz-object-lock-legal-hold': 'ON',
    }
    const begun = await s3.call('POST', '/lock/parts', { query: { uploads: '' }, headers })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
    const part = await s3.call('PUT', '/lock/parts', { query: { partNumber: '1', uploadId }, body: 'part' })
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    expect((await s3.call('POST', '/lock/parts', { query: { uploadId }, body })).status).toBe(200)
    expect(await lockOf('/lock/parts')).toEqual(['GOVERNANCE', until, 'ON'])
  })

  it.each([
    [{ 'x-amz-object-lock-mode': 'GOVERNANCE' }, 'InvalidArgument'],
    [{ 'x-amz-object-lock-retain-until-date': inDays(1) }, 'InvalidArgument'],
    [
      { 'x-amz-object-lock-mode': 'abc', 'x-amz-object-lock-retain-until-date': inDays(1) },
      'InvalidArgument',
    ],
    [
      { 'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': 'abc' },
      'InvalidArgument',
    ],
    [
      { 'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': inDays(-1) },
      'InvalidArgument',
    ],
    [{ 'x-amz-object-lock-legal-hold': 'abc' }, 'InvalidArgument'],
  ])('case %#: is not made of headers that make no sense', async (headers, code) => {
    const reply = await s3.call('PUT', '/lock/nonsense', { body: 'x', headers: { ...md5('x'), ...headers } })
    expect(reply.code).toBe(code)
    expect(outcome(await s3.get('/lock/nonsense'))).toBe('404 NoSuchKey')
  })

  it.each([
    ['abc', inDays(1), '400 MalformedXML'],
    ['governance', inDays(1), '400 MalformedXML'],
    ['GOVERNANCE', 'tomorrow', '400 MalformedXML'],
    ['GOVERNANCE', inDays(-1), '400 InvalidArgument'],
  ])('case %#: is not made of a document that makes no sense', async (mode, until, expected) => {
    await put('/lock/free')
    expect(outcome(await retain('/lock/free', mode, until))).toBe(expected)
    expect(await lockOf('/lock/free')).toEqual([undefined, undefined, undefined])
  })

  it('is not deleted by one who races with the lock', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const id = await put(`/lock/race-${i}`)
        const [locked, removed] = await Promise.all([
          retain(`/lock/race-${i}`, 'COMPLIANCE', inDays(1), {}, { versionId: id }),
          remove(`/lock/race-${i}`, id),
        ])
        const there = await s3.call('GET', `/lock/race-${i}`, { query: { versionId: id } })
        return [outcome(locked), outcome(removed), outcome(there)]
      }),
    )
    for (const each of outcomes) {
      const lockCameFirst = [200, '403 AccessDenied', 200]
      const deletionCameFirst = ['404 NoSuchVersion', 204, '404 NoSuchVersion']
      expect([lockCameFirst, deletionCameFirst]).toContainEqual(each)
    }
  })
})
