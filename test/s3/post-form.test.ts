import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { amzDateOf, signatureOf, signingKey } from '../../src/crypto/sigv4.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Identity, type S3Reply, send } from '../support/s3.ts'

let app: TestApp
let s3: S3
let identity: S3Identity
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  identity = credentials
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('forms')
})
afterAll(() => app[Symbol.asyncDispose]())

type Field = readonly [name: string, value: string]
interface File {
  readonly name?: string
  readonly filename?: string
  readonly content: string | Buffer
}
const boundary = 'a-boundary-of-a-browser'
function form(fields: readonly Field[], file: File | null, after: readonly Field[] = []): Buffer {
  const part = (name: string, value: string | Buffer, more = '') => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]
  return Buffer.concat([
    ...fields.flatMap(([name, value]) => part(name, value)),
    ...(file === null
      ? []
      : part(
          file.name ?? 'file',
          file.content,
          `; filename="${file.filename ?? 'f.txt'}"\r\nContent-Type: image/x`,
        )),
    ...after.flatMap(([name, value]) => part(name, value)),
    Buffer.from(`--${boundary}--\r\n`),
  ])
}
const post = (body: Buffer, headers: Record<string, string> = {}, path = '/forms'): Promise<S3Reply> =>
  send(
    false,
    s3.endpoint,
    'POST',
    path,
    {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': body.length,
      ...headers,
    },
    body,
  )

type Conditions = readonly unknown[]
const soon = () => new Date(Date.now() + 60_000).toISOString()
/** Fields that are signed under a policy; each field is a condition unless the test gives its own. */
function signed(
  fields: readonly Field[],
  {
    conditions,
    more = [],
    expiration = soon(),
    text,
    secret,
  }: {
    conditions?: Conditions
    more?: Conditions
    expiration?: string
    text?: string
    secret?: string
  } = {},
): Field[] {
  const date = amzDateOf(Date.now())
  const scope = { date: date.slice(0, 8), region: identity.region, service: 's3' }
  const own: Field[] = [
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', `${identity.accessKeyId}/${scope.date}/${scope.region}/s3/aws4_request`],
    ['x-amz-date', date],
  ]
  const wanted = conditions ?? [{ bucket: 'forms' }, ...fields.map(([name, value]) => ({ [name]: value }))]
  const all = [...wanted, ...own.map(([name, value]) => ({ [name]: value })), ...more]
  const policy = Buffer.from(text ?? JSON.stringify({ expiration, conditions: all })).toString('base64')
  const key = signingKey(secret ?? identity.secretAccessKey, scope)
  return [...fields, ...own, ['policy', policy], ['x-amz-signature', signatureOf(key, policy)]]
}
const content = 'the file of a form'
const refusal = ({ status, code }: S3Reply) => [status, code]

describe('a form with a signed policy', () => {
  it('stores its file with what its fields say', async () => {
    const tagging =
      '<Tagging><TagSet><Tag><Key>a b</Key><Value>1+1</Value></Tag><Tag><Key>c</Key><Value>=</Value></Tag></TagSet></Tagging>'
    const fields: Field[] = [
      ['key', 'up/$\u007bfilename}'],
      ['acl', 'bucket-owner-full-control'],
      ['Content-Type', 'text/x'],
      ['Cache-Control', 'no-store'],
      ['x-amz-meta-colour', 'green'],
      ['tagging', tagging],
      ['x-amz-server-side-encryption', 'aws:kms'],
      ['x-amz-storage-class', 'STANDARD'],
      ['x-amz-checksum-sha256', createHash('sha256').update(content).digest('base64')],
      ['Content-MD5', createHash('md5').update(content).digest('base64')],
    ]
    const conditions = [
      { bucket: 'forms' },
      ['starts-with', '$key', 'up/'],
      ...fields.slice(1).map(([name, value]) => ['eq', `$${name}`, value]),
    ]
    const reply = await post(
      form(
        [...signed(fields, { conditions }), ['x-ignore-this', 'x']],
        { content, filename: 'C:\\pictures\\of "me".png'.replaceAll('"', '%22').replaceAll('\\', '\\\\') },
        [['submit', 'Upload']],
      ),
    )
    expect([reply.status, reply.body.toString()]).toEqual([204, ''])
    expect(reply.headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-holdfast-entry': expect.any(String),
      location: expect.stringMatching(/\/forms\/up\/of%20%22me%22\.png$/),
    })
    const head = await s3.call('HEAD', '/forms/up/of "me".png', {
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
    })
    expect(head.headers).toMatchObject({
      'content-type': 'text/x',
      'cache-control': 'no-store',
      'x-amz-meta-colour': 'green',
      'x-amz-tagging-count': '2',
      'x-amz-checksum-sha256': fields[8]![1],
    })
    expect((await s3.get('/forms/up/of "me".png')).body.toString()).toBe(content)
  })

  it('is answered as it wishes', async () => {
    const key: Field = ['key', 'answer & all']
    const ask = (...more: Field[]) => post(form(signed([key, ...more]), { content }))
    const made = await ask(['success_action_status', '201'])
    const etag = createHash('md5').update(content).digest('hex')
    expect([made.status, made.body.toString()]).toEqual([
      201,
      expect.stringContaining(
        `<Bucket>forms</Bucket><Key>answer &amp; all</Key><ETag>&quot;${etag}&quot;</ETag>`,
      ),
    ])
    expect((await ask(['success_action_status', '200'])).status).toBe(200)
    expect((await ask(['success_action_status', '404'])).status).toBe(204)
    const sent = await ask(['success_action_redirect', 'https://page.test/done?x=1'])
    expect([sent.status, sent.headers.location]).toEqual([
      303,
      `https://page.test/done?x=1&bucket=forms&key=answer+%26+all&etag=%22${etag}%22`,
    ])
    expect((await ask(['success_action_redirect', 'no url'])).status).toBe(204)
  })

  it('holds a file of any bytes, however they are cut', async () => {
    const large = Buffer.concat([
      Buffer.from(`\r\n--${boundary.slice(0, -1)}\r\n\r\n`),
      Buffer.alloc(3 * 2 ** 20, `\r\n--${boundary.slice(0, 9)}`),
    ])
    expect((await post(form(signed([['key', 'large']]), { content: large }))).status).toBe(204)
    expect((await s3.get('/forms/large')).body.equals(large)).toBe(true)
  })

  const key: Field = ['key', 'refused']
  it.each([
    [
      'another value',
      { conditions: [{ bucket: 'forms' }, ['eq', '$key', 'else']] },
      'AccessDenied',
      '["eq","$key","else"]',
    ],
    [
      'another beginning',
      { conditions: [{ bucket: 'forms' }, ['starts-with', '$key', 'x']] },
      'AccessDenied',
      'Policy Condition failed',
    ],
    ['another bucket', { conditions: [{ bucket: 'else' }, { key: 'refused' }] }, 'AccessDenied', '$bucket'],
    [
      'a field that is missing',
      { more: [['starts-with', '$x-amz-meta-m', '']] },
      'AccessDenied',
      '$x-amz-meta-m',
    ],
    [
      'a field that nothing names',
      { conditions: [{ bucket: 'forms' }] },
      'AccessDenied',
      'Extra input fields: key',
    ],
    [
      'its time over',
      { expiration: new Date(Date.now() - 1000).toISOString() },
      'AccessDenied',
      'Policy expired.',
    ],
    ['a time that is none', { expiration: 'soon' }, 'InvalidPolicyDocument', 'expiration'],
    ['no JSON', { text: '{' }, 'InvalidPolicyDocument', 'Invalid JSON.'],
    ['no conditions', { text: `{"expiration":"${soon()}"}` }, 'InvalidPolicyDocument', 'missing conditions'],
    ['no expiration', { text: '{"conditions":[{"a":"b"}]}' }, 'InvalidPolicyDocument', 'missing expiration'],
    [
      'an operator that is none',
      { more: [['like', '$key', 'x']] },
      'InvalidPolicyDocument',
      'unknown operation',
    ],
    [
      'two conditions in one',
      { more: [{ a: 'b', c: 'd' }] },
      'InvalidPolicyDocument',
      'exactly one property',
    ],
    [
      'a range that is none',
      { more: [['content-length-range', 'x', 1]] },
      'InvalidPolicyDocument',
      'content-length-range',
    ],
    ['the signature of another key', { secret: 'else' }, 'SignatureDoesNotMatch', ''],
  ] as const)('is refused with %s', async (_what, options, code, message) => {
    const reply = await post(form(signed([key], options), { content }))
    expect([reply.status, reply.code]).toEqual([code === 'InvalidPolicyDocument' ? 400 : 403, code])
    expect(reply.message).toContain(message)
    expect((await s3.call('HEAD', '/forms/refused')).status).toBe(404)
  })

  it('is as long as its policy lets it be', async () => {
    const reply = (min: number, max: number) =>
      post(form(signed([key], { more: [['content-length-range', min, max]] }), { content }))
    expect(refusal(await reply(0, content.length - 1))).toEqual([400, 'EntityTooLarge'])
    expect(refusal(await reply(content.length + 1, 1000))).toEqual([400, 'EntityTooSmall'])
    expect((await s3.call('HEAD', '/forms/refused')).status).toBe(404)
    expect((await reply(content.length, content.length)).status).toBe(204)
    await s3.call('DELETE', '/forms/refused')
  })

  it.each([
    ['a checksum of other bytes', ['x-amz-checksum-crc32', 'AAAAAA=='], 400, 'BadDigest'],
    ['an encryption that is none', ['x-amz-server-side-encryption', 'rot13'], 400, 'InvalidArgument'],
    ['what is not there', ['x-amz-website-redirect-location', '/x'], 501, 'NotImplemented'],
    ['tags that are none', ['tagging', '<Tagging>'], 400, 'MalformedXML'],
  ] as const)('is refused as a PUT would be: %s', async (_what, field, status, code) => {
    const reply = await post(form(signed([key, field]), { content }))
    expect(refusal(reply)).toEqual([status, code])
  })

  it('is not taken in part, nor signed with version 2', async () => {
    const fields = signed([key])
    const without = (name: string) => fields.filter(([each]) => each !== name)
    for (const name of ['key', 'policy', 'x-amz-signature', 'x-amz-credential', 'x-amz-date'])
      expect(refusal(await post(form(without(name), { content })))).toEqual([400, 'InvalidArgument'])
    const old: Field[] = [key, ['AWSAccessKeyId', 'x'], ['policy', 'x'], ['signature', 'x']]
    expect(refusal(await post(form(old, { content })))).toEqual([400, 'InvalidRequest'])
  })
})

describe('a form signed with version 2', () => {
  it('is taken where the operator says so', async () => {
    await using older = await startTestApp({ formsVersion2: true })
    const { credentials } = await older.customer('acme', 1, 1)
    const client = createS3(credentials.endpoint, credentials)
    await client.makeBucket('forms')
    const conditions = [{ bucket: 'forms' }, ['starts-with', '$key', '\\$']]
    const json = JSON.stringify({ expiration: soon(), conditions }).replaceAll('\\\\$', '\\$')
    const policy = Buffer.from(json).toString('base64')
    const signature = createHmac('sha1', credentials.secretAccessKey).update(policy).digest('base64')
    const ask = (given: string) => {
      const fields: Field[] = [
        ['key', '$k'],
        ['AWSAccessKeyId', credentials.accessKeyId],
        ['policy', policy],
        ['signature', given],
      ]
      const body = form(fields, { content })
      const type = `multipart/form-data; boundary=${boundary}`
      return send(false, client.endpoint, 'POST', '/forms', { 'content-type': type }, body)
    }
    expect((await ask(signature)).status).toBe(204)
    expect((await client.get('/forms/$k')).body.toString()).toBe(content)
    expect(refusal(await ask(`${signature}x`))).toEqual([403, 'SignatureDoesNotMatch'])
  })
})

describe('a form without a signature', () => {
  const anonymous = [['key', 'from-anyone']] as const

  it('is stored where everyone may write, and nowhere else', async () => {
    expect(refusal(await post(form(anonymous, { content })))).toEqual([403, 'AccessDenied'])
    await s3.makeBucket('open')
    await s3.call('DELETE', '/open', { query: { publicAccessBlock: '' } })
    const statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::open/from-*',
    }
    const body = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
    expect((await s3.call('PUT', '/open', { query: { policy: '' }, body })).status).toBe(204)
    expect((await post(form(anonymous, { content }), {}, '/open')).status).toBe(204)
    expect((await s3.get('/open/from-anyone')).body.toString()).toBe(content)
    const other = form([['key', 'else']], { content })
    expect(refusal(await post(other, {}, '/open'))).toEqual([403, 'AccessDenied'])
    const tagged = form([...anonymous, ['tagging', '<Tagging><TagSet/></Tagging>']], { content })
    expect(refusal(await post(tagged, {}, '/open'))).toEqual([403, 'AccessDenied'])
  })
})

describe('a form that is none', () => {
  const whole = form([['key', 'from-k']], { content })
  it.each([
    ['without a file', form([['key', 'k']], null), 400, 'InvalidArgument'],
    ['that is cut off', whole.subarray(0, -10), 400, 'MalformedPOSTRequest'],
    ['without a boundary', Buffer.from('nothing'), 400, 'MalformedPOSTRequest'],
    [
      'of endless headers',
      Buffer.from(`--${boundary}\r\n${'x'.repeat(20_000)}`),
      400,
      'MalformedPOSTRequest',
    ],
    [
      'of endless fields',
      form([['key', 'x'.repeat(30_000)]], { content }),
      400,
      'MaxPostPreDataLengthExceeded',
    ],
    ['with a key too long', form([['key', 'x'.repeat(1025)]], { content }), 400, 'KeyTooLongError'],
    ['with no key', form([['key', '']], { content }), 400, 'InvalidArgument'],
  ] as const)('is refused: %s', async (_what, body, status, code) => {
    // Who sends it may write, so that the form itself is what it is refused for.
    expect(refusal(await post(body, {}, '/open'))).toEqual([status, code])
  })

  it('is refused by its type, and under a key', async () => {
    const plain = await post(whole, { 'content-type': 'application/x-www-form-urlencoded' })
    expect(refusal(plain)).toEqual([412, 'PreconditionFailed'])
    expect(refusal(await post(whole, {}, '/forms/key'))).toEqual([405, 'MethodNotAllowed'])
  })
})
