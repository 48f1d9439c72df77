/** `instruct`, `approve`, `reject`, `revoke`, `instructions`, `transfers`: the customer's side of an instruction. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { toHex } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { isoTime, parseDurationMs } from '../core/time.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { parsePrivateKey } from '../crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../crypto/signed-document.ts'
import {
  type Instruction,
  instructionPayloadType,
  openInstruction,
  type VerdictKind,
  verdictTypes,
} from '../instructions/instruction.ts'
import type { DryRun } from '../transfers/dry-run.ts'
import { callApi, orderApi } from './api-client.ts'
import { type CustomerCredentials, customerFolder, loadCredentials } from './customer-folder.ts'
import { instructClassCommand } from './instruct-class.ts'
import { instructEraseCommand } from './instruct-erase.ts'
import { describeInstruction, dryRunText } from './instruction-text.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'

interface InstructionAnswer {
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

interface BucketAnswer {
  readonly bucket: string
  readonly region: string
  readonly country: string
  readonly dataClass: string
  readonly ledger: string
}

export async function findBucketPlace(
  { api, apiToken }: CustomerCredentials,
  bucket: string,
): Promise<BucketAnswer> {
  return (await callApi(api, 'GET', `/buckets/${encodeURIComponent(bucket)}`, apiToken)) as BucketAnswer
}

/** Gives the region an instruction to write down; nobody has signed it yet. */
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

const path = (id: string): string => `/instructions/${encodeURIComponent(id)}`

export async function instructCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  if (argv[0] === 'erase') return instructEraseCommand(argv.slice(1), io)
  if (argv[0] === 'class') return instructClassCommand(argv.slice(1), io)
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      bucket: { type: 'string' },
      prefix: { type: 'string', default: '' },
      'to-bucket': { type: 'string' },
      mode: { type: 'string', default: 'copy' },
      purpose: { type: 'string' },
      mechanism: { type: 'string' },
      expires: { type: 'string', default: '24h' },
      'max-objects': { type: 'string' },
      'max-bytes': { type: 'string' },
      'dry-run': { type: 'boolean' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (positionals[0] !== 'transfer') throw new UsageError('what can be instructed: transfer, erase, class')
  if (values.mode !== 'copy' && values.mode !== 'move') throw new UsageError('--mode is copy or move')
  const lifeMs = parseDurationMs(values.expires)
  if (lifeMs === null || lifeMs === 0) throw new UsageError('--expires takes a time like 30m, 24h or 7d')
  const folder = values.customer ?? customerFolder(io.env)
  const credentials = loadCredentials(folder)
  const from = await findBucketPlace(credentials, required(values.bucket, '--bucket'))
  const to = await findBucketPlace(credentials, required(values['to-bucket'], '--to-bucket'))
  const now = Date.now()
  const draft = createDocument(instructionPayloadType, {
    expires: isoTime(now + lifeMs),
    from: { bucket: from.bucket, region: from.region },
    kind: 'transfer',
    ledger: from.ledger,
    limits: {
      bytes: limit(values['max-bytes'], '--max-bytes'),
      objects: limit(values['max-objects'], '--max-objects'),
    },
    mechanism: values.mechanism ?? null,
    mode: values.mode,
    nonce: toHex(randomBytes(16)),
    notBefore: isoTime(now),
    purpose: values['dry-run'] ? (values.purpose ?? 'a dry run') : required(values.purpose, '--purpose'),
    scope: { prefix: values.prefix },
    tenant: credentials.tenant,
    to: { bucket: to.bucket, region: to.region },
    v: 1,
  } satisfies Json)
  if (values['dry-run']) {
    const body = { envelope: printEnvelope(draft) }
    const { api, apiToken } = credentials
    const tried = (await callApi(api, 'POST', '/instructions/dry-run', apiToken, body)) as DryRun
    io.stdout.write(values.json ? `${JSON.stringify(tried)}\n` : dryRunText(tried, values.mode))
    return tried.allowed ? 0 : 1
  }
  const { id, answer, instruction } = await sendDraft(credentials, folder, draft)
  if (values.json) io.stdout.write(`${JSON.stringify({ id, state: answer.state })}\n`)
  else {
    io.stdout.write(`instruction ${id}\n${describeInstruction(instruction)}`)
    io.stdout.write(
      `\nIt moves nothing until ${answer.quorum} approver(s) sign it:\n  holdfast approve ${id} --key ${credentials.approverKey}\n`,
    )
  }
  return 0
}

function limit(text: string | undefined, name: string): number | null {
  if (text === undefined) return null
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${name} takes a number`)
  return Number(text)
}

export const approveCommand = verdictCommand('approved')
export const rejectCommand = verdictCommand('rejected')
export const revokeCommand = verdictCommand('revoked')

/** Shows what is signed, as computed from the bytes that are signed, before the key is used. */
function verdictCommand(kind: VerdictKind): (argv: string[], io: CommandIo) => Promise<ExitCode> {
  return async (argv, io) => {
    const { values, positionals } = parseOptions({
      args: argv,
      allowPositionals: true,
      options: {
        key: { type: 'string' },
        reason: { type: 'string', default: '' },
        customer: { type: 'string' },
        json: { type: 'boolean' },
      },
    })
    const id = required(positionals[0], 'ID')
    const key = parsePrivateKey(readFileSync(required(values.key, '--key FILE'), 'utf8'))
    const folder = values.customer ?? customerFolder(io.env)
    const credentials = loadCredentials(folder)
    const current = await fetchInstruction(credentials, id)
    if (!values.json) io.stdout.write(`${describeInstruction(opened(current))}\n`)
    const verdict = createDocument(verdictTypes[kind], {
      instruction: id,
      reason: values.reason,
      tenant: credentials.tenant,
      time: isoTime(Date.now()),
      v: 1,
    })
    const envelope = printEnvelope(signDocument(verdict, key))
    const answer = (await orderApi(credentials, folder, `${path(id)}/verdicts`, {
      envelope,
    })) as InstructionAnswer
    if (values.json)
      io.stdout.write(
        `${JSON.stringify({ id, state: answer.state, approvals: answer.approvals, quorum: answer.quorum })}\n`,
      )
    else
      io.stdout.write(`${kind}: ${answer.approvals} of ${answer.quorum} approvals, state ${answer.state}\n`)
    return 0
  }
}

export async function instructionsCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: { customer: { type: 'string' }, json: { type: 'boolean' } },
  })
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  if (positionals[0] !== undefined) {
    const answer = await fetchInstruction(credentials, positionals[0])
    if (values.json) io.stdout.write(`${JSON.stringify(answer)}\n`)
    else io.stdout.write(`${describeInstruction(opened(answer))}${progress(answer)}`)
    return 0
  }
  const { instructions } = (await callApi(credentials.api, 'GET', '/instructions', credentials.apiToken)) as {
    instructions: InstructionAnswer[]
  }
  if (values.json) io.stdout.write(`${JSON.stringify({ instructions })}\n`)
  else
    for (const { id, state, objects, bytes } of instructions)
      io.stdout.write(`${id}  ${state.padEnd(9)}  ${objects} objects  ${bytes} bytes\n`)
  return 0
}

const followMs = 500
const running = ['drafted', 'approved', 'running']

export async function transfersCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: { follow: { type: 'boolean' }, customer: { type: 'string' }, json: { type: 'boolean' } },
  })
  if (positionals[0] === undefined) return instructionsCommand(argv, io)
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  for (;;) {
    const answer = await fetchInstruction(credentials, positionals[0])
    const goesOn = values.follow === true && running.includes(answer.state)
    if (!goesOn) {
      const { id, state, reason, objects, bytes, ends } = answer
      if (values.json) io.stdout.write(`${JSON.stringify({ id, state, reason, objects, bytes, ends })}\n`)
      else io.stdout.write(progress(answer))
      return values.follow === true && state !== 'completed' ? 1 : 0
    }
    if (io.isTty && !values.json)
      io.stderr.write(`\r${answer.state}: ${answer.objects} objects, ${answer.bytes} bytes `)
    await new Promise(resolve => setTimeout(resolve, followMs))
  }
}

/** Fetched, and its id recomputed: what is shown and signed is what the id names, whoever answered. */
async function fetchInstruction(credentials: CustomerCredentials, id: string): Promise<InstructionAnswer> {
  const answer = (await callApi(credentials.api, 'GET', path(id), credentials.apiToken)) as InstructionAnswer
  const envelope = parseEnvelope(answer.envelope)
  if (envelope === null || documentId(envelope) !== id) {
    throw new HoldfastError('not-verified', `what the region calls ${id} is another document`)
  }
  return answer
}

function opened(answer: InstructionAnswer): Instruction {
  return openedInstruction(parseEnvelope(answer.envelope))
}

function openedInstruction(envelope: Envelope | null): Instruction {
  const instruction = envelope === null ? 'it is no envelope' : openInstruction(envelope)
  if (typeof instruction === 'string')
    throw new HoldfastError('not-verified', `the instruction: ${instruction}`)
  return instruction
}

function progress({ id, state, reason, objects, bytes, approvals, quorum, ends }: InstructionAnswer): string {
  const places = ends.map(
    end => `  ${end.region.padEnd(16)} ${end.state.padEnd(9)} ${end.objects} objects, ${end.bytes} bytes\n`,
  )
  return `${id}: ${state}${reason === null || reason === '' ? '' : ` (${reason})`}, ${objects} objects, ${bytes} bytes, ${approvals} of ${quorum} approvals\n${places.join('')}`
}
