/** What a tenant forbids itself holds at both ends, from the genesis on or by a change, and both books say by which text. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { createApproverChain } from '../../src/instructions/approver-chain.ts'
import { openInstruction } from '../../src/instructions/instruction.ts'
import { askOwnPolicy } from '../../src/instructions/own-policy.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { noRules } from '../../src/verify/approver-set.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import {
  api,
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname
const hours = 3600e3
const mumbai = 'in-mumbai' as RegionId
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const policy = `
@id("no-hr-abroad")
@reason("the works council has to agree first")
forbid (principal, action in Action::"out", resource)
unless { resource.prefix like "public/*" };

@id("no-moves-in")
@reason("originals stay where they are")
forbid (principal, action in [Action::"move-in"], resource);

@id("courts-at-home")
@reason("courts of India only")
forbid (principal, action == Action::"disclose", resource)
unless { context.to == Country::"IN" };
`
const sha256 = createHash('sha256').update(policy).digest('hex')

describe('a tenant’s own policy', () => {
  let test: TestApp
  let acme: Customer
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-own-policy-'))
  const file = join(folder, 'policy.cedar')
  beforeAll(async () => {
    writeFileSync(file, policy)
    test = await startTestApp()
    acme = await test.customer('acme', 2, 2, undefined, { rules: { ...noRules, policy } })
    await acme.s3('PUT', '/source')
    await acme.s3('PUT', '/target', frankfurt)
    for (const path of ['/source/public/x', '/source/hr/x', '/target/public/y'])
      expect((await acme.s3('PUT', path, 'content')).status).toBe(200)
  })
  afterAll(async () => {
    await test?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const order = (fields: InstructionFields) => draft(instructionFields(acme, fields))
  const cli = (...args: string[]) =>
    run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
  const approve = async (envelope: ReturnType<typeof order>): Promise<any> => {
    const id = documentId(envelope)
    for (const key of acme.approvers) await say(acme, verdict('approved', envelope, acme.tenant, key), id)
    return settled(acme, id)
  }
  const disclose = (country: string) => ({
    ...{ kind: 'disclose', basis: 'an order', bucket: 'source', case: null, form: 'ciphertext' },
    ...{ recipient: { country, name: 'a court' }, region: 'in-mumbai', scope: { prefix: '' } },
    limits: { bytes: 10, objects: 1 },
  })
  const disclosure = (country: string): InstructionFields => {
    const { from: _from, to: _to, mode: _mode, mechanism: _mechanism, ...common } = instructionFields(acme)
    return { ...common, ...disclose(country) }
  }
  const isRefused = async (fields: InstructionFields, words: string): Promise<void> => {
    const envelope = printEnvelope(order(fields))
    const { status, json } = await api(acme, 'POST', '/instructions', { envelope })
    expect([status, json.error, json.message]).toEqual([
      403,
      'policy-refused',
      expect.stringContaining(words),
    ])
    const tried = await api(acme, 'POST', '/instructions/dry-run', { envelope })
    if (fields.kind === undefined) {
      expect(tried.json.allowed).toBe(false)
      expect(tried.json.law.some((each: any) => each.ownPolicy?.includes(words))).toBe(true)
    }
  }

  it('refuses an order before anybody signs it, by its own name, at the source and at the destination', async () => {
    const own = 'The tenant’s own policy “no-hr-abroad” forbids it: the works council has to agree first.'
    await isRefused({}, own)
    await isRefused({ scope: { prefix: 'hr/' } }, own)
    await isRefused({ scope: { prefix: 'public' } }, own)
    await isRefused(
      { scope: { prefix: 'public/' }, mode: 'move' },
      '“no-moves-in” forbids it: originals stay',
    )
    const shown = await cli(
      'instruct',
      'transfer',
      '--dry-run',
      '--bucket',
      'source',
      '--to-bucket',
      'target',
    )
    expect(shown).toMatchObject({ code: 1, stdout: expect.stringContaining(own) })
  })

  it('is asked of who is let see as well', async () => {
    const asked = (country: string) =>
      api(acme, 'POST', '/instructions', { envelope: printEnvelope(draft(disclosure(country))) })
    expect((await asked('IN')).status).toBe(201)
    expect((await asked('US')).json).toMatchObject({
      error: 'policy-refused',
      message: expect.stringContaining('courts of India only'),
    })
  })

  it('lets through what it says nothing against, and both books say by which text; it can be decided again', async () => {
    const envelope = order({ scope: { prefix: 'public/' } })
    await instruct(acme, envelope)
    expect(await approve(envelope)).toMatchObject({ state: 'completed', objects: 1 })
    for (const [region, type, country] of [
      ['in-mumbai', 'transfer.departed', 'IN'],
      ['de-frankfurt', 'transfer.arrived', 'DE'],
    ] as const) {
      const laws = async () =>
        (await booksOf(acme.credentials, region))
          .filter(each => each.type === type)
          .map(({ body }) => body.law)
      await expect
        .poll(laws)
        .toEqual([expect.objectContaining({ ownPolicy: { sha256, at: expect.any(String) } })])
      // From the entry, the instruction and the chain alone.
      const [law] = (await laws()) as any[]
      const set = await createApproverChain(mumbai, test.app.regions.get(mumbai)!.catalog).setOf(acme.tenant)
      const opened = openInstruction(envelope)
      if (typeof opened === 'string' || opened.kind !== 'transfer') throw new Error('it is no transfer')
      const bucket = { name: country === 'IN' ? 'source' : 'target', dataClass: law.dataClass }
      const again = askOwnPolicy(
        loadPackBook(packsFolder).policies,
        set,
        opened,
        { region: region as RegionId, country: country as never, bucket },
        { from: law.from, to: law.to },
        Date.parse(law.ownPolicy.at),
      )
      expect(again).toEqual({ refusal: null, body: law.ownPolicy })
    }
  })

  it('is changed by those who may sign, 72 hours later; what is no policy is refused before that', async () => {
    writeFileSync(file, 'permit (principal, action, resource);')
    const change = ['instruct', 'approvers', '--purpose', 'another policy']
    const refused = await cli(...change, '--policy', file)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('policy 1 is a permit') })
    const other = policy.replace('no-moves-in', 'no-moves').replace('context.to == Country::"IN"', 'false')
    writeFileSync(file, other.replaceAll('\n', '\r\n'))
    const disclosed = draft({ ...disclosure('IN'), expires: isoTime(Date.now() + 200 * hours) })
    await instruct(acme, disclosed)
    expect((await cli('approvers')).stdout).toContain('    | @id("no-moves-in")')
    const drafted = await cli(...change, '--policy', file, '--json')
    expect(drafted.code).toBe(0)
    const { id } = JSON.parse(drafted.stdout)
    expect((await cli('instructions', id)).stdout).toContain('    | @id("no-moves")')
    const { json } = await api(acme, 'GET', `/instructions/${id}`)
    const payload = JSON.parse(Buffer.from(json.envelope.payload, 'base64').toString())
    expect(payload.set.rules.policy).not.toContain('\r')

    // The region judges it again, whatever command made it.
    const { id: _id, ...fields } = payload
    for (const [text, words] of [
      ['permit (principal, action, resource);', 'is a permit'],
      ['forbid (principal', 'does not end with ;'],
    ] as const) {
      const set = { ...payload.set, rules: { ...payload.set.rules, policy: text } }
      const answer = await api(acme, 'POST', '/instructions', {
        envelope: printEnvelope(draft({ ...fields, set })),
      })
      expect([answer.status, answer.json.message]).toEqual([400, expect.stringContaining(words)])
    }

    const keep = await cli('instruct', 'approvers', '--purpose', 'keep', '--abroad', '2', '--json')
    const kept = await api(acme, 'GET', `/instructions/${JSON.parse(keep.stdout).id}`)
    const body = JSON.parse(Buffer.from(kept.json.envelope.payload, 'base64').toString())
    expect(body.set.rules.policy).toBeNull()

    const files = [acme.credentials.approverKey, acme.credentials.approverKey.replace(/\.key$/, '-2.key')]
    for (const key of files) expect((await cli('approve', id, '--key', key)).code).toBe(0)
    await isRefused({ scope: { prefix: 'public/' }, mode: 'move' }, '“no-moves-in”')
    await test.restart({}, () => Date.now() + 73 * hours)
    const state = async () => (await api(acme, 'GET', `/instructions/${id}`)).json.state
    await expect.poll(state).toBe('completed')
    await test.restart()
    await isRefused({ scope: { prefix: 'public/' }, mode: 'move' }, '“no-moves” forbids it')
    // Drafted when it was allowed, and approved when it is not any more.
    expect(await approve(disclosed)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('“courts-at-home” forbids it'),
    })
    const statement = join(folder, 's.json')
    expect((await cli('statement', '--region', 'in-mumbai', '-o', statement)).code).toBe(0)
    expect((await cli('verify', statement)).code).toBe(0)
  })

  it('of a genesis that nobody can ask is refused when the tenant joins', async () => {
    const joining = test.customer('rival', 1, 1, undefined, {
      rules: { ...noRules, policy: 'permit (principal, action, resource);' },
    })
    await expect(joining).rejects.toThrow(/own policy: policy 1 is a permit/)
  })
})
