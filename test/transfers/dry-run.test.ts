/** What a transfer would move and under which rules: said before anybody orders it, and nothing is written down. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { printEnvelope } from '../../src/crypto/dsse.ts'
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
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'

describe('a dry run', () => {
  let test: TestApp
  let acme: Customer
  let rival: Customer
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 1, 1)
    rival = await test.customer('rival', 1, 1)
    await acme.s3('PUT', '/source')
    await acme.s3('PUT', '/target', frankfurt)
    await acme.s3('PUT', '/wages', frankfurt, { 'x-holdfast-data-class': 'payment' })
    await rival.s3('PUT', '/rivals', frankfurt)
    for (let i = 0; i < 25; i++)
      await acme.s3('PUT', `/source/a/${String(i).padStart(2, '0')}`, 'x'.repeat(i))
    await acme.s3('PUT', '/source/b/é', 'y'.repeat(100_000))
    await acme.s3('PUT', '/source/a/gone', 'z')
    await acme.s3('DELETE', '/source/a/gone')
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  const tried = (change: InstructionFields = {}) =>
    api(acme, 'POST', '/instructions/dry-run', {
      envelope: printEnvelope(draft(instructionFields(acme, change))),
    })

  it('counts what is there, and what is there is what moves', async () => {
    const { status, json } = await tried({ scope: { prefix: 'a/' } })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      objects: 25,
      contentBytes: 300,
      withinLimits: true,
      classLost: null,
      allowed: true,
    })
    expect(json.first).toHaveLength(20)
    expect(json.law.map((each: any) => [each.region, each.bucket, each.outcome, each.facts.from])).toEqual([
      ['in-mumbai', 'source', 'allowed', 'IN'],
      ['de-frankfurt', 'target', 'allowed', 'IN'],
    ])
    const envelope = draft(instructionFields(acme, { scope: { prefix: 'a/' } }))
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    const { objects, bytes, state } = await settled(acme, id)
    expect({ objects, bytes, state }).toEqual({
      objects: json.objects,
      bytes: json.bytes,
      state: 'completed',
    })
  })

  it('says what stands in the way, all of it', async () => {
    const { json } = await tried({
      to: { bucket: 'wages', region: 'de-frankfurt' },
      limits: { objects: 3, bytes: null },
    })
    expect(json).toMatchObject({ withinLimits: false, classLost: null, allowed: false })
    expect(json.law[1]).toMatchObject({
      outcome: 'refused',
      findings: expect.arrayContaining([
        expect.objectContaining({ kind: 'refuses', rule: 'in-rbi-psd', evidence: 'T' }),
      ]),
    })
    expect((await tried({ limits: { objects: null, bytes: 1 } })).json.withinLimits).toBe(false)
    const back = {
      from: { bucket: 'wages', region: 'de-frankfurt' },
      to: { bucket: 'source', region: 'in-mumbai' },
      ledger: 'holdfast.test/log/de-frankfurt',
      mechanism: 'scc',
    }
    expect((await tried(back)).json.classLost).toContain(
      'holdfast instruct class --bucket source --class payment',
    )
  })

  it.each<[string, InstructionFields, RegExp]>([
    [
      'of a bucket of another tenant',
      { to: { bucket: 'rivals', region: 'de-frankfurt' } },
      /no bucket rivals of yours/,
    ],
    [
      'to a region that is not here',
      { to: { bucket: 'xyz', region: 'us-ashburn' } },
      /us-ashburn is not a region here/,
    ],
    ['for another ledger', { ledger: 'holdfast.test/log/de-frankfurt' }, /another ledger/],
  ])('is refused %s', async (_what, change, words) => {
    const { status, json } = await tried(change)
    expect(status).toBe(400)
    expect(json.message).toMatch(words)
  })

  it('writes nothing down', async () => {
    const ids = async () =>
      (await api(acme, 'GET', '/instructions')).json.instructions.map((each: any) => each.id)
    const before = await ids()
    await tried()
    expect(await ids()).toEqual(before)
    // Entries of others come in meanwhile: sums of reads, closed periods.
    await new Promise(resolve => setTimeout(resolve, 1000))
    const drafted = (await booksOf(acme.credentials, 'in-mumbai')).filter(
      ({ type }) => type === 'instruction.drafted',
    )
    expect(drafted.map(({ body }) => body.instruction)).toEqual(before)
  })

  it('reads well on the command line', async () => {
    const holdfast = (...args: string[]) =>
      run(process.execPath, [main, 'instruct', 'transfer', '--dry-run', ...args], {
        env: { HOLDFAST_CUSTOMER: acme.folder },
      })
    const good = await holdfast('--bucket', 'source', '--to-bucket', 'target', '--prefix', 'a/')
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(good.stdout).toMatch(
      /^A copy would take 25 objects, 300 bytes of content, \d+ of ciphertext:\n {2}a\/00\n/,
    )
    expect(good.stdout).toContain('… and 5 more')
    expect(good.stdout).toContain('Both ends: ALLOWED: copy of personal data from IN to DE')
    const bad = await holdfast('--bucket', 'target', '--to-bucket', 'source')
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain('asks         eu-gdpr-ch5')
    expect(bad.stdout).toContain('It would not be let through. Nothing was sent.')
    const json = await holdfast('--bucket', 'target', '--to-bucket', 'source', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ allowed: false })
  })
})
