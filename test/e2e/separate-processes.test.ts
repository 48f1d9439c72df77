/** Each region in a process of its own: what crosses is checked at both ends, and what was not heard stops it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import { booksOf } from '../support/instructions.ts'
import { createS3 } from '../support/s3.ts'
import { type Site, type Sites, startSites } from '../support/sites.ts'

let sites: Sites
// What was heard two seconds ago counts for nothing any more.
const staleSeconds = 2
let mumbai: Site
let frankfurt: Site
let singapore: Site
beforeAll(async () => {
  const config = { staleSeconds }
  sites = await startSites(
    [
      { region: 'in-mumbai', country: 'IN', config },
      { region: 'de-frankfurt', country: 'DE', config },
      { region: 'sg-singapore', country: 'SG', config },
    ],
    { approvers: [2, 2] },
  )
  mumbai = sites.at('in-mumbai')
  frankfurt = sites.at('de-frankfurt')
  singapore = sites.at('sg-singapore')
  await mumbai.s3.makeBucket('source', 'in-mumbai')
  await frankfurt.s3.makeBucket('target', 'de-frankfurt')
  await singapore.s3.makeBucket('far', 'sg-singapore')
  for (const key of ['a', 'b', 'c']) await mumbai.s3.put(`/source/${key}`, `content of ${key}`)
})
afterAll(() => sites?.[Symbol.asyncDispose](), 30_000)

const json = async (site: Site, ...args: string[]): Promise<any> => {
  const { code, stdout, stderr } = await site.cli(...args, '--json')
  if (code !== 0) throw new Error(`${args.join(' ')}: ${code} ${stdout} ${stderr}`)
  return JSON.parse(stdout)
}
const orderTo = async (to: Site, bucket: string, ...more: string[]): Promise<string> =>
  (
    await json(
      mumbai,
      ...['instruct', 'transfer', '--bucket', 'source', '--to-bucket', bucket, '--to-region', to.region],
      ...['--purpose', 'a test', ...more],
    )
  ).id
const approve = async (id: string, at = mumbai): Promise<void> => {
  for (const key of sites.approverFiles) await json(at, 'approve', id, '--key', key)
}
const stateOf = async (id: string, at = mumbai): Promise<string> => (await json(at, 'transfers', id)).state

describe('regions in processes of their own', () => {
  it('carry out an approved transfer, each by its own books', async () => {
    const id = await orderTo(frankfurt, 'target')
    await approve(id)
    await expect.poll(() => stateOf(id)).toBe('completed')
    expect((await frankfurt.s3.call('GET', '/target/b')).body.toString()).toBe('content of b')
    // Frankfurt was told of it by Mumbai alone, and has entered what it judged.
    expect((await json(frankfurt, 'transfers', id)).objects).toBe(3)
    for (const site of [mumbai, frankfurt]) {
      const file = `${site.region}.json`
      expect((await site.cli('statement', '--region', site.region, '-o', file)).code).toBe(0)
      expect((await site.cli('verify', file)).code).toBe(0)
    }
  })

  it('send whoever ordered a transfer to the bucket of the other process, and nobody else', async () => {
    const signed = await mumbai.s3.call('GET', '/target', { query: { 'list-type': '2' } })
    expect([signed.status, signed.headers['x-amz-bucket-region']]).toEqual([301, 'de-frankfurt'])
    expect(signed.body.toString()).toContain('<Code>PermanentRedirect</Code>')
    expect(signed.body.toString()).toContain('<Bucket>target</Bucket>')
    for (const [method, path] of [
      ['HEAD', '/target'],
      ['HEAD', '/target/a'],
      ['PUT', '/target/a'],
      ['DELETE', '/target'],
    ] as const) {
      const { status, headers } = await mumbai.s3.call(method, path)
      expect([status, headers['x-amz-bucket-region']]).toEqual([301, 'de-frankfurt'])
    }
    const back = await frankfurt.s3.call('HEAD', '/source/a')
    expect([back.status, back.headers['x-amz-bucket-region']]).toEqual([301, 'in-mumbai'])
    expect(signed.body.toString()).toContain(`<Endpoint>${frankfurt.s3.endpoint.host}</Endpoint>`)
    // Clients sign for that region then, and some ask here again: told the same, and let do nothing else.
    const again = createS3(mumbai.credentials.endpoint, { ...mumbai.credentials, region: 'de-frankfurt' })
    const { status, headers } = await again.call('HEAD', '/target')
    expect([status, headers['x-amz-bucket-region']]).toEqual([301, 'de-frankfurt'])
    const forged = { ...mumbai.credentials, region: 'de-frankfurt', secretAccessKey: 'x' }
    for (const [client, path] of [
      [again, '/source'],
      [createS3(mumbai.credentials.endpoint, forged), '/target'],
    ] as const)
      expect((await client.call('GET', path)).code).toBe('AuthorizationHeaderMalformed')
    // No transfer has named it; nobody has signed; what a copy is of is no place to go on to.
    expect((await mumbai.s3.call('GET', '/far')).code).toBe('NoSuchBucket')
    const folder = join(sites.folder, 'rival')
    const made = await mumbai.cli(
      ...['tenant', 'create', '--name', 'rival', '--home', 'in-mumbai', '--customer', folder],
      ...['--api', mumbai.credentials.api, '--endpoint', mumbai.credentials.endpoint],
      ...['--operator-token', join(mumbai.data, 'operator.token')],
    )
    expect(made.code).toBe(0)
    const rival = createS3(
      mumbai.credentials.endpoint,
      JSON.parse(readFileSync(join(folder, 'credentials.json'), 'utf8')),
    )
    const theirs = await rival.call('GET', '/target')
    expect([theirs.code, theirs.headers['x-amz-bucket-region']]).toEqual(['NoSuchBucket', undefined])
    const anonymous = await fetch(new URL('/target', mumbai.s3.endpoint))
    const missing = await fetch(new URL('/missing', mumbai.s3.endpoint))
    expect([anonymous.status, anonymous.headers.get('x-amz-bucket-region')]).toEqual([missing.status, null])
    const copy = await mumbai.s3.call('PUT', '/source/copy', {
      headers: { 'x-amz-copy-source': '/target/a' },
    })
    expect(copy.code).toBe('NoSuchBucket')
  })

  it('try out a transfer together, and what was not answered is not allowed', async () => {
    const tryOut = (to: string, bucket: string, ...more: string[]) =>
      mumbai.cli(
        ...[
          'instruct',
          'transfer',
          '--dry-run',
          '--bucket',
          'source',
          '--to-bucket',
          bucket,
          '--to-region',
          to,
        ],
        ...more,
      )
    const entered = (site: Site): Promise<readonly any[]> => booksOf(site.credentials, site.region)
    const before = { mumbai: (await entered(mumbai)).length, frankfurt: (await entered(frankfurt)).length }
    const good = await tryOut('de-frankfurt', 'target', '--json')
    expect(good.code).toBe(0)
    const told = JSON.parse(good.stdout)
    expect(told).toMatchObject({
      ...{ objects: 3, allowed: true, approversDiffer: null },
      destination: { region: 'de-frankfurt', answer: 'told', why: null },
    })
    expect(told.law.map((each: any) => [each.region, each.bucket, each.outcome])).toEqual([
      ['in-mumbai', 'source', 'allowed'],
      ['de-frankfurt', 'target', 'allowed'],
    ])
    // Both ends have entered the connection, and nothing else.
    for (const site of [mumbai, frankfurt]) {
      const since = site === mumbai ? before.mumbai : before.frankfurt
      const made = async () =>
        (await entered(site)).slice(since).map(({ type, body }) => [type, body.role, body.instruction])
      await expect
        .poll(async () => (await made()).filter(([type]) => type === 'connection'))
        .toEqual([['connection', 'knowledge', expect.stringMatching(/^[0-9a-f]{64}$/)]])
      expect((await made()).filter(([type]) => /instruction|transfer/.test(type))).toEqual([])
    }

    const made = await frankfurt.s3.call('PUT', '/wages', {
      headers: { 'x-holdfast-data-class': 'payment' },
      body: '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>',
    })
    expect(made.status).toBe(200)
    const other = await tryOut('de-frankfurt', 'wages', '--json')
    expect(other.code).toBe(1)
    expect(JSON.parse(other.stdout)).toMatchObject({
      allowed: false,
      law: [{ outcome: 'allowed' }, { region: 'de-frankfurt', outcome: 'refused' }],
    })
    const none = await tryOut('de-frankfurt', 'nobodys')
    expect(none.code).toBe(1)
    expect(none.stdout).toContain('de-frankfurt refuses it: de-frankfurt: The tenant has no bucket nobodys')
    expect((await tryOut('us-ashburn', 'target')).stderr).toContain('not a region here, nor a peer')

    await frankfurt.stop()
    const away = await tryOut('de-frankfurt', 'target')
    expect(away.code).toBe(1)
    expect(away.stdout).toContain('What de-frankfurt would say is not known: de-frankfurt did not answer.')
    expect(away.stdout).toContain('whether the other would is not known. Nothing was sent.')
    const asJson = await tryOut('de-frankfurt', 'target', '--json')
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      ...{ objects: 3, allowed: false, law: [{ region: 'in-mumbai', outcome: 'allowed' }] },
      destination: { answer: 'unknown', why: 'de-frankfurt did not answer.' },
    })
    await frankfurt.start()
  })

  it('know nothing of an order that was not told, and take no verdict on it', async () => {
    const id = await orderTo(frankfurt, 'target', '--prefix', 'none')
    await json(mumbai, 'approve', id, '--key', sites.approverFiles[0]!)
    // Nothing has gone there yet, so Frankfurt does not know it: a revocation there is refused, and said at the source.
    expect((await frankfurt.cli('revoke', id, '--key', sites.approverFiles[0]!)).code).toBe(1)
    await json(mumbai, 'revoke', id, '--key', sites.approverFiles[0]!)
    expect(await stateOf(id)).toBe('revoked')
  })

  it('tell each other of a change of the approvers as soon as it is approved', async () => {
    const key = Buffer.from(generatePrivateKey('ed25519').publicKey).toString('hex')
    const { id } = await json(
      mumbai,
      ...['instruct', 'approvers', '--add', `ed25519:${key}`, '--purpose', 'one more'],
    )
    await approve(id)
    for (const site of [frankfurt, singapore])
      await expect
        .poll(async () => (await site.cli('instructions', id, '--json')).stdout)
        .toContain('"state":"approved"')
    // Stopped in one, it is stopped in all that hear of it.
    await json(mumbai, 'revoke', id, '--key', sites.approverFiles[1]!)
    for (const site of [frankfurt, singapore])
      await expect
        .poll(async () => (await site.cli('instructions', id, '--json')).stdout)
        .toContain('"state":"revoked"')
  })

  it('let nothing go between two others while the home region is away, and go on when it is back', async () => {
    await singapore.s3.put('/far/x', 'from Singapore')
    const { id } = await json(
      singapore,
      ...['instruct', 'transfer', '--bucket', 'far', '--to-bucket', 'target', '--to-region', 'de-frankfurt'],
      ...['--purpose', 'a test', '--mechanism', 'reviewed'],
    )
    await mumbai.stop()
    // What was heard of it last is good for so long.
    await sleep(staleSeconds * 1000 + 100)
    await approve(id, singapore)
    await expect.poll(() => singapore.said()).toContain('has not heard for too long')
    expect(await stateOf(id, singapore)).toMatch(/approved|running/)
    expect((await frankfurt.s3.call('GET', '/target/x')).status).toBe(404)
    await mumbai.start()
    await expect.poll(() => stateOf(id, singapore)).toBe('completed')
    expect((await frankfurt.s3.call('GET', '/target/x')).body.toString()).toBe('from Singapore')
  })

  it('survive a kill of either end in the middle', async () => {
    for (let at = 0; at < 40; at++) await mumbai.s3.put(`/source/many/${at}`, `value ${at}`)
    const id = await orderTo(frankfurt, 'target', '--prefix', 'many/')
    await approve(id)
    await frankfurt.kill()
    await mumbai.kill()
    await mumbai.start()
    await frankfurt.start()
    await expect.poll(() => stateOf(id)).toBe('completed')
    const { body } = await frankfurt.s3.call('GET', '/target', {
      query: { 'list-type': '2', prefix: 'many/' },
    })
    expect(body.toString().match(/<Key>/g)).toHaveLength(40)
    for (const site of [mumbai, frankfurt]) expect((await site.fsck()).code).toBe(0)
  })
})
