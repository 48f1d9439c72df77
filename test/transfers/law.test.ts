/** What the packs say holds for transfers, at each end, when it is ordered and when it runs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
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
import { packFacts } from '../support/packs.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const abroad: InstructionFields = {
  from: { bucket: 'akten', region: 'de-frankfurt' },
  to: { bucket: 'papers', region: 'in-mumbai' },
  ledger: 'holdfast.test/log/de-frankfurt',
}

describe('the law that the packs know', () => {
  let test: TestApp
  let acme: Customer
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-law-'))

  beforeAll(async () => {
    test = await startTestApp({}, [['in-pune', 'IN']])
    acme = await test.customer('acme', 2, 2)
    const payment = { 'x-holdfast-data-class': 'payment' }
    await acme.s3('PUT', '/papers')
    await acme.s3('PUT', '/wages', '', payment)
    await acme.s3('PUT', '/akten', frankfurt)
    await acme.s3('PUT', '/loehne', frankfurt, payment)
    for (const path of ['/papers/x', '/wages/x', '/akten/x'])
      expect((await acme.s3('PUT', path, 'content')).status).toBe(200)
  })
  afterAll(async () => {
    await test?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const order = (fields: InstructionFields) => draft(instructionFields(acme, fields))
  const keysIn = async (bucket: string): Promise<number> =>
    (await (await acme.s3('GET', `/${bucket}?list-type=2`)).text()).split('<Key>').length - 1
  const approve = async (envelope: ReturnType<typeof order>, ...keys: number[]): Promise<any> => {
    const id = documentId(envelope)
    for (const key of keys)
      await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[key]!), id)
    return settled(acme, id)
  }

  it.each<[string, InstructionFields, RegExp]>([
    [
      'for want of a mechanism',
      abroad,
      /^akten holds personal data\. eu-gdpr-ch5 \(.*arts 44 to 49\).*--mechanism scc\|bcr/,
    ],
    ['for one that is none', { ...abroad, mechanism: 'no scc needed' }, /eu-gdpr-ch5/],
    ['for one that is not enough', { ...abroad, mechanism: 'reviewed' }, /eu-gdpr-ch5/],
    [
      'where a rule forbids it',
      {
        from: { bucket: 'wages', region: 'in-mumbai' },
        to: { bucket: 'loehne', region: 'de-frankfurt' },
        mechanism: 'consent',
      },
      /^wages holds payment data\. in-rbi-psd \(Reserve Bank/,
    ],
    [
      'where it is forbidden by what the other end is for',
      { to: { bucket: 'loehne', region: 'de-frankfurt' }, from: { bucket: 'papers', region: 'in-mumbai' } },
      /^loehne holds payment data\. in-rbi-psd/,
    ],
  ])('refuses an order %s, before anybody signs it', async (_what, fields, words) => {
    const envelope = printEnvelope(order(fields))
    const { status, json } = await api(acme, 'POST', '/instructions', { envelope })
    expect([status, json.error]).toEqual([403, 'law-refused'])
    expect(json.message).toMatch(words)
    expect((await api(acme, 'GET', `/instructions/${documentId(order(fields))}`)).status).toBe(404)
  })

  it.each<[string, string, string, number]>([
    ['wages', 'papers-in', 'personal', 403],
    ['papers', 'wages-in', 'payment', 201],
    ['plain', 'wages-in2', 'payment', 201],
    ['plain', 'plain-in', 'non-personal', 201],
    ['papers', 'plain-in2', 'non-personal', 403],
  ])('from %s into %s (%s), within the country, is answered %4$d', async (from, to, dataClass, status) => {
    await acme.s3('PUT', '/plain', '', { 'x-holdfast-data-class': 'non-personal' })
    const pune =
      '<CreateBucketConfiguration><LocationConstraint>in-pune</LocationConstraint></CreateBucketConfiguration>'
    expect((await acme.s3('PUT', `/${to}`, pune, { 'x-holdfast-data-class': dataClass })).status).toBe(200)
    const fields = { from: { bucket: from, region: 'in-mumbai' }, to: { bucket: to, region: 'in-pune' } }
    const answer = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(order(fields)) })
    expect(answer.status).toBe(status)
    if (status === 403)
      expect(answer.json.message).toContain(`holdfast instruct class --bucket ${to} --class`)
  })

  it('is met by the mechanism that the quorum signs, and both books say by which packs', async () => {
    const envelope = order({ ...abroad, mechanism: 'SCC: module 2 of 2021/914, signed 2026-05-04' })
    await instruct(acme, envelope)
    expect(await approve(envelope, 0, 1)).toMatchObject({ state: 'completed', objects: 1 })
    const law = {
      packs: loadPackBook(packsFolder).hash,
      versions: { eu: expect.stringMatching(/^\d{4}-/) },
      from: 'DE',
      to: 'IN',
      dataClass: 'personal',
      rules: expect.arrayContaining([['met', 'eu-gdpr-ch5']]),
    }
    const entered: any[] = []
    for (const [region, type] of [
      ['de-frankfurt', 'transfer.departed'],
      ['in-mumbai', 'transfer.arrived'],
    ] as const) {
      const laws = async () =>
        (await booksOf(acme.credentials, region))
          .filter(each => each.type === type)
          .map(({ body }) => body.law)
      await expect.poll(laws).toEqual([law])
      entered.push(...(await laws()))
    }
    // Decided again from what was entered, with the packs of that hash: the same findings.
    const { from, to, dataClass } = entered[0]
    const again = loadPackBook(packsFolder).decide(
      packFacts({ from, to, dataClass, mechanisms: ['scc'] }),
      Date.now(),
    )
    expect(again.findings.map(({ kind, rule }) => [kind, rule?.id ?? ''])).toEqual(entered[0].rules)
  })

  it('that has changed since it was ordered stops it at the source, and nothing moves', async () => {
    const envelope = order({
      from: { bucket: 'papers', region: 'in-mumbai' },
      to: { bucket: 'akten', region: 'de-frankfurt' },
    })
    const id = await instruct(acme, envelope)
    await approve(envelope, 0)
    for (const name of readdirSync(packsFolder))
      writeFileSync(join(folder, name), readFileSync(join(packsFolder, name)))
    const india = readFileSync(join(packsFolder, 'in.yaml'), 'utf8')
    // The rule on payments, for all personal data.
    writeFileSync(join(folder, 'in.yaml'), india.replace('classes: [payment]', 'classes: [personal]'))
    const before = await keysIn('akten')
    await test.restart({ packsFolder: folder })
    const ended = await approve(envelope, 1)
    expect(ended).toMatchObject({
      state: 'failed',
      objects: 0,
      reason: expect.stringContaining('in-rbi-psd'),
    })
    expect(await keysIn('akten')).toBe(before)
    await expect
      .poll(async () =>
        (await booksOf(acme.credentials, 'in-mumbai')).some(
          ({ type, body }) =>
            type === 'instruction.state' && body.instruction === id && body.state === 'failed',
        ),
      )
      .toBe(true)
    await test.restart()
  })

  it('is not there in packs that do not hold together, and nothing starts on them', async () => {
    writeFileSync(join(folder, 'in.yaml'), 'pack: in\n')
    await expect(test.restart({ packsFolder: folder })).rejects.toThrow(/the packs of/)
    await test.restart()
    expect((await fetch(`${test.api}/readyz`)).status).toBe(200)
  })
})
