import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChecksumName, checksums } from '../../src/crypto/checksums.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Reply } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('sums')
})
afterAll(() => app[Symbol.asyncDispose]())

const names = Object.keys(checksums) as ChecksumName[]
function sum(name: ChecksumName, ...pieces: readonly Uint8Array[]): string {
  const running = checksums[name]()
  for (const piece of pieces) running.update(piece)
  return running.digest().toString('base64')
}
const headerOf = (name: ChecksumName) => `x-amz-checksum-${name.toLowerCase()}`
const sumsIn = ({ headers }: S3Reply) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-checksum-')))
const head = (path: string, query = {}) =>
  s3.call('HEAD', path, { query, headers: { 'x-amz-checksum-mode': 'ENABLED' } })
const refusal = ({ status, code }: S3Reply) => [status, code]
const body = Buffer.from('what is summed up')

describe('the checksum of an object', () => {
  it.each(names)('of kind %s is held against the body, kept and answered', async name => {
    const headers = { [headerOf(name)]: sum(name, body), 'x-amz-sdk-checksum-algorithm': name }
    const said = { [headerOf(name)]: sum(name, body), 'x-amz-checksum-type': 'FULL_OBJECT' }
    expect(sumsIn(await s3.put(`/sums/${name}`, body, headers))).toEqual(said)
    expect(sumsIn(await head(`/sums/${name}`))).toEqual(said)
    expect(sumsIn(await s3.get(`/sums/${name}`))).toEqual({})
    const wrong = { [headerOf(name)]: sum(name, Buffer.from('else')) }
    const reply = await s3.call('PUT', '/sums/wrong', { body, headers: wrong })
    expect([...refusal(reply), reply.message]).toEqual([
      400,
      'BadDigest',
      `The ${name} you specified did not match the calculated checksum.`,
    ])
    expect((await s3.call('HEAD', '/sums/wrong')).status).toBe(404)
  })

  it('is CRC64NVME when the client sends none', async () => {
    const said = { [headerOf('CRC64NVME')]: sum('CRC64NVME', body), 'x-amz-checksum-type': 'FULL_OBJECT' }
    expect(sumsIn(await s3.put('/sums/none', body))).toEqual(said)
    expect(sumsIn(await head('/sums/none'))).toEqual(said)
    const long = Buffer.alloc(300_000, 'long')
    await s3.put('/sums/long', long)
    expect((await head('/sums/long')).headers[headerOf('CRC64NVME')]).toBe(sum('CRC64NVME', long))
  })

  it('is not computed where it would tell of what nothing else tells', async () => {
    await s3.call('PUT', '/opaque', { headers: { 'x-holdfast-etag': 'opaque' } })
    const own = {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': Buffer.alloc(32, 'k').toString('base64'),
      'x-amz-server-side-encryption-customer-key-md5': createHash('md5')
        .update(Buffer.alloc(32, 'k'))
        .digest('base64'),
    }
    await s3.put('/sums/plain', body)
    const replies = [
      await s3.put('/opaque/k', body),
      await s3.put('/opaque/k', '', { 'x-amz-copy-source': '/sums/plain' }),
      await s3.putParts('/opaque/k', [body]),
      await head('/opaque/k'),
      await s3.put('/sums/own', body, own),
    ]
    for (const reply of replies) {
      expect(sumsIn(reply)).toEqual({})
      expect(reply.body.toString()).not.toContain('Checksum')
    }
    const sent = { [headerOf('SHA1')]: sum('SHA1', body) }
    expect(sumsIn(await s3.put('/opaque/k', body, sent))).toMatchObject(sent)
  })

  it.each([
    [{ 'x-amz-checksum-sha256': 'bad' }],
    [{ 'x-amz-checksum-crc32': sum('CRC64NVME', body) }],
    [{ 'x-amz-checksum-crc32': `${sum('CRC32', body)}-1` }],
    [{ 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
    [{ 'x-amz-sdk-checksum-algorithm': 'CRC32', [headerOf('SHA1')]: sum('SHA1', body) }],
    [{ 'x-amz-sdk-checksum-algorithm': 'MD4', [headerOf('SHA1')]: sum('SHA1', body) }],
    [{ [headerOf('CRC32')]: sum('CRC32', body), [headerOf('SHA1')]: sum('SHA1', body) }],
  ])('is refused when it cannot be what it says: %j', async headers => {
    expect(refusal(await s3.call('PUT', '/sums/odd', { body, headers }))).toEqual([400, 'InvalidRequest'])
  })

  it('comes along with a copy, or is made anew as asked', async () => {
    await s3.put('/sums/source', body, { [headerOf('SHA1')]: sum('SHA1', body) })
    const copy = async (to: string, from: string, headers = {}) => {
      const all = { 'x-amz-copy-source': from, ...headers }
      return (await s3.call('PUT', to, { headers: all })).body.toString()
    }
    expect(await copy('/sums/copy', '/sums/source')).toContain(
      `<ChecksumSHA1>${sum('SHA1', body)}</ChecksumSHA1><ChecksumType>FULL_OBJECT</ChecksumType>`,
    )
    await copy('/sums/copy', '/sums/source', { 'x-amz-checksum-algorithm': 'CRC32C' })
    expect(sumsIn(await head('/sums/copy'))).toMatchObject({ [headerOf('CRC32C')]: sum('CRC32C', body) })
    await s3.putParts('/sums/parts', [body])
    await copy('/sums/copy', '/sums/parts')
    expect(sumsIn(await head('/sums/copy'))).toMatchObject({
      [headerOf('CRC64NVME')]: sum('CRC64NVME', body),
    })
    const unknown = { 'x-amz-copy-source': '/sums/source', 'x-amz-checksum-algorithm': 'MD5' }
    expect(refusal(await s3.call('PUT', '/sums/copy', { headers: unknown }))).toEqual([400, 'InvalidRequest'])
  })
})

describe('the checksum of an object of several parts', () => {
  const parts = [Buffer.alloc(5 * 2 ** 20, 'first'), Buffer.from('the second')]

  const begin = async (headers: Record<string, string> = {}) => {
    const begun = await s3.call('POST', '/sums/many', { query: { uploads: '' }, headers })
    expect(begun.status).toBe(200)
    return /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
  }
  const send = (uploadId: string, index: number, headers = {}) =>
    s3.call('PUT', '/sums/many', {
      query: { partNumber: String(index + 1), uploadId },
      body: parts[index]!,
      headers,
    })
  const etagOf = (part: Uint8Array) => createHash('md5').update(part).digest('hex')
  const complete = (uploadId: string, elements: (index: number) => string, headers = {}) => {
    const list = parts.map(
      (part, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etagOf(part)}"</ETag>${elements(index)}</Part>`,
    )
    const document = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
    return s3.call('POST', '/sums/many', { query: { uploadId }, body: document, headers })
  }
  const element = (name: ChecksumName) => (index: number) =>
    `<Checksum${name}>${sum(name, parts[index]!)}</Checksum${name}>`
  const compositeOf = (name: ChecksumName) =>
    `${sum(name, ...parts.map(part => Buffer.from(sum(name, part), 'base64')))}-2`

  it.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)('composite, of kind %s', async name => {
    const uploadId = await begin({ 'x-amz-checksum-algorithm': name })
    for (const [index, part] of parts.entries()) {
      const reply = await send(uploadId, index, { [headerOf(name)]: sum(name, part) })
      expect(sumsIn(reply)).toEqual({ [headerOf(name)]: sum(name, part) })
    }
    const missing = await complete(uploadId, () => '')
    expect([...refusal(missing), missing.message]).toEqual([
      400,
      'InvalidRequest',
      `The upload was created using a ${name.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.`,
    ])
    const swapped = await complete(uploadId, index => element(name)(1 - index))
    expect(refusal(swapped)).toEqual([400, 'InvalidPart'])
    const wrong = await complete(uploadId, element(name), { [headerOf(name)]: sum(name, body) })
    expect(refusal(wrong)).toEqual([400, 'BadDigest'])
    const odd = await complete(uploadId, element(name), { [headerOf(name)]: 'bad' })
    expect(refusal(odd)).toEqual([400, 'InvalidRequest'])
    const done = await complete(uploadId, element(name), { [headerOf(name)]: compositeOf(name) })
    expect(done.body.toString()).toContain(
      `<Checksum${name}>${compositeOf(name)}</Checksum${name}><ChecksumType>COMPOSITE</ChecksumType>`,
    )
    expect(sumsIn(await head('/sums/many'))).toEqual({
      [headerOf(name)]: compositeOf(name),
      'x-amz-checksum-type': 'COMPOSITE',
    })
  })

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)('of the whole, of kind %s', async name => {
    const type = { 'x-amz-checksum-type': 'FULL_OBJECT' }
    const uploadId = await begin({ 'x-amz-checksum-algorithm': name, ...type })
    // One part says its checksum, of the other it is computed.
    await send(uploadId, 0, { [headerOf(name)]: sum(name, parts[0]!) })
    await send(uploadId, 1)
    const wrong = await complete(uploadId, () => '', { [headerOf(name)]: sum(name, body), ...type })
    expect(refusal(wrong)).toEqual([400, 'BadDigest'])
    const other = await complete(uploadId, () => '', { 'x-amz-checksum-type': 'COMPOSITE' })
    expect(refusal(other)).toEqual([400, 'InvalidRequest'])
    const whole = { [headerOf(name)]: sum(name, ...parts), ...type }
    expect((await complete(uploadId, () => '', whole)).status).toBe(200)
    expect(sumsIn(await head('/sums/many'))).toEqual(whole)
  })

  it('is CRC64NVME of the whole when nothing was named, whatever the parts say', async () => {
    const uploadId = await begin()
    await send(uploadId, 0, { [headerOf('CRC32')]: sum('CRC32', parts[0]!) })
    await send(uploadId, 1)
    for (const size of ['1', 'many']) {
      const reply = await complete(uploadId, () => '', { 'x-amz-mp-object-size': size })
      expect(refusal(reply)).toEqual([400, 'InvalidRequest'])
    }
    const size = String(parts[0]!.length + parts[1]!.length)
    expect((await complete(uploadId, () => '', { 'x-amz-mp-object-size': size })).status).toBe(200)
    expect(sumsIn(await head('/sums/many'))).toMatchObject({
      [headerOf('CRC64NVME')]: sum('CRC64NVME', ...parts),
    })
  })

  it.each([
    [{ 'x-amz-checksum-algorithm': 'SHA1', 'x-amz-checksum-type': 'FULL_OBJECT' }],
    [{ 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' }],
    [{ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'HALF' }],
    [{ 'x-amz-checksum-type': 'COMPOSITE' }],
    [{ 'x-amz-checksum-algorithm': 'MD5' }],
  ])('is not begun as %j', async headers => {
    const reply = await s3.call('POST', '/sums/many', { query: { uploads: '' }, headers })
    expect(refusal(reply)).toEqual([400, 'InvalidRequest'])
  })

  it('is of one kind in all parts', async () => {
    const uploadId = await begin({ 'x-amz-checksum-algorithm': 'SHA256' })
    for (const headers of [{}, { [headerOf('CRC32')]: sum('CRC32', parts[1]!) }])
      expect(refusal(await send(uploadId, 1, headers))).toEqual([400, 'InvalidRequest'])
  })
})
