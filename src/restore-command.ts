/** `restore`: a region's folder from a backup, for a server that is not running it. */
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { loadBackupKey } from './backup/backup-key.ts'
import { restore } from './backup/restore.ts'
import { openBackups, openDoor, progressOn, regionIn } from './backup-command.ts'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { publishedCheckpoint } from './cli/published-checkpoint.ts'
import { createPlaces } from './client-places.ts'
import { type Config, embeddedConfig, loadConfig, type RegionConfig } from './config.ts'
import { fromUtf8 } from './core/bytes.ts'
import { HoldfastError } from './core/errors.ts'
import { fsckRegion } from './fsck.ts'
import type { Door } from './outbound/door.ts'
import { openPlace } from './remotes.ts'
import { checkpointPath } from './verify/tile-path.ts'

export async function restoreCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      config: { type: 'string' },
      region: { type: 'string' },
      from: { type: 'string' },
      key: { type: 'string' },
      data: { type: 'string' },
      backup: { type: 'string' },
      published: { type: 'string', multiple: true },
      'new-log': { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const from = required(values.from, '--from')
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const region = regionIn(config, required(values.region, '--region'))
  const newLog = values['new-log'] ?? null
  if (newLog !== null && !/^[^\s+/]+$/.test(newLog))
    throw new UsageError('--new-log is a host, with a port or without')
  const key = loadBackupKey(required(values.key, '--key'))
  using door = await openDoor()
  const published: { from: string; note: string }[] = []
  for (const where of values.published ?? [])
    published.push({ from: where, note: await checkpointAt(where, region, config, door) })
  const report = await restore({
    region: region.id,
    dataFolder: values.data === undefined ? config.dataFolder : resolve(values.data),
    depot: openBackups(from, region, config, door),
    key,
    backup: values.backup ?? null,
    published,
    newLog,
    check: async (dataFolder, id) => (await fsckRegion(dataFolder, id, false)).findings,
    clock: Date.now,
    randomBytes: length => randomBytes(length),
    onProgress: progressOn(io, 'restore'),
  })
  const compared = published.length > 0 && newLog === null
  const verdict =
    newLog !== null
      ? `it begins the log ${newLog}/log/${region.id}, with a key of its own: tell every tenant and reader of the old log`
      : compared
        ? 'its ledger continues what is published'
        : 'NOT compared with what is published: if a larger checkpoint of this log is out, starting it makes a second history (--published)'
  if (values.json) io.stdout.write(`${JSON.stringify({ region: region.id, ...report, compared })}\n`)
  else
    io.stdout.write(
      `${region.id} restored to ${report.folder}\n` +
        `  backup ${report.backup}, taken ${report.taken}: ${report.files} files, ${report.bytes} bytes, ledger of ${report.entries} entries\n` +
        `  ${verdict}\n`,
    )
  return 0
}

async function checkpointAt(
  where: string,
  region: RegionConfig,
  config: Config,
  door: Door,
): Promise<string> {
  if (!where.startsWith('remote:')) return publishedCheckpoint(where)
  const { country } = region
  const deps = { remotes: config.remotes, door, country, placeOf: createPlaces(config) }
  const depot = openPlace(where, region.id, 'public-log', deps)
  const note = await depot.get(checkpointPath)
  if (note === null) throw new HoldfastError('not-found', `there is no checkpoint in ${depot.name}`)
  return fromUtf8(note)
}
