/** `log copy`: a region's public log, once, to a folder for any web server or to S3. `log rotate`: its key is replaced. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDoor, regionIn } from './backup-command.ts'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { createPlaces } from './client-places.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { createFileTileStore } from './ledger/file-tile-store.ts'
import { loadLogKey } from './ledger/log-keys.ts'
import { createLogMirror } from './ledger/log-mirror.ts'
import { regionFiles } from './open-region.ts'
import { openRemote } from './remotes.ts'
import { requestRotation } from './rotate-log.ts'
import { createFolderDepot } from './store/folder-depot.ts'

export async function logCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      region: { type: 'string' },
      to: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const [action, ...more] = positionals
  if ((action !== 'copy' && action !== 'rotate') || more.length > 0)
    throw new UsageError('log copy, or log rotate')
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const { id, country } = regionIn(config, required(values.region, '--region'))
  const files = regionFiles(config.dataFolder, id)
  if (!existsSync(files.folder))
    throw new HoldfastError('not-found', `there is no region ${id} in ${config.dataFolder}`)
  const origin = readFileSync(join(files.folder, 'log.origin'), 'utf8').trim()
  if (action === 'rotate') {
    const vkey = await requestRotation(files.logKey, origin)
    if (values.json) io.stdout.write(`${JSON.stringify({ region: id, replaces: vkey })}\n`)
    else io.stdout.write(`at its next start ${id} signs its log with a new key, in place of ${vkey}\n`)
    return 0
  }
  const to = required(values.to, '--to')
  const { log, history } = await loadLogKey(files.logKey, origin, nodeVerifyCrypto)
  using door = await openDoor()
  const remote = /^remote:(.*)$/.exec(to)?.[1]
  const deps = { remotes: config.remotes, door, country, placeOf: createPlaces(config) }
  const depot =
    remote === undefined ? createFolderDepot(to, 'shared') : openRemote(remote, id, 'public-log', deps)
  const tiles = createFileTileStore(files.tiles)
  const mirror = createLogMirror({ tiles, keys: log, history, crypto: nodeVerifyCrypto, depot })
  const { size, copied } = await mirror.step()
  if (values.json) io.stdout.write(`${JSON.stringify({ region: id, to: depot.name, size, copied })}\n`)
  else io.stdout.write(`the log of ${id}, ${size} entries, is in ${depot.name}; ${copied} files were new\n`)
  return 0
}
