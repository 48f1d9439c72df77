import { HoldfastError } from '../core/errors.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { fetchApi } from './api-client.ts'
import { customerFolder, loadCredentials } from './customer-folder.ts'
import type { CommandIo, ExitCode } from './io.ts'
import { parseOptions, required } from './options.ts'

export const receiptUsage = 'holdfast receipt ENTRY -o r.txt [--customer DIR] [--json]'

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
