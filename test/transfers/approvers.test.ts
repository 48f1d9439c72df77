/** Who may sign changes 72 hours after its quorum, in every region by itself, unless somebody stops it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { generatePrivateKey, keyIdOf, type PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { parseLinks } from '../../src/verify/approver-chain.ts'
import { withdrawalPayloadType } from '../../src/verify/delegation.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  asJson,
  changeFields,
  delegationBy,
  type Fields,
  newKeys,
  order,
  type SetTerms,
  setFields,
} from '../support/approvers.ts'
import { run } from '../support/child.ts'
import {
  api,
  booksOf,
  draft,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const hours = 3600e3
const mumbai = 'in-mumbai' as RegionId
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const main = new URL('../../src/main.ts', import.meta.url).pathname

let test: TestApp
let acme: Customer
let spare: PrivateKey
let newcomer: PrivateKey
beforeAll(async () => {
  test = await startTestApp()
  ;[spare, newcomer] = newKeys(2) as [PrivateKey, PrivateKey]
  const { algorithm, publicKey } = spare
  const recovery = { approvers: [{ algorithm, publicKey } as never], quorum: 1 }
  acme = await test.customer('acme', 3, 2, undefined, { recovery })
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
  await acme.s3('PUT', '/source/a', 'content')
})
afterAll(() => test?.[Symbol.asyncDispose]())

let number = 1
let after = ''
const changeTo = (terms: SetTerms, more: Fields = {}) =>
  order({ ...changeFields(acme.tenant, number, after || acme.tenant, setFields(terms)), ...more })
const told = async (
  envelope: ReturnType<typeof order>,
  kind: 'approved' | 'revoked' | 'rejected',
  ...keys: PrivateKey[]
) => {
  const id = documentId(envelope)
  const answers = []
  for (const key of keys) answers.push(await say(acme, verdict(kind, envelope, acme.tenant, key), id))
  return answers.at(-1)!
}
const setIn = (region: string) =>
  test.app.regions.get(region as RegionId)!.catalog.scan('approvers', {
    from: Buffer.from(`${acme.tenant}/`),
    to: Buffer.from(`${acme.tenant}0`),
    limit: 100,
  })
const transferBy = async (...keys: PrivateKey[]): Promise<any> => {
  const envelope = draft(instructionFields(acme))
  const id = await instruct(acme, envelope)
  for (const key of keys) await say(acme, verdict('approved', envelope, acme.tenant, key), id)
  return settled(acme, id)
}

describe('a change of the approvers', () => {
  it('waits, is told by every region, and can be stopped by one approver', async () => {
    const envelope = changeTo({ approvers: [newcomer], quorum: 1 })
    const id = await instruct(acme, envelope)
    const { json } = await told(envelope, 'approved', ...acme.approvers.slice(0, 2))
    expect([json.state, json.ends.map((end: any) => [end.region, end.state])]).toEqual([
      'approved',
      [
        ['in-mumbai', 'approved'],
        ['de-frankfurt', 'approved'],
        ['sg-singapore', 'approved'],
      ],
    ])
    await test.restart({}, () => Date.now() + 71 * hours)
    await new Promise(resolve => setTimeout(resolve, 1000))
    expect((await api(acme, 'GET', `/instructions/${id}`)).json.state).toBe('approved')
    await test.restart()
    const stopped = await told(envelope, 'revoked', acme.approvers[2]!)
    expect(stopped.json.state).toBe('revoked')
    await test.restart({}, () => Date.now() + 73 * hours)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(await setIn(mumbai)).toEqual([])
    await test.restart()
  })

  it('can be stopped by a recovery key, which says nothing of other instructions', async () => {
    const envelope = changeTo({ approvers: [newcomer], quorum: 1 })
    await instruct(acme, envelope)
    await told(envelope, 'approved', ...acme.approvers.slice(0, 2))
    const approving = await told(envelope, 'approved', spare)
    expect([approving.status, approving.json.message]).toEqual([422, expect.stringMatching(/recovery key/)])
    expect((await told(envelope, 'revoked', spare)).json.state).toBe('revoked')
    const transfer = draft(instructionFields(acme))
    await instruct(acme, transfer)
    expect((await told(transfer, 'revoked', spare)).status).toBe(422)
  })

  it('of the recovery set is stopped by no approver', async () => {
    const envelope = changeTo({ approvers: [newcomer], quorum: 1 }, { by: 'recovery' })
    await instruct(acme, envelope)
    expect((await told(envelope, 'revoked', acme.approvers[0]!)).status).toBe(422)
    expect((await told(envelope, 'approved', acme.approvers[0]!)).status).toBe(422)
    expect((await told(envelope, 'approved', spare)).json.state).toBe('approved')
    expect((await told(envelope, 'revoked', spare)).json.state).toBe('revoked')
  })

  it('that does not follow what is in force ends without a trace', async () => {
    const envelope = changeTo({ approvers: [newcomer], quorum: 1 }, { number: 2 })
    const id = await instruct(acme, envelope)
    await told(envelope, 'approved', ...acme.approvers.slice(0, 2))
    await test.restart({}, () => Date.now() + 73 * hours)
    const ended = await settled(acme, id)
    expect([ended.state, ended.reason]).toEqual(['failed', expect.stringMatching(/does not follow/)])
    await test.restart()
  })

  it('comes into force after 72 hours, once, in every region, with its chain in the books', async () => {
    // A transfer that is under way when one of its approvers goes.
    const before = draft(
      instructionFields(acme, {
        notBefore: isoTime(Date.now() + 80 * hours),
        expires: isoTime(Date.now() + 200 * hours),
      }),
    )
    const beforeId = await instruct(acme, before)
    for (const key of acme.approvers.slice(0, 2))
      await say(acme, verdict('approved', before, acme.tenant, key), beforeId)
    const [first, second] = acme.approvers as [PrivateKey, PrivateKey]
    const envelope = changeTo({
      approvers: [second, newcomer],
      quorum: 1,
      recovery: { approvers: [spare], quorum: 1 },
      rules: { abroad: 2, separateDuties: false },
    })
    const id = await instruct(acme, envelope)
    await told(envelope, 'approved', first, second)
    await test.restart({}, () => Date.now() + 73 * hours)
    await expect
      .poll(async () => (await api(acme, 'GET', `/instructions/${id}`)).json.ends)
      .toEqual(
        ['in-mumbai', 'de-frankfurt', 'sg-singapore'].map(region => ({
          region,
          state: 'completed',
          objects: 1,
          bytes: 0,
        })),
      )
    for (const region of ['in-mumbai', 'de-frankfurt', 'sg-singapore'])
      expect((await setIn(region)).length, region).toBe(1)
    await test.restart()
    number = 2
    after = id
    const entries = await booksOf(acme.credentials, mumbai)
    const changed = entries.filter(entry => entry.type === 'approvers.changed')
    expect(changed.map(entry => entry.body.number)).toEqual([1])
    expect(parseLinks(changed[0]!.body.chain)!.length).toBe(1)
    // An approver that is gone counts no more, also for what it had approved before.
    expect((await api(acme, 'GET', `/instructions/${beforeId}`)).json.approvals).toBe(1)
    expect((await transferBy(first)).approvals).toBe(0)
  })

  it('decides from then on, abroad by what it asks for there', async () => {
    const [, second] = acme.approvers as [PrivateKey, PrivateKey]
    const alone = await transferBy(second)
    expect([alone.state, alone.approvals, alone.quorum]).toEqual(['drafted', 1, 2])
    expect((await transferBy(second, newcomer)).state).toBe('completed')
  })

  it('is what erasures are judged by, here and by whoever verifies', async () => {
    const entries = await booksOf(acme.credentials, mumbai)
    const read = entries.find(entry => entry.type === 'object.put')!
    await acme.s3('DELETE', '/source/a')
    const { from, to, limits, mechanism, mode, scope: _, ...common } = instructionFields(acme)
    void [from, to, limits, mechanism, mode]
    const envelope = draft({
      ...common,
      kind: 'erase',
      region: mumbai,
      scope: { entries: [[read.seq, read.id]] },
    })
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, newcomer), id)
    expect((await settled(acme, id)).state).toBe('completed')
    // `booksOf` verifies the statement, which believes the blank row by the chain in the entry.
    await expect
      .poll(async () =>
        (await booksOf(acme.credentials, mumbai)).some(entry => entry.type === 'entries.erased'),
      )
      .toBe(true)
    const fsck = await run(process.execPath, [main, 'fsck'], {
      env: { HOLDFAST_DATA: join(test.folder, 'data') },
    })
    expect([fsck.stdout, fsck.code]).toEqual([expect.any(String), 0])
  })

  it('is not believed because a catalog says so', async () => {
    const { catalog, id } = test.app.regions.get('sg-singapore' as RegionId)!
    const [forger] = newKeys(1) as [PrivateKey]
    const forged = changeTo({ approvers: [forger], quorum: 1 })
    const [row] = await setIn(id)
    const key = Buffer.from(row!.key)
    key.writeUInt32BE(2, key.length - 4)
    const link = {
      envelope: printEnvelope(forged),
      approvals: [printEnvelope(verdict('approved', forged, acme.tenant, forger))],
    }
    await catalog.commit({
      puts: [
        {
          table: 'approvers',
          key,
          value: Buffer.from(JSON.stringify({ v: 1, instruction: documentId(forged), link })),
        },
      ],
    })
    const envelope = draft(instructionFields(acme, { to: { bucket: 'target', region: id } }))
    const { status, json } = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(envelope) })
    expect([status >= 400, JSON.stringify(json)]).toEqual([true, expect.any(String)])
    await catalog.commit({ puts: [], removes: [{ table: 'approvers', key }] })
  })
})

describe('a delegation', () => {
  it('lets another approve for its time, until it is taken back', async () => {
    const [deputy] = newKeys(1) as [PrivateKey]
    const delegation = delegationBy(newcomer, deputy, acme.tenant)
    const lent = (envelope: ReturnType<typeof draft>) =>
      verdict('approved', envelope, acme.tenant, deputy, { delegation: asJson(delegation) })
    const first = draft(instructionFields(acme, { scope: { prefix: 'none/' } }))
    const firstId = await instruct(acme, first)
    await say(acme, verdict('approved', first, acme.tenant, acme.approvers[1]!), firstId)
    expect((await say(acme, lent(first), firstId)).json.approvals).toBe(2)
    expect((await settled(acme, firstId)).state).toBe('completed')

    const second = draft(instructionFields(acme))
    const secondId = await instruct(acme, second)
    expect((await say(acme, lent(second), secondId)).json.approvals).toBe(1)
    const withdrawal = (key: PrivateKey) =>
      signDocument(
        createDocument(withdrawalPayloadType, {
          delegation: documentId(delegation),
          reason: 'back again',
          tenant: acme.tenant,
          time: isoTime(Date.now()),
          v: 1,
        }),
        key,
      )
    const take = (key: PrivateKey) =>
      api(acme, 'POST', '/delegations/withdrawals', { envelope: printEnvelope(withdrawal(key)) })
    expect((await take(deputy)).status).toBe(422)
    expect((await take(newcomer)).status).toBe(200)
    expect((await take(newcomer)).status).toBe(200)
    expect((await api(acme, 'GET', `/instructions/${secondId}`)).json.approvals).toBe(0)
    const third = draft(instructionFields(acme))
    const refused = await say(acme, lent(third), await instruct(acme, third))
    expect([refused.status, refused.json.message]).toEqual([422, expect.stringMatching(/withdrawn/)])
    const withdrawals = async () =>
      (await booksOf(acme.credentials, mumbai)).filter(({ type }) => type === 'delegation.withdrawn').length
    await expect.poll(withdrawals).toBe(1)
  })
})

describe('on the command line', () => {
  it('shows the approvers, orders a change of them and lends a vote', async () => {
    const holdfast = (...args: string[]) =>
      run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
    const shown = JSON.parse((await holdfast('approvers', '--json')).stdout)
    expect([shown.agree, shown.regions.length, shown.regions[0].number]).toEqual([true, 3, 1])
    const text = (await holdfast('approvers')).stdout
    expect(text).toContain(keyIdOf(newcomer))
    expect(text).toContain('abroad, at least 2')
    const keyFile = join(test.folder, 'newcomer.key')
    writeFileSync(keyFile, newcomer.toPem(), { mode: 0o600 })
    const added = generatePrivateKey('ed25519')
    const ask = [
      'instruct',
      'approvers',
      '--purpose',
      'one more',
      '--add',
      `ed25519:${Buffer.from(added.publicKey).toString('hex')}`,
    ]
    expect((await holdfast(...ask, '--quorum', '9')).code).toBe(2)
    const ordered = await holdfast(
      ...ask,
      '--quorum',
      '2',
      '--quorum-for',
      'erase=3',
      '--separate-duties',
      'on',
      '--drafter',
      keyFile,
    )
    expect(ordered.stdout).toContain('in force 72 hours after the quorum')
    expect(ordered.stdout).toContain(keyIdOf(added))
    const id = /instruction ([0-9a-f]{64})/.exec(ordered.stdout)![1]!
    expect((await holdfast('approve', id, '--key', keyFile)).stdout).toContain(
      'approved: 1 of 1 approvals, state approved',
    )
    expect((await holdfast('revoke', id, '--key', keyFile)).stdout).toContain('state revoked')

    const deputyFile = join(test.folder, 'deputy.json')
    const made = await holdfast('keygen', '-o', join(test.folder, 'deputy.key'), '--json')
    writeFileSync(deputyFile, made.stdout)
    const delegation = join(test.folder, 'delegation.json')
    expect(
      (await holdfast('delegate', '--key', keyFile, '--to', deputyFile, '--for', '90d', '-o', delegation))
        .code,
    ).toBe(2)
    expect(
      (await holdfast('delegate', '--key', keyFile, '--to', deputyFile, '--for', '2d', '-o', delegation))
        .code,
    ).toBe(0)
    const order = draft(instructionFields(acme))
    const orderId = await instruct(acme, order)
    const approved = await holdfast(
      'approve',
      orderId,
      '--key',
      join(test.folder, 'deputy.key'),
      '--delegation',
      delegation,
    )
    expect(approved.stdout).toContain('approved: 1 of 2 approvals')
    expect((await holdfast('delegate', 'withdraw', delegation, '--key', keyFile)).code).toBe(0)
    expect(JSON.parse(readFileSync(delegation, 'utf8')).payloadType).toContain('delegation')
  })
})
