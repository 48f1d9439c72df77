/**
 * `region show`: what other operators put under `peers` of their configuration to know this region. Made here when it is
 * not there yet, so that two processes can be told of each other before either has started.
 */
import { mkdirSync } from 'node:fs'
import { stringify } from 'yaml'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { UsageError } from './cli/io.ts'
import { parseOptions } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { loadOrCreateLogKey } from './ledger/log-keys.ts'
import { claimFolder, loadIdentity, logOrigin, regionFiles } from './open-region.ts'

export async function regionCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: { region: { type: 'string' }, config: { type: 'string' }, json: { type: 'boolean' } },
  })
  if (positionals.length !== 1 || positionals[0] !== 'show') throw new UsageError('region show')
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const wanted = config.regions.filter(({ id }) => values.region === undefined || id === values.region)
  if (wanted.length === 0)
    throw new HoldfastError('not-found', `the configuration has no region ${values.region}`)
  const peers = []
  for (const { id, country, operator, peer } of wanted) {
    const files = regionFiles(config.dataFolder, id)
    mkdirSync(files.folder, { recursive: true, mode: 0o700 })
    await claimFolder(files.folder, id)
    const identity = await loadIdentity(files.folder, id, peer.host, Date.now)
    const origin = await logOrigin(files.folder, config.publicHost, id)
    const { history } = await loadOrCreateLogKey(files.logKey, origin, nodeVerifyCrypto)
    const { certificate } = identity
    peers.push({ id, country, operator, ...peer, certificate, ...history })
  }
  io.stdout.write(values.json ? `${JSON.stringify({ peers })}\n` : stringify({ peers }))
  return 0
}
