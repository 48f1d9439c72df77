/** Approvals by keys that Holdfast never sees: what is to be signed goes out in a file, and a signature comes back. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts'
import { printInteger } from '../../src/crypto/big-integer.ts'
import { readEcdsaSignature } from '../../src/crypto/der.ts'
import { keyIdOf, parsePrivateKey } from '../../src/crypto/signatures.ts'
import { printApprover } from '../../src/verify/approvers.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createAuthenticator } from '../support/authenticator.ts'
import { type Outcome, run } from '../support/child.ts'
import { api, booksOf, settled } from '../support/instructions.ts'
import { describeWith } from '../support/program.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname

describeWith('openssl', 'a key that is kept elsewhere', () => {
  let test: TestApp
  let acme: Customer
  const passkey = createAuthenticator()
  const ids: { [name: string]: string } = { passkey: keyIdOf(passkey.approver) }
  const file = (name: string): string => join(test.folder, name)
  const cli = (...args: string[]): Promise<Outcome> =>
    run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
  const ok = async (...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await cli(...args, '--json')
    if (code !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run('openssl', args)
    if (code !== 0) throw new Error(stderr)
  }

  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 1, 1)
    await openssl(
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-out',
      file('p256.pem'),
    )
    await openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', file('rsa.pem'))
    const added: string[] = []
    for (const name of ['p256', 'rsa']) {
      // Only to know the public key, as `openssl pkey -pubout` would tell it.
      const key = parsePrivateKey(readFileSync(file(`${name}.pem`), 'utf8'))
      ids[name] = keyIdOf(key)
      added.push('--add', `${key.algorithm}:${toHex(key.publicKey)}`)
    }
    for (const [name, algorithm] of [
      ['own-p256', 'ecdsa-p256-sha256'],
      ['own-rsa', 'rsa-pss-sha256'],
    ] as const) {
      const made = await ok('keygen', '-o', file(`${name}.key`), '--algorithm', algorithm)
      expect(made.algorithm).toBe(algorithm)
      added.push('--add', `${algorithm}:${made.publicKey}`)
    }
    writeFileSync(file('passkey.json'), JSON.stringify(printApprover(passkey.approver)))
    added.push('--add', file('passkey.json'))
    const { id } = await ok(
      'instruct',
      'approvers',
      ...added,
      '--purpose',
      'keys elsewhere',
      '--expires',
      '7d',
    )
    await ok('approve', id, '--key', acme.credentials.approverKey)
    await test.restart({}, () => Date.now() + 73 * 3600e3)
    expect((await settled(acme, id)).state).toBe('completed')
    await test.restart()
    const { regions } = await ok('approvers')
    expect(regions[0].approvers).toHaveLength(6)
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  let buckets = 0
  /** An order that one approver's signature carries out. */
  const drafted = async (): Promise<string> => {
    const bucket = `bucket-${++buckets}`
    await acme.s3('PUT', `/${bucket}`)
    return (await ok('instruct', 'class', '--bucket', bucket, '--class', 'payment', '--purpose', 'a test')).id
  }
  const request = async (id: string, name: string, as = 'approve', ...more: string[]) => {
    const path = file(`${name}-${buckets}.json`)
    const facts = await ok('sign-request', id, '--as', as, '--approver', ids[name]!, '-o', path, ...more)
    const written = JSON.parse(readFileSync(path, 'utf8'))
    expect(written.sha256).toBe(facts.sha256)
    writeFileSync(file('message'), Buffer.from(written.pae, 'base64'))
    writeFileSync(file('digest'), Buffer.from(written.sha256, 'hex'))
    return { path, written }
  }
  const stateOf = async (id: string): Promise<string> =>
    (await api(acme, 'GET', `/instructions/${id}`)).json.state
  const pssOptions = (flag: string) => [flag, 'rsa_padding_mode:pss', flag, 'rsa_pss_saltlen:32']

  it.each<[string, string, string[]]>([
    ['openssl dgst, P-256', 'p256', ['dgst', '-sha256', '-sign']],
    ['openssl pkeyutl, P-256', 'p256', ['pkeyutl', '-sign', '-pkeyopt', 'digest:sha256', '-inkey']],
    ['openssl dgst, RSA', 'rsa', ['dgst', '-sha256', ...pssOptions('-sigopt'), '-sign']],
    [
      'openssl pkeyutl, RSA',
      'rsa',
      ['pkeyutl', '-sign', ...pssOptions('-pkeyopt'), '-pkeyopt', 'digest:sha256', '-inkey'],
    ],
  ])('approves by %s', async (_, name, args) => {
    const id = await drafted()
    const { path, written } = await request(id, name, 'approve', '--reason', 'as agreed')
    expect(written.algorithm).toBe(name === 'rsa' ? 'rsa-pss-sha256' : 'ecdsa-p256-sha256')
    const input = args[0] === 'dgst' ? [file('message')] : ['-in', file('digest')]
    await openssl(...args, file(`${name}.pem`), '-out', file('signature'), ...input)
    const answer = await ok('approve', id, '--signature', file('signature'), '--request', path)
    expect(answer).toMatchObject({ id, approvals: 1 })
    expect((await settled(acme, id)).state).toBe('completed')
    const { json } = await api(acme, 'GET', `/instructions/${id}`)
    expect(json.verdicts[0]).toMatchObject({ approver: ids[name], reason: 'as agreed' })
  })

  it('approves by r and s side by side, as PKCS #11 has them', async () => {
    const id = await drafted()
    const { path } = await request(id, 'p256')
    await openssl('dgst', '-sha256', '-sign', file('p256.pem'), '-out', file('signature'), file('message'))
    const { r, s } = readEcdsaSignature(readFileSync(file('signature')))!
    writeFileSync(file('raw'), Buffer.concat([printInteger(r, 32), printInteger(s, 32)]))
    expect(await ok('approve', id, '--signature', file('raw'), '--request', path)).toMatchObject({
      approvals: 1,
    })
  })

  it('approves by a passkey, as a browser tells of it', async () => {
    const id = await drafted()
    for (const as of ['reject', 'approve']) {
      const { path, written } = await request(id, 'passkey', as)
      expect(written).toMatchObject({
        algorithm: 'webauthn-es256',
        challenge: expect.stringMatching(/^[\w-]{43}$/),
      })
      const made = JSON.parse(fromUtf8(passkey.assert(readFileSync(file('message')))))
      const url = (text: string): string => Buffer.from(text, 'base64').toString('base64url')
      const response = Object.fromEntries(
        Object.entries(made).map(([name, text]) => [name, url(text as string)]),
      )
      writeFileSync(
        file('credential.json'),
        JSON.stringify({ id: 'x', type: 'public-key', response: { ...response, userHandle: 'eA' } }, null, 2),
      )
      if (as === 'reject') {
        // What was signed to reject approves nothing.
        const refused = await cli('approve', id, '--signature', file('credential.json'), '--request', path)
        expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is not to approve') })
        continue
      }
      await ok(as, id, '--signature', file('credential.json'), '--request', path)
    }
    expect((await settled(acme, id)).state).toBe('completed')
  })

  it.each([
    ['own-p256', 'ecdsa-p256-sha256'],
    ['own-rsa', 'rsa-pss-sha256'],
  ])('and by a key in a file, %s', async name => {
    const id = await drafted()
    expect(await ok('approve', id, '--key', file(`${name}.key`))).toMatchObject({ approvals: 1 })
    expect((await settled(acme, id)).state).toBe('completed')
  })

  it('rejects', async () => {
    const id = await drafted()
    const { path } = await request(id, 'rsa', 'reject')
    await openssl(
      'dgst',
      '-sha256',
      ...pssOptions('-sigopt'),
      '-sign',
      file('rsa.pem'),
      '-out',
      file('signature'),
      file('message'),
    )
    expect(await ok('reject', id, '--signature', file('signature'), '--request', path)).toMatchObject({
      state: 'rejected',
    })
  })

  it('shows the region nothing that is wrong', async () => {
    const id = await drafted()
    const { path, written } = await request(id, 'p256')
    const sign = (key: string, what = 'message') =>
      openssl('dgst', '-sha256', '-sign', file(key), '-out', file('signature'), file(what))
    const tried = (request = path, ...more: string[]) =>
      cli('approve', id, '--signature', file('signature'), '--request', request, ...more)
    writeFileSync(file('other'), 'another message')
    await sign('p256.pem', 'other')
    expect(await tried()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no approver of the tenant signed it'),
    })
    await sign('own-p256.key')
    expect(await tried()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`and not by ${ids.p256}`),
    })
    await sign('p256.pem')
    const changed = (change: object): string => {
      const changedPath = file('changed.json')
      writeFileSync(changedPath, JSON.stringify({ ...written, ...change }))
      return changedPath
    }
    const payload = Buffer.from(written.payload, 'base64').toString()
    const other = (from: string, to: string): string =>
      Buffer.from(payload.replace(from, to)).toString('base64')
    expect(await tried(changed({ payload: other(id, 'a'.repeat(64)) }))).toMatchObject({ code: 2 })
    expect(await tried(changed({ payload: other(acme.tenant, 'a'.repeat(64)) }))).toMatchObject({ code: 2 })
    expect(await tried(changed({ payload: other('"reason":""', '"reason":"x"') }))).toMatchObject({ code: 1 })
    expect(await tried(changed({ format: 'another' }))).toMatchObject({ code: 2 })
    expect(await tried(path, '--reason', 'x')).toMatchObject({ code: 2 })
    expect(await tried(path, '--key', file('p256.pem'))).toMatchObject({ code: 2 })
    expect(await cli('approve', id, '--signature', file('signature'))).toMatchObject({ code: 2 })
    expect(await cli('approve', id)).toMatchObject({ code: 2 })
    expect(await stateOf(id)).toBe('drafted')
    expect(await tried()).toMatchObject({ code: 0 })
    const said = async () =>
      (await booksOf(acme.credentials, 'in-mumbai')).filter(
        ({ type, body }) => type === 'instruction.approved' && (body as any).instruction === id,
      ).length
    await expect.poll(said).toBe(1)
  })

  it('leaves the check to the regions where there is no trust file', async () => {
    const id = await drafted()
    const elsewhere = join(test.folder, 'elsewhere')
    cpSync(acme.folder, elsewhere, { recursive: true })
    rmSync(join(elsewhere, 'trust.json'))
    const there = (...args: string[]) => cli(...args, '--customer', elsewhere)
    const path = file('blind.json')
    const asked = await there('sign-request', id, '--as', 'approve', '--approver', ids.p256!, '-o', path)
    expect(asked).toMatchObject({ code: 0, stderr: expect.stringContaining('nobody here knows the key') })
    const { pae } = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(file('message'), Buffer.from(pae, 'base64'))
    writeFileSync(file('wrong'), utf8('no signature'))
    const wrong = await there('approve', id, '--signature', file('wrong'), '--request', path)
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('only the regions check') })
    await openssl('dgst', '-sha256', '-sign', file('p256.pem'), '-out', file('signature'), file('message'))
    expect(await there('approve', id, '--signature', file('signature'), '--request', path)).toMatchObject({
      code: 0,
    })
  })

  it('is asked for by what an approver can say', async () => {
    const id = await drafted()
    const asked = (as: string, approver: string) =>
      cli('sign-request', id, '--as', as, '--approver', approver, '-o', file('no.json'))
    expect(await asked('toString', ids.p256!)).toMatchObject({ code: 2 })
    expect(await asked('approve', 'x')).toMatchObject({ code: 2 })
    expect(await cli('keygen', '-o', file('no.key'), '--algorithm', 'webauthn-es256')).toMatchObject({
      code: 2,
    })
  })
})
