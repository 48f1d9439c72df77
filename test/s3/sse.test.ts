import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { startHoldfast } from '../support/holdfast.ts'
import { draft, instruct, instructionFields, say, settled, verdict } from '../support/instructions.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let app: TestApp
let customer: Customer
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  customer = await app.customer('acme', 1, 1)
  s3 = createS3(customer.credentials.endpoint, customer.credentials)
  await s3.makeBucket('sealed')
})
afterAll(() => app?.[Symbol.asyncDispose]())

/** Nothing for a folder, and for a file that a server at work has renamed since it was listed. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code!)) return Buffer.alloc(0)
    throw error
  }
}

const sse = 'x-amz-server-side-encryption'
const body = Buffer.from('what is sealed')
const md5 = createHash('md5').update(body).digest('hex')
const encryptionOf = ({ headers }: S3Reply) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(sse)))
const refusal = ({ status, code }: S3Reply) => [status, code]

describe('encryption by the server, in headers', () => {
  const keyId = 'arn:aws:kms:in-mumbai:111122223333:key/one'
  const kms = { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: keyId }

  it('is AES256 unless something else is said', async () => {
    const put = await s3.put('/sealed/plain', body)
    const [head, got] = [await s3.call('HEAD', '/sealed/plain'), await s3.get('/sealed/plain')]
    for (const reply of [put, head, got]) expect(encryptionOf(reply)).toEqual({ [sse]: 'AES256' })
    expect(put.headers.etag).toBe(`"${md5}"`)
  })

  it('is KMS as asked, and the ETag is no MD5', async () => {
    const context = Buffer.from('{"department":"ten"}').toString('base64')
    const more = { [`${sse}-context`]: context, [`${sse}-bucket-key-enabled`]: 'true' }
    const put = await s3.put('/sealed/kms', body, { ...kms, ...more })
    expect(encryptionOf(put)).toEqual({ ...kms, ...more })
    expect(put.headers.etag).toMatch(/^"[0-9a-f]{32}"$/)
    expect(put.headers.etag).not.toContain(md5)
    const head = await s3.call('HEAD', '/sealed/kms')
    expect([head.headers.etag, encryptionOf(head)]).toEqual([
      put.headers.etag,
      { ...kms, [`${sse}-bucket-key-enabled`]: 'true' },
    ])
    const other = { [sse]: 'aws:kms:dsse', [`${sse}-aws-kms-key-id`]: keyId }
    expect(encryptionOf(await s3.put('/sealed/dsse', body, other))).toEqual(other)
    const managed = await s3.put('/sealed/managed', body, { [sse]: 'aws:kms' })
    expect(managed.headers[`${sse}-aws-kms-key-id`]).toMatch(/^arn:aws:kms:in-mumbai:\d+:alias\/aws\/s3$/)
  })

  it('of a copy and of an upload is its own', async () => {
    await s3.put('/sealed/source', body, kms)
    const copied = await s3.put('/sealed/copy', '', { 'x-amz-copy-source': '/sealed/source' })
    expect(encryptionOf(copied)).toEqual({ [sse]: 'AES256' })
    const itself = await s3.put('/sealed/copy', '', { 'x-amz-copy-source': '/sealed/copy', ...kms })
    expect(encryptionOf(itself)).toEqual(kms)
    const begun = await s3.call('POST', '/sealed/parts', { query: { uploads: '' }, headers: kms })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
    const part = await s3.call('PUT', '/sealed/parts', { query: { uploadId, partNumber: '1' }, body })
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    const done = await s3.call('POST', '/sealed/parts', { query: { uploadId }, body: list })
    for (const reply of [begun, part, done]) expect(encryptionOf(reply)).toEqual(kms)
    expect((await s3.call('HEAD', '/sealed/parts')).headers.etag).toMatch(/^"[0-9a-f]{32}-1"$/)
  })

  it('is the bucket’s default where nothing is said', async () => {
    await s3.makeBucket('by-default')
    const document = `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${keyId}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>`
    await s3.call('PUT', '/by-default', { query: { encryption: '' }, body: document })
    expect(encryptionOf(await s3.put('/by-default/k', body))).toEqual(kms)
    expect(encryptionOf(await s3.put('/by-default/k', body, { [sse]: 'AES256' }))).toEqual({
      [sse]: 'AES256',
    })
    const own = await s3.call('PUT', '/by-default/k', { body, headers: customerKey(randomBytes(32)) })
    expect(refusal(own)).toEqual([403, 'AccessDenied'])
    const shown = await s3.call('GET', '/by-default', { query: { encryption: '' } })
    expect(shown.body.toString()).toContain('<EncryptionType>SSE-C</EncryptionType>')
  })

  it.each([
    ['a method that is none', { [sse]: 'aes:kms' }],
    ['a key without a method', { [`${sse}-aws-kms-key-id`]: 'k' }],
    ['a key with another method', { [sse]: 'AES256', [`${sse}-aws-kms-key-id`]: 'k' }],
    ['a context that is no map', { ...kms, [`${sse}-context`]: Buffer.from('[1]').toString('base64') }],
    ['a flag that is none', { ...kms, [`${sse}-bucket-key-enabled`]: 'maybe' }],
    ['a customer’s key beside it', { [sse]: 'AES256', ...customerKey(randomBytes(32)) }],
  ])('is refused: %s', async (_what, headers) => {
    const reply = await s3.call('PUT', '/sealed/refused', { body, headers })
    expect(refusal(reply)).toEqual([400, 'InvalidArgument'])
  })

  it('is not for reads', async () => {
    expect(refusal(await s3.get('/sealed/plain', { [sse]: 'AES256' }))).toEqual([400, 'InvalidArgument'])
  })
})

function customerKey(key: Uint8Array, prefix = `${sse}-customer-`): Record<string, string> {
  return {
    [`${prefix}algorithm`]: 'AES256',
    [`${prefix}key`]: Buffer.from(key).toString('base64'),
    [`${prefix}key-md5`]: createHash('md5').update(key).digest('base64'),
  }
}
const sourceKey = (key: Uint8Array) => customerKey(key, 'x-amz-copy-source-server-side-encryption-customer-')

describe('a key of the customer’s own', () => {
  const key = randomBytes(32)
  const headers = customerKey(key)
  const answered = {
    [`${sse}-customer-algorithm`]: 'AES256',
    [`${sse}-customer-key-md5`]: headers[`${sse}-customer-key-md5`],
  }
  const wrong = customerKey(randomBytes(32))

  it('is needed for every read, and the right one', async () => {
    const put = await s3.put('/sealed/own', body, headers)
    expect(encryptionOf(put)).toEqual(answered)
    expect(put.headers.etag).not.toContain(md5)
    const got = await s3.get('/sealed/own', headers)
    expect([got.status, got.body.toString(), encryptionOf(got)]).toEqual([200, body.toString(), answered])
    expect(encryptionOf(await s3.call('HEAD', '/sealed/own', { headers }))).toEqual(answered)
    expect(refusal(await s3.get('/sealed/own'))).toEqual([400, 'InvalidRequest'])
    expect(refusal(await s3.get('/sealed/own', wrong))).toEqual([403, 'AccessDenied'])
    expect((await s3.call('HEAD', '/sealed/own')).status).toBe(400)
    expect((await s3.call('HEAD', '/sealed/own', { headers: wrong })).status).toBe(403)
    const ask = (more = {}) =>
      s3.call('GET', '/sealed/own', {
        query: { attributes: '' },
        headers: { 'x-amz-object-attributes': 'ETag', ...more },
      })
    expect([(await ask()).status, (await ask(wrong)).status, (await ask(headers)).status]).toEqual([
      400, 403, 200,
    ])
    await s3.put('/sealed/plain', body)
    expect(refusal(await s3.get('/sealed/plain', headers))).toEqual([400, 'InvalidRequest'])
  })

  it('is needed of both ends of a copy', async () => {
    await s3.put('/sealed/own', body, headers)
    const copy = (more: Record<string, string>) =>
      s3.call('PUT', '/sealed/own-copy', { headers: { 'x-amz-copy-source': '/sealed/own', ...more } })
    expect(refusal(await copy({}))).toEqual([400, 'InvalidRequest'])
    expect(
      refusal(await copy(customerKey(randomBytes(32), 'x-amz-copy-source-server-side-encryption-customer-'))),
    ).toEqual([403, 'AccessDenied'])
    const other = randomBytes(32)
    expect((await copy({ ...sourceKey(key), ...customerKey(other) })).status).toBe(200)
    expect((await s3.get('/sealed/own-copy', headers)).status).toBe(403)
    expect((await s3.get('/sealed/own-copy', customerKey(other))).body.toString()).toBe(body.toString())
    expect((await copy(sourceKey(key))).status).toBe(200)
    expect((await s3.get('/sealed/own-copy')).body.toString()).toBe(body.toString())
  })

  it('is needed of every part of an upload, and not of its end', async () => {
    const path = '/sealed/own-parts'
    const begin = async (more: Record<string, string>) => {
      const begun = await s3.call('POST', path, { query: { uploads: '' }, headers: more })
      return /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
    }
    const large = Buffer.alloc(5 * 2 ** 20, 'large')
    const send = (uploadId: string, partNumber: string, content: Buffer, more = {}) =>
      s3.call('PUT', path, { query: { uploadId, partNumber }, body: content, headers: more })
    const uploadId = await begin(headers)
    expect(refusal(await send(uploadId, '1', large))).toEqual([400, 'InvalidRequest'])
    expect(refusal(await send(uploadId, '1', large, wrong))).toEqual([400, 'InvalidRequest'])
    const first = await send(uploadId, '1', large, headers)
    expect(encryptionOf(first)).toEqual(answered)
    await s3.put('/sealed/own', body, headers)
    const second = await s3.call('PUT', path, {
      query: { uploadId, partNumber: '2' },
      headers: { 'x-amz-copy-source': '/sealed/own', ...sourceKey(key), ...headers },
    })
    const etags = [String(first.headers.etag), /<ETag>(.*?)<\/ETag>/.exec(second.body.toString())![1]!]
    const list = etags.map((etag, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    const document = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
    expect((await s3.call('POST', path, { query: { uploadId }, body: document })).status).toBe(200)
    expect(refusal(await s3.get(path, wrong))).toEqual([403, 'AccessDenied'])
    const got = await s3.get(path, { ...headers, range: `bytes=${large.length}-` })
    expect([got.status, got.body.toString()]).toEqual([206, body.toString()])
    const plain = await begin({})
    expect(refusal(await send(plain, '1', large, headers))).toEqual([400, 'InvalidRequest'])
  })

  it.each([
    ['algorithm', 'AES128', 'InvalidEncryptionAlgorithmError'],
    ['algorithm', undefined, 'InvalidArgument'],
    ['key', undefined, 'InvalidArgument'],
    ['key', 'c2hvcnQ=', 'InvalidArgument'],
    ['key-md5', undefined, 'InvalidArgument'],
    ['key-md5', 'AAAAAAAAAAAAAAAAAAAAAA==', 'InvalidArgument'],
  ])('is refused with %s %s', async (name, value, code) => {
    const { [`${sse}-customer-${name}`]: _left, ...others } = headers
    const changed = value === undefined ? others : { ...others, [`${sse}-customer-${name}`]: value }
    for (const method of ['PUT', 'GET']) {
      expect(refusal(await s3.call(method, '/sealed/own', { headers: changed }))).toEqual([400, code])
    }
  })

  it('goes over a border with what it seals, and opens it there', async () => {
    await s3.makeBucket('source')
    await s3.makeBucket('target', 'de-frankfurt')
    await s3.put('/source/own', body, headers)
    await s3.put('/source/kms', body, { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'k' })
    const envelope = draft(instructionFields(customer))
    const id = await instruct(customer, envelope)
    await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
    expect((await settled(customer, id)).state).toBe('completed')
    expect((await s3.get('/target/own')).status).toBe(400)
    expect((await s3.get('/target/own', wrong)).status).toBe(403)
    expect((await s3.get('/target/own', headers)).body.toString()).toBe(body.toString())
    expect((await s3.call('HEAD', '/target/kms')).headers[`${sse}-aws-kms-key-id`]).toBe('k')
  })
})

it('is kept nowhere, neither in the provider’s folder nor in what it says', async () => {
  await using holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
  const key = randomBytes(32)
  const headers = customerKey(key)
  await holdfast.s3.makeBucket('own')
  await holdfast.s3.put('/own/k', body, headers)
  await holdfast.s3.call('POST', '/own/parts', { query: { uploads: '' }, headers })
  await holdfast.s3.call('PUT', '/own/k', { headers: { ...headers, [`${sse}-customer-algorithm`]: 'x' } })
  expect((await holdfast.s3.get('/own/k', headers)).status).toBe(200)
  const digest = createHash('md5').update(key).digest()
  const traces = [key, digest].flatMap(bytes => [
    bytes,
    ...(['base64', 'hex'] as const).map(encoding => Buffer.from(bytes.toString(encoding))),
  ])
  const files = readdirSync(holdfast.data, { recursive: true, encoding: 'utf8' }).map(name =>
    join(holdfast.data, name),
  )
  const found = files.filter(path => {
    const content = contentOf(path)
    return traces.some(trace => content.includes(trace))
  })
  expect(found).toEqual([])
  const said = Buffer.from(holdfast.server.said())
  expect(traces.some(trace => said.includes(trace))).toBe(false)
})

it('is refused over plain HTTP where the operator says so', async () => {
  await using strict = await startTestApp({ customerKeysOverHttp: false })
  const { credentials } = await strict.customer('acme', 1, 1)
  const plain = createS3(credentials.endpoint, credentials)
  await plain.makeBucket('own')
  const reply = await plain.call('PUT', '/own/k', { body, headers: customerKey(randomBytes(32)) })
  expect(refusal(reply)).toEqual([400, 'InvalidRequest'])
})
