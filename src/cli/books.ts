/** `receipt` and `statement`: the customer fetches its books. */
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../core/errors.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { fetchApi } from './api-client.ts'
import { customerFolder, loadCredentials } from './customer-folder.ts'
import type { CommandIo, ExitCode } from './io.ts'
import { parseOptions, required } from './options.ts'

export const receiptUsage = 'holdfast receipt ENTRY -o r.txt [--customer DIR] [--json]'
export const statementUsage = 'holdfast statement --region R -o s.json [--customer DIR] [--json]'

const pendingMs = 15_000

/** Waits for the entry to be published: within a second in ordinary times. */
export async function receiptCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const entry = required(positionals[0], 'ENTRY')
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  const deadline = Date.now() + pendingMs
  for (;;) {
    const response = await fetchApi(credentials.api, 'GET', `/entries/${entry}/receipt`, credentials.apiToken)
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
      throw new HoldfastError('peer-unavailable', `entry ${entry} is durable but still pending; try again`)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

export async function statementCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      region: { type: 'string' },
      output: { type: 'string', short: 'o' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const region = required(values.region, '--region R')
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  const output = required(values.output, '-o FILE')
  const path = `/regions/${encodeURIComponent(region)}/statement`
  const response = await fetchApi(credentials.api, 'GET', path, credentials.apiToken)
  // Under another name until it is whole: half a statement must not pass for one. It says what the customer stores.
  const partial = `${output}.part`
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(partial, { mode: 0o600 }))
  await rename(partial, output)
  if (values.json) io.stdout.write(`${JSON.stringify({ region, file: output })}\n`)
  else io.stdout.write(`statement of ${region} written to ${output}; check it: holdfast verify ${output}\n`)
  return 0
}
