/** What a region hears from another of a tenant's will is judged here, and what may not be believed leaves no trace. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { createInstructionBook } from '../../src/instructions/instruction-book.ts'
import type { Region } from '../../src/open-region.ts'
import { createKnowledgeExchange, type KnowledgeExchange } from '../../src/transfers/knowledge.ts'
import type { Peer, TransferRegion } from '../../src/transfers/peers.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { changeFields, delegationBy, newKeys, order, setFields, verdictBy } from '../support/approvers.ts'

const frankfurt = 'de-frankfurt' as RegionId

describe('what a peer tells', () => {
  let test: TestApp
  let acme: Customer
  let region: Region
  let exchange: KnowledgeExchange
  let book: ReturnType<typeof createInstructionBook>
  const woken: string[] = []
  const peer = { id: 'in-mumbai', country: 'IN' } as unknown as Peer
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 2, 2)
    region = test.app.regions.get(frankfurt)!
    book = createInstructionBook({ ...region, countries: new Map(), clock: Date.now })
    exchange = createKnowledgeExchange({
      region: { ...region, book } as unknown as TransferRegion,
      peers: new Map(),
      door: region.door,
      staleMs: 1000,
      clock: Date.now,
      randomBytes: length => new Uint8Array(length),
      log: silentLog,
      wake: id => void woken.push(id),
    })
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  const change = () =>
    order(changeFields(acme.tenant, 1, acme.tenant, setFields({ approvers: acme.approvers, quorum: 1 })))
  const tell = (
    changes: [Envelope, Envelope[]][],
    more: { withdrawals?: Envelope[]; verdicts?: Envelope[] } = {},
  ) =>
    exchange.hear(peer, acme.tenant, 'a'.repeat(64) as never, {
      head: acme.tenant,
      changes: changes.map(([instruction, verdicts]) => ({
        instruction: printEnvelope(instruction),
        verdicts: verdicts.map(printEnvelope),
      })),
      withdrawals: (more.withdrawals ?? []).map(printEnvelope),
      verdicts: (more.verdicts ?? []).map(printEnvelope),
    })
  const stateOf = async (envelope: Envelope) =>
    (await book.find(documentId(envelope) as never))?.row.state ?? null

  it('is taken when somebody said it who may, and waits here', async () => {
    const ordered = change()
    const [one, two] = acme.approvers
    await tell([[ordered, [verdictBy(one!, ordered, acme.tenant)]]])
    expect(await stateOf(ordered)).toBe('drafted')
    await tell([[ordered, [one!, two!].map(key => verdictBy(key, ordered, acme.tenant))]])
    expect([await stateOf(ordered), woken]).toEqual([
      'approved',
      expect.arrayContaining([documentId(ordered)]),
    ])
    // Nothing is in force yet, whatever it says of itself.
    expect((await book.approvers.setOf(acme.tenant)).number).toBe(0)
    await tell([[ordered, [verdictBy(two!, ordered, acme.tenant, 'revoked')]]])
    expect(await stateOf(ordered)).toBe('revoked')
  })

  it('is no draft that nobody signed for, and no verdict of a stranger', async () => {
    const [stranger] = newKeys(1)
    const [bare, forged, mixed] = [change(), change(), change()]
    await tell([
      [bare, []],
      [forged, [verdictBy(stranger!, forged, acme.tenant)]],
      // An approval of another change.
      [mixed, [verdictBy(acme.approvers[0]!, bare, acme.tenant)]],
    ])
    expect([await stateOf(bare), await stateOf(forged), await stateOf(mixed)]).toEqual([null, null, null])
  })

  it('is told of a change once somebody has signed it, and of one that has its quorum first', async () => {
    const [drafted, signed, approved] = [change(), change(), change()]
    const [one, two] = acme.approvers
    for (const each of [drafted, signed, approved]) await book.draft(each)
    await book.say(verdictBy(one!, signed, acme.tenant))
    for (const key of [one!, two!]) await book.say(verdictBy(key, approved, acme.tenant))
    const told = await tell([])
    const ids = told!.changes.map(({ instruction }) => documentId(parseEnvelope(instruction)!))
    expect(ids).not.toContain(documentId(drafted))
    expect(ids[0]).toBe(documentId(approved))
    expect(ids).toContain(documentId(signed))
    for (const each of [signed, approved])
      await book.say(verdictBy(one!, each, acme.tenant, 'revoked')).catch(() => {})
  })

  it('is no instruction of another kind or tenant', async () => {
    const other = order({
      ...changeFields('b'.repeat(64), 1, 'b'.repeat(64), setFields({ approvers: acme.approvers, quorum: 1 })),
    })
    await tell([[other, [verdictBy(acme.approvers[0]!, other, acme.tenant)]]])
    expect(await stateOf(other)).toBe(null)
  })

  it('takes back no vote without an approver', async () => {
    const [deputy] = newKeys(1)
    const delegation = delegationBy(acme.approvers[0]!, deputy!, acme.tenant)
    await tell([], { withdrawals: [delegation] })
    expect(await book.approvers.isWithdrawn(acme.tenant as never, documentId(delegation))).toBe(false)
  })

  it('of a tenant that is not here is answered with nothing, and nonsense with a refusal', async () => {
    expect(await exchange.hear(peer, 'c'.repeat(64) as never, 'a'.repeat(64) as never, {})).toBe(null)
    await expect(
      exchange.hear(peer, acme.tenant, 'a'.repeat(64) as never, { head: 7 }),
    ).rejects.toMatchObject({
      rule: 'instruction-out-of-scope',
    })
  })
})
