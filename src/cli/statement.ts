/** `statement`: the customer fetches its books, and has them as a page to read. */
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { utf8 } from '../core/bytes.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { parseDecimal } from '../verify/checkpoint-text.ts'
import { fetchApi } from './api-client.ts'
import { customerFiles, customerFolder, loadCredentials } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { loadMemory, type Memory } from './seen.ts'
import { renderStatement } from './statement-page/render.ts'

export const statementUsage =
  'holdfast statement --region R -o s.json [--from N] [--to N] [--new] [--html s.html] [--customer DIR] [--json]\n' +
  '       holdfast statement --in s.json --html s.html [--customer DIR] [--json]'

export async function statementCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      region: { type: 'string' },
      output: { type: 'string', short: 'o' },
      in: { type: 'string' },
      html: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      new: { type: 'boolean' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const files = customerFiles(values.customer ?? customerFolder(io.env))
  const file = values.in ?? (await fetchStatement(values, files.folder))
  if (values.html !== undefined) {
    const page = await renderStatement(file, files.trust)
    await writeFileDurable(values.html, utf8(page), 0o600)
  }
  const { html } = values
  if (values.json) io.stdout.write(`${JSON.stringify({ region: values.region, file, html })}\n`)
  else {
    if (values.in === undefined)
      io.stdout.write(`statement of ${values.region} written to ${file}; check it: holdfast verify ${file}\n`)
    if (html !== undefined) io.stdout.write(`verified, and written as a page to ${html}\n`)
  }
  return 0
}

interface Wanted {
  readonly region?: string | undefined
  readonly output?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly new?: boolean | undefined
}

async function fetchStatement(values: Wanted, folder: string): Promise<string> {
  const region = required(values.region, '--region R')
  const output = required(values.output, '-o FILE')
  const credentials = loadCredentials(folder)
  const memory = loadMemory(customerFiles(folder).checkpoints)
  const range = rangeOf(values, { region, tenant: credentials.tenant, memory })
  const path = `/regions/${encodeURIComponent(region)}/statement${range}`
  const response = await fetchApi(credentials.api, 'GET', path, credentials.apiToken)
  // Under another name until it is whole: half a statement must not pass for one. It says what the customer stores.
  const partial = `${output}.part`
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(partial, { mode: 0o600 }))
  await rename(partial, output)
  return output
}

/** `--from` and `--to` are sequence numbers, both included; `--new` begins where `verify` has seen to. */
function rangeOf(
  values: Wanted,
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
