/** Making instructions and verdicts in tests, also wrong ones. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CustomerCredentials } from '../../src/cli/customer-folder.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { type VerdictKind, verdictTypes } from '../../src/verify/verdict-document.ts'
import type { Customer } from './app.ts'

export type InstructionFields = { [field: string]: Json }

export function instructionFields(customer: Customer, change: InstructionFields = {}): InstructionFields {
  return {
    expires: isoTime(Date.now() + 3600e3),
    from: { bucket: 'source', region: 'in-mumbai' },
    kind: 'transfer',
    ledger: 'holdfast.test/log/in-mumbai',
    limits: { bytes: null, objects: null },
    mechanism: null,
    mode: 'copy',
    nonce: randomBytes(16).toString('hex'),
    notBefore: isoTime(Date.now() - 1000),
    purpose: 'a test',
    scope: { prefix: '' },
    tenant: customer.tenant,
    to: { bucket: 'target', region: 'de-frankfurt' },
    v: 1,
    ...change,
  }
}

export function draft(fields: InstructionFields): Envelope {
  return createDocument(instructionPayloadType, fields)
}

export function verdict(
  kind: VerdictKind,
  instruction: Envelope,
  tenant: string,
  key: PrivateKey,
  change: InstructionFields = {},
): Envelope {
  const document = createDocument(verdictTypes[kind], {
    instruction: documentId(instruction),
    reason: '',
    tenant,
    time: isoTime(Date.now()),
    v: 1,
    ...change,
  })
  return signDocument(document, key)
}

/** Through the control API, as the command line does. */
export async function api(
  customer: Customer,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<{ status: number; json: any }> {
  const response = await fetch(`${customer.credentials.api}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${customer.credentials.apiToken}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: await response.json() }
}

export async function instruct(customer: Customer, envelope: Envelope): Promise<string> {
  const { status, json } = await api(customer, 'POST', '/instructions', { envelope: printEnvelope(envelope) })
  if (status !== 201) throw new Error(JSON.stringify(json))
  return json.id as string
}

export function say(
  customer: Customer,
  envelope: Envelope,
  id: string,
): Promise<{ status: number; json: any }> {
  return api(customer, 'POST', `/instructions/${id}/verdicts`, { envelope: printEnvelope(envelope) })
}

/** The instruction once its state is none of `running`, or what it is after two minutes. */
export async function settled(customer: Customer, id: string): Promise<any> {
  const until = Date.now() + 120_000
  for (;;) {
    const { json } = await api(customer, 'GET', `/instructions/${id}`)
    if (!['approved', 'running'].includes(json.state) || Date.now() > until) return json
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** The books of a region once they say that the instruction has ended: what it did before is in them then. */
export async function booksOnceEnded({ credentials }: Customer, region: string, id: string) {
  for (let tries = 0; tries < 600; tries++) {
    const entries = await booksOf(credentials, region)
    const isEnd = ({ type, body }: (typeof entries)[number]): boolean =>
      type === 'instruction.state' &&
      (body as { instruction: string }).instruction === id &&
      !['approved', 'running'].includes((body as { state: string }).state)
    if (entries.some(isEnd)) return entries
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`the books of ${region} do not say that ${id} has ended`)
}

/** The entries of a region's statement, which must verify. */
export async function booksOf({ api, apiToken, trust }: CustomerCredentials, region: string) {
  const response = await fetch(`${api}/api/v1/regions/${region}/statement`, {
    headers: { authorization: `Bearer ${apiToken}` },
  })
  const opened = parseTrust(readFileSync(trust, 'utf8'), nodeVerifyCrypto)
  if (typeof opened === 'string') throw new Error(opened)
  const checked = verifyStatement(new Uint8Array(await response.arrayBuffer()), opened, nodeVerifyCrypto)
  if (!checked.verified) throw new Error(checked.failures.join('; '))
  return checked.entries
}
