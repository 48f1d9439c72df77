import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checksums } from '../../src/crypto/checksums.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

const parts = [
  Buffer.alloc(5 * 2 ** 20, 'first'),
  Buffer.alloc(5 * 2 ** 20 + 7, 'second'),
  Buffer.from('last'),
]
const whole = Buffer.concat(parts)
const crcOf = (bytes: Uint8Array) => {
  const running = checksums.CRC64NVME()
  running.update(bytes)
  return running.digest().toString('base64')
}

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('parts')
  await s3.putParts('/parts/many', parts)
  await s3.putParts('/parts/one', [parts[2]!])
  await s3.put('/parts/plain', 'plain')
})
afterAll(() => app[Symbol.asyncDispose]())

const read = (method: string, path: string, partNumber: string, headers = {}) =>
  s3.call(method, path, { query: { partNumber }, headers })

describe('a part by its number', () => {
  it.each([0, 1, 2])('is read and described: part %i', async index => {
    const part = parts[index]!
    const start = parts.slice(0, index).reduce((sum, { length }) => sum + length, 0)
    const mode = { 'x-amz-checksum-mode': 'ENABLED' }
    const got = await read('GET', '/parts/many', String(index + 1), mode)
    expect([got.status, got.body.equals(part)]).toEqual([206, true])
    const head = await read('HEAD', '/parts/many', String(index + 1), mode)
    for (const { headers } of [got, head]) {
      expect(headers).toMatchObject({
        'content-length': String(part.length),
        'content-range': `bytes ${start}-${start + part.length - 1}/${whole.length}`,
        'x-amz-mp-parts-count': '3',
        'x-amz-checksum-crc64nvme': crcOf(part),
      })
    }
    expect(head.status).toBe(206)
  })

  it.each([
    ['GET', '/parts/many', '4', 416, 'InvalidPartNumber'],
    ['GET', '/parts/one', '2', 416, 'InvalidPartNumber'],
    ['GET', '/parts/plain', '2', 416, 'InvalidPartNumber'],
    ['GET', '/parts/many', '0', 400, 'InvalidArgument'],
    ['GET', '/parts/many', '10001', 400, 'InvalidArgument'],
    ['GET', '/parts/many', 'x', 400, 'InvalidArgument'],
    ['HEAD', '/parts/many', '4', 416, null],
  ])('%s %s is not there by %s', async (method, path, number, status, code) => {
    const reply = await read(method, path, number)
    expect([reply.status, reply.code]).toEqual([status, code])
  })

  it('is not read along with a range, and ranges go over its ends', async () => {
    const both = await read('GET', '/parts/many', '1', { range: 'bytes=0-1' })
    expect([both.status, both.code]).toEqual([400, 'InvalidRequest'])
    const at = parts[0]!.length
    const over = await s3.get('/parts/many', { range: `bytes=${at - 3}-${at + 2}` })
    expect([over.status, over.body.toString()]).toEqual([206, whole.subarray(at - 3, at + 3).toString()])
  })

  it('of an object that has one is all of it, and only an upload in parts counts them', async () => {
    const one = await read('GET', '/parts/one', '1')
    expect([one.status, one.body.toString(), one.headers['x-amz-mp-parts-count']]).toEqual([206, 'last', '1'])
    const plain = await read('HEAD', '/parts/plain', '1')
    expect([plain.headers['content-length'], plain.headers['x-amz-mp-parts-count']]).toEqual(['5', undefined])
  })
})

describe('the attributes of an object', () => {
  const ask = async (path: string, names: string, headers = {}, query = {}) => {
    const all = { 'x-amz-object-attributes': names, ...headers }
    return s3.call('GET', path, { query: { attributes: '', ...query }, headers: all })
  }

  it('are those that are asked for', async () => {
    const reply = await ask('/parts/plain', 'ETag, Checksum,ObjectParts,StorageClass,ObjectSize')
    expect(reply.body.toString().replace(/^.*<GetObjectAttributesResponse[^>]*>/s, '')).toBe(
      `<ETag>ac7938d40cfc2307e2bf325d28e7884e</ETag><Checksum><ChecksumCRC64NVME>${crcOf(Buffer.from('plain'))}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></Checksum><StorageClass>STANDARD</StorageClass><ObjectSize>5</ObjectSize></GetObjectAttributesResponse>`,
    )
    expect(reply.headers['last-modified']).toMatch(/GMT$/)
    expect((await ask('/parts/plain', 'ObjectSize')).body.toString()).not.toContain('ETag')
  })

  it('list parts by the page', async () => {
    const first = (await ask('/parts/many', 'ObjectParts', { 'x-amz-max-parts': '2' })).body.toString()
    expect(first).toContain(
      '<PartsCount>3</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>',
    )
    const marker = { 'x-amz-part-number-marker': '2' }
    const rest = (await ask('/parts/many', 'ObjectParts', marker)).body.toString()
    expect(rest).toContain(
      `<IsTruncated>false</IsTruncated><Part><PartNumber>3</PartNumber><Size>4</Size><ChecksumCRC64NVME>${crcOf(parts[2]!)}</ChecksumCRC64NVME></Part></ObjectParts>`,
    )
  })

  it.each([
    ['', {}, 400, 'InvalidRequest'],
    ['Colour', {}, 400, 'InvalidArgument'],
    ['ObjectParts', { 'x-amz-max-parts': 'x' }, 400, 'InvalidArgument'],
    ['ObjectParts', { 'x-amz-part-number-marker': '-1' }, 400, 'InvalidArgument'],
  ])('are refused when asked for as “%s” %j', async (names, headers, status, code) => {
    const reply = await ask('/parts/many', names, headers)
    expect([reply.status, reply.code]).toEqual([status, code])
  })

  it('are of what is there', async () => {
    const reply = await ask('/parts/none', 'ETag')
    expect([reply.status, reply.code]).toEqual([404, 'NoSuchKey'])
  })
})
