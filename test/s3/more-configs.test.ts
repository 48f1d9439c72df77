import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

let app: TestApp
let s3: S3
let other: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  const { credentials: theirs } = await app.customer('other', 1, 1)
  other = createS3(theirs.endpoint, theirs)
  for (const name of ['plain', 'source', 'backup', 'unversioned']) await s3.makeBucket(name)
  await other.makeBucket('theirs')
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  for (const name of ['source', 'backup'])
    await s3.call('PUT', `/${name}`, { query: { versioning: '' }, body })
  await other.call('PUT', '/theirs', { query: { versioning: '' }, body })
})
afterAll(() => app[Symbol.asyncDispose]())

const put = (bucket: string, kind: string, body: string) =>
  s3.call('PUT', `/${bucket}`, { query: { [kind]: '' }, body })
const get = (bucket: string, query: Record<string, string>) => s3.call('GET', `/${bucket}`, { query })

const rule = (bucket: string, more = '<Prefix></Prefix>', status = 'Enabled') =>
  `<Rule><ID>r</ID>${more}<Status>${status}</Status><Destination><Bucket>arn:aws:s3:::${bucket}</Bucket></Destination></Rule>`
const replication = (rules: string, role = 'arn:aws:iam::123456789012:role/r') =>
  `<ReplicationConfiguration><Role>${role}</Role>${rules}</ReplicationConfiguration>`

describe('a replication configuration', () => {
  it('is answered as it came, names the instruction that does it, and keeps versioning on', async () => {
    const reply = await put('source', 'replication', replication(rule('backup')))
    expect(reply.status).toBe(200)
    expect(reply.headers['x-holdfast-instruction']).toContain('--bucket source --to-bucket backup')
    expect((await get('source', { replication: '' })).body.toString()).toContain(rule('backup'))
    const off = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
    expect((await put('source', 'versioning', off)).code).toBe('InvalidBucketState')
    expect((await s3.put('/source/a', '1')).headers['x-amz-replication-status']).toBeUndefined()
    expect((await s3.call('DELETE', '/source', { query: { replication: '' } })).status).toBe(204)
    expect((await get('source', { replication: '' })).code).toBe('ReplicationConfigurationNotFoundError')
  })

  const filtered =
    '<Priority>1</Priority><Filter></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>'
  it.each([
    ['source', replication(''), 'MalformedXML'],
    ['source', replication(rule('backup'), 'me'), 'InvalidArgument'],
    ['source', replication(rule('backup', '', 'On')), 'MalformedXML'],
    ['source', replication(rule('backup', '<Filter/>')), 'InvalidRequest'],
    ['source', replication(rule('backup') + rule('backup')), 'InvalidArgument'],
    [
      'source',
      replication(rule('backup', filtered) + rule('backup', filtered).replace('>r<', '>s<')),
      'InvalidRequest',
    ],
    ['source', replication(rule('nowhere')), 'InvalidRequest'],
    ['source', replication(rule('theirs')), 'InvalidRequest'],
    ['source', replication(rule('source')), 'InvalidRequest'],
    ['source', replication(rule('unversioned')), 'InvalidRequest'],
    ['plain', replication(rule('backup')), 'InvalidRequest'],
  ])('of %s, case %#, is refused', async (bucket, body, code) => {
    expect((await put(bucket, 'replication', body)).code).toBe(code)
  })
})

describe('what is not there', () => {
  it('of lists of configurations is said as S3 says it', async () => {
    for (const kind of ['analytics', 'inventory', 'metrics', 'intelligent-tiering']) {
      const list = await get('plain', { [kind]: '' })
      expect([kind, list.status, list.body.toString()]).toEqual([
        kind,
        200,
        expect.stringContaining('<IsTruncated>false</IsTruncated>'),
      ])
      expect((await get('plain', { [kind]: '', id: 'a' })).code).toBe('NoSuchConfiguration')
      const body = '<Configuration/>'
      expect((await s3.call('PUT', '/plain', { query: { [kind]: '', id: 'a' }, body })).code).toBe(
        'NotImplemented',
      )
    }
  })

  it.each([
    ['GET', '/plain', { website: '' }, 404, 'NoSuchWebsiteConfiguration'],
    ['DELETE', '/plain', { website: '' }, 204, null],
    ['PUT', '/plain', { website: '' }, 501, 'NotImplemented'],
    ['GET', '/plain/key', { torrent: '' }, 501, 'NotImplemented'],
    ['POST', '/plain/key', { restore: '' }, 501, 'NotImplemented'],
    ['POST', '/plain/key', { select: '', 'select-type': '2' }, 501, 'NotImplemented'],
    ['PUT', '/plain/key', { renameObject: '' }, 501, 'NotImplemented'],
  ])('%s %s %j is answered %s', async (method, path, query, status, code) => {
    const reply = await s3.call(method, path, { query: query as Record<string, string> })
    expect([reply.status, reply.code]).toEqual([status, code])
  })

  it('of who pays and of acceleration can be set to what holds, and to nothing else', async () => {
    const payment = (payer: string) =>
      put(
        'plain',
        'requestPayment',
        `<RequestPaymentConfiguration><Payer>${payer}</Payer></RequestPaymentConfiguration>`,
      )
    expect((await payment('BucketOwner')).status).toBe(200)
    expect((await payment('Requester')).code).toBe('NotImplemented')
    expect((await payment('Nobody')).code).toBe('MalformedXML')
    const accelerate = (status: string) =>
      put(
        'plain',
        'accelerate',
        `<AccelerateConfiguration><Status>${status}</Status></AccelerateConfiguration>`,
      )
    expect((await accelerate('Suspended')).status).toBe(200)
    expect((await get('plain', { accelerate: '' })).body.toString()).toContain('<Status>Suspended</Status>')
    expect((await accelerate('Enabled')).code).toBe('NotImplemented')
  })
})
