/** Tenants with keys of their own, their chains and verdicts, without a server. */
import { randomBytes } from 'node:crypto'
import { printRules } from '../../src/cli/approver-set.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { generatePrivateKey, keyIdOf, type PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { type ApproverRules, noRules } from '../../src/verify/approver-set.ts'
import { printApprover } from '../../src/verify/approvers.ts'
import { delegationPayloadType } from '../../src/verify/delegation.ts'
import { genesisPayloadType } from '../../src/verify/genesis.ts'
import { type VerdictKind, verdictTypes } from '../../src/verify/verdict-document.ts'

export type Fields = { [field: string]: Json }

export const newKeys = (count: number): PrivateKey[] =>
  Array.from({ length: count }, () => generatePrivateKey('ed25519'))

export interface SetTerms {
  readonly approvers: readonly PrivateKey[]
  readonly quorum: number
  readonly recovery?: { readonly approvers: readonly PrivateKey[]; readonly quorum: number }
  readonly rules?: Partial<ApproverRules>
}

export const setFields = ({ approvers, quorum, recovery, rules }: SetTerms): Fields => ({
  approvers: approvers.map(printApprover),
  quorum,
  recovery: {
    approvers: (recovery?.approvers ?? []).map(printApprover),
    quorum: recovery?.quorum ?? 0,
  },
  rules: printRules({ ...noRules, ...rules }),
})

export function genesisOf(terms: SetTerms, change: Fields = {}): Envelope {
  const document = createDocument(genesisPayloadType, {
    ...setFields(terms),
    created: isoTime(Date.now()),
    name: 'a tenant',
    nonce: randomBytes(16).toString('hex'),
    v: 1,
    ...change,
  })
  return signDocument(document, ...terms.approvers)
}

export function changeFields(tenant: string, number: number, after: string, set: Fields): Fields {
  return {
    after,
    by: 'approvers',
    expires: isoTime(Date.now() + 14 * 86_400e3),
    kind: 'approvers',
    ledger: 'holdfast.test/log/in-mumbai',
    nonce: randomBytes(16).toString('hex'),
    notBefore: isoTime(Date.now() - 1000),
    number,
    purpose: 'a test',
    set,
    tenant,
    v: 1,
  }
}

export function order(fields: Fields, drafter?: PrivateKey): Envelope {
  if (drafter === undefined) return createDocument(instructionPayloadType, fields)
  return signDocument(
    createDocument(instructionPayloadType, { ...fields, drafter: keyIdOf(drafter) }),
    drafter,
  )
}

export function verdictBy(
  key: PrivateKey,
  instruction: Envelope,
  tenant: string,
  kind: VerdictKind = 'approved',
  change: Fields = {},
): Envelope {
  const fields = { instruction: documentId(instruction), reason: '', tenant, time: isoTime(Date.now()), v: 1 }
  return signDocument(createDocument(verdictTypes[kind], { ...fields, ...change }), key)
}

export function delegationBy(
  giver: PrivateKey,
  to: PrivateKey,
  tenant: string,
  change: Fields = {},
): Envelope {
  const document = createDocument(delegationPayloadType, {
    approver: keyIdOf(giver),
    delegate: printApprover(to),
    expires: isoTime(Date.now() + 86_400e3),
    kinds: null,
    nonce: randomBytes(16).toString('hex'),
    notBefore: isoTime(Date.now() - 1000),
    reason: 'on leave',
    tenant,
    v: 1,
    ...change,
  })
  return signDocument(document, giver)
}

export const asJson = (envelope: Envelope): Json => printEnvelope(envelope) as Json
