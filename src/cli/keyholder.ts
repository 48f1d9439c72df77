import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'
import { jsonLinesLog } from '../core/log.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import { createHolderServer } from '../keys/holder-server.ts'
import { openJournal } from '../keys/journal.ts'
import { loadKeyring } from '../keys/keyring.ts'
import { customerFiles, customerFolder, loadHolderConfig } from './customer-folder.ts'
import type { CommandIo, ExitCode } from './io.ts'
import { parseOptions } from './options.ts'
import { untilStopped } from './until-stopped.ts'

export const keyholderUsage = 'holdfast keyholder [--customer DIR]'

/** The customer's own process: answers key requests of the regions that its folder names, until it is stopped. */
export async function keyholderCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({ args: argv, options: { customer: { type: 'string' } } })
  const folder = values.customer ?? customerFolder(io.env)
  const files = customerFiles(folder)
  const config = loadHolderConfig(folder)
  if (!existsSync(files.keyring))
    throw new HoldfastError('not-found', `there is no keyring at ${files.keyring}`)
  const keyring = loadKeyring(files.keyring, length => randomBytes(length))
  const identity = JSON.parse(readFileSync(files.holderTls, 'utf8')) as TlsIdentity
  await using journal = await openJournal(files.journal, Date.now)
  const log = jsonLinesLog(line => io.stderr.write(line), Date.now)
  const server = createHolderServer({
    identity,
    clients: config.clients,
    keyring,
    journal,
    clock: Date.now,
    log,
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  io.stdout.write(
    `holdfast keyholder ready on https://${config.host}:${config.port}, journal ${files.journal}\n`,
  )
  await untilStopped()
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
  return 0
}
