/** `instruct`, `instructions`: what was ordered and what became of it. */
import type { Json } from '../core/canonical-json.ts'
import { plain } from '../core/plain-text.ts'
import { parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import type { Instruction } from '../instructions/instruction.ts'
import type { DryRun } from '../transfers/dry-run.ts'
import { callApi } from './api-client.ts'
import { instructApproversCommand } from './approvers.ts'
import { customerFolder, loadCredentials } from './customer-folder.ts'
import { instructClassCommand } from './instruct-class.ts'
import { instructEraseCommand } from './instruct-erase.ts'
import { instructKeyCommand } from './instruct-key.ts'
import { instructAccessCommand, instructDiscloseCommand } from './instruct-people.ts'
import { instructResidencyCommand } from './instruct-residency.ts'
import { describeInstruction, dryRunText } from './instruction-text.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import {
  draftOf,
  fetchInstruction,
  findBucketPlace,
  type InstructionAnswer,
  openedInstruction,
  order,
  ordererOf,
  orderOptions,
} from './order.ts'
import { templatesCommand, withTemplate } from './template.ts'

type Command = (argv: string[], io: CommandIo) => Promise<ExitCode>

const kinds: Readonly<Record<string, Command>> = {
  transfer: (argv, io) => instructTransferCommand('transfer', argv, io),
  'standing-transfer': (argv, io) => instructTransferCommand('standing-transfer', argv, io),
  class: instructClassCommand,
  residency: instructResidencyCommand,
  key: instructKeyCommand,
  erase: instructEraseCommand,
  approvers: instructApproversCommand,
  access: instructAccessCommand,
  disclose: instructDiscloseCommand,
}

export async function instructCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  if (argv[0] === 'templates') return templatesCommand(io)
  const [kind = '', ...rest] = withTemplate(argv)
  const command = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
  if (command === undefined)
    throw new UsageError(`what can be instructed: ${Object.keys(kinds).join(', ')}; or --template NAME`)
  return command(rest, io)
}

async function instructTransferCommand(
  kind: 'transfer' | 'standing-transfer',
  argv: string[],
  io: CommandIo,
): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      ...orderOptions,
      bucket: { type: 'string' },
      prefix: { type: 'string', default: '' },
      'to-bucket': { type: 'string' },
      'to-region': { type: 'string' },
      mode: { type: 'string', default: 'copy' },
      mechanism: { type: 'string' },
      'max-objects': { type: 'string' },
      'max-bytes': { type: 'string' },
      versions: { type: 'string' },
      list: { type: 'string' },
      'dry-run': { type: 'boolean' },
    },
  })
  const isStanding = kind === 'standing-transfer'
  if (values.mode !== 'copy' && values.mode !== 'move') throw new UsageError('--mode is copy or move')
  if (isStanding && (values.mode === 'move' || values.versions !== undefined || values.list !== undefined))
    throw new UsageError(
      'a standing transfer copies what comes: --mode move, --versions and --list are not for it',
    )
  if (values.versions !== undefined && values.versions !== 'current' && values.versions !== 'all')
    throw new UsageError('--versions is current or all')
  // How long it goes on is what it says of itself; nobody is to find out by a default.
  if (isStanding) required(values.expires, '--expires')
  const orderer = ordererOf(values, io)
  const { credentials } = orderer
  const from = await findBucketPlace(credentials, required(values.bucket, '--bucket'))
  const toBucket = required(values['to-bucket'], '--to-bucket')
  // One of another process, which this one cannot look up; the region that it is in judges it.
  const to =
    values['to-region'] === undefined
      ? await findBucketPlace(credentials, toBucket)
      : { bucket: toBucket, region: values['to-region'] }
  const purpose = values.purpose ?? (values['dry-run'] ? 'a dry run' : undefined)
  const scope: { [field: string]: Json } = {
    prefix: values.prefix,
    ...(values.versions !== undefined && { versions: values.versions }),
    ...(values.list !== undefined && { list: values.list }),
  }
  const draft = draftOf(
    orderer,
    { ...values, purpose },
    {
      from: { bucket: from.bucket, region: from.region },
      kind,
      ledger: from.ledger,
      limits: {
        bytes: limit(values['max-bytes'], '--max-bytes'),
        objects: limit(values['max-objects'], '--max-objects'),
      },
      mechanism: values.mechanism ?? null,
      ...(!isStanding && { mode: values.mode }),
      scope,
      to: { bucket: to.bucket, region: to.region },
    },
  )
  if (values['dry-run']) {
    const body = { envelope: printEnvelope(draft) }
    const { api, apiToken } = credentials
    const tried = (await callApi(api, 'POST', '/instructions/dry-run', apiToken, body)) as DryRun
    io.stdout.write(values.json ? `${JSON.stringify(tried)}\n` : dryRunText(tried, values.mode))
    return tried.allowed ? 0 : 1
  }
  return order(orderer, draft, 'It moves nothing', values, io)
}

function limit(text: string | undefined, name: string): number | null {
  if (text === undefined) return null
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${name} takes a number`)
  return Number(text)
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
    else io.stdout.write(`${describeInstruction(opened(answer))}${progressText(answer)}`)
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

function opened(answer: InstructionAnswer): Instruction {
  return openedInstruction(parseEnvelope(answer.envelope))
}

export function progressText({
  id,
  state,
  reason,
  objects,
  bytes,
  approvals,
  quorum,
  ends,
}: InstructionAnswer): string {
  const places = ends.map(
    end => `  ${end.region.padEnd(16)} ${end.state.padEnd(9)} ${end.objects} objects, ${end.bytes} bytes\n`,
  )
  return `${id}: ${state}${reason === null || reason === '' ? '' : ` (${plain(reason)})`}, ${objects} objects, ${bytes} bytes, ${approvals} of ${quorum} approvals\n${places.join('')}`
}
