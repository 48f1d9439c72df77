/** `fsck` judges what the books tell of approvers as whoever verifies a statement does. */
import { expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { InstructionId } from '../../src/core/ids.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { tenantRowKey } from '../../src/ledger/tables.ts'
import { changeFields, delegationBy, newKeys, order, setFields, verdictBy } from '../support/approvers.ts'
import { createTestLedger, region } from '../support/ledger.ts'

const [newcomer, deputy] = newKeys(2) as [ReturnType<typeof newKeys>[0], ReturnType<typeof newKeys>[0]]

async function books() {
  const ledger = await createTestLedger()
  const tenant = await ledger.join()
  const { genesis } = JSON.parse(tenant.trustText) as { genesis: unknown }
  const row = { chainKey: toHex(tenant.chainKey), genesis: JSON.stringify(genesis) }
  const erasable = await ledger.draft(tenant)
  await ledger.catalog.commit({
    puts: [{ table: 'tenants', key: tenantRowKey(tenant.id), value: utf8(JSON.stringify(row)) }],
  })
  const enter = async (type: string, body: object): Promise<void> => {
    await ledger.catalog.commit({
      puts: [ledger.drafts.draft({ tenant: tenant.id, type: type as never, body: body as never }).put],
    })
    await ledger.newSequencer().tick()
  }
  const approvedBy = (of: Envelope, ...keys: Parameters<typeof verdictBy>[0][]) =>
    keys.map(key => printEnvelope(verdictBy(key, of, tenant.id)))
  return { ledger, tenant, erasable, enter, approvedBy }
}

it('finds a change of the approvers that nobody ordered, and one that did not wait', async () => {
  const { ledger, tenant, enter, approvedBy } = await books()
  const change = order(changeFields(tenant.id, 1, tenant.id, setFields({ approvers: [newcomer], quorum: 1 })))
  const instruction = documentId(change) as InstructionId
  const told = (approvals: unknown) => ({
    instruction,
    number: 1,
    chain: [{ envelope: printEnvelope(change), approvals }],
  })
  await enter('instruction.state', { instruction, state: 'approved', reason: null, objects: 0, bytes: 0 })
  await enter('approvers.changed', told(approvedBy(change, newcomer)))
  await enter('approvers.changed', told(approvedBy(change, tenant.keys[0]!)))
  expect(await ledger.fsck()).toEqual([
    expect.stringMatching(/the change of the approvers: change 1 of the approvers: 0 of 1/),
    expect.stringMatching(/the change of the approvers: it did not wait for 72 hours/),
  ])
})

it('finds an erasure by a vote that had been taken back', async () => {
  const { ledger, tenant, erasable, enter, approvedBy } = await books()
  await ledger.newSequencer().tick()
  const delegation = delegationBy(tenant.keys[0]!, deputy, tenant.id)
  const fields = changeFields(tenant.id, 1, tenant.id, {})
  const { after: _, by: __, number: ___, set: ____, ...common } = fields
  const erase = order({
    ...common,
    kind: 'erase',
    ledger: ledger.signer.name,
    region,
    scope: { entries: [[1, erasable]] },
  })
  const said = verdictBy(deputy, erase, tenant.id, 'approved', {
    delegation: printEnvelope(delegation) as never,
  })
  const body = { instruction: documentId(erase), envelope: printEnvelope(erase), gone: [] }
  const erased = (approvals: unknown) => ({ ...body, approvals, entries: [[1, erasable]] })
  await enter('entries.erased', erased([printEnvelope(said)]))
  await enter('delegation.withdrawn', { delegation: documentId(delegation), approver: 'a', envelope: {} })
  await enter('entries.erased', erased([printEnvelope(said)]))
  await enter('entries.erased', erased(approvedBy(erase, tenant.keys[1]!)))
  expect((await ledger.fsck()).filter(finding => finding.includes('the erasure'))).toEqual([
    expect.stringMatching(/the erasure: 0 of 1 approvers have signed for it/),
  ])
})
