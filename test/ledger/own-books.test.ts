/** What a region does for itself is in books that anybody may read, and every connection abroad is in somebody's. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CountryCode, parseRegionId } from '../../src/core/ids.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import { booksOf } from '../support/instructions.ts'
import { makeCosigner } from '../support/witness.ts'

const abroad = { places: [{ cidr: '127.0.0.0/8', country: 'US' as CountryCode }], loopbackIsHome: false }
const atHome = { places: [], loopbackIsHome: true }

async function ownBooks(test: TestApp, region: string) {
  const base = `${test.api}/api/v1/regions/${region}/own`
  const trust = parseTrust(await (await fetch(`${base}/trust`)).text(), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new Error(trust)
  const document = new Uint8Array(await (await fetch(`${base}/statement`)).arrayBuffer())
  const checked = verifyStatement(document, trust, nodeVerifyCrypto)
  if (!checked.verified) throw new Error(checked.failures.join('; '))
  return checked.entries
}

describe('a region’s own books', () => {
  let test: TestApp
  let acme: Customer
  beforeAll(async () => {
    test = await startTestApp(abroad)
    acme = await test.customer('acme', 1, 1)
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  it('are there for anybody, verify, and say what it stores in', async () => {
    await expect
      .poll(async () => (await ownBooks(test, 'in-mumbai')).map(({ type }) => type))
      .toEqual(['tenant.joined', 'region.engines'])
    const [, engines] = await ownBooks(test, 'in-mumbai')
    const stores = engines!.body.stores as unknown as { country: string }[]
    expect(new Set(stores.map(({ country }) => country))).toEqual(new Set(['IN']))
    expect((await fetch(`${test.api}/api/v1/regions/nowhere/own/trust`)).status).toBe(404)
  })

  it('say so again only when it is something else', async () => {
    await test.restart(abroad)
    const remotes = [
      {
        ...{ name: 'vault', endpoint: 'https://vault.example', region: 'r', bucket: 'bucket', prefix: '' },
        ...{ country: 'DE' as CountryCode, credentialsFile: '/none', certificateFile: null, pathStyle: true },
      },
    ]
    await test.restart({ ...abroad, remotes })
    const engines = async () =>
      (await ownBooks(test, 'in-mumbai')).filter(({ type }) => type === 'region.engines')
    await expect.poll(async () => (await engines()).length).toBe(2)
    expect((await engines())[1]!.body.remotes).toEqual([
      { name: 'vault', host: 'vault.example', country: 'DE' },
    ])
    await test.restart(abroad)
  })

  it('are fetched, checked and kept by anybody on the command line', async () => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    const [statement, trust] = [join(test.folder, 's.json'), join(test.folder, 'own-trust.json')]
    const holdfast = (...args: string[]) => run(process.execPath, [main, ...args], { cwd: test.folder })
    const ask = [
      'region',
      'statement',
      '--region',
      'in-mumbai',
      '--api',
      test.api,
      '-o',
      statement,
      '--trust',
      trust,
    ]
    expect((await holdfast(...ask)).stdout).toContain('entries of in-mumbai itself, verified')
    expect((await holdfast('verify', statement, '--trust', trust)).code).toBe(0)
    const other = await holdfast(...ask, '--vkey', 'another+00000000+AAAA')
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('and not another+')])
    expect(
      (
        await holdfast(
          'region',
          'statement',
          '--region',
          'nowhere',
          '--api',
          test.api,
          '-o',
          'x',
          '--trust',
          'y',
        )
      ).code,
    ).toBe(1)
  })

  it('is no tenant to anybody else', async () => {
    const { regions } = test.app
    const region = regions.get(parseRegionId('in-mumbai')!)!
    const listed = await fetch(`${test.api}/api/v1/tenants`, {
      headers: { authorization: `Bearer ${operatorToken(test)}` },
    })
    expect(JSON.stringify(await listed.json())).not.toContain(region.own)
  })

  it('leave a key holder abroad to its tenant’s books', async () => {
    expect((await acme.s3('PUT', '/bucket')).status).toBe(200)
    await test.restart(abroad)
    const connections = async () =>
      (await booksOf(acme.credentials, 'in-mumbai')).filter(
        ({ type, body }) => type === 'connection' && body.role === 'key-holder',
      )
    await expect.poll(async () => (await connections()).length).toBeGreaterThan(0)
    const [{ body }] = (await connections()) as [any]
    expect([body.remote.country, body.local.country, body.bytesOut > 0]).toEqual(['US', 'IN', true])
    expect((await ownBooks(test, 'in-mumbai')).filter(({ type }) => type === 'connection')).toEqual([])
  })

  it('hold connections to a witness abroad, and none to one at home', async () => {
    let asked = 0
    const server = createServer((message, response) => {
      asked++
      message.resume()
      response.writeHead(404).end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const cosigner = makeCosigner('far.example/w')
    const { vkey } = cosigner
    const witness = { name: 'far', vkey, key: cosigner, url, operator: 'far', country: null, certificate: '' }
    const connections = async () =>
      (await ownBooks(test, 'in-mumbai')).filter(
        ({ type, body }) => type === 'connection' && body.role === 'witness',
      )
    await test.restart({ ...atHome, witnesses: [witness] })
    await expect.poll(() => asked).toBeGreaterThan(0)
    const since = new Date().toISOString()
    await test.restart({ ...abroad, witnesses: [witness] })
    const before = asked
    await expect.poll(() => asked).toBeGreaterThan(before)
    // A connection is entered when it closes.
    await test.restart(abroad)
    await expect.poll(async () => (await connections()).length).toBeGreaterThan(0)
    expect((await connections()).filter(({ body }) => (body.start as string) < since)).toEqual([])
    server.closeAllConnections()
    server.close()
  })
})

function operatorToken({ folder }: TestApp): string {
  return readFileSync(`${folder}/data/operator.token`, 'utf8').trim()
}
