/** `receipt` and `statement`: the customer fetches its books. */
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../core/errors.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { parseDecimal } from '../verify/checkpoint-text.ts'
import { fetchApi } from './api-client.ts'
import { customerFiles, customerFolder, loadCredentials } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { loadMemory, type Memory } from './seen.ts'

export const receiptUsage = 'holdfast receipt ENTRY -o r.txt [--customer DIR] [--json]'
export const statementUsage =
  'holdfast statement --region R -o s.json [--from N] [--to N] [--new] [--customer DIR] [--json]'

const pendingMs = 15_000
/** A witness that was away is asked again after a while. */
const witnessedMs = 60_000

/** Waits for the entry to be published: within a second in ordinary times. */
export async function receiptCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o' },
      customer: { type: 'string' },
      witnessed: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const entry = required(positionals[0], 'ENTRY')
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  const isWitnessed = values.witnessed === true
  const path = `/entries/${entry}/receipt${isWitnessed ? '?witnessed=true' : ''}`
  const deadline = Date.now() + (isWitnessed ? witnessedMs : pendingMs)
  for (;;) {
    const response = await fetchApi(credentials.api, 'GET', path, credentials.apiToken)
    if (response.status === 200) {
      const receipt = await response.text()
      if (values.output !== undefined) await writeFileDurable(values.output, Buffer.from(receipt), 0o600)
      else if (!values.json) io.stdout.write(receipt)
      const file = values.output === undefined ? { receipt } : { file: values.output }
      if (values.json) io.stdout.write(`${JSON.stringify({ entry, ...file })}\n`)
      else if (values.output !== undefined)
        io.stdout.write(`receipt of ${entry} written to ${values.output}\n`)
      return 0
    }
    await response.body?.cancel()
    if (Date.now() > deadline)
      throw new HoldfastError(
        'peer-unavailable',
        isWitnessed
          ? `no witness has cosigned a checkpoint with entry ${entry} yet; try again`
          : `entry ${entry} is durable but still pending; try again`,
      )
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

export async function statementCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      region: { type: 'string' },
      output: { type: 'string', short: 'o' },
      from: { type: 'string' },
      to: { type: 'string' },
      new: { type: 'boolean' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const region = required(values.region, '--region R')
  const files = customerFiles(values.customer ?? customerFolder(io.env))
  const credentials = loadCredentials(files.folder)
  const output = required(values.output, '-o FILE')
  const range = rangeOf(values, { region, tenant: credentials.tenant, memory: loadMemory(files.checkpoints) })
  const path = `/regions/${encodeURIComponent(region)}/statement${range}`
  const response = await fetchApi(credentials.api, 'GET', path, credentials.apiToken)
  // Under another name until it is whole: half a statement must not pass for one. It says what the customer stores.
  const partial = `${output}.part`
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(partial, { mode: 0o600 }))
  await rename(partial, output)
  if (values.json) io.stdout.write(`${JSON.stringify({ region, file: output })}\n`)
  else io.stdout.write(`statement of ${region} written to ${output}; check it: holdfast verify ${output}\n`)
  return 0
}

/** `--from` and `--to` are sequence numbers, both included; `--new` begins where `verify` has seen to. */
function rangeOf(
  values: {
    readonly from?: string | undefined
    readonly to?: string | undefined
    readonly new?: boolean | undefined
  },
  seen: { readonly region: string; readonly tenant: string; readonly memory: Memory },
): string {
  const query = new URLSearchParams()
  if (values.new && values.from !== undefined) throw new UsageError('--new and --from exclude each other')
  if (values.new) query.set('first', String(seen.memory.chains[`${seen.tenant}/${seen.region}`]?.count ?? 0))
  if (values.from !== undefined) query.set('first', String(sequenceNumber(values.from, '--from')))
  if (values.to !== undefined) query.set('end', String(sequenceNumber(values.to, '--to') + 1))
  return query.size === 0 ? '' : `?${query}`
}

function sequenceNumber(text: string, name: string): number {
  const value = parseDecimal(text)
  if (value === null) throw new UsageError(`${name} is not a sequence number`)
  return value
}
