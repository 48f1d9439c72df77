import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { createDraftBox, type Drafted } from '../../src/ledger/drafts.ts'
import { createPromiser, promiseWithinSeconds } from '../../src/ledger/promises.ts'
import { parsePromise, verifyPromise } from '../../src/verify/promise.ts'
import { PromiseBook, type PromiseState } from '../../src/verify/promise-book.ts'
import { checkStatement } from '../../src/verify/statement.ts'
import {
  createTestLedger,
  crypto,
  makeSigner,
  region,
  type TestLedger,
  type TestTenant,
} from '../support/ledger.ts'

const body = { bucket: 'b', by: { accessKeyId: 'AK' } }

describe('promises', () => {
  let ledger: TestLedger
  let alice: TestTenant
  let now = Date.UTC(2026, 0, 2)
  const drafts = (count: number): Drafted[] =>
    Array.from({ length: count }, () =>
      ledger.drafts.draft({ tenant: alice.id, type: 'bucket.deleted', body }),
    )
  const promiserOf = (signer = ledger.signer) => createPromiser({ region, signer, clock: () => now, crypto })

  beforeAll(async () => {
    ledger = await createTestLedger()
    alice = await ledger.join()
    await ledger.newSequencer().tick()
  })

  it('hold, however many answers one signature covers', async () => {
    for (let answers = 1; answers <= 20; answers++) {
      const promiser = promiserOf()
      const made = Array.from({ length: answers }, (_, i) => drafts(1 + (i % 3)))
      const texts = await Promise.all(made.map(each => promiser.promise(each)))
      for (const [at, text] of texts.entries()) {
        const verdict = verifyPromise(text!, alice.trust, crypto)
        expect(verdict).toMatchObject({ verified: true, dueUnixMs: now + promiseWithinSeconds * 1000 })
        const { promise } = verdict as Extract<typeof verdict, { verified: true }>
        expect(promise.entries.map(({ id }) => id)).toEqual(made[at]!.map(({ entryId }) => entryId))
        expect(promise.size).toBe(answers)
      }
    }
    expect(await promiserOf().promise([])).toBeNull()
  })

  it('are refused with any one byte changed, by another key, without trust', async () => {
    const promiser = promiserOf()
    const [text] = await Promise.all([
      promiser.promise(drafts(2)),
      promiser.promise(drafts(1)),
      promiser.promise(drafts(1)),
    ])
    const bytes = Buffer.from(text!.slice(5), 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << (at % 7)
      const verdict = verifyPromise(`hfp1.${changed.toString('base64url')}`, alice.trust, crypto)
      expect(verdict.verified, `byte ${at}`).toBe(false)
    }
    expect(verifyPromise(text!, null, crypto).verified).toBe(false)
    const stranger = await promiserOf(makeSigner(ledger.signer.name)).promise(drafts(1))
    expect(verifyPromise(stranger!, alice.trust, crypto)).toMatchObject({
      failures: [expect.stringContaining('no signature by')],
    })
    const elsewhere = createPromiser({
      region: 'de-frankfurt' as typeof region,
      signer: ledger.signer,
      clock: () => now,
      crypto,
    })
    expect(verifyPromise((await elsewhere.promise(drafts(1)))!, alice.trust, crypto)).toMatchObject({
      failures: [expect.stringContaining('not anchored')],
    })
  })

  it('of any bytes are refused and never throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.json().map(json => `hfp1.${Buffer.from(json).toString('base64url')}`),
        ),
        text => {
          expect(typeof parsePromise(text)).toBe('string')
          expect(typeof parsePromise(`hfp1.${text}`)).toBe('string')
        },
      ),
    )
  })

  /** What a customer who holds `texts` learns from a statement of the region. */
  async function stateAfter(
    texts: readonly string[],
    drafted: Drafted,
    statement: Uint8Array,
  ): Promise<PromiseState> {
    const book = new PromiseBook(crypto)
    for (const text of texts) {
      const verdict = verifyPromise(text, alice.trust, crypto)
      if (!verdict.verified) throw new Error(verdict.failures.join())
      book.add(verdict.promise)
    }
    const following = book.follow()
    const check = checkStatement(alice.trust, crypto, row => following.saw(row))
    check.push(statement)
    const facts = check.end()
    if (!facts.verified) throw new Error(facts.failures.join())
    following.close(facts, facts.first === 0)
    return book.stateOf(region, drafted.entryId)
  }

  it('are kept by the entry that was promised', async () => {
    const [drafted] = drafts(1)
    const text = await promiserOf().promise([drafted!])
    expect(await stateAfter([text!], drafted!, await ledger.statement(alice))).toEqual({ state: 'open' })
    await ledger.catalog.commit({ puts: [drafted!.put] })
    await ledger.newSequencer().tick()
    const statement = await ledger.statement(alice)
    expect(await stateAfter([text!], drafted!, statement)).toMatchObject({ state: 'kept' })
    const { rows } = JSON.parse(fromUtf8(statement)) as { rows: { p: { id: string; seq: number } }[] }
    expect(rows.at(-1)!.p.id).toBe(drafted!.entryId)
  })

  it('are broken by an entry that was changed before it was entered', async () => {
    const [drafted] = drafts(1)
    const text = await promiserOf().promise([drafted!])
    // The region changes what it has not entered yet.
    const changed = fromUtf8(drafted!.put.value).replace('"bucket":"b"', '"bucket":"c"')
    await ledger.catalog.commit({ puts: [{ ...drafted!.put, value: utf8(changed) }] })
    await ledger.newSequencer().tick()
    expect(await stateAfter([text!], drafted!, await ledger.statement(alice))).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('not what was promised'),
    })
  })

  it('are broken by a later statement without the entry, and by no part of one', async () => {
    const [drafted] = drafts(1)
    now = Date.UTC(2025, 11, 31)
    const text = (await promiserOf().promise([drafted!]))!
    now = Date.UTC(2026, 0, 2)
    const lost = { state: 'broken', reason: expect.stringContaining('is not in the statement of') }
    expect(await stateAfter([text], drafted!, await ledger.statement(alice))).toMatchObject(lost)
    const open = { state: 'open' }
    expect(await stateAfter([text], drafted!, await ledger.statement(alice, { first: 1 }))).toEqual(open)
    expect(await stateAfter([text], drafted!, await ledger.statement(alice, { end: 1 }))).toEqual(open)
  })

  it('are broken by two for one entry that say two things', async () => {
    const [drafted] = drafts(1)
    const other = { ...drafted!, stored: { ...drafted!.stored, type: 'bucket.created' } }
    const promiser = promiserOf()
    const texts = [(await promiser.promise([drafted!]))!, (await promiser.promise([other]))!]
    expect(await stateAfter(texts, drafted!, await ledger.statement(alice))).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('promised twice'),
    })
  })

  it('stay broken when the entry is erased or shown as promised afterwards', async () => {
    const [drafted] = drafts(1)
    const other = { ...drafted!, stored: { ...drafted!.stored, type: 'bucket.created' } }
    const texts = await Promise.all([promiserOf().promise([drafted!]), promiserOf().promise([other])])
    const book = new PromiseBook(crypto)
    for (const text of texts) {
      const verdict = verifyPromise(text!, alice.trust, crypto)
      if (verdict.verified) book.add(verdict.promise)
    }
    const check = checkStatement(alice.trust, crypto, () => {})
    check.push(await ledger.statement(alice))
    const facts = check.end()
    if (!facts.verified) throw new Error(facts.failures.join())
    const following = book.follow()
    const erasure = { entries: [[3, drafted!.entryId]] }
    const payload = { type: 'entries.erased', body: erasure, region, id: 'e' }
    const row = { seq: 4, leafIndex: 4, commitment: '', timeUnixMs: 0 }
    following.saw({ ...row, payload: payload as never })
    following.close(facts, true)
    expect(book.stateOf(region, drafted!.entryId)).toMatchObject({ state: 'broken' })
  })

  it('are not shown broken by an honest region that is catching up after a standstill', async () => {
    const fresh = await createTestLedger()
    const bob = await fresh.join()
    await fresh.newSequencer().tick()
    const day = 86_400_000
    const late = createDraftBox(region, () => Date.UTC(2026, 0, 2) - day, randomBytes)
    const { put, entryId } = late.draft({ tenant: bob.id, type: 'bucket.deleted', body })
    await fresh.catalog.commit({ puts: [put] })
    const asked = fresh.statement(bob)
    await fresh.newSequencer().tick()
    expect(fromUtf8(await asked)).toContain(entryId)
  })
})
