/** What clients see of a version is the same at its destination, field by field; what could not be kept does not go. */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  booksOnceEnded,
  draft,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let test: TestApp
let customer: Customer
let s3: S3
let friend: string

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const locking = { 'x-amz-bucket-object-lock-enabled': 'true', 'x-amz-object-ownership': 'ObjectWriter' }
const until = new Date(Date.now() + 40 * 86_400e3).toISOString().replace(/\.\d+/, '')
const md5 = (body: Uint8Array | string) => createHash('md5').update(body).digest('base64')

beforeAll(async () => {
  test = await startTestApp()
  customer = await test.customer('acme', 1, 1)
  const other = await test.customer('friend', 1, 1)
  s3 = createS3(customer.credentials.endpoint, customer.credentials)
  const friends = createS3(other.credentials.endpoint, other.credentials)
  await friends.makeBucket('friends')
  const acl = (await friends.call('GET', '/friends', { query: { acl: '' } })).body.toString()
  friend = /<ID>([^<]+)</.exec(acl)![1]!
  await s3.call('PUT', '/source', { headers: locking })
  await s3.call('PUT', '/target', { headers: locking, body: frankfurt })
  for (const bucket of ['plain', 'enforced']) await s3.makeBucket(bucket, 'de-frankfurt')
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await s3.call('PUT', '/enforced', { query: { versioning: '' }, body })

  const everything = {
    'content-type': 'text/x-test',
    'cache-control': 'max-age=7',
    'content-disposition': 'attachment; filename="a.txt"',
    'content-language': 'de',
    expires: 'Wed, 21 Oct 2035 07:28:00 GMT',
    'x-amz-meta-note': 'kept',
    'x-amz-tagging': 'one=1&two=zwei',
  }
  await s3.put('/source/all/described', 'described', everything)
  const checksum = createHash('sha256').update('sum').digest('base64')
  await s3.put('/source/all/summed', 'sum', { 'x-amz-checksum-sha256': checksum })
  await s3.put('/source/all/kms', 'kms', {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:eu-central-1:1:key/k',
  })
  await s3.put('/source/all/granted', 'granted', { 'x-amz-grant-read': `id="${friend}"` })
  await s3.put('/source/all/retained', 'retained', {
    'content-md5': md5('retained'),
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': until,
  })
  await s3.put('/source/all/held', 'held', {
    'content-md5': md5('held'),
    'x-amz-object-lock-legal-hold': 'ON',
  })
  await s3.put('/source/all/long', randomBytes(3_000_000))
  await s3.put('/source/all/empty', '')
  for (const text of ['first', 'second']) await s3.put('/source/all/versions', text)
  await s3.call('DELETE', '/source/all/versions')
  await s3.put('/source/all/versions', 'third')
  await s3.put('/source/all/gone', 'gone', { 'x-amz-tagging': 'still=here' })
  await s3.call('DELETE', '/source/all/gone')
  await putSummedParts('/source/all/parts')
})
afterAll(() => test?.[Symbol.asyncDispose]())

async function putSummedParts(path: string): Promise<void> {
  const begun = await s3.call('POST', path, {
    query: { uploads: '' },
    headers: { 'x-amz-checksum-algorithm': 'SHA256' },
  })
  const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
  let list = ''
  for (const [index, size] of [5 << 20, 1000].entries()) {
    const body = randomBytes(size)
    const sum = createHash('sha256').update(body).digest('base64')
    const query = { partNumber: String(index + 1), uploadId }
    const reply = await s3.call('PUT', path, { query, body, headers: { 'x-amz-checksum-sha256': sum } })
    list += `<Part><PartNumber>${index + 1}</PartNumber><ETag>${reply.headers.etag}</ETag><ChecksumSHA256>${sum}</ChecksumSHA256></Part>`
  }
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
  expect((await s3.call('POST', path, { query: { uploadId }, body })).status).toBe(200)
}

async function transferred(fields: object): Promise<any> {
  const envelope = draft(instructionFields(customer, fields as never))
  const id = await instruct(customer, envelope)
  await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
  return settled(customer, id)
}

const voided = async (id: string): Promise<string[]> => {
  const entries = await booksOnceEnded(customer, 'in-mumbai', id)
  return entries
    .filter(({ type, body }) => type === 'transfer.voided' && (body as any).instruction === id)
    .flatMap(({ body }) => (body as any).objects.map(([, reason]: [string, string]) => reason))
}

interface Shown {
  readonly versionId: string
  /** Everything that the listing says of it, but its version id. */
  readonly text: string
}

async function versionsOf(bucket: string, prefix: string): Promise<Shown[]> {
  const reply = await s3.call('GET', `/${bucket}`, { query: { versions: '', prefix } })
  return [...reply.body.toString().matchAll(/<(Version|DeleteMarker)>.*?<\/\1>/gs)].map(([text]) => ({
    versionId: /<VersionId>([^<]*)</.exec(text)![1]!,
    text: text.replace(/<VersionId>[^<]*<\/VersionId>/, ''),
  }))
}

/** Of an answer what does not tell one request, one bucket or one version's id from another. */
function told({ status, headers, body }: S3Reply): unknown {
  const own =
    /^(date|x-amz-request-id|x-amz-id-2|x-amz-version-id|x-holdfast-.*|connection|keep-alive|server)$/
  const kept = Object.entries(headers).filter(([name]) => !own.test(name))
  const text = body.toString('latin1').replace(/<(RequestId|HostId|Resource)>[^<]*<\/\1>/g, '')
  return { status, headers: Object.fromEntries(kept), body: text }
}

describe('a transfer of all versions', () => {
  it('brings them in their order, with all that clients are told of them', async () => {
    const ended = await transferred({ scope: { prefix: 'all/', versions: 'all' } })
    expect(ended).toMatchObject({ state: 'completed', objects: 15 })
    expect(await voided(ended.id)).toEqual([])
    const [from, to] = [await versionsOf('source', 'all/'), await versionsOf('target', 'all/')]
    expect(from).toHaveLength(15)
    expect(to.map(({ text }) => text)).toEqual(from.map(({ text }) => text))
    const attributes = 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize'
    const asks: [method: string, query: Record<string, string>, headers?: Record<string, string>][] = [
      ['HEAD', {}, { 'x-amz-checksum-mode': 'ENABLED' }],
      ['GET', {}, { 'x-amz-checksum-mode': 'ENABLED' }],
      ['HEAD', { partNumber: '1' }],
      ['GET', { attributes: '' }, { 'x-amz-object-attributes': attributes }],
      ['GET', { tagging: '' }],
      ['GET', { retention: '' }],
      ['GET', { 'legal-hold': '' }],
      ['GET', { acl: '' }],
    ]
    for (const [index, { versionId, text }] of from.entries()) {
      const key = /<Key>([^<]*)</.exec(text)![1]!
      for (const [method, query, headers = {}] of asks) {
        const ask = (bucket: string, versionId: string) =>
          s3.call(method, `/${bucket}/${key}`, { query: { ...query, versionId }, headers })
        const [here, there] = [await ask('source', versionId), await ask('target', to[index]!.versionId)]
        expect(told(there), `${method} ${key} ${JSON.stringify(query)}`).toEqual(told(here))
      }
    }
  })

  it('finds a locked version locked, and a granted one granted', async () => {
    const held = await versionsOf('target', 'all/held')
    const gone = await s3.call('DELETE', '/target/all/held', { query: { versionId: held[0]!.versionId } })
    expect(gone.code).toBe('AccessDenied')
    const acl = (await s3.call('GET', '/target/all/granted', { query: { acl: '' } })).body.toString()
    expect(acl).toContain(friend)
  })

  it('does not go where versions are not kept', async () => {
    const to = { bucket: 'plain', region: 'de-frankfurt' }
    const ended = await transferred({ to, scope: { prefix: 'all/', versions: 'all' } })
    expect(ended).toMatchObject({ state: 'failed', objects: 0 })
    expect(ended.reason).toMatch(/plain does not keep versions/)
    expect(await versionsOf('plain', '')).toEqual([])
  })

  it('as a move takes them all away, delete markers too, and leaves what is locked', async () => {
    for (const text of ['one', 'two']) await s3.put('/source/move/a', text)
    await s3.call('DELETE', '/source/move/a')
    await s3.put('/source/move/locked', 'l', {
      'content-md5': md5('l'),
      'x-amz-object-lock-legal-hold': 'ON',
    })
    const before = (await versionsOf('source', 'move/')).map(({ text }) => text)
    const ended = await transferred({ mode: 'move', scope: { prefix: 'move/', versions: 'all' } })
    expect(ended).toMatchObject({ state: 'completed', objects: 4 })
    expect((await versionsOf('target', 'move/')).map(({ text }) => text)).toEqual(before)
    const left = await versionsOf('source', 'move/')
    expect(left.map(({ text }) => /<Key>([^<]*)</.exec(text)![1])).toEqual(['move/locked'])
  })
})

it('what would lose its lock or its access list stays where it is, and the rest goes', async () => {
  const to = { bucket: 'enforced', region: 'de-frankfurt' }
  const ended = await transferred({ to, scope: { prefix: 'all/' } })
  expect(ended.state).toBe('completed')
  const reasons = async () => (await voided(ended.id)).map(reason => reason.split(':')[0]).sort()
  await expect.poll(reasons).toEqual(['acl-would-be-lost', 'lock-would-be-lost', 'lock-would-be-lost'])
  const keys = (await versionsOf('enforced', '')).map(({ text }) => /<Key>all\/([^<]*)</.exec(text)![1])
  expect(keys).toEqual(['described', 'empty', 'kms', 'long', 'parts', 'summed', 'versions'])
})

it('a bucket that locks by default locks what arrives without a lock', async () => {
  await s3.call('PUT', '/locking', { headers: locking, body: frankfurt })
  const body =
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>'
  const set = await s3.call('PUT', '/locking', {
    query: { 'object-lock': '' },
    body,
    headers: { 'content-md5': md5(body) },
  })
  expect(set.status).toBe(200)
  await transferred({ to: { bucket: 'locking', region: 'de-frankfurt' }, scope: { prefix: 'all/re' } })
  await transferred({ to: { bucket: 'locking', region: 'de-frankfurt' }, scope: { prefix: 'all/long' } })
  const modes = async (key: string) =>
    (await s3.call('HEAD', `/locking/all/${key}`)).headers['x-amz-object-lock-retain-until-date']
  expect(await modes('retained')).toMatch(until.slice(0, 19))
  expect(Date.parse(String(await modes('long')))).toBeGreaterThan(Date.now() + 2 * 86_400e3)
})
