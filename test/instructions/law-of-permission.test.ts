/** What the packs say holds for who is let see, too: when it is ordered, and for as long as it stands. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { packsFolder } from '../../src/policy/packs/load-packs.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import {
  api,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  verdict,
} from '../support/instructions.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const akten = { bucket: 'akten', region: 'de-frankfurt', ledger: 'holdfast.test/log/de-frankfurt' }
const papers = { bucket: 'papers', region: 'in-mumbai' }

let test: TestApp
let acme: Customer
const folder = mkdtempSync(join(tmpdir(), 'holdfast-law-'))
beforeAll(async () => {
  test = await startTestApp()
  acme = await test.customer('acme', 1, 1)
  await acme.s3('PUT', '/papers')
  await acme.s3('PUT', '/akten', frankfurt)
})
afterAll(async () => {
  await test?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const common = (): InstructionFields => {
  const {
    from: _from,
    to: _to,
    mode: _mode,
    mechanism: _mechanism,
    limits: _limits,
    ...fields
  } = instructionFields(acme)
  return { ...fields, scope: { prefix: '' } }
}
const access = (country: string, more: InstructionFields): InstructionFields => ({
  ...common(),
  ...{ kind: 'access', actions: ['object.read'], operator: { country, name: 'one' }, ticket: '1' },
  ...more,
})
const disclosure = (country: string, more: InstructionFields): InstructionFields => ({
  ...common(),
  ...{ kind: 'disclose', basis: 'an order', case: null, form: 'ciphertext' },
  ...{ limits: { bytes: 10, objects: 1 }, recipient: { country, name: 'a court' } },
  ...more,
})

describe('an order that lets somebody see', () => {
  it.each<[string, () => InstructionFields, number, string]>([
    ['a court abroad', () => disclosure('US', akten), 403, 'eu-gdpr-48'],
    [
      'a court abroad, under a treaty',
      () => disclosure('US', { ...akten, mechanism: 'treaty: 2003' }),
      201,
      '',
    ],
    [
      'a court abroad, under what is none',
      () => disclosure('US', { ...akten, mechanism: 'asked' }),
      403,
      '-48',
    ],
    ['a court at home', () => disclosure('DE', akten), 201, ''],
    ['an operator abroad', () => access('IN', akten), 403, 'eu-gdpr-ch5'],
    ['an operator abroad, under clauses', () => access('IN', { ...akten, mechanism: 'scc' }), 201, ''],
    ['an operator at home', () => access('DE', akten), 201, ''],
    ['an operator in a country that nobody knows the law of', () => access('XK', akten), 403, 'eu-gdpr-ch5'],
  ])('to %s is judged by the packs before anybody signs it', async (_who, fields, status, rule) => {
    const envelope = draft(fields())
    const answer = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(envelope) })
    expect(answer.status).toBe(status)
    if (status === 201) return
    expect(answer.json.error).toBe('law-refused')
    expect(answer.json.message).toMatch(new RegExp(`^akten holds personal data\\. .*${rule}.*--mechanism`))
    expect((await api(acme, 'GET', `/instructions/${documentId(envelope)}`)).status).toBe(404)
  })

  it('ends when the law has changed while it stands', async () => {
    const envelope = draft(access('DE', papers))
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    const told = async () => (await api(acme, 'GET', `/instructions/${id}`)).json
    expect((await told()).state).toBe('approved')
    cpSync(packsFolder, folder, { recursive: true })
    const india = readFileSync(join(packsFolder, 'in.yaml'), 'utf8')
    // The rule on payments, for all personal data.
    writeFileSync(join(folder, 'in.yaml'), india.replace('classes: [payment]', 'classes: [personal]'))
    await test.restart({ packsFolder: folder })
    await expect.poll(async () => (await told()).state).toBe('failed')
    expect((await told()).reason).toContain('in-rbi-psd')
    await test.restart()
  })

  it('ends when its bucket is gone', async () => {
    await acme.s3('PUT', '/brief')
    const envelope = draft(access('IN', { bucket: 'brief', region: 'in-mumbai' }))
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    await acme.s3('DELETE', '/brief')
    await test.restart()
    const told = async () => (await api(acme, 'GET', `/instructions/${id}`)).json
    await expect.poll(async () => (await told()).state).toBe('failed')
    expect((await told()).reason).toBe('The tenant has no bucket brief in in-mumbai.')
  })

  it('names its mechanism on the command line, and shows it to whoever is to sign', async () => {
    const cli = (...args: string[]) =>
      run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
    const order = ['instruct', 'disclose', '--bucket', 'akten', '--recipient', 'a court', '--country', 'US']
    const more = ['--basis', 'an order', '--max-objects', '1', '--max-bytes', '10', '--purpose', 'a case']
    const refused = await cli(...order, ...more)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('eu-gdpr-48') })
    const drafted = await cli(...order, ...more, '--mechanism', 'treaty: of 2003', '--json')
    expect(drafted.code).toBe(0)
    const { stdout } = await cli('instructions', JSON.parse(drafted.stdout).id)
    expect(stdout).toMatch(/^ *mechanism +treaty: of 2003$/m)
    const let1 = ['instruct', 'access', '--bucket', 'akten', '--action', 'object.read', '--operator', 'one']
    const ticket = ['--country', 'IN', '--ticket', '7', '--purpose', 'a fault']
    expect((await cli(...let1, ...ticket)).stderr).toContain('eu-gdpr-ch5')
    expect((await cli(...let1, ...ticket, '--mechanism', 'scc')).code).toBe(0)
  })
})
