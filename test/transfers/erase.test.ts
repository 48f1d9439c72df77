/** Orders to erase that must not be carried out, or not yet. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import type { EntryPayload } from '../../src/verify/payload.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  api,
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

let app: TestApp
let alice: Customer
let bob: Customer
beforeAll(async () => {
  app = await startTestApp()
  alice = await app.customer('alice', 3, 2)
  bob = await app.customer('bob', 1, 1)
  for (const [customer, bucket] of [
    [alice, 'alices'],
    [bob, 'bobs'],
  ] as const) {
    expect((await customer.s3('PUT', `/${bucket}`)).status).toBe(200)
    for (const name of ['one', 'two', 'three']) {
      expect((await customer.s3('PUT', `/${bucket}/${name}`, name)).status).toBe(200)
      if (name !== 'three') expect((await customer.s3('DELETE', `/${bucket}/${name}`)).status).toBe(204)
    }
  }
})
afterAll(() => app?.[Symbol.asyncDispose]())

const books = async (customer: Customer): Promise<EntryPayload[]> => {
  for (;;) {
    const entries = await booksOf(customer.credentials, 'in-mumbai')
    if (entries.some(({ type, body }) => type === 'object.put' && body.key === 'three')) return [...entries]
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
const entryOf = async (customer: Customer, type: string, key: string): Promise<[number, string]> => {
  const entry = (await books(customer)).find(each => each.type === type && each.body.key === key)!
  return [entry.seq, entry.id]
}
const fields = (customer: Customer, entries: Json[], change: InstructionFields = {}): InstructionFields => ({
  expires: isoTime(Date.now() + 3600e3),
  kind: 'erase',
  ledger: 'holdfast.test/log/in-mumbai',
  nonce: randomBytes(16).toString('hex'),
  notBefore: isoTime(Date.now() - 1000),
  purpose: 'a test',
  region: 'in-mumbai',
  scope: { entries },
  tenant: customer.tenant,
  v: 1,
  ...change,
})
/** Approved by as many as it takes; the state it ends in. */
async function carriedOut(customer: Customer, entries: Json[], change: InstructionFields = {}): Promise<any> {
  const document = draft(fields(customer, entries, change))
  const id = await instruct(customer, document)
  for (const key of customer.approvers.slice(0, 2))
    await say(customer, verdict('approved', document, customer.tenant, key), id)
  return settled(customer, id)
}

describe('an order to erase is not even a draft', () => {
  it.each<[string, (entry: [number, string]) => Json[], InstructionFields, string]>([
    ['with no entries', () => [], {}, 'scope'],
    [
      'with entries out of order',
      ([seq, id]) => [
        [seq, id],
        [0, id],
      ],
      {},
      'do not ascend',
    ],
    [
      'with one entry twice',
      ([seq, id]) => [
        [seq, id],
        [seq, id],
      ],
      {},
      'do not ascend',
    ],
    ['with something that is no id', ([seq]) => [[seq, 'nonsense']], {}, 'not an entry id'],
    ['with a negative number', ([, id]) => [[-1, id]], {}, 'scope'],
    ['with more than can be', ([, id]) => Array.from({ length: 4001 }, (_, seq) => [seq, id]), {}, 'scope'],
    ['with a field of a transfer', entry => [entry], { mode: 'copy' }, 'mode'],
    ['for another ledger', entry => [entry], { ledger: 'holdfast.test/log/other' }, 'another ledger'],
    ['for a region that is not here', entry => [entry], { region: 'fr-paris' }, 'not a region here'],
    ['that never ends', entry => [entry], { expires: '2099-01-01T00:00:00.000Z' }, '366 days'],
  ])('%s', async (_, entries, change, message) => {
    const entry = await entryOf(alice, 'object.put', 'one')
    const envelope = printEnvelope(draft(fields(alice, entries(entry), change)))
    const { status, json } = await api(alice, 'POST', '/instructions', { envelope })
    expect({ status, message: json.message }).toMatchObject({
      status: 400,
      message: expect.stringContaining(message),
    })
  })
})

describe('an order to erase', () => {
  it('erases nothing before the quorum, and nothing after a revocation', async () => {
    const entry = await entryOf(alice, 'object.put', 'one')
    const document = draft(fields(alice, [entry]))
    const id = await instruct(alice, document)
    await say(alice, verdict('approved', document, alice.tenant, alice.approvers[0]!), id)
    expect(await settled(alice, id)).toMatchObject({ state: 'drafted', approvals: 1 })
    await say(alice, verdict('revoked', document, alice.tenant, alice.approvers[2]!), id)
    const late = await say(alice, verdict('approved', document, alice.tenant, alice.approvers[1]!), id)
    expect(late.status).toBe(409)
    expect(await entryOf(alice, 'object.put', 'one')).toEqual(entry)
  })

  it.each<[string, () => Promise<Json[]>, string]>([
    [
      'of another’s entry',
      async () => {
        const [, id] = await entryOf(bob, 'object.put', 'one')
        const [seq] = await entryOf(alice, 'object.put', 'one')
        return [[seq, id]]
      },
      'no such entry',
    ],
    [
      'of an entry under another number',
      async () => {
        const [seq, id] = await entryOf(alice, 'object.put', 'one')
        return [[seq + 1, id]]
      },
      'no such entry',
    ],
    ['of a number that is not there yet', async () => [[9999, (await books(alice))[1]!.id]], 'no such entry'],
    ['of the first entry', async () => [[0, (await books(alice))[0]!.id]], 'the chain begins with it'],
    [
      'of an instruction',
      async () => {
        const found = (await books(alice)).find(({ type }) => type === 'instruction.drafted')!
        return [[found.seq, found.id]]
      },
      'what was done is judged by it',
    ],
    [
      'of an object that is stored',
      async () => [await entryOf(alice, 'object.put', 'three')],
      'delete it first',
    ],
  ])('%s fails, and with it all else that it names', async (_, wrong, reason) => {
    const good = await entryOf(alice, 'object.put', 'two')
    const entries = [...(await wrong()), good].sort(
      (a, b) => (a as [number, string])[0] - (b as [number, string])[0],
    )
    const ended = await carriedOut(alice, entries)
    expect(ended).toMatchObject({ state: 'failed', reason: expect.stringContaining(reason) })
    expect(await entryOf(alice, 'object.put', 'two')).toEqual(good)
  })

  it('carried out once may be ordered again; an end whose beginning is left is still known', async () => {
    const [, origin] = [
      0,
      (await books(alice)).find(({ type, body }) => type === 'object.put' && body.key === 'two')!.body
        .originId,
    ]
    const entry = await entryOf(alice, 'object.deleted', 'two')
    expect(await carriedOut(alice, [entry])).toMatchObject({ state: 'completed', objects: 1 })
    expect(await carriedOut(alice, [entry])).toMatchObject({ state: 'completed', objects: 1 })
    const erasures = (await books(alice)).filter(({ type }) => type === 'entries.erased')
    expect(erasures.map(({ body }) => body.gone)).toEqual([[origin], []])
    // Bob's books know nothing of it, and are whole.
    expect((await books(bob)).some(({ type }) => type === 'entries.erased')).toBe(false)
  })
})
