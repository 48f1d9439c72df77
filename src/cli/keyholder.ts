import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { jsonLinesLog, type Log } from '../core/log.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import { createHolderServer } from '../keys/holder-server.ts'
import { openJournal } from '../keys/journal.ts'
import { loadKeyring } from '../keys/keyring.ts'
import { customerFiles, customerFolder, loadHolderConfig, tenantFolders } from './customer-folder.ts'
import type { CommandIo, ExitCode } from './io.ts'
import { parseOptions } from './options.ts'
import { untilStopped } from './until-stopped.ts'

const lookEveryMs = 300

/**
 * The customer's own process: answers key requests of the regions that its folder names, until it is stopped. Tenants
 * under the folder (`tenants/…`) are answered too, each on its own port with its own keyring and journal, also those
 * that are made while it runs.
 */
export async function keyholderCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({ args: argv, options: { customer: { type: 'string' } } })
  const folder = values.customer ?? customerFolder(io.env)
  const log = jsonLinesLog(line => io.stderr.write(line), Date.now)
  await using stack = new AsyncDisposableStack()
  const first = stack.use(await serveFolder(folder, log))
  const served = new Set<string>()
  const look = async (): Promise<void> => {
    for (const each of tenantFolders(folder)) {
      if (served.has(each)) continue
      served.add(each)
      try {
        stack.use(await serveFolder(each, log))
      } catch (error) {
        log('error', 'tenant-not-served', { folder: each, error: messageOf(error) })
      }
    }
  }
  await look()
  let looking = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, lookEveryMs)
  io.stdout.write(`holdfast keyholder ready on ${first.url}, journal ${customerFiles(folder).journal}\n`)
  await untilStopped()
  clearInterval(timer)
  await looking
  return 0
}

async function serveFolder(folder: string, log: Log): Promise<AsyncDisposable & { readonly url: string }> {
  const files = customerFiles(folder)
  const config = loadHolderConfig(folder)
  if (!existsSync(files.keyring))
    throw new HoldfastError('not-found', `there is no keyring at ${files.keyring}`)
  const keyring = loadKeyring(files.keyring, length => randomBytes(length))
  const identity = JSON.parse(readFileSync(files.holderTls, 'utf8')) as TlsIdentity
  const journal = await openJournal(files.journal, Date.now)
  const server = createHolderServer({
    identity,
    clients: config.clients,
    keyring,
    journal,
    clock: Date.now,
    log,
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(config.port, config.host, resolve)
    })
  } catch (error) {
    await journal[Symbol.asyncDispose]()
    throw error
  }
  return {
    url: `https://${config.host}:${config.port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      await journal[Symbol.asyncDispose]()
    },
  }
}
