/** Buckets, their configurations and lists: after their pages in the S3 API Reference. */
import { type Case, equal, md5Base64, text, texts } from './harness.ts'

const names: readonly (readonly [string, number, string])[] = [
  ['ab', 400, 'InvalidBucketName'],
  ['Upper-Case', 400, 'InvalidBucketName'],
  ['under_score', 400, 'InvalidBucketName'],
  ['-starts-with-dash', 400, 'InvalidBucketName'],
  ['ends-with-dash-', 400, 'InvalidBucketName'],
  ['two..dots', 400, 'InvalidBucketName'],
  ['dash-.dot', 400, 'InvalidBucketName'],
  ['192.168.5.4', 400, 'InvalidBucketName'],
  ['x'.repeat(64), 400, 'InvalidBucketName'],
  ['xn--bucket', 400, 'InvalidBucketName'],
  ['bucket-s3alias', 400, 'InvalidBucketName'],
]

const buckets: Case[] = [
  ...names.map(
    ([name, status, code]): Case => ({
      operation: 'CreateBucket',
      name: `the name ${name.slice(0, 20)}`,
      run: async t => void (await t.refused(status, code, 'PUT', `/${name}`)),
    }),
  ),
  {
    operation: 'CreateBucket',
    name: 'shows in the list of buckets, with its time',
    run: async t => {
      const b = await t.bucket()
      const list = await t.ok(200, 'GET', '/')
      equal(texts(list, 'Name').includes(b.slice(1)), true)
      equal(
        texts(list, 'CreationDate').every(date => !Number.isNaN(Date.parse(date))),
        true,
      )
    },
  },
  {
    operation: 'CreateBucket',
    name: 'a second time by its owner',
    run: async t => {
      const b = await t.bucket()
      await t.refused(409, 'BucketAlreadyOwnedByYou', 'PUT', b)
    },
  },
  {
    operation: 'CreateBucket',
    name: 'in a region that is none',
    run: async t => {
      const body =
        '<CreateBucketConfiguration><LocationConstraint>mars-east-1</LocationConstraint></CreateBucketConfiguration>'
      await t.refused(400, 'InvalidLocationConstraint', 'PUT', '/conf-on-mars', { body })
    },
  },
  {
    operation: 'CreateBucket',
    name: 'with a body that is no XML',
    run: async t =>
      void (await t.refused(400, 'MalformedXML', 'PUT', '/conf-malformed', { body: '<Create' })),
  },
  {
    operation: 'HeadBucket',
    name: 'one that is there, and one that is not',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'HEAD', b)
      await t.ok(404, 'HEAD', '/conf-there-is-none')
    },
  },
  {
    operation: 'DeleteBucket',
    name: 'an empty one, and then it is gone',
    run: async t => {
      const b = await t.bucket()
      await t.ok(204, 'DELETE', b)
      await t.refused(404, 'NoSuchBucket', 'DELETE', b)
    },
  },
  {
    operation: 'DeleteBucket',
    name: 'one with an object',
    run: async t => {
      const b = await t.bucket()
      await t.ok(200, 'PUT', `${b}/k`, { body: 'x' })
      await t.refused(409, 'BucketNotEmpty', 'DELETE', b)
    },
  },
  {
    operation: 'GetBucketLocation',
    name: 'answers a LocationConstraint',
    run: async t => {
      const b = await t.bucket()
      equal(
        (await t.ok(200, 'GET', b, { query: { location: '' } })).body
          .toString()
          .includes('LocationConstraint'),
        true,
      )
    },
  },
  ...(
    [
      ['policy', 'NoSuchBucketPolicy'],
      ['cors', 'NoSuchCORSConfiguration'],
      ['lifecycle', 'NoSuchLifecycleConfiguration'],
      ['tagging', 'NoSuchTagSet'],
      ['website', 'NoSuchWebsiteConfiguration'],
      ['replication', 'ReplicationConfigurationNotFoundError'],
      ['object-lock', 'ObjectLockConfigurationNotFoundError'],
    ] as const
  ).map(
    ([name, code]): Case => ({
      operation: `GetBucket ?${name}`,
      name: 'not configured',
      run: async t => {
        const b = await t.bucket()
        await t.refused(404, code, 'GET', b, { query: { [name]: '' } })
      },
    }),
  ),
  ...(['versioning', 'acl', 'logging', 'notification', 'requestPayment'] as const).map(
    (name): Case => ({
      operation: `GetBucket ?${name}`,
      name: 'answers the default',
      run: async t => {
        const b = await t.bucket()
        await t.ok(200, 'GET', b, { query: { [name]: '' } })
      },
    }),
  ),
  {
    operation: 'PutBucketTagging',
    name: 'comes back, and goes',
    run: async t => {
      const b = await t.bucket()
      const xml = '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>'
      const call = { query: { tagging: '' }, body: xml, headers: { 'content-md5': md5Base64(xml) } }
      equal([200, 204].includes((await t.s3.call('PUT', b, call)).status), true)
      equal(texts(await t.ok(200, 'GET', b, { query: { tagging: '' } }), 'Key'), ['a'])
      await t.ok(204, 'DELETE', b, { query: { tagging: '' } })
      await t.refused(404, 'NoSuchTagSet', 'GET', b, { query: { tagging: '' } })
    },
  },
  ...(
    [
      ['Enabled', 'Enabled'],
      ['Suspended', 'Suspended'],
    ] as const
  ).map(
    ([status, expected]): Case => ({
      operation: 'PutBucketVersioning',
      name: status,
      run: async t => {
        const b = await t.bucket()
        const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
        await t.ok(200, 'PUT', b, { query: { versioning: '' }, body })
        equal(text(await t.ok(200, 'GET', b, { query: { versioning: '' } }), 'Status'), expected)
      },
    }),
  ),
  {
    operation: 'PutBucketVersioning',
    name: 'a status that is none',
    run: async t => {
      const b = await t.bucket()
      const body = '<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>'
      const reply = await t.s3.call('PUT', b, { query: { versioning: '' }, body })
      equal(
        [
          reply.status,
          ['MalformedXML', 'IllegalVersioningConfigurationException'].includes(reply.code ?? ''),
        ],
        [400, true],
      )
    },
  },
]

const keys = ['a', 'b/1', 'b/2', 'b/c/1', 'd', 'e/1', 'é', 'z z']

interface ListCase {
  readonly name: string
  readonly query: Readonly<Record<string, string>>
  readonly keys: readonly string[]
  readonly groups?: readonly string[]
  readonly truncated?: boolean
}

const lists: readonly ListCase[] = [
  { name: 'all', query: {}, keys: ['a', 'b/1', 'b/2', 'b/c/1', 'd', 'e/1', 'z z', 'é'] },
  { name: 'a prefix', query: { prefix: 'b/' }, keys: ['b/1', 'b/2', 'b/c/1'] },
  { name: 'a prefix that nothing has', query: { prefix: 'zz' }, keys: [] },
  { name: 'a delimiter', query: { delimiter: '/' }, keys: ['a', 'd', 'z z', 'é'], groups: ['b/', 'e/'] },
  {
    name: 'prefix and delimiter',
    query: { prefix: 'b/', delimiter: '/' },
    keys: ['b/1', 'b/2'],
    groups: ['b/c/'],
  },
  { name: 'prefix inside a group', query: { prefix: 'b', delimiter: '/' }, keys: [], groups: ['b/'] },
  {
    name: 'a delimiter of two characters',
    query: { delimiter: '/c' },
    keys: ['a', 'b/1', 'b/2', 'd', 'e/1', 'z z', 'é'],
    groups: ['b/c'],
  },
  { name: 'two keys', query: { 'max-keys': '2' }, keys: ['a', 'b/1'], truncated: true },
  {
    name: 'two of keys and groups',
    query: { 'max-keys': '2', delimiter: '/' },
    keys: ['a'],
    groups: ['b/'],
    truncated: true,
  },
  { name: 'no keys', query: { 'max-keys': '0' }, keys: [] },
  {
    name: 'exactly all',
    query: { 'max-keys': '8' },
    keys: ['a', 'b/1', 'b/2', 'b/c/1', 'd', 'e/1', 'z z', 'é'],
  },
]

const fill = async (t: Parameters<Case['run']>[0]): Promise<string> => {
  const b = await t.bucket()
  for (const key of keys) await t.ok(200, 'PUT', `${b}/${key}`, { body: key })
  return b
}

const listCases: Case[] = (['ListObjects', 'ListObjectsV2'] as const).flatMap(operation => {
  const base: Record<string, string> = operation === 'ListObjectsV2' ? { 'list-type': '2' } : {}
  return [
    ...lists.map(
      ({ name, query, keys: expected, groups = [], truncated = false }): Case => ({
        operation,
        name,
        run: async t => {
          const b = await fill(t)
          const list = await t.ok(200, 'GET', b, { query: { ...base, ...query } })
          equal(texts(list, 'Key'), [...expected])
          equal(texts(list, 'Prefix').slice(1), [...groups])
          equal(text(list, 'IsTruncated'), String(truncated))
          if (operation === 'ListObjectsV2')
            equal(text(list, 'KeyCount'), String(expected.length + groups.length))
        },
      }),
    ),
    ...[1, 2, 3, 5].flatMap(size =>
      ['', '/'].map(
        (delimiter): Case => ({
          operation,
          name: `page by page, ${size} at a time${delimiter === '' ? '' : ', folded'}`,
          run: async t => {
            const b = await fill(t)
            const seen: string[] = []
            let more: Record<string, string> = {}
            for (let page = 0; page < 20; page++) {
              const query = { ...base, ...more, 'max-keys': String(size), ...(delimiter && { delimiter }) }
              const list = await t.ok(200, 'GET', b, { query })
              const found = [...texts(list, 'Key'), ...texts(list, 'Prefix').slice(1)].sort()
              seen.push(...found)
              if (text(list, 'IsTruncated') === 'false') break
              const next = text(list, operation === 'ListObjectsV2' ? 'NextContinuationToken' : 'NextMarker')
              more =
                operation === 'ListObjectsV2'
                  ? { 'continuation-token': next! }
                  : { marker: next ?? texts(list, 'Key').at(-1)! }
            }
            const all = delimiter === '' ? keys : ['a', 'b/', 'd', 'e/', 'é', 'z z']
            equal(seen.sort(), [...all].sort())
          },
        }),
      ),
    ),
    ...['-1', 'x', '1.5'].map(
      (value): Case => ({
        operation,
        name: `max-keys=${value}`,
        run: async t => {
          const b = await t.bucket()
          await t.refused(400, 'InvalidArgument', 'GET', b, { query: { ...base, 'max-keys': value } })
        },
      }),
    ),
    {
      operation,
      name: 'encoding-type=url',
      run: async t => {
        const b = await fill(t)
        const list = await t.ok(200, 'GET', b, { query: { ...base, 'encoding-type': 'url' } })
        equal(
          texts(list, 'Key')
            .slice(-2)
            .map(key => key.replace('%20', '+')),
          ['z+z', '%C3%A9'],
        )
        equal(text(list, 'EncodingType'), 'url')
      },
    },
    {
      operation,
      name: 'another encoding-type',
      run: async t => {
        const b = await t.bucket()
        await t.refused(400, 'InvalidArgument', 'GET', b, { query: { ...base, 'encoding-type': 'base64' } })
      },
    },
    {
      operation,
      name: 'of no bucket',
      run: async t =>
        void (await t.refused(404, 'NoSuchBucket', 'GET', '/conf-there-is-none', { query: base })),
    },
  ]
})

const v2: Case[] = [
  {
    operation: 'ListObjectsV2',
    name: 'start-after',
    run: async t => {
      const b = await fill(t)
      const list = await t.ok(200, 'GET', b, { query: { 'list-type': '2', 'start-after': 'b/2' } })
      equal(texts(list, 'Key'), ['b/c/1', 'd', 'e/1', 'z z', 'é'])
    },
  },
  {
    operation: 'ListObjectsV2',
    name: 'start-after a key that is not there',
    run: async t => {
      const b = await fill(t)
      const list = await t.ok(200, 'GET', b, { query: { 'list-type': '2', 'start-after': 'b/15' } })
      equal(texts(list, 'Key')[0], 'b/2')
    },
  },
  {
    operation: 'ListObjectsV2',
    name: 'a token that is none',
    run: async t => {
      const b = await t.bucket()
      await t.refused(400, 'InvalidArgument', 'GET', b, {
        query: { 'list-type': '2', 'continuation-token': '!' },
      })
    },
  },
  {
    operation: 'ListObjectsV2',
    name: 'names owners only when asked',
    run: async t => {
      const b = await fill(t)
      equal(texts(await t.ok(200, 'GET', b, { query: { 'list-type': '2' } }), 'Owner').length, 0)
      const list = await t.ok(200, 'GET', b, { query: { 'list-type': '2', 'fetch-owner': 'true' } })
      equal(texts(list, 'ID').length, keys.length)
    },
  },
]

export const bucketCases: readonly Case[] = [...buckets, ...listCases, ...v2]
