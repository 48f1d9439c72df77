import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  amzDateOf,
  canonicalRequest,
  emptySha256,
  scopeText,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
} from '../../src/crypto/sigv4.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { type S3Reply, send } from '../support/s3.ts'

/** A signed request whose parts the attacker, or a broken network, changes after signing. */
interface Forged {
  readonly method?: string
  readonly path?: string
  readonly payloadHash?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
  readonly tamper?: (headers: Record<string, string>) => void
}

describe('hostile requests', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
    await holdfast.s3.put('/papers/k', 'kept')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())
  afterEach(async () => {
    expect((await holdfast.s3.get('/papers/k')).body.toString()).toBe('kept')
    expect((await holdfast.s3.get('/papers/forged')).code).toBe('NoSuchKey')
  })

  const keyOf = (date: string) => {
    const scope = { date, region: 'in-mumbai', service: 's3' }
    return { scope, key: signingKey(holdfast.credentials.secretAccessKey, scope) }
  }

  const sign = ({ method = 'PUT', path = '/papers/forged', ...forged }: Forged) => {
    const amzDate = amzDateOf(Date.now())
    const { scope, key } = keyOf(amzDate.slice(0, 8))
    const body = forged.body ?? 'body'
    const payloadHash = forged.payloadHash ?? sha256Hex(body)
    const headers: Record<string, string> = {
      host: holdfast.s3.endpoint.host,
      'x-amz-date': amzDate,
      'x-amz-content-sha256': payloadHash,
      ...forged.headers,
    }
    const names = Object.keys(headers).sort()
    const canonical = canonicalRequest({ method, path, query: [], headers }, names, payloadHash)
    const signature = signatureOf(key, stringToSign(amzDate, scope, canonical))
    const credential = `${holdfast.credentials.accessKeyId}/${scopeText(scope)}`
    headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
    return { headers, signature, amzDate, scope, key, body }
  }

  const forge = (forged: Forged): Promise<S3Reply> => {
    const { headers, body } = sign(forged)
    const length = String(Buffer.byteLength(body))
    const all = { 'content-length': length, ...headers }
    forged.tamper?.(all)
    return send(
      false,
      holdfast.s3.endpoint,
      forged.method ?? 'PUT',
      forged.path ?? '/papers/forged',
      all,
      body,
    )
  }

  const outcome = ({ status, code }: S3Reply) => [status, code]

  it('would pass unchanged: what follows is refused for its change', async () => {
    const reply = await forge({ path: '/papers/honest' })
    expect(outcome(reply)).toEqual([200, null])
    expect((await forge({ method: 'DELETE', path: '/papers/honest', body: '' })).status).toBe(204)
  })

  it.each<[string, Forged, number, string]>([
    [
      'a wrong signature',
      { tamper: h => replace(h, 'authorization', /.$/, c => (c === '0' ? '1' : '0')) },
      403,
      'SignatureDoesNotMatch',
    ],
    ['another body than signed', { payloadHash: sha256Hex('else') }, 400, 'XAmzContentSHA256Mismatch'],
    [
      'a header changed after signing',
      { headers: { 'x-amz-meta-a': '1' }, tamper: h => void (h['x-amz-meta-a'] = '2') },
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'an amz header added after signing',
      { tamper: h => void (h['x-amz-meta-a'] = '2') },
      403,
      'AccessDenied',
    ],
    ['no authorization', { tamper: h => void delete h.authorization }, 403, 'AccessDenied'],
    [
      'an authorization of another kind',
      { tamper: h => void (h.authorization = 'Basic eDp5') },
      400,
      'InvalidRequest',
    ],
    [
      'a mangled authorization',
      { tamper: h => void (h.authorization = 'AWS4-HMAC-SHA256 nonsense') },
      400,
      'AuthorizationHeaderMalformed',
    ],
    [
      'a scope of another region',
      { tamper: h => replace(h, 'authorization', /in-mumbai/, () => 'eu-west-1') },
      400,
      'AuthorizationHeaderMalformed',
    ],
    [
      'an unknown access key',
      { tamper: h => replace(h, 'authorization', /Credential=\w+/, () => 'Credential=AKIANOBODY') },
      403,
      'InvalidAccessKeyId',
    ],
    ['a Content-MD5 of other bytes', { headers: { 'content-md5': md5('else') } }, 400, 'BadDigest'],
    ['a Content-MD5 that is none', { headers: { 'content-md5': 'abc' } }, 400, 'InvalidDigest'],
    ['a checksum of other bytes', { headers: { 'x-amz-checksum-sha256': sha256('else') } }, 400, 'BadDigest'],
    [
      'a checksum of the wrong length',
      { headers: { 'x-amz-checksum-crc32': 'abc=' } },
      400,
      'InvalidRequest',
    ],
    [
      'two checksums',
      { headers: { 'x-amz-checksum-sha256': sha256('body'), 'x-amz-checksum-crc32': 'AAAAAA==' } },
      400,
      'InvalidRequest',
    ],
    ['a payload hash that is none', { payloadHash: 'nonsense' }, 400, 'InvalidArgument'],
    [
      'a storage class that is not here',
      { headers: { 'x-amz-storage-class': 'GLACIER' } },
      400,
      'InvalidStorageClass',
    ],
  ])('%s', async (_, forged, status, code) => {
    expect(outcome(await forge(forged))).toEqual([status, code])
  })

  it('a request signed twenty minutes ago', async () => {
    const { headers, body } = sign({})
    const old = amzDateOf(Date.now() - 20 * 60e3)
    const reply = await send(
      false,
      holdfast.s3.endpoint,
      'PUT',
      '/papers/forged',
      { ...headers, 'x-amz-date': old },
      body,
    )
    expect(outcome(reply)).toEqual([403, 'RequestTimeTooSkewed'])
  })

  describe('in signed chunks', () => {
    const content = Buffer.alloc(20_000, 'c')

    const chunked = (tamper: (wire: Buffer) => Buffer, decoded = content.length) => {
      const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
      const extra = { 'x-amz-decoded-content-length': String(decoded), 'content-encoding': 'aws-chunked' }
      const { headers, signature, amzDate, scope, key } = sign({ payloadHash, headers: extra })
      let previous = signature
      const wire: Buffer[] = []
      for (const chunk of [content.subarray(0, 10_000), content.subarray(10_000), Buffer.alloc(0)]) {
        const text = [
          'AWS4-HMAC-SHA256-PAYLOAD',
          amzDate,
          scopeText(scope),
          previous,
          emptySha256,
          sha256Hex(chunk),
        ]
        previous = signatureOf(key, text.join('\n'))
        wire.push(
          Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`),
          chunk,
          Buffer.from('\r\n'),
        )
      }
      const body = tamper(Buffer.concat(wire))
      const all = { ...headers, 'content-length': body.length }
      return send(false, holdfast.s3.endpoint, 'PUT', '/papers/forged', all, body)
    }

    it('passes unchanged', async () => {
      expect(outcome(await chunked(wire => wire))).toEqual([200, null])
      const { body, headers } = await holdfast.s3.get('/papers/forged')
      expect(body.equals(content)).toBe(true)
      expect(headers['content-encoding']).toBeUndefined()
      await holdfast.s3.call('DELETE', '/papers/forged')
    })

    const at = (wire: Buffer, index: number): Buffer => {
      wire[index]! ^= 1
      return wire
    }
    it.each<[string, (wire: Buffer) => Buffer, string]>([
      ['a byte of the first chunk', wire => at(wire, 200), 'SignatureDoesNotMatch'],
      ['a byte of the second chunk', wire => at(wire, 15_000), 'SignatureDoesNotMatch'],
      [
        'a signature',
        wire =>
          Buffer.from(
            wire.toString('latin1').replace(/(?<=signature=)./, c => (c === '0' ? '1' : '0')),
            'latin1',
          ),
        'SignatureDoesNotMatch',
      ],
      ['the chunks’ order', wire => swapChunks(wire), 'SignatureDoesNotMatch'],
      ['the last chunk left out', wire => wire.subarray(0, wire.lastIndexOf('0;chunk')), 'IncompleteBody'],
      ['bytes after the last chunk', wire => Buffer.concat([wire, Buffer.from('more')]), 'InvalidRequest'],
      ['a size that is none', wire => Buffer.concat([Buffer.from('z'), wire.subarray(1)]), 'InvalidRequest'],
      ['a huge size', wire => Buffer.concat([Buffer.from('ffffffff'), wire.subarray(4)]), 'InvalidRequest'],
      ['an endless header line', () => Buffer.alloc(50_000, '0'), 'InvalidRequest'],
    ])('%s', async (_, tamper, code) => {
      expect(outcome(await chunked(tamper))).toEqual([code === 'SignatureDoesNotMatch' ? 403 : 400, code])
    })

    it('fewer bytes than declared, and more', async () => {
      expect(outcome(await chunked(wire => wire, content.length + 1))).toEqual([400, 'IncompleteBody'])
      expect(outcome(await chunked(wire => wire, content.length - 1))).toEqual([400, 'InvalidRequest'])
    })
  })

  describe('in unsigned chunks with a trailer', () => {
    const content = Buffer.alloc(9000, 't')
    const trailed = (trailer: string, announced = 'x-amz-checksum-sha256') => {
      const payloadHash = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
      const extra = { 'x-amz-decoded-content-length': '9000', 'x-amz-trailer': announced }
      const { headers } = sign({ payloadHash, headers: extra })
      const body = Buffer.concat([Buffer.from('2328\r\n'), content, Buffer.from(`\r\n0\r\n${trailer}\r\n`)])
      const all = { ...headers, 'content-length': body.length }
      return send(false, holdfast.s3.endpoint, 'PUT', '/papers/forged', all, body)
    }

    it('passes when the trailer is right', async () => {
      const reply = await trailed(`x-amz-checksum-sha256:${sha256(content)}\r\n`)
      expect(outcome(reply)).toEqual([200, null])
      await holdfast.s3.call('DELETE', '/papers/forged')
    })

    it.each([
      ['of other bytes', `x-amz-checksum-sha256:${sha256('else')}\r\n`, 'BadDigest'],
      ['that did not come', '', 'InvalidRequest'],
      ['of another kind than announced', 'x-amz-checksum-crc32:AAAAAA==\r\n', 'InvalidRequest'],
      ['that is no field', 'nonsense\r\n', 'InvalidRequest'],
    ])('a trailer %s', async (_, trailer, code) => {
      expect(outcome(await trailed(trailer))).toEqual([400, code])
    })

    it('an announced trailer that is no checksum', async () => {
      expect(outcome(await trailed('x-amz-meta-a:1\r\n', 'x-amz-meta-a'))).toEqual([400, 'InvalidRequest'])
    })
  })

  it('a body that ends early is not stored', async () => {
    const body = Buffer.alloc(100_000)
    const { headers } = sign({ body })
    const lines = Object.entries({ ...headers, 'content-length': String(body.length) })
    const request = `PUT /papers/forged HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`
    await raw([request, body.subarray(0, 50_000)])
  })

  it('a length that is none, twice, or with chunked coding beside it', async () => {
    const host = `host: ${holdfast.s3.endpoint.host}\r\n`
    for (const lengths of [
      'content-length: -1\r\n',
      'content-length: 5\r\ncontent-length: 6\r\n',
      'content-length: 5\r\ntransfer-encoding: chunked\r\n',
      'transfer-encoding: gzip, chunked, identity\r\n',
    ]) {
      const said = await raw([`PUT /papers/forged HTTP/1.1\r\n${host}${lengths}\r\nabcde`])
      expect(said).toMatch(/^HTTP\/1\.1 40[03] /)
    }
  })

  it('headers without end', async () => {
    const host = `host: ${holdfast.s3.endpoint.host}\r\n`
    const said = await raw([`GET /papers/k HTTP/1.1\r\n${host}x-long: ${'x'.repeat(64 * 1024)}\r\n\r\n`])
    expect(said).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('no HTTP at all', async () => {
    expect(await raw([Buffer.from([22, 3, 1, 0, 5, 0, 255, 254, 253, 252])])).toMatch(/^HTTP\/1\.1 400 |^$/)
  })

  /** Writes, ends, and returns what was answered. */
  function raw(pieces: readonly (string | Uint8Array)[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(holdfast.s3.endpoint.port), '127.0.0.1')
      let said = ''
      socket.on('data', chunk => (said += chunk.toString('latin1')))
      socket.on('close', () => resolve(said))
      socket.on('error', error =>
        (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? resolve(said) : reject(error),
      )
      for (const piece of pieces) socket.write(piece)
      socket.end()
    })
  }

  describe('XML', () => {
    const post = (query: Record<string, string>, body: string, path = '/papers') =>
      holdfast.s3.call('POST', path, { query, body })

    const bomb = `<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${'b'.repeat(i + 1)} "${`&${'b'.repeat(i) || 'a'};`.repeat(10)}">`).join('')}]><Delete><Object><Key>&bbbbbbbbb;</Key></Object></Delete>`
    it.each([
      ['cut off', '<Delete><Object><Key>k</Key>'],
      ['of another root', '<Remove><Object><Key>k</Key></Object></Remove>'],
      ['empty', ''],
      ['no XML', '{"Delete": []}'],
      ['an entity bomb', bomb],
      [
        'an outside entity',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&f;</Key></Object></Delete>',
      ],
      ['an undeclared entity', '<Delete><Object><Key>&nothing;</Key></Object></Delete>'],
      ['no keys', '<Delete></Delete>'],
      ['too many keys', `<Delete>${'<Object><Key>x</Key></Object>'.repeat(1001)}</Delete>`],
      ['nested keys', '<Delete><Object><Key><Key>k</Key></Key></Object></Delete>'],
      ['deep nesting', `<Delete>${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}</Delete>`],
      ['prototype names', '<Delete><__proto__><Key>k</Key></__proto__></Delete>'],
    ])('%s', async (_, body) => {
      expect(outcome(await post({ delete: '' }, body))).toEqual([400, 'MalformedXML'])
    })

    it('in the creation of a bucket and the completion of an upload', async () => {
      const bucket = await holdfast.s3.call('PUT', '/fresh-bucket', { body: '<CreateBucketConfiguration>' })
      expect(outcome(bucket)).toEqual([400, 'MalformedXML'])
      const begun = await holdfast.s3.call('POST', '/papers/forged', { query: { uploads: '' } })
      const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
      for (const body of [
        '<CompleteMultipartUpload/>',
        '<CompleteMultipartUpload><Part/></CompleteMultipartUpload>',
        bomb,
      ])
        expect(outcome(await post({ uploadId }, body, '/papers/forged'))).toEqual([400, 'MalformedXML'])
    })
  })

  it.each<[string, string, string, Record<string, string>, number, string]>([
    ['an unknown subresource', 'GET', '/papers', { torrent: '' }, 501, 'NotImplemented'],
    ['a configuration that cannot be set', 'PUT', '/papers', { website: '' }, 501, 'NotImplemented'],
    ['a subresource of an object', 'GET', '/papers/k', { torrent: '' }, 501, 'NotImplemented'],
    ['a method that is none', 'PATCH', '/papers/k', {}, 405, 'MethodNotAllowed'],
    ['a bucket name that is none', 'PUT', '/UPPER', {}, 400, 'InvalidBucketName'],
    ['a bucket that is not there', 'GET', '/nobody-has-this/k', {}, 404, 'NoSuchBucket'],
    [
      'an upload that is not there',
      'PUT',
      '/papers/k',
      { partNumber: '1', uploadId: 'x' },
      404,
      'NoSuchUpload',
    ],
    [
      'a part number out of range',
      'PUT',
      '/papers/k',
      { partNumber: '10001', uploadId: 'x' },
      400,
      'InvalidArgument',
    ],
    ['a version that is not there', 'GET', '/papers/k', { versionId: 'abc' }, 400, 'InvalidArgument'],
    ['a limit that is none', 'GET', '/papers', { 'max-keys': '-1' }, 400, 'InvalidArgument'],
    ['an encoding that is none', 'GET', '/papers', { 'encoding-type': 'rot13' }, 400, 'InvalidArgument'],
  ])('%s', async (_, method, path, query, status, code) => {
    expect(outcome(await holdfast.s3.call(method, path, { query }))).toEqual([status, code])
  })

  it('a path that cannot be decoded', async () => {
    const { headers } = sign({ method: 'GET', path: '/papers/%', body: '' })
    const reply = await send(false, holdfast.s3.endpoint, 'GET', '/papers/%ff%zz', headers, '')
    expect(outcome(reply)).toEqual([400, 'InvalidURI'])
  })
})

function replace(
  headers: Record<string, string>,
  name: string,
  what: RegExp,
  by: (found: string) => string,
): void {
  headers[name] = headers[name]!.replace(what, by)
}

function swapChunks(wire: Buffer): Buffer {
  const second = wire.indexOf('2710;', 1)
  const last = wire.lastIndexOf('0;chunk')
  return Buffer.concat([wire.subarray(second, last), wire.subarray(0, second), wire.subarray(last)])
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('base64')
}

function md5(data: string): string {
  return createHash('md5').update(data).digest('base64')
}
