/** `approve`, `reject`, `revoke`, `sign-request`: what an approver says, by a key in a file or by one that is elsewhere. */
import { readFileSync } from 'node:fs'
import { utf8 } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { isoTime } from '../core/time.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { parsePrivateKey } from '../crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../crypto/signed-document.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { canonicalFields } from '../verify/approver-set.ts'
import { type VerdictKind, verdictTypes } from '../verify/verdict-document.ts'
import { orderApi } from './api-client.ts'
import { describeInstruction } from './instruction-text.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import {
  fetchInstruction,
  type InstructionAnswer,
  type Orderer,
  openedInstruction,
  ordererOf,
} from './order.ts'
import {
  demandSigned,
  findApprover,
  knownSets,
  printSignRequest,
  readSignRequest,
  signatureOf,
} from './sign-request.ts'

const words: Readonly<Record<string, VerdictKind>> = {
  approve: 'approved',
  reject: 'rejected',
  revoke: 'revoked',
}

export const approveCommand = verdictCommand('approve')
export const rejectCommand = verdictCommand('reject')
export const revokeCommand = verdictCommand('revoke')

/** Shows what is signed, as computed from the bytes that are signed, before the key is used. */
function verdictCommand(word: string): (argv: string[], io: CommandIo) => Promise<ExitCode> {
  const kind = words[word]!
  return async (argv, io) => {
    const { values, positionals } = parseOptions({
      args: argv,
      allowPositionals: true,
      options: {
        key: { type: 'string' },
        signature: { type: 'string' },
        request: { type: 'string' },
        delegation: { type: 'string' },
        reason: { type: 'string' },
        customer: { type: 'string' },
        json: { type: 'boolean' },
      },
    })
    const id = required(positionals[0], 'ID')
    const isForeign = values.signature !== undefined || values.request !== undefined
    if (isForeign && (values.key ?? values.delegation ?? values.reason) !== undefined)
      throw new UsageError('with --signature, key, delegation and reason are those of the request')
    const orderer = ordererOf(values, io)
    const sign = isForeign
      ? await foreignVerdict(word, id, orderer, values, io)
      : ownVerdict(kind, id, orderer, values)
    await show(orderer, id, values.json ? null : io)
    const { folder, credentials } = orderer
    const answer = (await orderApi(credentials, folder, `/instructions/${encodeURIComponent(id)}/verdicts`, {
      envelope: printEnvelope(sign()),
    })) as InstructionAnswer
    const { state, approvals, quorum } = answer
    io.stdout.write(
      values.json
        ? `${JSON.stringify({ id, state, approvals, quorum })}\n`
        : `${kind}: ${approvals} of ${quorum} approvals, state ${state}\n`,
    )
    return 0
  }
}

/** Signed when it is called. */
function ownVerdict(
  kind: VerdictKind,
  id: string,
  orderer: Orderer,
  values: { readonly key?: string | undefined } & VerdictTerms,
): () => Envelope {
  const path = required(values.key, '--key FILE, or --signature FILE --request FILE,')
  const key = parsePrivateKey(readFileSync(path, 'utf8'))
  return () => signDocument(draftVerdict(kind, id, orderer, values), key)
}

/** What was asked for by `sign-request`, with the signature that came back. */
async function foreignVerdict(
  word: string,
  id: string,
  orderer: Orderer,
  values: { readonly signature?: string | undefined; readonly request?: string | undefined },
  io: CommandIo,
): Promise<() => Envelope> {
  const path = required(values.request, '--request FILE')
  const { draft, approver, algorithm } = readSignRequest(path)
  const fields = canonicalFields(draft.payload)
  if (draft.payloadType !== verdictTypes[words[word]!] || fields?.instruction !== id)
    throw new HoldfastError('bad-input', `${path} is not to ${word} ${id}`)
  if (fields.tenant !== orderer.credentials.tenant)
    throw new HoldfastError('bad-input', `${path} is of another tenant`)
  const signature = signatureOf(readFileSync(required(values.signature, '--signature FILE')), algorithm)
  const envelope: Envelope = { ...draft, signatures: [{ keyid: approver, signature }] }
  const sets = await knownSets(orderer)
  if (sets !== null) demandSigned(sets, envelope, approver)
  else io.stderr.write('there is no trust.json here: only the regions check the signature\n')
  return () => envelope
}

interface VerdictTerms {
  readonly reason?: string | undefined
  readonly delegation?: string | undefined
}

function draftVerdict(
  kind: VerdictKind,
  id: string,
  { credentials }: Orderer,
  { reason = '', delegation }: VerdictTerms,
): Envelope {
  return createDocument(verdictTypes[kind], {
    ...(delegation !== undefined && { delegation: readDelegation(delegation) }),
    instruction: id,
    reason,
    tenant: credentials.tenant,
    time: isoTime(Date.now()),
    v: 1,
  })
}

function readDelegation(file: string): Json {
  const envelope = parseEnvelope(JSON.parse(readFileSync(file, 'utf8')))
  if (envelope === null) throw new UsageError(`${file} holds no delegation`)
  return printEnvelope(envelope) as Json
}

/** Also where nothing is printed: what the region calls by this id must be what has it. */
async function show({ credentials }: Orderer, id: string, io: CommandIo | null): Promise<void> {
  const { envelope } = await fetchInstruction(credentials, id)
  io?.stdout.write(`${describeInstruction(openedInstruction(parseEnvelope(envelope)))}\n`)
}

/** Writes down what a key that is kept elsewhere is to sign: in a security module, on a card, a passkey. */
export async function signRequestCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      as: { type: 'string' },
      approver: { type: 'string' },
      delegation: { type: 'string' },
      reason: { type: 'string' },
      output: { type: 'string', short: 'o' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const id = required(positionals[0], 'ID')
  const word = required(values.as, '--as approve|reject|revoke')
  const kind = Object.hasOwn(words, word) ? words[word] : undefined
  if (kind === undefined) throw new UsageError('--as is approve, reject or revoke')
  const approver = required(values.approver, '--approver KEYID')
  if (!/^[0-9a-f]{64}$/.test(approver)) throw new UsageError('--approver takes a key id: 64 hex digits')
  const path = required(values.output, '-o FILE')
  const orderer = ordererOf(values, io)
  await show(orderer, id, values.json ? null : io)
  const draft = draftVerdict(kind, id, orderer, values)
  const known = findApprover((await knownSets(orderer)) ?? [], draft, approver)
  const request = printSignRequest({ draft, approver, algorithm: known?.algorithm ?? null })
  await writeFileDurable(path, utf8(request), 0o644)
  if (known === null) io.stderr.write(`nobody here knows the key ${approver}\n`)
  const facts = { request: path, algorithm: known?.algorithm ?? null, sha256: documentId(draft) }
  io.stdout.write(
    values.json
      ? `${JSON.stringify(facts)}\n`
      : `${path} written: what ${approver} is to sign\n  holdfast ${word} ${id} --signature FILE --request ${path}\n`,
  )
  return 0
}
