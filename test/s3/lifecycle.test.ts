import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fsckVersions } from '../../src/store/fsck-versions.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
/** A day of the rules under test. */
const dayMs = 400
beforeAll(async () => {
  app = await startTestApp({ lifecycleDayMs: dayMs })
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
})
afterAll(async () => {
  expect(await fsckVersions(catalog(), () => 'bucket')).toEqual([])
  await app[Symbol.asyncDispose]()
})

const catalog = () => app.app.regions.get('in-mumbai' as never)!.catalog

let made = 0
async function makeBucket(status?: 'Enabled' | 'Suspended'): Promise<string> {
  const name = `lifecycle-${++made}`
  await s3.makeBucket(name)
  if (status !== undefined) {
    const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
    await s3.call('PUT', `/${name}`, { query: { versioning: '' }, body })
  }
  return name
}

const rule = (inner: string, { id = '', status = 'Enabled', scope = '<Filter/>' } = {}) =>
  `<Rule>${id && `<ID>${id}</ID>`}${scope}<Status>${status}</Status>${inner}</Rule>`
const setRules = (bucket: string, ...rules: string[]) =>
  s3.call('PUT', `/${bucket}`, {
    query: { lifecycle: '' },
    body: `<LifecycleConfiguration>${rules.join('')}</LifecycleConfiguration>`,
  })
const days = (count: number) => `<Expiration><Days>${count}</Days></Expiration>`
const prefix = (text: string) => `<Filter><Prefix>${text}</Prefix></Filter>`

async function keysOf(bucket: string): Promise<string[]> {
  const text = (await s3.call('GET', `/${bucket}`)).body.toString()
  return [...text.matchAll(/<Key>([^<]*)</g)].map(match => match[1]!)
}

async function versionsOf(bucket: string): Promise<string[]> {
  const text = (await s3.call('GET', `/${bucket}`, { query: { versions: '' } })).body.toString()
  return [...text.matchAll(/<(Version|DeleteMarker)><Key>([^<]*)<.*?<IsLatest>(\w+)</gs)].map(
    ([, kind, key, latest]) =>
      `${kind === 'Version' ? '' : 'marker '}${key}${latest === 'true' ? ' latest' : ''}`,
  )
}

/** Until it is so, or for a minute. */
async function until<Seen>(look: () => Promise<Seen>, wanted: Seen): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (JSON.stringify(await look()) === JSON.stringify(wanted)) return
    await sleep(100)
  }
  expect(await look()).toEqual(wanted)
}

describe('a lifecycle configuration', () => {
  it('is answered in the form in which it came, with ids for rules that have none', async () => {
    const bucket = await makeBucket()
    const get = () => s3.call('GET', `/${bucket}`, { query: { lifecycle: '' } })
    expect((await get()).code).toBe('NoSuchLifecycleConfiguration')
    const filter =
      '<Filter><And><Prefix>a&amp;/</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>50</ObjectSizeLessThan><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>'
    expect(
      (await setRules(bucket, rule(days(3), { id: 'first', scope: filter }), rule(days(2)))).status,
    ).toBe(200)
    const reply = await get()
    expect(reply.headers['x-amz-transition-default-minimum-object-size']).toBe('all_storage_classes_128K')
    expect(reply.body.toString()).toContain(
      `<Rule><ID>first</ID>${filter}<Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>`,
    )
    expect(reply.body.toString()).toMatch(/<Rule><ID>[0-9a-f]{48}<\/ID><Filter><\/Filter>/)
    expect((await s3.call('DELETE', `/${bucket}`, { query: { lifecycle: '' } })).status).toBe(204)
    expect((await get()).status).toBe(404)
  })

  const noncurrent = (inner: string) => `<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`
  const abort =
    '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>'
  const tag = (key: string) => `<Tag><Key>${key}</Key><Value>1</Value></Tag>`
  it.each([
    ['no rule', '', 'MalformedXML'],
    ['an unknown status', rule(days(1), { status: 'enabled' }), 'MalformedXML'],
    ['no filter', rule(days(1), { scope: '' }), 'MalformedXML'],
    ['prefix and filter', rule(days(1), { scope: '<Prefix/><Filter/>' }), 'MalformedXML'],
    ['both forms', rule(days(1), { scope: '<Prefix/>' }) + rule(days(1)), 'InvalidRequest'],
    [
      'two predicates without And',
      rule(days(1), { scope: `<Filter><Prefix/>${tag('a')}</Filter>` }),
      'MalformedXML',
    ],
    ['And of one', rule(days(1), { scope: `<Filter><And>${tag('a')}</And></Filter>` }), 'MalformedXML'],
    [
      'a tag twice',
      rule(days(1), { scope: `<Filter><And>${tag('a')}${tag('a')}</And></Filter>` }),
      'InvalidRequest',
    ],
    ['no action', rule(''), 'InvalidRequest'],
    ['no days', rule(days(0)), 'InvalidArgument'],
    ['days that are none', rule('<Expiration><Days>soon</Days></Expiration>'), 'MalformedXML'],
    [
      'days and a date',
      rule('<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>'),
      'MalformedXML',
    ],
    [
      'not at midnight',
      rule('<Expiration><Date>2030-01-01T10:00:00Z</Date></Expiration>'),
      'InvalidArgument',
    ],
    ['no date', rule('<Expiration><Date>20300101</Date></Expiration>'), 'MalformedXML'],
    ['a long id', rule(days(1), { id: 'i'.repeat(256) }), 'InvalidArgument'],
    ['an id twice', rule(days(1), { id: 'i' }) + rule(days(1), { id: 'i' }), 'InvalidArgument'],
    [
      'noncurrent without days',
      rule(noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>')),
      'MalformedXML',
    ],
    [
      'too many newer ones',
      rule(
        noncurrent(
          '<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>',
        ),
      ),
      'InvalidArgument',
    ],
    ['aborts by tag', rule(abort, { scope: `<Filter>${tag('a')}</Filter>` }), 'InvalidRequest'],
    [
      'markers by tag',
      rule('<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>', {
        scope: `<Filter>${tag('a')}</Filter>`,
      }),
      'InvalidRequest',
    ],
    [
      'a storage class',
      rule('<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>'),
      'NotImplemented',
    ],
    ['too many rules', rule(days(1)).repeat(1001), 'MalformedXML'],
  ])('with %s is refused', async (_what, rules, code) => {
    const bucket = await makeBucket()
    expect((await setRules(bucket, rules)).code).toBe(code)
    expect((await s3.call('GET', `/${bucket}`, { query: { lifecycle: '' } })).status).toBe(404)
  })

  it('is told in the headers of what it concerns', async () => {
    const bucket = await makeBucket()
    await setRules(
      bucket,
      rule(days(300), { id: 'tmp rule', scope: prefix('tmp/') }),
      rule(abort, { id: 'abort', scope: prefix('big/') }),
      rule('<Expiration><Date>2050-01-01T00:00:00Z</Date></Expiration>', {
        id: 'date',
        scope: prefix('date/'),
      }),
    )
    const midnight = () => new Date((Math.floor(Date.now() / 86_400_000) + 301) * 86_400_000).toUTCString()
    const before = midnight()
    expect((await s3.put(`/${bucket}/date/a`, '1')).headers['x-amz-expiration']).toBe(
      'expiry-date="Sat, 01 Jan 2050 00:00:00 GMT", rule-id="date"',
    )
    // The rule's short days end it soon; what is said is of days that are days.
    const put = await s3.put(`/${bucket}/tmp/a`, '1')
    const expected = put.headers['x-amz-expiration']
    expect([before, midnight()].map(day => `expiry-date="${day}", rule-id="tmp%20rule"`)).toContain(expected)
    expect((await s3.call('HEAD', `/${bucket}/tmp/a`)).headers['x-amz-expiration']).toBe(expected)
    expect((await s3.put(`/${bucket}/other`, '1')).headers['x-amz-expiration']).toBeUndefined()
    const begun = await s3.call('POST', `/${bucket}/big/a`, { query: { uploads: '' } })
    expect(begun.headers['x-amz-abort-rule-id']).toBe('abort')
    expect(begun.headers['x-amz-abort-date']).toMatch(/ 00:00:00 GMT$/)
  })
})

describe('lifecycle rules', () => {
  it('end objects by prefix, tag and size, and no others; what they did is in the books', async () => {
    const bucket = await makeBucket()
    await s3.put(`/${bucket}/old/a`, 'a')
    await s3.put(`/${bucket}/old/long-lived`, 'a', { 'x-amz-tagging': 'keep=1' })
    await s3.put(`/${bucket}/tagged`, 'a', { 'x-amz-tagging': 'end=1&other=2' })
    await s3.put(`/${bucket}/tagged-otherwise`, 'a', { 'x-amz-tagging': 'end=2' })
    await s3.put(`/${bucket}/large`, 'a'.repeat(2000))
    await s3.put(`/${bucket}/small`, 'a')
    await setRules(
      bucket,
      rule(days(1), { id: 'by-prefix', scope: prefix('old/a') }),
      rule(days(1), { id: 'by-tag', scope: '<Filter><Tag><Key>end</Key><Value>1</Value></Tag></Filter>' }),
      rule(days(1), {
        id: 'by-size',
        scope: '<Filter><ObjectSizeGreaterThan>1999</ObjectSizeGreaterThan></Filter>',
      }),
      rule(days(1), { id: 'off', status: 'Disabled' }),
      rule(days(9999), { id: 'later' }),
    )
    await until(() => keysOf(bucket), ['old/long-lived', 'small', 'tagged-otherwise'])
    const entered = new Map<string, string>()
    for (const table of ['drafts', 'entries'] as const)
      for await (const { value } of rowsOf(catalog(), table)) {
        const text = Buffer.from(value).toString('latin1')
        const found = /"by":\{"lifecycle":"([^"]+)"\}.*"key":"([^"]+)"/.exec(text)
        if (found !== null && text.includes(bucket)) entered.set(found[2]!, found[1]!)
      }
    expect(Object.fromEntries(entered)).toEqual({ 'old/a': 'by-prefix', tagged: 'by-tag', large: 'by-size' })
  })

  it('end on a date that has passed, and not before one that has not', async () => {
    const bucket = await makeBucket()
    for (const key of ['past/a', 'future/a']) await s3.put(`/${bucket}/${key}`, 'a')
    const on = (date: string) => `<Expiration><Date>${date}</Date></Expiration>`
    await setRules(
      bucket,
      rule(on('2020-01-01T00:00:00Z'), { scope: '<Prefix>past/</Prefix>' }),
      rule(on('2120-01-01'), { scope: '<Prefix>future/</Prefix>' }),
    )
    await until(() => keysOf(bucket), ['future/a'])
  })

  it('put a marker on top where versions are kept, end what is noncurrent, and then the marker', async () => {
    const bucket = await makeBucket('Enabled')
    await s3.put(`/${bucket}/a`, '1')
    await s3.put(`/${bucket}/a`, '2')
    await s3.put(`/${bucket}/b`, '1')
    await setRules(bucket, rule(days(1), { scope: prefix('a') }))
    await until(() => versionsOf(bucket), ['marker a latest', 'a', 'a', 'b latest'])
    await setRules(
      bucket,
      rule('<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>'),
    )
    await until(() => versionsOf(bucket), ['marker a latest', 'b latest'])
    await setRules(
      bucket,
      rule('<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>'),
    )
    await until(() => versionsOf(bucket), ['b latest'])
  })

  it('keep as many noncurrent versions as they say', async () => {
    const bucket = await makeBucket('Enabled')
    const ids: string[] = []
    for (let i = 0; i < 6; i++)
      ids.push(String((await s3.put(`/${bucket}/a`, `${i}`)).headers['x-amz-version-id']))
    await s3.put(`/${bucket}/b`, '1')
    await s3.put(`/${bucket}/b`, '2')
    await setRules(
      bucket,
      rule(
        '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>',
      ),
    )
    await until(() => versionsOf(bucket), ['a latest', 'a', 'a', 'b latest', 'b'])
    const statuses = ids.map(versionId => s3.call('HEAD', `/${bucket}/a`, { query: { versionId } }))
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([404, 404, 404, 200, 200, 200])
  })

  it('leave a version that is locked', async () => {
    const bucket = `lifecycle-${++made}`
    await s3.call('PUT', `/${bucket}`, { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } })
    await s3.put(`/${bucket}/a`, '1', {
      'x-amz-object-lock-legal-hold': 'ON',
      'content-md5': 'xMpCOKC5I4INzFCab3WEmw==',
    })
    for (const body of ['2', '3']) await s3.put(`/${bucket}/a`, body)
    await setRules(
      bucket,
      rule('<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>'),
    )
    await until(() => versionsOf(bucket), ['a latest', 'a'])
    await s3.call('PUT', `/${bucket}/a`, {
      query: { 'legal-hold': '', versionId: await heldVersion(bucket) },
      body: '<LegalHold><Status>OFF</Status></LegalHold>',
    })
    await until(() => versionsOf(bucket), ['a latest'])
  })

  it('give up uploads that nobody completes', async () => {
    const bucket = await makeBucket()
    for (const key of ['tmp/a', 'kept/a'])
      await s3.call('POST', `/${bucket}/${key}`, { query: { uploads: '' } })
    await setRules(
      bucket,
      rule(
        '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
        { scope: prefix('tmp/') },
      ),
    )
    const uploads = async () => {
      const text = (await s3.call('GET', `/${bucket}`, { query: { uploads: '' } })).body.toString()
      return [...text.matchAll(/<Key>([^<]*)</g)].map(match => match[1]!)
    }
    await until(uploads, ['kept/a'])
  })

  it('go on after a stop in the middle, and end each thing once', async () => {
    const bucket = await makeBucket('Enabled')
    const keys = Array.from({ length: 450 }, (_, i) => `k${String(i).padStart(4, '0')}`)
    await Promise.all(keys.map(key => s3.put(`/${bucket}/${key}`, '1')))
    await setRules(bucket, rule(days(1)))
    await sleep(dayMs)
    await app.restart()
    await app.restart()
    await until(() => versionsOf(bucket).then(all => all.length), 900)
    expect(await keysOf(bucket)).toEqual([])
  })
})

async function heldVersion(bucket: string): Promise<string> {
  const text = (await s3.call('GET', `/${bucket}`, { query: { versions: '' } })).body.toString()
  return /<VersionId>([^<]*)<\/VersionId><IsLatest>false</.exec(text)![1]!
}
