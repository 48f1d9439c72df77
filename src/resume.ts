/** `resume`: a person has looked why a region's ledger stopped, and lets it go on. For a server that is stopped. */
import { existsSync } from 'node:fs'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { fromUtf8 } from './core/bytes.ts'
import { HoldfastError } from './core/errors.ts'
import { stoppedKey } from './ledger/tables.ts'
import { regionFiles } from './open-region.ts'
import { openLmdbCatalog } from './store/lmdb-catalog.ts'

/**
 * Takes back the row that a witness's answer left. Whoever does so says that the witness is wrong: if it is not, the
 * region signs a second history from here on, which anybody can prove who holds the first.
 */
export async function resumeCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      config: { type: 'string' },
      region: { type: 'string' },
      'the-witness-is-wrong': { type: 'boolean' },
    },
  })
  const region = required(values.region, '--region R')
  const { dataFolder } =
    values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const files = regionFiles(dataFolder, region)
  if (!existsSync(files.catalog)) throw new HoldfastError('not-found', `there is no region ${region} here`)
  await using catalog = await openLmdbCatalog(files.catalog)
  const row = await catalog.get('meta', stoppedKey)
  if (row === null) {
    io.stdout.write(`the ledger of ${region} was not stopped by a witness\n`)
    return 0
  }
  io.stdout.write(`the ledger of ${region} was stopped: ${fromUtf8(row)}\n`)
  if (values['the-witness-is-wrong'] !== true) {
    io.stdout.write(
      'If the disk went back in time (an old backup), restore a newer one. If the witness is wrong, take it out of\n' +
        'the configuration and run this again with --the-witness-is-wrong.\n',
    )
    return 1
  }
  await catalog.commit({ removes: [{ table: 'meta', key: stoppedKey }] })
  io.stdout.write('it goes on at the next start\n')
  return 0
}
