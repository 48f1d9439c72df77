import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, type S3Call, type S3Reply, send } from '../support/s3.ts'

let app: TestApp
/** Of a tenant whose buckets have ACLs, of another such, and of one whose buckets are as S3 makes them now. */
let s3: S3
let alt: S3
let modern: S3
const agent = new Agent({ keepAlive: true })
const main = { canonicalId: 'main-id', displayName: 'Main User', email: 'main@example.com' }
const other = { canonicalId: 'alt-id', displayName: 'Alt User', email: 'alt@example.com' }

beforeAll(async () => {
  app = await startTestApp()
  const customers = [
    await app.customer('main', 1, 1, { ...main, newBuckets: 'classic' }),
    await app.customer('alt', 1, 1, { ...other, newBuckets: 'classic' }),
    await app.customer('modern', 1, 1),
  ]
  ;[s3, alt, modern] = customers.map(({ credentials }) => createS3(credentials.endpoint, credentials)) as [
    S3,
    S3,
    S3,
  ]
})
afterAll(async () => {
  agent.destroy()
  await app[Symbol.asyncDispose]()
})

function anyone(
  method: string,
  path: string,
  { query = {}, headers = {}, body = '' }: S3Call = {},
): Promise<S3Reply> {
  const url = `${path}?${new URLSearchParams(query)}`
  return send(
    agent,
    s3.endpoint,
    method,
    url,
    { 'content-length': Buffer.byteLength(body), ...headers },
    body,
  )
}

const acl = { acl: '' }
const canned = (name: string) => ({ headers: { 'x-amz-acl': name } })
const status = async (reply: Promise<S3Reply>) => (await reply).status

/** `who permission` of every grant, in the order of the answer. */
async function grants(path: string, who = s3): Promise<string[]> {
  const answer = await who.call('GET', path, { query: acl })
  if (answer.status !== 200) throw new Error(answer.body.toString())
  const found = answer.body
    .toString()
    .matchAll(/<Grant>.*?<(?:ID|URI)>(.*?)<\/.*?<Permission>(.*?)<\/Permission><\/Grant>/gs)
  return [...found].map(([, grantee, permission]) => `${grantee!.split('/').at(-1)} ${permission}`)
}

const grantXml = (grantee: string, permission: string) =>
  `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${grantee}</Grantee><Permission>${permission}</Permission></Grant>`
const policyXml = (owner: string, ...list: string[]) =>
  `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>${owner}</ID></Owner><AccessControlList>${list.join('')}</AccessControlList></AccessControlPolicy>`

describe('where ACLs are enabled', () => {
  it.each([
    ['private', ['main-id FULL_CONTROL']],
    ['public-read', ['main-id FULL_CONTROL', 'AllUsers READ']],
    ['public-read-write', ['main-id FULL_CONTROL', 'AllUsers READ', 'AllUsers WRITE']],
    ['authenticated-read', ['main-id FULL_CONTROL', 'AuthenticatedUsers READ']],
  ])('a canned one is set and shown: %s', async (name, expected) => {
    const bucket = `canned-${name}`
    expect(await status(s3.call('PUT', `/${bucket}`, canned(name)))).toBe(200)
    expect(await grants(`/${bucket}`)).toEqual(expected)
    await s3.put(`/${bucket}/a`, 'a', { 'x-amz-acl': name })
    expect(await grants(`/${bucket}/a`)).toEqual(expected)
    await s3.put(`/${bucket}/b`, 'b')
    expect(await grants(`/${bucket}/b`)).toEqual(['main-id FULL_CONTROL'])
    expect(await status(s3.call('PUT', `/${bucket}/b`, { query: acl, ...canned(name) }))).toBe(200)
    expect(await grants(`/${bucket}/b`)).toEqual(expected)
    expect(await status(s3.call('PUT', `/${bucket}`, { query: acl, ...canned('private') }))).toBe(200)
    expect(await grants(`/${bucket}`)).toEqual(['main-id FULL_CONTROL'])
  })

  it('a public object is read by everyone, a private one beside it by nobody', async () => {
    await s3.call('PUT', '/reading')
    await s3.put('/reading/public', 'p', { 'x-amz-acl': 'public-read' })
    await s3.put('/reading/known', 'k', { 'x-amz-acl': 'authenticated-read' })
    await s3.put('/reading/private', 's')
    expect(await status(anyone('GET', '/reading/public'))).toBe(200)
    expect(await status(anyone('GET', '/reading/known'))).toBe(403)
    expect(await status(alt.get('/reading/known'))).toBe(200)
    for (const get of [
      alt.get('/reading/private'),
      anyone('GET', '/reading/private'),
      anyone('GET', '/reading/absent'),
    ])
      expect(await status(get)).toBe(403)
    expect(await status(anyone('PUT', '/reading/public', { body: 'x' }))).toBe(403)
    expect(await status(anyone('GET', '/reading'))).toBe(403)
  })

  it('a public bucket is listed, and written into where it says so', async () => {
    await s3.call('PUT', '/listing', canned('public-read'))
    await s3.put('/listing/private', 's')
    expect((await anyone('GET', '/listing')).body.toString()).toContain('<Key>private</Key>')
    expect(await status(anyone('GET', '/listing/private'))).toBe(403)
    // Who may list is told what is not there.
    expect((await anyone('GET', '/listing/absent')).code).toBe('NoSuchKey')
    expect(await status(anyone('PUT', '/listing/new', { body: 'n' }))).toBe(403)
    await s3.call('PUT', '/writing', canned('public-read-write'))
    expect(await status(anyone('PUT', '/writing/new', { body: 'n' }))).toBe(200)
    expect(await status(alt.call('PUT', '/writing/alts', { body: 'n' }))).toBe(200)
    expect(await status(anyone('DELETE', '/writing/new'))).toBe(204)
    expect(await status(anyone('DELETE', '/writing'))).toBe(403)
  })

  it('grants in headers name ids, addresses and groups', async () => {
    await s3.call('PUT', '/by-header')
    const headers = {
      'x-amz-grant-read': 'id=alt-id',
      'x-amz-grant-write-acp': 'emailAddress="ALT@example.com"',
      'x-amz-grant-full-control': 'id="main-id", uri="http://acs.amazonaws.com/groups/s3/LogDelivery"',
    }
    await s3.put('/by-header/a', 'a', headers)
    expect(await grants('/by-header/a')).toEqual([
      'main-id FULL_CONTROL',
      'LogDelivery FULL_CONTROL',
      'alt-id READ',
      'alt-id WRITE_ACP',
    ])
    expect(await status(alt.get('/by-header/a'))).toBe(200)
    expect(await status(alt.call('GET', '/by-header/a', { query: acl }))).toBe(403)
    expect(await status(alt.call('PUT', '/by-header/a', { query: acl, ...canned('public-read') }))).toBe(200)
    expect(await grants('/by-header/a')).toEqual(['main-id FULL_CONTROL', 'AllUsers READ'])
  })

  it('a document grants, and owners keep their say over the list', async () => {
    await s3.call('PUT', '/by-document')
    const put = (path: string, body: string, who = s3) => who.call('PUT', path, { query: acl, body })
    expect(await status(put('/by-document', policyXml('main-id', grantXml('<ID>alt-id</ID>', 'READ'))))).toBe(
      200,
    )
    expect(await grants('/by-document')).toEqual(['alt-id READ'])
    expect(await status(alt.call('GET', '/by-document'))).toBe(200)
    expect(await status(alt.call('GET', '/by-document', { query: acl }))).toBe(403)
    // The owner took its own grants away; the list stays in its hands.
    expect(await status(s3.call('PUT', '/by-document/a', { body: 'a' }))).toBe(403)
    expect(await status(s3.call('GET', '/by-document', { query: acl }))).toBe(200)
    const both = policyXml(
      'main-id',
      grantXml('<ID>main-id</ID>', 'FULL_CONTROL'),
      grantXml('<ID>alt-id</ID>', 'WRITE'),
    )
    expect(await status(put('/by-document', both))).toBe(200)
    expect(await status(s3.call('PUT', '/by-document/a', { body: 'a' }))).toBe(200)
    expect(await status(alt.call('PUT', '/by-document/b', { body: 'b' }))).toBe(200)
    expect(await status(alt.call('GET', '/by-document'))).toBe(403)
  })

  it('what others write is theirs, as the bucket’s setting says', async () => {
    await s3.call('PUT', '/guests', canned('public-read-write'))
    await alt.put('/guests/theirs', 't')
    await alt.put('/guests/shared', 's', { 'x-amz-acl': 'bucket-owner-full-control' })
    expect(await grants('/guests/shared')).toEqual(['alt-id FULL_CONTROL', 'main-id FULL_CONTROL'])
    const owners = (await s3.call('GET', '/guests')).body.toString().matchAll(/<Key>(.*?)<.*?<ID>(.*?)</g)
    expect([...owners].map(([, key, id]) => `${key} ${id}`)).toEqual(['shared alt-id', 'theirs alt-id'])
    // Whose the bucket is may delete what is in it, and not read it.
    expect(await status(s3.get('/guests/theirs'))).toBe(403)
    expect(await status(s3.get('/guests/shared'))).toBe(200)
    expect(await status(s3.call('DELETE', '/guests/theirs'))).toBe(204)
    const preferred =
      '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>'
    await s3.call('PUT', '/guests', { query: { ownershipControls: '' }, body: preferred })
    await alt.put('/guests/given', 'g', { 'x-amz-acl': 'bucket-owner-full-control' })
    expect(await grants('/guests/given')).toEqual(['main-id FULL_CONTROL'])
    expect(await status(alt.get('/guests/given'))).toBe(403)
  })

  it('a copy and a multipart upload have the ACL of their own request', async () => {
    await s3.call('PUT', '/copies')
    await s3.put('/copies/public', 'p', { 'x-amz-acl': 'public-read' })
    await s3.call('PUT', '/copies/copy', { headers: { 'x-amz-copy-source': '/copies/public' } })
    expect(await grants('/copies/copy')).toEqual(['main-id FULL_CONTROL'])
    const begun = await s3.call('POST', '/copies/parts', { query: { uploads: '' }, ...canned('public-read') })
    const uploadId = /<UploadId>(.*?)</.exec(begun.body.toString())![1]!
    const part = await s3.call('PUT', '/copies/parts', { query: { uploadId, partNumber: '1' }, body: 'part' })
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    expect(await status(s3.call('POST', '/copies/parts', { query: { uploadId }, body }))).toBe(200)
    expect(await status(anyone('GET', '/copies/parts'))).toBe(200)
  })

  it.each([
    ['a name that is none', canned('world-read'), 400, 'InvalidArgument'],
    [
      'name and grant',
      { headers: { 'x-amz-acl': 'private', 'x-amz-grant-read': 'id=alt-id' } },
      400,
      'InvalidRequest',
    ],
    ['nobody’s id', { headers: { 'x-amz-grant-read': 'id=nobody' } }, 400, 'InvalidArgument'],
    [
      'nobody’s address',
      { headers: { 'x-amz-grant-read': 'emailAddress=no@example.com' } },
      400,
      'UnresolvableGrantByEmailAddress',
    ],
    [
      'no group',
      { headers: { 'x-amz-grant-read': 'uri=http://acs.amazonaws.com/groups/global/Nobody' } },
      400,
      'InvalidArgument',
    ],
    ['nothing', {}, 400, 'MissingSecurityHeader'],
    ['no list', { body: '<AccessControlPolicy/>' }, 400, 'MalformedACLError'],
    [
      'a permission that is none',
      { body: policyXml('main-id', grantXml('<ID>alt-id</ID>', 'EXECUTE')) },
      400,
      'MalformedACLError',
    ],
    [
      'another owner',
      { body: policyXml('alt-id', grantXml('<ID>alt-id</ID>', 'READ')) },
      403,
      'AccessDenied',
    ],
    ['header and document', { ...canned('private'), body: policyXml('main-id') }, 400, 'UnexpectedContent'],
  ] as const)('is refused, and the one before stays: %s', async (_name, call, code, error) => {
    await s3.call('PUT', '/refusing', canned('public-read'))
    const reply = await s3.call('PUT', '/refusing', { query: acl, ...call })
    expect(reply).toMatchObject({ status: code, code: error })
    expect(await grants('/refusing')).toEqual(['main-id FULL_CONTROL', 'AllUsers READ'])
  })
})

describe('a public access block', () => {
  const block = (bucket: string, name: string) =>
    s3.call('PUT', `/${bucket}`, {
      query: { publicAccessBlock: '' },
      body: `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`,
    })

  it('keeps public lists out', async () => {
    await s3.call('PUT', '/no-public-acls')
    await s3.put('/no-public-acls/a', 'a')
    await block('no-public-acls', 'BlockPublicAcls')
    expect(await status(s3.call('PUT', '/no-public-acls', { query: acl, ...canned('public-read') }))).toBe(
      403,
    )
    expect(await status(s3.call('PUT', '/no-public-acls/a', { query: acl, ...canned('public-read') }))).toBe(
      403,
    )
    expect(await status(s3.call('PUT', '/no-public-acls/b', { body: 'b', ...canned('public-read') }))).toBe(
      403,
    )
    expect(
      await status(
        s3.call('PUT', '/no-public-acls/b', { body: 'b', headers: { 'x-amz-grant-read': 'id=alt-id' } }),
      ),
    ).toBe(200)
  })

  it('takes the force of those that are there', async () => {
    await s3.call('PUT', '/ignored', canned('public-read'))
    await s3.put('/ignored/a', 'a', { 'x-amz-acl': 'public-read' })
    expect(await status(anyone('GET', '/ignored/a'))).toBe(200)
    await block('ignored', 'IgnorePublicAcls')
    expect(await status(anyone('GET', '/ignored/a'))).toBe(403)
    expect(await status(anyone('GET', '/ignored'))).toBe(403)
    expect(await status(s3.get('/ignored/a'))).toBe(200)
    expect(await grants('/ignored/a')).toEqual(['main-id FULL_CONTROL', 'AllUsers READ'])
  })
})

describe('a bucket as S3 makes it now', () => {
  it('has its ACLs disabled and public access blocked', async () => {
    await modern.makeBucket('modern')
    const get = async (name: string) =>
      (await modern.call('GET', '/modern', { query: { [name]: '' } })).body.toString()
    expect(await get('ownershipControls')).toContain('BucketOwnerEnforced')
    expect((await get('publicAccessBlock')).match(/true/g)).toHaveLength(4)
  })

  it('takes no list that says more than what holds', async () => {
    await modern.makeBucket('modern-acls')
    const put = (path: string, name: string) => modern.call('PUT', path, { query: acl, ...canned(name) })
    await modern.put('/modern-acls/a', 'a', { 'x-amz-acl': 'bucket-owner-full-control' })
    for (const path of ['/modern-acls', '/modern-acls/a']) {
      expect(await put(path, 'public-read')).toMatchObject({
        status: 400,
        code: 'AccessControlListNotSupported',
      })
      expect(await status(put(path, 'private'))).toBe(200)
    }
    const upload = await modern.call('PUT', '/modern-acls/b', { body: 'b', ...canned('public-read') })
    expect(upload).toMatchObject({ status: 400, code: 'AccessControlListNotSupported' })
    expect(await modern.call('PUT', '/modern-2', canned('public-read'))).toMatchObject({
      status: 400,
      code: 'InvalidBucketAclWithObjectOwnership',
    })
    const writers = { 'x-amz-object-ownership': 'ObjectWriter', 'x-amz-acl': 'public-read' }
    expect((await modern.call('PUT', '/modern-2', { headers: writers })).code).toBe(
      'InvalidBucketAclWithBlockPublicAccessError',
    )
  })

  it('takes lists once its owner says so, and cannot be enforced while one grants', async () => {
    await s3.call('PUT', '/back-and-forth', canned('public-read'))
    const enforce = () =>
      s3.call('PUT', '/back-and-forth', {
        query: { ownershipControls: '' },
        body: '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>',
      })
    expect(await enforce()).toMatchObject({ status: 400, code: 'InvalidBucketAclWithObjectOwnership' })
    await s3.put('/back-and-forth/a', 'a', { 'x-amz-acl': 'public-read' })
    await s3.call('PUT', '/back-and-forth', { query: acl, ...canned('private') })
    expect(await status(enforce())).toBe(200)
    // What objects were granted counts for nothing, and is there again when ACLs are.
    expect(await status(anyone('GET', '/back-and-forth/a'))).toBe(403)
    expect(await grants('/back-and-forth/a')).toEqual(['main-id FULL_CONTROL'])
    await s3.call('DELETE', '/back-and-forth', { query: { ownershipControls: '' } })
    expect(await status(anyone('GET', '/back-and-forth/a'))).toBe(200)
  })
})
