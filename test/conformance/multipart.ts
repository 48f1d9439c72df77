/** Multipart uploads, versions, tags and locks: after their pages in the S3 API Reference. */
import { type Case, equal, type Harness, md5Base64, md5Hex, text, texts } from './harness.ts'

const five = Buffer.alloc(5 << 20, 'a')

async function begin(t: Harness, path: string, headers = {}): Promise<string> {
  return text(await t.ok(200, 'POST', path, { query: { uploads: '' }, headers }), 'UploadId')!
}

async function part(t: Harness, path: string, uploadId: string, number: number, body: Uint8Array | string) {
  const reply = await t.ok(200, 'PUT', path, { query: { partNumber: String(number), uploadId }, body })
  return reply.headers.etag!
}

const completion = (parts: readonly (readonly [number, string])[]): string =>
  `<CompleteMultipartUpload>${parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join('')}</CompleteMultipartUpload>`

const uploads: Case[] = [
  {
    operation: 'CompleteMultipartUpload',
    name: 'two parts: the bytes in order, an ETag of parts',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`, { 'x-amz-meta-a': '1', 'content-type': 'text/plain' })
      const etags = [await part(t, `${b}/k`, id, 1, five), await part(t, `${b}/k`, id, 2, 'tail')]
      const done = await t.ok(200, 'POST', `${b}/k`, {
        query: { uploadId: id },
        body: completion(etags.map((etag, i) => [i + 1, etag])),
      })
      const digest = Buffer.concat(
        [five, Buffer.from('tail')].map(bytes => Buffer.from(md5Hex(bytes), 'hex')),
      )
      equal(text(done, 'ETag')?.replaceAll('&quot;', '"'), `"${md5Hex(digest)}-2"`)
      const got = await t.ok(200, 'GET', `${b}/k`)
      equal(got.body.equals(Buffer.concat([five, Buffer.from('tail')])), true)
      equal([got.headers['x-amz-meta-a'], got.headers['content-type']], ['1', 'text/plain'])
    },
  },
  {
    operation: 'CompleteMultipartUpload',
    name: 'parts out of order',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      const etags = [await part(t, `${b}/k`, id, 1, five), await part(t, `${b}/k`, id, 2, 'x')]
      const body = completion([
        [2, etags[1]!],
        [1, etags[0]!],
      ])
      await t.refused(400, 'InvalidPartOrder', 'POST', `${b}/k`, { query: { uploadId: id }, body })
    },
  },
  {
    operation: 'CompleteMultipartUpload',
    name: 'a part that was never sent',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      const etag = await part(t, `${b}/k`, id, 1, five)
      const body = completion([
        [1, etag],
        [2, etag],
      ])
      await t.refused(400, 'InvalidPart', 'POST', `${b}/k`, { query: { uploadId: id }, body })
    },
  },
  {
    operation: 'CompleteMultipartUpload',
    name: 'a wrong ETag',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      await part(t, `${b}/k`, id, 1, 'x')
      const body = completion([[1, `"${md5Hex('y')}"`]])
      await t.refused(400, 'InvalidPart', 'POST', `${b}/k`, { query: { uploadId: id }, body })
    },
  },
  {
    operation: 'CompleteMultipartUpload',
    name: 'a part too small that is not the last',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      const etags = [await part(t, `${b}/k`, id, 1, 'small'), await part(t, `${b}/k`, id, 2, 'x')]
      const body = completion(etags.map((etag, i) => [i + 1, etag]))
      await t.refused(400, 'EntityTooSmall', 'POST', `${b}/k`, { query: { uploadId: id }, body })
    },
  },
  {
    operation: 'CompleteMultipartUpload',
    name: 'no parts',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      await t.refused(400, 'MalformedXML', 'POST', `${b}/k`, {
        query: { uploadId: id },
        body: completion([]),
      })
    },
  },
  {
    operation: 'UploadPart',
    name: 'sent again replaces the first',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      await part(t, `${b}/k`, id, 1, 'first')
      const etag = await part(t, `${b}/k`, id, 1, 'second')
      await t.ok(200, 'POST', `${b}/k`, { query: { uploadId: id }, body: completion([[1, etag]]) })
      equal((await t.ok(200, 'GET', `${b}/k`)).body.toString(), 'second')
    },
  },
  ...['0', '10001', 'x', '-1'].map(
    (number): Case => ({
      operation: 'UploadPart',
      name: `part number ${number}`,
      run: async t => {
        const b = await t.bucket()
        const id = await begin(t, `${b}/k`)
        const query = { partNumber: number, uploadId: id }
        await t.refused(400, 'InvalidArgument', 'PUT', `${b}/k`, { query, body: 'x' })
      },
    }),
  ),
  ...(
    [
      ['UploadPart', 'PUT', { partNumber: '1' }],
      ['ListParts', 'GET', {}],
      ['AbortMultipartUpload', 'DELETE', {}],
    ] as const
  ).map(
    ([operation, method, query]): Case => ({
      operation,
      name: 'of no upload',
      run: async t => {
        const b = await t.bucket()
        const uploadId = '2~noSuchUploadAnywhere'
        await t.refused(404, 'NoSuchUpload', method, `${b}/k`, { query: { ...query, uploadId }, body: '' })
      },
    }),
  ),
  {
    operation: 'AbortMultipartUpload',
    name: 'leaves nothing',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      await part(t, `${b}/k`, id, 1, 'x')
      await t.ok(204, 'DELETE', `${b}/k`, { query: { uploadId: id } })
      await t.refused(404, 'NoSuchUpload', 'GET', `${b}/k`, { query: { uploadId: id } })
      await t.refused(404, 'NoSuchKey', 'GET', `${b}/k`)
      await t.ok(204, 'DELETE', b)
    },
  },
  {
    operation: 'ListParts',
    name: 'pages',
    run: async t => {
      const b = await t.bucket()
      const id = await begin(t, `${b}/k`)
      for (const number of [1, 3, 5]) await part(t, `${b}/k`, id, number, `${number}`)
      const first = await t.ok(200, 'GET', `${b}/k`, { query: { uploadId: id, 'max-parts': '2' } })
      equal([texts(first, 'PartNumber'), text(first, 'IsTruncated')], [['1', '3'], 'true'])
      const marker = text(first, 'NextPartNumberMarker')!
      const rest = await t.ok(200, 'GET', `${b}/k`, { query: { uploadId: id, 'part-number-marker': marker } })
      equal(texts(rest, 'PartNumber'), ['5'])
    },
  },
  {
    operation: 'ListMultipartUploads',
    name: 'by key, under a prefix',
    run: async t => {
      const b = await t.bucket()
      for (const key of ['b/1', 'a', 'b/2']) await begin(t, `${b}/${key}`)
      equal(texts(await t.ok(200, 'GET', b, { query: { uploads: '' } }), 'Key'), ['a', 'b/1', 'b/2'])
      equal(texts(await t.ok(200, 'GET', b, { query: { uploads: '', prefix: 'b/' } }), 'Key'), ['b/1', 'b/2'])
    },
  },
  {
    operation: 'UploadPartCopy',
    name: 'a range of an object',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/source`, { body: '0123456789' })
      const id = await begin(t, `${b}/k`)
      const copied = await t.ok(200, 'PUT', `${b}/k`, {
        query: { partNumber: '1', uploadId: id },
        headers: { 'x-amz-copy-source': `${b}/source`, 'x-amz-copy-source-range': 'bytes=2-5' },
      })
      const etag = text(copied, 'ETag')!.replaceAll('&quot;', '"')
      await t.ok(200, 'POST', `${b}/k`, { query: { uploadId: id }, body: completion([[1, etag]]) })
      equal((await t.ok(200, 'GET', `${b}/k`)).body.toString(), '2345')
    },
  },
]

async function versioned(t: Harness): Promise<string> {
  const b = await t.bucket()
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await t.ok(200, 'PUT', b, { query: { versioning: '' }, body })
  return b
}

const versions: Case[] = [
  {
    operation: 'GetObject',
    name: 'each version by its id',
    run: async t => {
      const b = await versioned(t)
      const ids: string[] = []
      for (const body of ['1', '2', '3'])
        ids.push(String((await t.ok(200, 'PUT', `${b}/k`, { body })).headers['x-amz-version-id']))
      for (const [i, versionId] of ids.entries())
        equal((await t.ok(200, 'GET', `${b}/k`, { query: { versionId } })).body.toString(), String(i + 1))
    },
  },
  {
    operation: 'DeleteObject',
    name: 'leaves a marker; deleting the marker brings the object back',
    run: async t => {
      const b = await versioned(t)
      await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      const deleted = await t.ok(204, 'DELETE', `${b}/k`)
      equal(deleted.headers['x-amz-delete-marker'], 'true')
      const gone = await t.refused(404, 'NoSuchKey', 'GET', `${b}/k`)
      equal(gone.headers['x-amz-delete-marker'], 'true')
      const versionId = String(deleted.headers['x-amz-version-id'])
      await t.ok(405, 'GET', `${b}/k`, { query: { versionId } })
      await t.ok(204, 'DELETE', `${b}/k`, { query: { versionId } })
      await t.ok(200, 'GET', `${b}/k`)
    },
  },
  {
    operation: 'ListObjectVersions',
    name: 'newest first, with markers',
    run: async t => {
      const b = await versioned(t)
      for (const body of ['1', '22']) await t.ok(200, 'PUT', `${b}/k`, { body })
      await t.ok(204, 'DELETE', `${b}/k`)
      const list = await t.ok(200, 'GET', b, { query: { versions: '' } })
      equal(texts(list, 'Size'), ['2', '1'])
      equal(texts(list, 'IsLatest'), ['true', 'false', 'false'])
      equal(list.body.toString().includes('<DeleteMarker>'), true)
    },
  },
  {
    operation: 'GetObject',
    name: 'a version that is not there',
    run: async t => {
      const b = await versioned(t)
      await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      const reply = await t.s3.call('GET', `${b}/k`, { query: { versionId: 'noSuchVersion' } })
      equal([400, 404].includes(reply.status), true)
    },
  },
]

const tags: Case[] = [
  {
    operation: 'PutObjectTagging',
    name: 'comes back, is counted, and goes',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      const body =
        '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value/></Tag></TagSet></Tagging>'
      await t.ok(200, 'PUT', `${b}/k`, {
        query: { tagging: '' },
        body,
        headers: { 'content-md5': md5Base64(body) },
      })
      equal(texts(await t.ok(200, 'GET', `${b}/k`, { query: { tagging: '' } }), 'Key'), ['a', 'b'])
      equal((await t.ok(200, 'HEAD', `${b}/k`)).headers['x-amz-tagging-count'], '2')
      await t.ok(204, 'DELETE', `${b}/k`, { query: { tagging: '' } })
      equal(texts(await t.ok(200, 'GET', `${b}/k`, { query: { tagging: '' } }), 'Key'), [])
    },
  },
  ...(
    [
      ['eleven', Array.from({ length: 11 }, (_, i) => `<Tag><Key>${i}</Key><Value>v</Value></Tag>`).join('')],
      ['a key twice', '<Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag>'],
      ['a key of 129', `<Tag><Key>${'k'.repeat(129)}</Key><Value>1</Value></Tag>`],
      ['a value of 257', `<Tag><Key>a</Key><Value>${'v'.repeat(257)}</Value></Tag>`],
    ] as const
  ).map(
    ([name, set]): Case => ({
      operation: 'PutObjectTagging',
      name: `${name}: refused`,
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
        const body = `<Tagging><TagSet>${set}</TagSet></Tagging>`
        const reply = await t.ok(400, 'PUT', `${b}/k`, { query: { tagging: '' }, body })
        equal(['InvalidTag', 'BadRequest'].includes(reply.code ?? ''), true)
      },
    }),
  ),
  {
    operation: 'PutObjectTagging',
    name: 'of an object that is not there',
    run: async t => {
      const b = await t.bucket()
      const body = '<Tagging><TagSet/></Tagging>'
      await t.refused(404, 'NoSuchKey', 'PUT', `${b}/none`, { query: { tagging: '' }, body })
    },
  },
]

const locks: Case[] = [
  {
    operation: 'PutObjectRetention',
    name: 'keeps a version until its time, and bypass is needed before',
    run: async t => {
      const b = await t.bucket({ 'x-amz-bucket-object-lock-enabled': 'true' })
      const put = await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      const versionId = String(put.headers['x-amz-version-id'])
      const until = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+Z/, 'Z')
      const body = `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`
      const headers = { 'content-md5': md5Base64(body) }
      await t.ok(200, 'PUT', `${b}/k`, { query: { retention: '' }, body, headers })
      await t.refused(403, 'AccessDenied', 'DELETE', `${b}/k`, { query: { versionId } })
      const bypass = { 'x-amz-bypass-governance-retention': 'true' }
      await t.ok(204, 'DELETE', `${b}/k`, { query: { versionId }, headers: bypass })
    },
  },
  {
    operation: 'PutObjectLegalHold',
    name: 'keeps a version while it is on',
    run: async t => {
      const b = await t.bucket({ 'x-amz-bucket-object-lock-enabled': 'true' })
      const put = await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      const versionId = String(put.headers['x-amz-version-id'])
      const set = async (status: string): Promise<void> => {
        const body = `<LegalHold><Status>${status}</Status></LegalHold>`
        const headers = { 'content-md5': md5Base64(body) }
        await t.ok(200, 'PUT', `${b}/k`, { query: { 'legal-hold': '' }, body, headers })
      }
      await set('ON')
      await t.refused(403, 'AccessDenied', 'DELETE', `${b}/k`, { query: { versionId } })
      await set('OFF')
      await t.ok(204, 'DELETE', `${b}/k`, { query: { versionId } })
    },
  },
  {
    operation: 'PutBucketVersioning',
    name: 'cannot be suspended under a lock',
    run: async t => {
      const b = await t.bucket({ 'x-amz-bucket-object-lock-enabled': 'true' })
      const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
      await t.refused(409, 'InvalidBucketState', 'PUT', b, { query: { versioning: '' }, body })
    },
  },
]

export const versionCases: readonly Case[] = [...uploads, ...versions, ...tags, ...locks]
