import { beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, readU64be, utf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import type { EntryId } from '../../src/core/ids.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { chainRowKey, entryKey } from '../../src/ledger/tables.ts'
import { checkStatement, type StatementVerdict, verifyStatement } from '../../src/verify/statement.ts'
import { createTestLedger, crypto, type TestLedger, type TestTenant } from '../support/ledger.ts'

const failuresOf = (verdict: StatementVerdict): string =>
  verdict.verified ? 'verified' : verdict.failures.join('\n')

async function fill(ledger: TestLedger, tenant: TestTenant, count: number): Promise<EntryId[]> {
  const ids: EntryId[] = []
  for (let i = 0; i < count; i++) ids.push(await ledger.draft(tenant, `b${i}`))
  const sequencer = ledger.newSequencer(7)
  while ((await sequencer.tick()).entered > 0);
  return ids
}

describe('a part of a statement', () => {
  let ledger: TestLedger
  let alice: TestTenant
  beforeAll(async () => {
    ledger = await createTestLedger()
    alice = await ledger.join()
    const bob = await ledger.join()
    for (let i = 0; i < 9; i++) await ledger.draft(bob)
    await fill(ledger, alice, 30)
  })

  it('holds the rows that were asked for and joins the part before', async () => {
    for (const [first, end] of [
      [0, 31],
      [0, 10],
      [10, 31],
      [30, 31],
      [12, 12],
      [0, 0],
      [31, 31],
    ] as const) {
      const verdict = verifyStatement(await ledger.statement(alice, { first, end }), alice.trust, crypto)
      expect(verdict).toMatchObject({ verified: true, first, count: end - first, entered: 31 })
    }
    let last = ''
    const early = checkStatement(alice.trust, crypto, row => {
      last = row.commitment
    })
    early.push(await ledger.statement(alice, { end: 10 }))
    expect(early.end().verified).toBe(true)
    expect(verifyStatement(await ledger.statement(alice, { first: 10 }), alice.trust, crypto)).toMatchObject({
      prev: last,
    })
  })

  it('is refused outside what is entered', async () => {
    for (const [first, end] of [
      [0, 32],
      [5, 4],
      [32, 32],
    ])
      await expect(ledger.statement(alice, { first: first!, end: end! })).rejects.toThrow('are no range')
  })

  it('comes in pieces of any size', async () => {
    const bytes = await ledger.statement(alice)
    for (const size of [1, 7, 100, 4096]) {
      let rows = 0
      const check = checkStatement(alice.trust, crypto, () => {
        rows++
      })
      const buffer = new Uint8Array(size)
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size)
        buffer.set(piece)
        check.push(buffer.subarray(0, piece.length))
      }
      expect(check.end(), `pieces of ${size}`).toMatchObject({ verified: true, count: 31 })
      expect(rows).toBe(31)
    }
  })

  it('of one endless line is given up', () => {
    const check = checkStatement(alice.trust, crypto, () => {})
    for (let i = 0; i < 100; i++) check.push(new Uint8Array(1 << 16).fill(97))
    expect(check.end()).toMatchObject({ verified: false })
  })
})

describe('an entry that was erased', () => {
  const expires = '2026-12-31T00:00:00.000Z'
  const order = (tenant: TestTenant, ledger: string, entries: Json[], change = {}) =>
    createDocument('application/vnd.holdfast.instruction+json', {
      kind: 'erase',
      tenant: tenant.id,
      ledger,
      expires,
      nonce: 'ab'.repeat(16),
      notBefore: '2026-01-01T00:00:00.000Z',
      purpose: 'a test',
      region: 'in-mumbai',
      scope: { entries },
      v: 1,
      ...change,
    })

  const approval = (tenant: TestTenant, instruction: string, change = {}) =>
    createDocument('application/vnd.holdfast.approval+json', {
      instruction,
      tenant: tenant.id,
      time: '2026-11-20T00:00:00.000Z',
      reason: '',
      v: 1,
      ...change,
    })

  /** Blanks entry 3, and enters what `say` makes of it. */
  async function erased(
    say: (tenant: TestTenant, origin: string) => { readonly [field: string]: Json } | null,
  ): Promise<{ readonly ledger: TestLedger; readonly alice: TestTenant; readonly statement: Uint8Array }> {
    const ledger = await createTestLedger()
    const alice = await ledger.join()
    await fill(ledger, alice, 8)
    const index = readU64be((await ledger.catalog.get('chains', chainRowKey(alice.id, 3)))!)
    const row = (await ledger.catalog.get('entries', entryKey(index)))!
    await ledger.catalog.commit({
      puts: [{ table: 'entries', key: entryKey(index), value: new Uint8Array(row.subarray(0, 73)) }],
    })
    const body = say(alice, ledger.signer.name)
    if (body !== null) {
      const type = 'entries.erased' as 'bucket.deleted'
      await ledger.catalog.commit({
        puts: [ledger.drafts.draft({ tenant: alice.id, type, body } as never).put],
      })
    }
    await ledger.newSequencer().tick()
    return { ledger, alice, statement: await ledger.statement(alice) }
  }

  const ordered =
    (change: object = {}, approvalChange: object = {}, key = 0) =>
    (tenant: TestTenant, origin: string) => {
      const document = order(tenant, origin, [[3, 'x']], change)
      const id = documentId(document)
      const signed = signDocument(approval(tenant, id, approvalChange), tenant.keys[key] ?? tenant.keys[0]!)
      return {
        instruction: id,
        envelope: printEnvelope({ ...document, signatures: [] }) as unknown as Json,
        approvals: [printEnvelope(signed) as unknown as Json],
      }
    }

  it('stands blank, and verifies with the tenant’s instruction', async () => {
    const { alice, statement } = await erased(ordered())
    const verdict = verifyStatement(statement, alice.trust, crypto)
    expect(verdict).toMatchObject({ verified: true, count: 10, blank: 1 })
    expect(fromUtf8(statement)).not.toContain('"b2"')
  })

  it.each<[string, Parameters<typeof erased>[0], string]>([
    ['no instruction at all', () => null, 'row 4: it is blank, and no instruction'],
    [
      'an instruction for another entry',
      (tenant, origin) => {
        const document = order(tenant, origin, [[4, 'x']])
        const signed = signDocument(approval(tenant, documentId(document)), tenant.keys[0]!)
        return {
          instruction: documentId(document),
          envelope: printEnvelope({ ...document, signatures: [] }) as unknown as Json,
          approvals: [printEnvelope(signed) as unknown as Json],
        }
      },
      'row 4: it is blank',
    ],
    [
      'no approval',
      (tenant, origin) => ({ ...ordered()(tenant, origin), approvals: [] }),
      '0 of 1 approvers',
    ],
    ['an approval of another instruction', ordered({}, { instruction: 'a'.repeat(64) }), '0 of 1 approvers'],
    ['an approval for another tenant', ordered({}, { tenant: 'a'.repeat(64) }), '0 of 1 approvers'],
    ['an approval that came too late', ordered({}, { time: expires }), '0 of 1 approvers'],
    ['an instruction of another kind', ordered({ kind: 'transfer' }), 'of another kind'],
    [
      'a list of other entries than were ordered',
      (tenant, origin) => ({ ...ordered()(tenant, origin), entries: [[3, 'y']] }),
      'lists other entries than the instruction',
    ],
    ['an instruction for another log', ordered({ ledger: 'log.example/other' }), 'another ledger'],
    ['an instruction of another tenant', ordered({ tenant: 'a'.repeat(64) }), 'of another tenant'],
    [
      'an approval by nobody of the genesis',
      (tenant, origin) => {
        const document = order(tenant, origin, [[3, 'x']])
        const stranger = { ...tenant, keys: tenant.keys }
        const signed = signDocument(approval(stranger, documentId(document)), tenant.keys[0]!)
        const [signature] = signed.signatures
        const forged = { ...signed, signatures: [{ ...signature!, signature: new Uint8Array(64).fill(9) }] }
        return {
          instruction: documentId(document),
          envelope: printEnvelope({ ...document, signatures: [] }) as unknown as Json,
          approvals: [printEnvelope(forged) as unknown as Json],
        }
      },
      '0 of 1 approvers',
    ],
  ])('is refused with %s', async (_, say, fault) => {
    const { alice, statement } = await erased(say)
    expect(failuresOf(verifyStatement(statement, alice.trust, crypto))).toContain(fault)
  })

  it('is not only said to be erased', async () => {
    const { ledger, alice } = await erased(ordered())
    await ledger.draft(alice, 'later')
    const document = order(alice, ledger.signer.name, [[4, 'x']])
    const id = documentId(document)
    const signed = signDocument(approval(alice, id), alice.keys[0]!)
    const envelope = printEnvelope({ ...document, signatures: [] }) as unknown as Json
    const body = { instruction: id, envelope, approvals: [printEnvelope(signed) as unknown as Json] }
    const type = 'entries.erased' as 'bucket.deleted'
    await ledger.catalog.commit({
      puts: [ledger.drafts.draft({ tenant: alice.id, type, body } as never).put],
    })
    await ledger.newSequencer().tick()
    const verdict = verifyStatement(await ledger.statement(alice), alice.trust, crypto)
    expect(failuresOf(verdict)).toBe('row 5: it is said to be erased, and is still here')
  })

  it('counts one approver once, however often it signed', async () => {
    const { alice, statement } = await erased((tenant, origin) => {
      const body = ordered()(tenant, origin)
      return { ...body, approvals: [body.approvals[0]!, body.approvals[0]!] }
    })
    const { genesis } = alice.trust
    const strict = { ...alice.trust, genesis: { ...genesis, quorum: 2 } }
    expect(failuresOf(verifyStatement(statement, strict, crypto))).toContain('1 of 2 approvers')
  })

  it('is not hidden by the leaf of another number or of another tenant', async () => {
    const { alice, statement } = await erased(ordered())
    const lines = fromUtf8(statement).split('\n')
    const blank = lines[4]!
    const leaf = /"leaf":"([0-9a-f]+)"/.exec(blank)![1]!
    const otherLabel = `${leaf.slice(0, 20)}${leaf[20] === '0' ? '1' : '0'}${leaf.slice(21)}`
    const changed = utf8(lines.with(4, blank.replace(leaf, otherLabel)).join('\n'))
    expect(failuresOf(verifyStatement(changed, alice.trust, crypto))).toContain(
      'row 4: the label of another number',
    )
  })
})
