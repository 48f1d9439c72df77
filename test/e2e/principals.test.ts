import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createS3, type S3 } from '../support/s3.ts'

let holdfast: Holdfast
let reach: string[]
beforeAll(async () => {
  holdfast = await startHoldfast()
  reach = ['--api', holdfast.credentials.api, '--endpoint', holdfast.endpoint]
})
afterAll(() => holdfast[Symbol.asyncDispose]())

async function cli(...args: string[]): Promise<Record<string, unknown>> {
  const outcome = await holdfast.cli(...args, '--json')
  expect(outcome.code, outcome.stderr).toBe(0)
  return JSON.parse(outcome.stdout)
}

const s3With = (accessKeyId: string, secretAccessKey: string): S3 =>
  createS3(holdfast.endpoint, { region: 'in-mumbai', accessKeyId, secretAccessKey })

const ownerIn = (xml: Buffer) => /<Owner><ID>(.*?)<\/ID><DisplayName>(.*?)</.exec(xml.toString())!.slice(1, 3)

const createAlt = (...more: string[]) => {
  const ids = ['--user-id', 'alt-id-of-before', '--display-name', 'Alt User', '--email', 'alt@example.com']
  const keys = [
    '--access-key',
    'ALTKEY0123456789',
    '--secret-key',
    'alt secret of before'.replaceAll(' ', '-'),
  ]
  return ['tenant', 'create', '--name', 'alt', '--home', 'in-mumbai', ...ids, ...keys, ...reach, ...more]
}

describe('a principal by one command', () => {
  it('is a tenant that brings its ids and keys along, and can store at once', async () => {
    const made = await cli(...createAlt())
    expect(made).toMatchObject({
      canonicalId: 'alt-id-of-before',
      displayName: 'Alt User',
      email: 'alt@example.com',
      accessKeyId: 'ALTKEY0123456789',
      keyHolder: true,
    })
    const alt = s3With('ALTKEY0123456789', 'alt-secret-of-before')
    await alt.makeBucket('alts')
    await alt.put('/alts/a', 'kept under its own keys')
    expect((await alt.get('/alts/a')).body.toString()).toBe('kept under its own keys')
    expect(ownerIn((await alt.call('GET', '/')).body)).toEqual(['alt-id-of-before', 'Alt User'])
    expect((await holdfast.s3.get('/alts/a')).status).toBe(403)
  })

  it('shares neither ids nor keys with another', async () => {
    const again = await holdfast.cli(...createAlt('--customer', 'elsewhere', '--keyholder', '127.0.0.1:1'))
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('another tenant’s')
  })

  it('can be a user with an administrator’s policy instead of the account’s root', async () => {
    const keys = ['--access-key', 'USERKEY012345678', '--secret-key', 'a-secret-of-the-user']
    const made = await cli(
      'tenant',
      'create',
      '--name',
      'third',
      '--home',
      'in-mumbai',
      '--user',
      'dora',
      ...keys,
      ...reach,
    )
    expect(made.accessKeyId).toBe('USERKEY012345678')
    const dora = s3With('USERKEY012345678', 'a-secret-of-the-user')
    await dora.makeBucket('doras')
    const { users } = await cli('user', 'list', '--tenant', 'third')
    expect(users).toMatchObject([{ name: 'dora' }])
  })

  it('users of a tenant are made and ended by its own key', async () => {
    const given = [
      '--user-id',
      'ERIN-ID',
      '--access-key',
      'ERINKEY012345678',
      '--secret-key',
      'erins-own-secret',
    ]
    const made = await cli('user', 'create', '--name', 'erin', '--admin', '--tenant', 'alt', ...given)
    expect(made).toMatchObject({ name: 'erin', userId: 'ERIN-ID', accessKeyId: 'ERINKEY012345678' })
    const erin = s3With('ERINKEY012345678', 'erins-own-secret')
    expect((await erin.get('/alts/a')).status).toBe(200)
    await cli('user', 'delete', '--name', 'erin', '--tenant', 'alt')
    expect((await erin.get('/alts/a')).code).toBe('InvalidAccessKeyId')
  })

  it('the operator limits what it holds, and sees it', async () => {
    const api = ['--api', holdfast.credentials.api]
    await cli(
      'quota',
      'set',
      '--tenant',
      'alt',
      '--bucket',
      'alts',
      '--objects',
      '1',
      '--bytes',
      'none',
      ...api,
    )
    const alt = s3With('ALTKEY0123456789', 'alt-secret-of-before')
    expect(await alt.call('PUT', '/alts/b', { body: 'b' })).toMatchObject({
      status: 403,
      code: 'QuotaExceeded',
    })
    const { regions } = await cli('quota', 'show', '--tenant', 'alt', ...api)
    expect(regions).toContainEqual({
      region: 'in-mumbai',
      objects: 1,
      bytes: 23,
      quota: { objects: null, bytes: null },
      buckets: [{ name: 'alts', objects: 1, bytes: 23, quota: { objects: 1, bytes: null } }],
    })
  })

  it('keys rotate, and the folder has the new one', async () => {
    const before = s3With('ALTKEY0123456789', 'alt-secret-of-before')
    const made = await cli('key', 'rotate', '--tenant', 'alt')
    const after = s3With(String(made.accessKeyId), String(made.secretAccessKey))
    expect((await after.get('/alts/a')).status).toBe(200)
    expect((await before.get('/alts/a')).code).toBe('InvalidAccessKeyId')
    await cli('key', 'enable', 'ALTKEY0123456789', '--tenant', 'alt')
    expect((await before.get('/alts/a')).status).toBe(200)
    await cli('key', 'delete', 'ALTKEY0123456789', '--tenant', 'alt')
    expect((await before.get('/alts/a')).code).toBe('InvalidAccessKeyId')
    const { keys } = await cli('key', 'list', '--tenant', 'alt')
    expect(keys).toMatchObject([{ accessKeyId: made.accessKeyId, status: 'Active' }])
  })
})
