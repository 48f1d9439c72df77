import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import type { EntryId } from '../../src/core/ids.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { type StatementVerdict, verifyStatement } from '../../src/verify/statement.ts'
import { createTestLedger, crypto, type TestLedger, type TestTenant } from '../support/ledger.ts'

function failuresOf(verdict: { verified: boolean }): readonly string[] {
  expect(verdict.verified).toBe(false)
  return (verdict as Extract<StatementVerdict, { verified: false }>).failures
}

describe('statements', () => {
  let ledger: TestLedger
  let alice: TestTenant
  let bob: TestTenant
  let statement: Uint8Array
  let lines: string[]
  const ids: EntryId[] = []

  beforeAll(async () => {
    ledger = await createTestLedger()
    const sequencer = ledger.newSequencer(7)
    alice = await ledger.join()
    bob = await ledger.join()
    for (let i = 0; i < 30; i++) {
      ids.push(await ledger.draft(alice, `bücket ${i} "\\`))
      for (let j = 0; j < i % 4; j++) await ledger.draft(bob)
    }
    while ((await sequencer.tick()).entered > 0);
    statement = await ledger.statement(alice)
    lines = fromUtf8(statement).split('\n').slice(0, -1)
  })

  const verify = (changed: readonly string[], trust = alice.trust) =>
    verifyStatement(utf8(`${changed.join('\n')}\n`), trust, crypto)

  it('hold all entries of the tenant and none of another', () => {
    const verdict = verifyStatement(statement, alice.trust, crypto)
    expect(verdict).toMatchObject({ verified: true, tenant: alice.id, region: 'in-mumbai' })
    const { entries } = verdict as Extract<StatementVerdict, { verified: true }>
    expect(entries.map(entry => entry.seq)).toEqual(Array.from({ length: 31 }, (_, i) => i))
    expect(entries.slice(1).map(entry => entry.id)).toEqual(ids)
    expect(entries[5]!.body).toEqual({ bucket: 'bücket 4 "\\', by: { accessKeyId: 'AK' } })
  })

  it('can be read whole by any JSON parser', () => {
    const document = JSON.parse(fromUtf8(statement)) as { rows: unknown[]; count: number }
    expect(document.rows).toHaveLength(document.count)
  })

  it('are refused with any one byte changed', async () => {
    const small = await createTestLedger()
    const [carol, dave] = [await small.join(), await small.join()]
    for (const tenant of [carol, dave, dave, carol, dave]) await small.draft(tenant)
    await small.newSequencer().tick()
    const whole = await small.statement(carol)
    expect(verifyStatement(whole, carol.trust, crypto).verified).toBe(true)
    for (let at = 0; at < whole.length; at++) {
      const changed = whole.slice()
      changed[at]! ^= 1 << (at % 8)
      expect(failuresOf(verifyStatement(changed, carol.trust, crypto)).length, `byte ${at}`).toBeGreaterThan(
        0,
      )
    }
  })

  it('are refused when cut off anywhere, or with anything behind', () => {
    for (let length = 0; length < statement.length; length += 97) {
      failuresOf(verifyStatement(statement.subarray(0, length), alice.trust, crypto))
    }
    failuresOf(verify([...lines, '']))
    failuresOf(verify(['', ...lines]))
  })

  it('name the row where one was dropped', () => {
    for (let row = 1; row < lines.length - 1; row++) {
      const failures = failuresOf(verify(lines.toSpliced(row, 1))).join('\n')
      expect(failures).toContain('the signature is over another document')
      expect(failures).toContain('31 rows announced, 30 present')
      if (row < lines.length - 2) expect(failures).toContain(`row ${row}: `)
    }
  })

  it('name the rows that were swapped', () => {
    for (let row = 1; row < lines.length - 3; row++) {
      const swapped = lines.toSpliced(row, 2, lines[row + 1]!, lines[row]!)
      expect(failuresOf(verify(swapped)).join('\n')).toContain(
        `row ${row}: sequence number ${row} where ${row - 1}`,
      )
    }
  })

  it('are refused without trust, with the trust of another tenant, log or chain', async () => {
    expect(failuresOf(verifyStatement(statement, null, crypto))[0]).toContain('not anchored')
    expect(failuresOf(verify(lines, bob.trust))[0]).toContain(`of tenant ${alice.id}`)
    const noRegions = { ...alice.trust, regions: new Map() }
    expect(failuresOf(verify(lines, noRegions))[0]).toContain('not anchored')
    const region = alice.trust.regions.get('in-mumbai')!
    const other = await createTestLedger()
    const carol = await other.join()
    const otherKey = {
      ...alice.trust,
      regions: new Map([['in-mumbai', { ...region, log: carol.trust.regions.get('in-mumbai')!.log }]]),
    }
    expect(failuresOf(verify(lines, otherKey)).join()).toContain('no signature by')
    const otherChain = {
      ...alice.trust,
      regions: new Map([['in-mumbai', { ...region, chainKey: bob.chainKey }]]),
    }
    expect(failuresOf(verify(lines, otherChain)).join()).toContain('another chain key')
  })

  it('hold at every size of the tree, for dense and sparse tenants', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 40 })), { maxLength: 12 }),
      fc.integer({ min: 1, max: 300 }),
      async (runs, batchSize) => {
        const each = await createTestLedger(ledger.signer)
        const sequencer = each.newSequencer(batchSize)
        const dense = await each.join()
        const sparse = await each.join()
        const counts = [1, 1]
        for (const [toDense, length] of runs) {
          for (let i = 0; i < length; i++) await each.draft(toDense ? dense : sparse)
          counts[toDense ? 0 : 1]! += length
          await sequencer.tick()
        }
        while ((await sequencer.tick()).entered > 0);
        for (const [at, tenant] of [dense, sparse].entries()) {
          const verdict = verifyStatement(await each.statement(tenant), tenant.trust, crypto)
          expect(verdict.verified === true ? verdict.entries.length : verdict).toBe(counts[at])
        }
        expect(await each.fsck()).toEqual([])
      },
    )
    await fc.assert(property, { numRuns: 25 })
  })

  it('of a tenant that has nothing entered have no rows and the root', async () => {
    const other = await createTestLedger()
    const carol = await other.join()
    await expect(other.statement(carol)).rejects.toThrow('no checkpoint yet')
    await other.newSequencer().tick()
    const dave = await other.join()
    const text = await other.statement(dave)
    expect(verifyStatement(text, dave.trust, crypto)).toMatchObject({ verified: true, entries: [] })
    expect(JSON.parse(fromUtf8(text)).rest).toHaveLength(1)
  })

  describe('receipts', () => {
    it('hold for each entry, and name it', async () => {
      for (const id of ids) {
        const verdict = verifyReceipt(await ledger.receipt(alice, id), alice.trust, crypto)
        expect(verdict).toMatchObject({ verified: true, entry: { id } })
      }
    })

    it('are refused with any one byte changed', async () => {
      const receipt = utf8(await ledger.receipt(alice, ids[11]!))
      for (let at = 0; at < receipt.length; at++) {
        const changed = receipt.slice()
        changed[at]! ^= 1 << (at % 7)
        // Bytes that are no UTF-8 come to a reader of text as U+FFFD.
        const text = new TextDecoder().decode(changed)
        expect(failuresOf(verifyReceipt(text, alice.trust, crypto)).length, `byte ${at}`).toBeGreaterThan(0)
      }
    })

    it('are refused with a line dropped, doubled or swapped with the next', async () => {
      const receipt = (await ledger.receipt(alice, ids[11]!)).split('\n').slice(0, -1)
      for (let at = 0; at < receipt.length; at++) {
        const line = receipt[at]!
        const changes = [receipt.toSpliced(at, 1)]
        // A second good signature by the same key changes nothing that is said.
        if (at < receipt.length - 1) changes.push(receipt.toSpliced(at, 0, line))
        if (at < receipt.length - 1) changes.push(receipt.toSpliced(at, 2, receipt[at + 1]!, line))
        for (const changed of changes)
          failuresOf(verifyReceipt(`${changed.join('\n')}\n`, alice.trust, crypto))
      }
    })

    it('are refused without trust or with that of another', async () => {
      const receipt = await ledger.receipt(alice, ids[3]!)
      expect(failuresOf(verifyReceipt(receipt, null, crypto))[0]).toContain('not anchored')
      expect(failuresOf(verifyReceipt(receipt, bob.trust, crypto))[0]).toContain('of tenant')
    })

    it('are not given to another tenant', async () => {
      await expect(ledger.receipt(bob, ids[3]!)).rejects.toThrow('no receipt: undefined')
    })

    it('are pending while the entry is a draft', async () => {
      const other = await createTestLedger()
      const carol = await other.join()
      const sequencer = other.newSequencer()
      await sequencer.tick()
      const id = await other.draft(carol)
      await expect(other.receipt(carol, id)).rejects.toThrow('pending')
      await sequencer.tick()
      expect(verifyReceipt(await other.receipt(carol, id), carol.trust, crypto).verified).toBe(true)
    })
  })
})
