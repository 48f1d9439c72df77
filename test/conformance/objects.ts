/** PutObject, GetObject, HeadObject, DeleteObject(s), CopyObject: after their pages in the S3 API Reference. */
import { type Case, equal, md5Base64, md5Hex, text, texts } from './harness.ts'

const body = 'The quick brown fox jumps over the lazy dog'
const etag = `"${md5Hex(body)}"`
const otherEtag = `"${md5Hex('other')}"`
const past = 'Sat, 01 Jan 2000 00:00:00 GMT'
const future = 'Sat, 01 Jan 2095 00:00:00 GMT'

const put: Case[] = [
  {
    operation: 'PutObject',
    name: 'answers the MD5 as ETag',
    run: async t => {
      const b = await t.bucket()
      const reply = await t.ok(200, 'PUT', `${b}/k`, { body })
      equal(reply.headers.etag, etag)
    },
  },
  {
    operation: 'PutObject',
    name: 'replaces what is there',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body: 'first' })
      await t.ok(200, 'PUT', `${b}/k`, { body: 'second' })
      equal((await t.ok(200, 'GET', `${b}/k`)).body.toString(), 'second')
    },
  },
  {
    operation: 'PutObject',
    name: 'into no bucket',
    run: async t => void (await t.refused(404, 'NoSuchBucket', 'PUT', '/conf-there-is-none/k', { body })),
  },
  {
    operation: 'PutObject',
    name: 'an empty body',
    run: async t => {
      const b = await t.bucket()
      const reply = await t.ok(200, 'PUT', `${b}/k`, { body: '' })
      equal(reply.headers.etag, `"${md5Hex('')}"`)
      equal((await t.ok(200, 'HEAD', `${b}/k`)).headers['content-length'], '0')
    },
  },
  {
    operation: 'PutObject',
    name: 'a right Content-MD5',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body, headers: { 'content-md5': md5Base64(body) } })
    },
  },
  {
    operation: 'PutObject',
    name: 'a wrong Content-MD5 stores nothing',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'BadDigest', 'PUT', `${b}/k`, { body, headers: { 'content-md5': md5Base64('x') } })
      await t.refused(404, 'NoSuchKey', 'GET', `${b}/k`)
    },
  },
  {
    operation: 'PutObject',
    name: 'a Content-MD5 that is none',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'InvalidDigest', 'PUT', `${b}/k`, { body, headers: { 'content-md5': 'YWJj' } })
    },
  },
  ...(
    [
      ['content-type', 'text/x-special; charset=utf-8'],
      ['cache-control', 'max-age=60, private'],
      ['content-disposition', 'attachment; filename="a b.txt"'],
      ['content-encoding', 'gzip'],
      ['content-language', 'de, en'],
      ['expires', 'Thu, 01 Dec 1994 16:00:00 GMT'],
      ['x-amz-meta-one', 'first value'],
      ['x-amz-meta-with-dashes-and-123', 'v'],
    ] as const
  ).map(
    ([name, value]): Case => ({
      operation: 'PutObject',
      name: `keeps ${name}`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body, headers: { [name]: value } })
        equal((await t.ok(200, 'HEAD', `${b}/k`)).headers[name], value)
        equal((await t.ok(200, 'GET', `${b}/k`)).headers[name], value)
      },
    }),
  ),
  {
    operation: 'PutObject',
    name: 'forgets the metadata of what it replaces',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body, headers: { 'x-amz-meta-a': '1' } })
      await t.ok(200, 'PUT', `${b}/k`, { body })
      equal((await t.ok(200, 'HEAD', `${b}/k`)).headers['x-amz-meta-a'], undefined)
    },
  },
  {
    operation: 'PutObject',
    name: 'without a type is binary/octet-stream',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body })
      equal((await t.ok(200, 'HEAD', `${b}/k`)).headers['content-type'], 'binary/octet-stream')
    },
  },
  {
    operation: 'PutObject',
    name: 'metadata of more than 2 KB',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'MetadataTooLarge', 'PUT', `${b}/k`, {
        body,
        headers: { 'x-amz-meta-a': 'x'.repeat(2100) },
      })
    },
  },
  ...[
    'with space',
    'plus+sign',
    'ünïcödé',
    '日本',
    'a//b',
    '..',
    '../up',
    './here',
    'per%20cent',
    'a&b=c?d',
    '<tag>',
    "quote'",
    '"double"',
    'trailing/',
    ' leading',
    'ends ',
    '$&,:;=@!*()',
    'x'.repeat(1024),
  ].map(
    (key): Case => ({
      operation: 'PutObject',
      name: `the key ${JSON.stringify(key.slice(0, 30))}`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/${key}`, { body: key })
        equal((await t.ok(200, 'GET', `${b}/${key}`)).body.toString(), key)
        const list = await t.ok(200, 'GET', b, { query: { 'list-type': '2', 'encoding-type': 'url' } })
        equal(decodeURIComponent(text(list, 'Key')!.replaceAll('+', ' ')), key)
        await t.ok(204, 'DELETE', `${b}/${key}`)
      },
    }),
  ),
  {
    operation: 'PutObject',
    name: 'a key of 1,025 bytes',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'KeyTooLongError', 'PUT', `${b}/${'x'.repeat(1025)}`, { body })
    },
  },
  ...(
    [
      ['if-none-match: * where there is none', { 'if-none-match': '*' }, false, 200],
      ['if-none-match: * where there is one', { 'if-none-match': '*' }, true, 412],
      ['if-match with its ETag', { 'if-match': etag }, true, 200],
      ['if-match with another ETag', { 'if-match': otherEtag }, true, 412],
    ] as const
  ).map(
    ([name, headers, exists, status]): Case => ({
      operation: 'PutObject',
      name,
      run: async t => {
        const b = await t.bucket()
        if (exists) await t.ok(200, 'PUT', `${b}/k`, { body })
        await t.ok(status, 'PUT', `${b}/k`, { body: 'new', headers })
      },
    }),
  ),
  {
    operation: 'PutObject',
    name: 'if-match where there is none',
    run: async t => {
      const b = await t.bucket()
      await t.refused(404, 'NoSuchKey', 'PUT', `${b}/k`, { body, headers: { 'if-match': etag } })
    },
  },
  {
    operation: 'PutObject',
    name: 'an unknown storage class',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'InvalidStorageClass', 'PUT', `${b}/k`, {
        body,
        headers: { 'x-amz-storage-class': 'WARM' },
      })
    },
  },
]

const ranges: readonly (readonly [string, number, string, string | null])[] = [
  ['bytes=0-3', 206, 'The ', 'bytes 0-3/43'],
  ['bytes=4-8', 206, 'quick', 'bytes 4-8/43'],
  ['bytes=40-', 206, 'dog', 'bytes 40-42/43'],
  ['bytes=-3', 206, 'dog', 'bytes 40-42/43'],
  ['bytes=-100', 206, body, 'bytes 0-42/43'],
  ['bytes=0-', 206, body, 'bytes 0-42/43'],
  ['bytes=42-100', 206, 'g', 'bytes 42-42/43'],
  ['bytes=3-1', 200, body, null],
  ['nonsense', 200, body, null],
  ['bytes=0-1,3-4', 200, body, null],
]

const get: Case[] = [
  {
    operation: 'GetObject',
    name: 'answers what was stored, with its headers',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body })
      const { headers, body: got } = await t.ok(200, 'GET', `${b}/k`)
      equal(got.toString(), body)
      equal(headers.etag, etag)
      equal(headers['content-length'], '43')
      equal(headers['accept-ranges'], 'bytes')
      equal(Number.isNaN(Date.parse(headers['last-modified']!)), false)
      equal(typeof headers['x-amz-request-id'], 'string')
    },
  },
  {
    operation: 'GetObject',
    name: 'a key that is not there',
    run: async t => {
      const b = await t.bucket()
      const reply = await t.refused(404, 'NoSuchKey', 'GET', `${b}/none`)
      equal(text(reply, 'Key'), 'none')
    },
  },
  {
    operation: 'GetObject',
    name: 'of a bucket that is not there',
    run: async t => void (await t.refused(404, 'NoSuchBucket', 'GET', '/conf-there-is-none/k')),
  },
  ...ranges.map(
    ([range, status, expected, contentRange]): Case => ({
      operation: 'GetObject',
      name: `range ${range}`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body })
        const reply = await t.ok(status, 'GET', `${b}/k`, { headers: { range } })
        equal(reply.body.toString(), expected)
        equal(reply.headers['content-range'] ?? null, contentRange)
      },
    }),
  ),
  ...['bytes=43-', 'bytes=100-200', 'bytes=-0'].map(
    (range): Case => ({
      operation: 'GetObject',
      name: `range ${range} has nothing`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body })
        await t.refused(416, 'InvalidRange', 'GET', `${b}/k`, { headers: { range } })
      },
    }),
  ),
  {
    operation: 'GetObject',
    name: 'a range of an empty object',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body: '' })
      await t.refused(416, 'InvalidRange', 'GET', `${b}/k`, { headers: { range: 'bytes=0-1' } })
    },
  },
  ...(
    [
      ['if-match', etag, 200],
      ['if-match', otherEtag, 412],
      ['if-match', '*', 200],
      ['if-none-match', etag, 304],
      ['if-none-match', otherEtag, 200],
      ['if-none-match', '*', 304],
      ['if-modified-since', past, 200],
      ['if-unmodified-since', past, 412],
      ['if-unmodified-since', future, 200],
    ] as const
  ).flatMap(([name, value, status]): Case[] =>
    (['GET', 'HEAD'] as const).map(method => ({
      operation: method === 'GET' ? 'GetObject' : 'HeadObject',
      name: `${name}: ${value === etag ? 'its ETag' : value === otherEtag ? 'another' : value}`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body })
        await t.ok(status, method, `${b}/k`, { headers: { [name]: value } })
      },
    })),
  ),
  ...(
    [
      [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
      [{ 'if-none-match': etag, 'if-modified-since': past }, 304],
      [{ 'if-match': otherEtag, 'if-none-match': otherEtag }, 412],
    ] as const
  ).map(
    ([headers, status]): Case => ({
      operation: 'GetObject',
      name: `${Object.keys(headers).join(' and ')}: the ETag counts`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body })
        await t.ok(status, 'GET', `${b}/k`, { headers })
      },
    }),
  ),
  ...(
    [
      ['response-content-type', 'content-type', 'text/plain'],
      ['response-cache-control', 'cache-control', 'no-store'],
      ['response-content-disposition', 'content-disposition', 'attachment; filename=x'],
      ['response-content-encoding', 'content-encoding', 'identity'],
      ['response-content-language', 'content-language', 'fr'],
      ['response-expires', 'expires', past],
    ] as const
  ).map(
    ([parameter, header, value]): Case => ({
      operation: 'GetObject',
      name: parameter,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body })
        equal((await t.ok(200, 'GET', `${b}/k`, { query: { [parameter]: value } })).headers[header], value)
      },
    }),
  ),
  {
    operation: 'HeadObject',
    name: 'a key that is not there has no body',
    run: async t => {
      const b = await t.bucket()
      const reply = await t.ok(404, 'HEAD', `${b}/none`)
      equal(reply.body.length, 0)
    },
  },
  {
    operation: 'HeadObject',
    name: 'with a range says the length of the range',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body })
      const reply = await t.ok(206, 'HEAD', `${b}/k`, { headers: { range: 'bytes=2-5' } })
      equal(reply.headers['content-length'], '4')
    },
  },
]

const remove: Case[] = [
  {
    operation: 'DeleteObject',
    name: 'once and again',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body })
      await t.ok(204, 'DELETE', `${b}/k`)
      await t.ok(204, 'DELETE', `${b}/k`)
      await t.refused(404, 'NoSuchKey', 'GET', `${b}/k`)
    },
  },
  {
    operation: 'DeleteObject',
    name: 'in no bucket',
    run: async t => void (await t.refused(404, 'NoSuchBucket', 'DELETE', '/conf-there-is-none/k')),
  },
  ...(['', '<Quiet>true</Quiet>'] as const).map(
    (quiet): Case => ({
      operation: 'DeleteObjects',
      name: quiet === '' ? 'names each key' : 'quietly names none',
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/a`, { body })
        const xml = `<Delete>${quiet}<Object><Key>a</Key></Object><Object><Key>none</Key></Object></Delete>`
        const headers = { 'content-md5': md5Base64(xml) }
        const reply = await t.ok(200, 'POST', b, { query: { delete: '' }, body: xml, headers })
        equal(texts(reply, 'Key'), quiet === '' ? ['a', 'none'] : [])
        await t.refused(404, 'NoSuchKey', 'GET', `${b}/a`)
      },
    }),
  ),
  ...(
    [
      ['no XML', 'x', 'MalformedXML'],
      ['no keys', '<Delete></Delete>', 'MalformedXML'],
      [
        'an entity',
        '<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>',
        'MalformedXML',
      ],
      [
        'more than 1,000 keys',
        `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`,
        'MalformedXML',
      ],
    ] as const
  ).map(
    ([name, xml, code]): Case => ({
      operation: 'DeleteObjects',
      name,
      run: async t => {
        const b = await t.bucket()
        const headers = { 'content-md5': md5Base64(xml) }
        await t.refused(400, code, 'POST', b, { query: { delete: '' }, body: xml, headers })
      },
    }),
  ),
  {
    operation: 'DeleteObjects',
    name: 'a wrong Content-MD5',
    run: async t => {
      const b = await t.bucket()
      const xml = '<Delete><Object><Key>a</Key></Object></Delete>'
      const headers = { 'content-md5': md5Base64('x') }
      await t.refused(400, 'BadDigest', 'POST', b, { query: { delete: '' }, body: xml, headers })
    },
  },
]

const copy: Case[] = [
  {
    operation: 'CopyObject',
    name: 'within a bucket, with its metadata',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/a`, {
        body,
        headers: { 'x-amz-meta-a': '1', 'content-type': 'text/plain' },
      })
      const reply = await t.ok(200, 'PUT', `${b}/b`, { headers: { 'x-amz-copy-source': `${b}/a` } })
      equal(text(reply, 'ETag')?.replaceAll('&quot;', '"'), etag)
      const { headers } = await t.ok(200, 'HEAD', `${b}/b`)
      equal(headers['x-amz-meta-a'], '1')
      equal(headers['content-type'], 'text/plain')
    },
  },
  {
    operation: 'CopyObject',
    name: 'between buckets',
    run: async t => {
      const [a, b] = [await t.bucket(), await t.bucket()]
      await t.ok(200, 'PUT', `${a}/k`, { body })
      await t.ok(200, 'PUT', `${b}/k`, { headers: { 'x-amz-copy-source': `${a}/k` } })
      equal((await t.ok(200, 'GET', `${b}/k`)).body.toString(), body)
    },
  },
  {
    operation: 'CopyObject',
    name: 'REPLACE takes new metadata',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/a`, { body, headers: { 'x-amz-meta-a': '1' } })
      const headers = {
        'x-amz-copy-source': `${b}/a`,
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-meta-b': '2',
      }
      await t.ok(200, 'PUT', `${b}/b`, { headers })
      const head = await t.ok(200, 'HEAD', `${b}/b`)
      equal([head.headers['x-amz-meta-a'], head.headers['x-amz-meta-b']], [undefined, '2'])
    },
  },
  {
    operation: 'CopyObject',
    name: 'onto itself without a change',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/a`, { body })
      await t.refused(400, 'InvalidRequest', 'PUT', `${b}/a`, { headers: { 'x-amz-copy-source': `${b}/a` } })
    },
  },
  {
    operation: 'CopyObject',
    name: 'onto itself with REPLACE',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/a`, { body })
      const headers = {
        'x-amz-copy-source': `${b}/a`,
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-meta-z': '1',
      }
      await t.ok(200, 'PUT', `${b}/a`, { headers })
      equal((await t.ok(200, 'GET', `${b}/a`)).body.toString(), body)
    },
  },
  ...(
    [
      ['a source key that is not there', 'none', 404, 'NoSuchKey'],
      ['a directive that is none', 'a', 400, 'InvalidArgument'],
    ] as const
  ).map(
    ([name, key, status, code]): Case => ({
      operation: 'CopyObject',
      name,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/a`, { body })
        const headers: Record<string, string> = { 'x-amz-copy-source': `${b}/${key}` }
        if (key === 'a') headers['x-amz-metadata-directive'] = 'MERGE'
        await t.refused(status, code, 'PUT', `${b}/b`, { headers })
      },
    }),
  ),
  {
    operation: 'CopyObject',
    name: 'from a bucket that is not there',
    run: async t => {
      const b = await t.bucket()
      await t.refused(404, 'NoSuchBucket', 'PUT', `${b}/b`, {
        headers: { 'x-amz-copy-source': '/conf-none/a' },
      })
    },
  },
  ...(
    [
      ['if-match', etag, 200],
      ['if-match', otherEtag, 412],
      ['if-none-match', otherEtag, 200],
      ['if-none-match', etag, 412],
      ['if-modified-since', past, 200],
      ['if-unmodified-since', past, 412],
    ] as const
  ).map(
    ([name, value, status]): Case => ({
      operation: 'CopyObject',
      name: `x-amz-copy-source-${name}: ${value === etag ? 'its ETag' : value === otherEtag ? 'another' : value}`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/a`, { body })
        const headers = { 'x-amz-copy-source': `${b}/a`, [`x-amz-copy-source-${name}`]: value }
        await t.ok(status, 'PUT', `${b}/b`, { headers })
      },
    }),
  ),
  ...['with space', 'ünïcödé', 'plus+sign', 'a//b'].map(
    (key): Case => ({
      operation: 'CopyObject',
      name: `a source key ${JSON.stringify(key)}, encoded`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/${key}`, { body })
        const source = `${b}/${key.split('/').map(encodeURIComponent).join('/')}`
        await t.ok(200, 'PUT', `${b}/copied`, { headers: { 'x-amz-copy-source': source } })
      },
    }),
  ),
]

export const objectCases: readonly Case[] = [...put, ...get, ...remove, ...copy]
