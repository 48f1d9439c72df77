/** What every `instruct …` has in common: who, why, how long, and how it is drafted. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { toHex } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { isoTime, parseDurationMs } from '../core/time.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { keyIdOf, parsePrivateKey } from '../crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../crypto/signed-document.ts'
import { type Instruction, instructionPayloadType, openInstruction } from '../instructions/instruction.ts'
import { callApi, orderApi } from './api-client.ts'
import { type CustomerCredentials, customerFolder, loadCredentials } from './customer-folder.ts'
import { describeInstruction } from './instruction-text.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { required } from './options.ts'

export const orderOptions = {
  purpose: { type: 'string' },
  expires: { type: 'string' },
  drafter: { type: 'string' },
  customer: { type: 'string' },
  json: { type: 'boolean' },
} as const

export interface OrderValues {
  readonly purpose?: string | undefined
  readonly expires?: string | undefined
  readonly drafter?: string | undefined
  readonly customer?: string | undefined
  readonly json?: boolean | undefined
}

export interface Orderer {
  readonly folder: string
  readonly credentials: CustomerCredentials
}

export function ordererOf(values: OrderValues, io: CommandIo): Orderer {
  const folder = values.customer ?? customerFolder(io.env)
  return { folder, credentials: loadCredentials(folder) }
}

export interface BucketAnswer {
  readonly bucket: string
  readonly region: string
  readonly country: string
  readonly dataClass: string
  readonly classes: readonly { readonly prefix: string; readonly dataClass: string }[]
  readonly ledger: string
  readonly residency: readonly string[] | null
}

export async function findBucketPlace(
  { api, apiToken }: CustomerCredentials,
  bucket: string,
): Promise<BucketAnswer> {
  return (await callApi(api, 'GET', `/buckets/${encodeURIComponent(bucket)}`, apiToken)) as BucketAnswer
}

/** The document, unsigned but for its drafter. `fields`: those of its kind. */
export function draftOf(
  { credentials }: Orderer,
  values: OrderValues,
  fields: Readonly<Record<string, Json>>,
  usualLife = '24h',
): Envelope {
  const lifeMs = parseDurationMs(values.expires ?? usualLife)
  if (lifeMs === null || lifeMs === 0) throw new UsageError('--expires takes a time like 30m, 24h or 7d')
  const key = values.drafter === undefined ? null : parsePrivateKey(readFileSync(values.drafter, 'utf8'))
  const now = Date.now()
  const draft = createDocument(instructionPayloadType, {
    ...fields,
    ...(key !== null && { drafter: keyIdOf(key) }),
    expires: isoTime(now + lifeMs),
    nonce: toHex(randomBytes(16)),
    notBefore: isoTime(now),
    purpose: required(values.purpose, '--purpose TEXT'),
    tenant: credentials.tenant,
    v: 1,
  })
  return key === null ? draft : signDocument(draft, key)
}

export interface InstructionAnswer {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly drafted: string
  readonly objects: number
  readonly bytes: number
  readonly approvals: number
  readonly quorum: number
  readonly verdicts: readonly { kind: string; approver: string; reason: string; time: string }[]
  readonly ends: readonly { region: string; state: string; objects: number; bytes: number }[]
  readonly envelope: unknown
}

/** Gives the region an instruction to write down; nobody has approved it yet. */
export async function sendDraft(
  credentials: CustomerCredentials,
  folder: string,
  draft: Envelope,
): Promise<{ readonly id: string; readonly answer: InstructionAnswer; readonly instruction: Instruction }> {
  const answer = (await orderApi(credentials, folder, '/instructions', {
    envelope: printEnvelope(draft),
  })) as InstructionAnswer
  const id = documentId(draft)
  // The provider's word for what was drafted is not taken: the id is the hash of what was sent.
  if (answer.id !== id) throw new HoldfastError('not-verified', `the region drafted ${answer.id}, not ${id}`)
  // Shown is what was sent, whatever was answered.
  return { id, answer, instruction: openedInstruction(draft) }
}

/** Sends it and says what comes next. `until`: what does not happen before it is approved. */
export async function order(
  orderer: Orderer,
  draft: Envelope,
  until: string,
  values: OrderValues,
  io: CommandIo,
): Promise<ExitCode> {
  const { folder, credentials } = orderer
  const { id, answer, instruction } = await sendDraft(credentials, folder, draft)
  if (values.json) io.stdout.write(`${JSON.stringify({ id, state: answer.state })}\n`)
  else
    io.stdout.write(
      `instruction ${id}\n${describeInstruction(instruction)}\n${until} until ${answer.quorum} approver(s) sign it:\n  holdfast approve ${id} --key ${credentials.approverKey}\n`,
    )
  return 0
}

const path = (id: string): string => `/instructions/${encodeURIComponent(id)}`

/** Fetched, and its id recomputed: what is shown and signed is what the id names, whoever answered. */
export async function fetchInstruction(
  credentials: CustomerCredentials,
  id: string,
): Promise<InstructionAnswer> {
  const answer = (await callApi(credentials.api, 'GET', path(id), credentials.apiToken)) as InstructionAnswer
  const envelope = parseEnvelope(answer.envelope)
  if (envelope === null || documentId(envelope) !== id) {
    throw new HoldfastError('not-verified', `what the region calls ${id} is another document`)
  }
  return answer
}

export function openedInstruction(envelope: Envelope | null): Instruction {
  const instruction = envelope === null ? 'it is no envelope' : openInstruction(envelope)
  if (typeof instruction === 'string')
    throw new HoldfastError('not-verified', `the instruction: ${instruction}`)
  return instruction
}
