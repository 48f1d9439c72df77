import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { presignUrl } from '../../src/crypto/sigv4.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Identity } from '../support/s3.ts'

let app: TestApp
let s3: S3
let identity: S3Identity & { endpoint: string }
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  identity = credentials
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('signed')
})
afterAll(() => app[Symbol.asyncDispose]())

const urlOf = (method: string, path: string, query: Record<string, string> = {}, seconds = 60) => {
  const url = new URL(path, identity.endpoint)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return presignUrl(url, method, identity, { region: identity.region, service: 's3' }, Date.now(), seconds)
}
const put = (path: string, query: Record<string, string>, body = 'body') =>
  fetch(urlOf('PUT', path, query), { method: 'PUT', body })
const codeOf = async (response: Response) =>
  [response.status, /<Code>([^<]+)</.exec(await response.text())?.[1]] as const

describe('a presigned URL', () => {
  it('says in its query what headers would', async () => {
    const reply = await put('/signed/all', {
      'x-amz-tagging': 'a=1&b=2',
      'x-amz-meta-colour': 'green',
      'X-Amz-Acl': 'bucket-owner-full-control',
      'x-amz-storage-class': 'STANDARD',
      'x-id': 'PutObject',
    })
    expect(reply.status).toBe(200)
    const { headers } = await s3.call('HEAD', '/signed/all')
    expect([headers['x-amz-meta-colour'], headers['x-amz-tagging-count']]).toEqual(['green', '2'])
    expect(await codeOf(await put('/signed/all', { 'x-amz-storage-class': 'COLD' }))).toEqual([
      400,
      'InvalidStorageClass',
    ])
  })

  it('overrides what an answer says of its content', async () => {
    const query = {
      'response-content-type': 'text/x',
      'response-content-disposition': 'attachment; filename="ä.txt"'.replace('ä', 'a'),
      'response-expires': 'never',
    }
    const reply = await fetch(urlOf('GET', '/signed/all', query))
    expect([reply.status, reply.headers.get('content-type'), reply.headers.get('expires')]).toEqual([
      200,
      'text/x',
      'never',
    ])
  })

  it('may hold the checksum of its body, and that of no body means nothing', async () => {
    const nothing = { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'CRC32' }
    expect((await put('/signed/sum', nothing)).status).toBe(200)
    const right = { 'x-amz-checksum-crc32': 'Vmj9eg==' }
    expect(await codeOf(await put('/signed/sum', right, 'else'))).toEqual([400, 'BadDigest'])
  })

  it('works for every operation that its query names', async () => {
    const begun = await fetch(urlOf('POST', '/signed/parts', { uploads: '' }), { method: 'POST' })
    const uploadId = /<UploadId>([^<]+)</.exec(await begun.text())![1]!
    const part = await put('/signed/parts', { partNumber: '1', uploadId })
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`
    const done = await fetch(urlOf('POST', '/signed/parts', { uploadId }), { method: 'POST', body: list })
    expect(done.status).toBe(200)
    expect((await fetch(urlOf('GET', '/signed', { 'list-type': '2' }))).status).toBe(200)
    expect((await fetch(urlOf('DELETE', '/signed/parts'), { method: 'DELETE' })).status).toBe(204)
    const copy = urlOf('PUT', '/signed/copied', { 'x-amz-copy-source': '/signed/all' })
    expect(await (await fetch(copy, { method: 'PUT' })).text()).toContain('CopyObjectResult')
  })

  it.each([
    ['x', 'X-Amz-Expires should be a number'],
    ['-1', 'X-Amz-Expires must be non-negative'],
    ['604801', 'must be less than a week'],
  ])('does not hold for %s seconds', async (seconds, message) => {
    const reply = await fetch(urlOf('GET', '/signed/all', {}, seconds as unknown as number))
    expect([reply.status, await reply.text()]).toEqual([400, expect.stringContaining(message)])
  })

  it('is not signed with version 2, and without a signature nothing is overridden', async () => {
    const old = new URL('/signed/all?AWSAccessKeyId=x&Signature=y&Expires=1', identity.endpoint)
    expect(await codeOf(await fetch(old))).toEqual([400, 'InvalidRequest'])
    const unsigned = new URL('/signed/all?response-content-type=x', identity.endpoint)
    expect(await codeOf(await fetch(unsigned))).toEqual([400, 'InvalidRequest'])
  })
})
