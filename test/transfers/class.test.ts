/** What a bucket holds is changed on the quorum's instruction and in no other way, and decides what may leave it. */
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

describe('an instruction of kind class', () => {
  let test: TestApp
  let acme: Customer
  let rival: Customer
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 2, 2)
    rival = await test.customer('rival', 1, 1)
    await acme.s3('PUT', '/records')
    await acme.s3('PUT', '/target', frankfurt)
    await rival.s3('PUT', '/rivals')
    await acme.s3('PUT', '/records/x', 'content')
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  const order = (change: InstructionFields = {}) => {
    const { from, to, limits, mechanism, mode, scope, ...common } = instructionFields(acme)
    void [from, to, limits, mechanism, mode, scope]
    return draft({
      ...common,
      kind: 'class',
      bucket: 'records',
      region: 'in-mumbai',
      was: 'personal',
      class: 'payment',
      ...change,
    })
  }
  const approved = async (change: InstructionFields = {}): Promise<any> => {
    const envelope = order(change)
    const id = await instruct(acme, envelope)
    for (const key of acme.approvers) await say(acme, verdict('approved', envelope, acme.tenant, key), id)
    return settled(acme, id)
  }
  const classOf = async (bucket: string): Promise<string> =>
    (await api(acme, 'GET', `/buckets/${bucket}`)).json.dataClass

  it('changes nothing before the quorum, then the class, with an entry, and with it what may leave', async () => {
    const transfer = draft(instructionFields(acme, { from: { bucket: 'records', region: 'in-mumbai' } }))
    const before = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(transfer) })
    expect(before.status).toBe(201)
    const envelope = order()
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    expect(await classOf('records')).toBe('personal')
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[1]!), id)
    expect(await settled(acme, id)).toMatchObject({ state: 'completed', objects: 1 })
    expect(await classOf('records')).toBe('payment')
    await expect
      .poll(async () =>
        (await booksOf(acme.credentials, 'in-mumbai'))
          .filter(({ type }) => type === 'bucket.classified')
          .map(({ body }) => body),
      )
      .toEqual([{ instruction: id, bucket: 'records', from: 'personal', to: 'payment' }])

    // What was ordered while the bucket held something else does not run any more.
    for (const key of acme.approvers)
      await say(acme, verdict('approved', transfer, acme.tenant, key), before.json.id)
    expect(await settled(acme, before.json.id)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('in-rbi-psd'),
    })
    expect((await acme.s3('GET', '/records/x')).status).toBe(200)
  })

  it.each<[string, InstructionFields, RegExp]>([
    [
      'once the bucket is of another class than was shown',
      { was: 'personal', class: 'health' },
      /holds payment data, and not personal/,
    ],
    [
      'for another ledger',
      { was: 'payment', class: 'health', ledger: 'holdfast.test/log/de-frankfurt' },
      /another ledger/,
    ],
    [
      'for another region',
      { was: 'payment', class: 'health', region: 'de-frankfurt', ledger: 'holdfast.test/log/de-frankfurt' },
      /no bucket records/,
    ],
    ['for a bucket of another tenant', { bucket: 'rivals' }, /no bucket rivals of yours/],
    ['for a bucket that is not there', { bucket: 'nowhere' }, /no bucket nowhere/],
    ['to a class that nobody knows', { was: 'payment', class: 'secret' }, /class/],
    ['to the class that it has', { was: 'payment', class: 'payment' }, /changes nothing/],
    ['with a field too many', { was: 'payment', class: 'health', suffix: 'x/' }, /suffix/],
  ])('is refused %s', async (_what, change, words) => {
    const said = await approved(change).then(
      ({ state, reason }) => `${state}: ${reason}`,
      error => String(error),
    )
    expect(said).toMatch(words)
    expect(said).not.toMatch(/^completed/)
    expect(await classOf('records')).toBe('payment')
  })

  it('stays undone when it is revoked, or rejected', async () => {
    for (const kind of ['revoked', 'rejected'] as const) {
      const envelope = order({ was: 'payment', class: 'non-personal' })
      const id = await instruct(acme, envelope)
      await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
      await say(acme, verdict(kind, envelope, acme.tenant, acme.approvers[1]!), id)
      await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[1]!), id)
      expect((await settled(acme, id)).state).toBe(kind)
    }
    expect(await classOf('records')).toBe('payment')
  })

  it('of a prefix binds what begins so, wherever a transfer goes over it', async () => {
    await acme.s3('PUT', '/mixed')
    await acme.s3('PUT', '/mixed-copy', frankfurt)
    for (const key of ['wages/a', 'notes/b']) await acme.s3('PUT', `/mixed/${key}`, 'content')
    const wages = await approved({ bucket: 'mixed', prefix: 'wages/', was: 'personal', class: 'payment' })
    expect(wages.state).toBe('completed')
    const place = (await api(acme, 'GET', '/buckets/mixed')).json
    expect([place.dataClass, place.classes]).toEqual([
      'personal',
      [{ prefix: 'wages/', dataClass: 'payment' }],
    ])
    const ask = (change: InstructionFields) =>
      api(acme, 'POST', '/instructions', {
        envelope: printEnvelope(
          draft(
            instructionFields(acme, {
              from: { bucket: 'mixed', region: 'in-mumbai' },
              to: { bucket: 'mixed-copy', region: 'de-frankfurt' },
              ...change,
            }),
          ),
        ),
      })
    // As a whole and where the payments are: what would come is payment data, into a bucket of personal data.
    for (const prefix of ['', 'wages/', 'wages/a']) {
      const { status, json } = await ask({ scope: { prefix } })
      expect([prefix, status, json.message]).toEqual([prefix, 403, expect.stringMatching(/payment/)])
    }
    expect((await ask({ scope: { prefix: 'notes/' } })).status).toBe(201)
    const there = { bucket: 'mixed-copy', region: 'de-frankfurt', ledger: 'holdfast.test/log/de-frankfurt' }
    expect((await approved({ ...there, prefix: 'wages/', was: 'personal', class: 'payment' })).state).toBe(
      'completed',
    )
    // Now the rules would come along, and India's on payments say no.
    const refused = await ask({})
    expect([refused.status, refused.json.message]).toEqual([403, expect.stringMatching(/payment data/)])
    expect(
      (await approved({ bucket: 'mixed', prefix: 'wages/', was: 'personal', class: 'health' })).state,
    ).toBe('failed')
  })

  it('of a prefix is judged by both ends, also when the source hides it', async () => {
    const envelope = draft(
      instructionFields(acme, {
        from: { bucket: 'mixed', region: 'in-mumbai' },
        to: { bucket: 'mixed-copy', region: 'de-frankfurt' },
        scope: { prefix: 'notes/' },
      }),
    )
    const id = await instruct(acme, envelope)
    for (const key of acme.approvers) await say(acme, verdict('approved', envelope, acme.tenant, key), id)
    expect((await settled(acme, id)).state).toBe('completed')
    const departed = (await booksOf(acme.credentials, 'in-mumbai')).find(
      ({ type, body }) => type === 'transfer.departed' && body.instruction === id,
    )
    expect((departed!.body.law as any).dataClass).toBe('personal')
    const classified = (await booksOf(acme.credentials, 'in-mumbai')).filter(
      ({ type }) => type === 'bucket.classified',
    )
    expect(classified.map(({ body }) => body.prefix)).toContain('wages/')
  })

  it('is given on the command line', async () => {
    const holdfast = (...args: string[]) =>
      run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
    const ask = ['instruct', 'class', '--bucket', 'records', '--purpose', 'they are medical records']
    expect((await holdfast(...ask, '--class', 'secret')).code).toBe(2)
    const told = await holdfast(...ask, '--class', 'health')
    expect(told.stdout).toContain('records holds health data, and no longer payment data')
    const { id } = JSON.parse((await holdfast(...ask, '--class', 'health', '--json')).stdout)
    const keys = [acme.credentials.approverKey, acme.credentials.approverKey.replace(/\.key$/, '-2.key')]
    for (const key of keys) expect((await holdfast('approve', id, '--key', key)).code).toBe(0)
    expect((await settled(acme, id)).state).toBe('completed')
    expect(await classOf('records')).toBe('health')
  })
})
