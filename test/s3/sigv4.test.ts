import { describe, expect, it } from 'vitest'
import {
  canonicalRequest,
  presignUrl,
  sha256Hex,
  signatureOf,
  signHeaders,
  signingKey,
  stringToSign,
  uriEncode,
} from '../../src/crypto/sigv4.ts'
import { authenticate, createSigningKeys } from '../../src/s3/authenticate.ts'
import { createChunkedDecoder } from '../../src/s3/aws-chunked.ts'
import { S3Error } from '../../src/s3/errors.ts'
import { parseRequest } from '../../src/s3/request.ts'

/** The worked examples of the S3 API Reference, "Authenticating Requests": all of one day and one key. */
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const now = Date.UTC(2013, 4, 24)
const where = { region: 'us-east-1', service: 's3' }
const scope = { date: '20130524', ...where }
const host = 'examplebucket.s3.amazonaws.com'

const examples = [
  {
    name: 'GET Object',
    method: 'GET',
    path: '/test.txt',
    query: [],
    headers: { range: 'bytes=0-9' },
    body: '',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object',
    method: 'PUT',
    path: '/test$file.text',
    query: [],
    headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket Lifecycle',
    method: 'GET',
    path: '/',
    query: [['lifecycle', '']] as [string, string][],
    headers: {},
    body: '',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (List Objects)',
    method: 'GET',
    path: '/',
    query: [
      ['max-keys', '2'],
      ['prefix', 'J'],
    ] as [string, string][],
    headers: {},
    body: '',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
]

const find = async (accessKeyId: string) =>
  accessKeyId === credentials.accessKeyId
    ? { secretAccessKey: credentials.secretAccessKey, identity: 'the example' }
    : null
const options = { find, signingKey: createSigningKeys(), nowUnixMs: now, regions: ['us-east-1'] }

describe('SigV4 in headers', () => {
  it.each(examples)('$name: signs as the reference does, and lets it in', async example => {
    const { method, path, query, headers, body, signature } = example
    const request = { method, path, query, headers: { host, ...headers } as Record<string, string> }
    const signed = signHeaders(request, body, credentials, where, now)
    expect(signed.authorization).toMatch(new RegExp(`Signature=${signature}$`))
    const url = `${path}${query.length === 0 ? '' : '?'}${query.map(([k, v]) => `${k}=${v}`).join('&')}`
    const parsed = parseRequest(method, url, signed, [])
    expect(await authenticate(parsed, options)).toMatchObject({
      identity: 'the example',
      payload: { kind: 'plain', sha256: sha256Hex(body) },
    })
  })

  it.each<[string, (request: { method: string; path: string; headers: Record<string, string> }) => void]>([
    ['method', request => void (request.method = 'DELETE')],
    ['path', request => void (request.path = '/other.txt')],
    ['query', request => void (request.path += '?versionId=1')],
    ['signed header', request => void (request.headers.range = 'bytes=0-10')],
    ['host', request => void (request.headers.host = 'other')],
    ['time', request => void (request.headers['x-amz-date'] = '20130524T000001Z')],
    ['payload hash', request => void (request.headers['x-amz-content-sha256'] = sha256Hex('x'))],
    ['absent header', request => void delete request.headers.range],
  ])('another %s than was signed does not match', async (_, change) => {
    const headers = signHeaders(
      { method: 'GET', path: '/test.txt', query: [], headers: { host, range: 'bytes=0-9' } },
      '',
      credentials,
      where,
      now,
    )
    const request = { method: 'GET', path: '/test.txt', headers }
    change(request)
    const parsed = parseRequest(request.method, request.path, request.headers, [])
    await expect(authenticate(parsed, options)).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' })
  })

  it.each([
    [-16 * 60e3, 'RequestTimeTooSkewed'],
    [16 * 60e3, 'RequestTimeTooSkewed'],
  ])('is good for a quarter of an hour each way (%i ms)', async (offset, code) => {
    const request = { method: 'GET', path: '/k', query: [], headers: { host } }
    const headers = signHeaders(request, '', credentials, where, now + offset)
    const parsed = parseRequest('GET', '/k', headers, [])
    await expect(authenticate(parsed, options)).rejects.toMatchObject({ code })
    const inTime = { ...options, nowUnixMs: now + offset / 2 }
    expect((await authenticate(parsed, inTime)).identity).toBe('the example')
  })

  it('nobody is nobody', async () => {
    expect((await authenticate(parseRequest('GET', '/k', { host }, []), options)).identity).toBeNull()
  })
})

describe('SigV4 in the query', () => {
  const url = (at = now, seconds = 86_400) =>
    presignUrl(new URL(`https://${host}/test.txt`), 'GET', credentials, where, at, seconds)
  const enter = (text: string, at = now, method = 'GET') => {
    const { pathname, search } = new URL(text)
    return authenticate(parseRequest(method, pathname + search, { host }, []), { ...options, nowUnixMs: at })
  }

  it('signs as the reference does, and lets it in', async () => {
    expect(new URL(url()).searchParams.get('X-Amz-Signature')).toBe(
      'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    )
    expect((await enter(url())).identity).toBe('the example')
  })

  it('ends when it says, begins when it says, and is for one method', async () => {
    expect((await enter(url(), now + 86_399e3)).identity).toBe('the example')
    await expect(enter(url(), now + 86_401e3)).rejects.toMatchObject({ message: 'Request has expired.' })
    await expect(enter(url(), now - 16 * 60e3)).rejects.toMatchObject({
      message: 'Request is not valid yet.',
    })
    await expect(enter(url(), now, 'PUT')).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' })
    await expect(enter(url(now, 604_801))).rejects.toMatchObject({
      code: 'AuthorizationQueryParametersError',
    })
    await expect(enter(url().replace('Expires=86400', 'Expires=86401'))).rejects.toBeInstanceOf(S3Error)
  })

  it.each(['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'])(
    'without X-Amz-%s it is refused',
    async name => {
      const cut = new URL(url())
      cut.searchParams.delete(`X-Amz-${name}`)
      await expect(enter(cut.href)).rejects.toMatchObject({ code: 'AuthorizationQueryParametersError' })
    },
  )
})

describe('SigV4 of chunks', () => {
  it('takes the reference’s upload of 66,560 bytes in three chunks', () => {
    const key = signingKey(credentials.secretAccessKey, scope)
    const headers = {
      host: 's3.amazonaws.com',
      'content-encoding': 'aws-chunked',
      'content-length': '66824',
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'x-amz-date': '20130524T000000Z',
      'x-amz-decoded-content-length': '66560',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    }
    const path = '/examplebucket/chunkObject.txt'
    const canonical = canonicalRequest(
      { method: 'PUT', path, query: [], headers },
      Object.keys(headers).sort(),
      headers['x-amz-content-sha256'],
    )
    const amzDate = headers['x-amz-date']
    const seedSignature = signatureOf(key, stringToSign(amzDate, scope, canonical))
    expect(seedSignature).toBe('4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9')

    const wire = Buffer.concat([
      Buffer.from(
        '10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n',
      ),
      Buffer.alloc(65_536, 'a'),
      Buffer.from(
        '\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n',
      ),
      Buffer.alloc(1024, 'a'),
      Buffer.from(
        '\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
      ),
    ])
    const decoder = createChunkedDecoder({ key, amzDate, scope, seedSignature }, false)
    const content = Buffer.concat(decoder.push(wire))
    decoder.end()
    expect(content.equals(Buffer.alloc(66_560, 'a'))).toBe(true)
  })
})

it('encodes every byte but the unreserved ones', () => {
  expect(uriEncode("a-b_c.d~e f+g/h'(i)*!é", false)).toBe('a-b_c.d~e%20f%2Bg%2Fh%27%28i%29%2A%21%C3%A9')
  expect(uriEncode('/a b/c', true)).toBe('/a%20b/c')
})
