import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
let ownerId: string
beforeAll(async () => {
  app = await startTestApp({ accessLogMs: 200 })
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  const other = await app.customer('other', 1, 1)
  for (const name of ['source', 'logs']) await s3.makeBucket(name)
  await s3.makeBucket('logs-abroad', 'de-frankfurt')
  await other.s3('PUT', '/theirs')
  ownerId = /<ID>([^<]*)</.exec((await s3.call('GET', '/')).body.toString())![1]!
})
afterAll(() => app[Symbol.asyncDispose]())

const log = (bucket: string, inner: string) =>
  s3.call('PUT', `/${bucket}`, {
    query: { logging: '' },
    body: `<BucketLoggingStatus>${inner && `<LoggingEnabled>${inner}</LoggingEnabled>`}</BucketLoggingStatus>`,
  })
const target = (bucket: string, more = '') =>
  `<TargetBucket>${bucket}</TargetBucket><TargetPrefix>log/</TargetPrefix>${more}`

async function keysOf(bucket: string): Promise<string[]> {
  const text = (await s3.call('GET', `/${bucket}`)).body.toString()
  return [...text.matchAll(/<Key>([^<]*)</g)].map(match => match[1]!)
}

/** All lines in a bucket's logs, in no order, once each of these is in some line. */
async function linesWith(bucket: string, ...wanted: string[]): Promise<string[]> {
  for (let i = 0; i < 100; i++) {
    const logs = await Promise.all((await keysOf(bucket)).map(key => s3.get(`/${bucket}/${key}`)))
    const lines = logs.flatMap(({ body }) => body.toString().split('\n')).filter(line => line !== '')
    if (wanted.every(text => lines.some(line => line.includes(text)))) return lines
    await sleep(100)
  }
  throw new Error(`no line for each of ${wanted.join(', ')}`)
}

describe('a bucket’s log', () => {
  it('has a line of each request, in S3’s format, those that were refused too', async () => {
    expect((await log('source', target('logs'))).status).toBe(200)
    await s3.put('/source/a b', 'hello', { 'user-agent': 'a "quoted"\tone' })
    await s3.get('/source/a b')
    await s3.get('/source/none')
    await fetch(`${s3.endpoint}source/a%20b?last`)
    const got = 'REST.GET.OBJECT a%20b "GET /source/a%20b HTTP'
    const lines = await linesWith('logs', 'REST.PUT.OBJECT', got, 'OBJECT none', '?last')
    const line = (text: string) => lines.find(each => each.includes(text)) ?? ''
    expect(line('REST.PUT.OBJECT')).toMatch(
      new RegExp(
        `^${ownerId} source \\[\\d\\d/\\w{3}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\] 127\\.0\\.0\\.1 arn:\\S+ \\w{26} REST\\.PUT\\.OBJECT a%20b "PUT /source/a%20b HTTP/1\\.1" 200 - - - \\d+ - "-" "a \\\\x22quoted\\\\x22\\\\x09one" - \\w{26} SigV4 - AuthHeader 127\\.0\\.0\\.1:\\d+ - - -$`,
      ),
    )
    expect(line(got)).toContain('" 200 - 5 ')
    expect(line('REST.GET.OBJECT none')).toContain('" 404 NoSuchKey ')
    expect(line('?last')).toMatch(
      /127\.0\.0\.1 - \w{26} REST\.GET\.OBJECT a%20b "GET \S+ HTTP\/1\.1" 403 AccessDenied/,
    )
    expect((await keysOf('logs'))[0]).toMatch(/^log\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$/)
  })

  it('is written at a stop, in folders by day where that is asked for, and no longer when it is switched off', async () => {
    for (const name of ['parted', 'parted-logs']) await s3.makeBucket(name)
    const format =
      '<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>'
    expect((await log('parted', target('parted-logs', format))).status).toBe(200)
    const { body } = await s3.call('GET', '/parted', { query: { logging: '' } })
    expect(body.toString()).toContain(format)
    await s3.put('/parted/last-before-the-stop', '1')
    await app.restart({ accessLogMs: 60_000 })
    await app.restart()
    await linesWith('parted-logs', 'last-before-the-stop')
    expect((await keysOf('parted-logs'))[0]).toMatch(
      /^log\/\d{12}\/in-mumbai\/parted\/\d{4}\/\d\d\/\d\d\/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}$/,
    )
    expect((await log('parted', '')).status).toBe(200)
    expect((await s3.call('GET', '/parted', { query: { logging: '' } })).body.toString()).not.toContain(
      'Target',
    )
  })

  it.each([
    ['nowhere', target('nowhere'), 'InvalidTargetBucketForLogging'],
    ['another tenant’s bucket', target('theirs'), 'InvalidTargetBucketForLogging'],
    ['another region', target('logs-abroad'), 'InvalidTargetBucketForLogging'],
    ['no prefix', '<TargetBucket>logs</TargetBucket>', 'MalformedXML'],
    ['grants', target('logs', '<TargetGrants></TargetGrants>'), 'NotImplemented'],
  ])('in %s is refused', async (_what, inner, code) => {
    await s3.call('PUT', '/source-of-none')
    expect((await log('source-of-none', inner)).code).toBe(code)
  })
})
