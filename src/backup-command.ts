/** `backup`: the operator's, on the machine that has the region's folder; the region may be serving. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { type BackUpDeps, backUp } from './backup/back-up.ts'
import { type BackupKey, loadBackupKey, makeBackupKey } from './backup/backup-key.ts'
import { checkBackups } from './backup/check.ts'
import { listBackups } from './backup/manifest.ts'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { createPlaces } from './client-places.ts'
import { type Config, embeddedConfig, loadConfig, type RegionConfig } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { createTlsIdentity } from './crypto/tls-identity.ts'
import { regionFiles } from './open-region.ts'
import { createDoor, type Door } from './outbound/door.ts'
import { openPlace } from './remotes.ts'
import type { Depot } from './store/depot.ts'

const defaultKeep = 3

export async function backupCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      config: { type: 'string' },
      region: { type: 'string' },
      to: { type: 'string' },
      from: { type: 'string' },
      check: { type: 'boolean' },
      key: { type: 'string' },
      keep: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (values.check && values.to !== undefined) throw new UsageError('--check reads back what is in --from')
  const where = values.check ? required(values.from, '--from') : required(values.to, '--to')
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const region = regionIn(config, required(values.region, '--region'))
  const keyPath = resolve(values.key ?? 'backup.key')
  using door = await openDoor()
  const depot = openBackups(where, region, config, door)
  if (values.check) {
    const key = values.key === undefined && !existsSync(keyPath) ? null : loadBackupKey(keyPath)
    return check(depot, key, values.json === true, io)
  }
  if (!/^remote:/.test(where) && `${keyPath}${sep}`.startsWith(`${resolve(where)}${sep}`))
    throw new UsageError('the key must not lie in the backup: whoever has both has the region')
  const keep = Number(values.keep ?? defaultKeep)
  if (!Number.isSafeInteger(keep) || keep < 1)
    throw new UsageError('--keep is a number of backups, 1 or more')
  const { folder } = regionFiles(config.dataFolder, region.id)
  if (!existsSync(folder))
    throw new HoldfastError('not-found', `there is no region ${region.id} in ${config.dataFolder}`)
  const key = await keyFor(depot, keyPath, io)
  const report = await backUp({
    region: region.id,
    country: region.country,
    folder,
    depot,
    key,
    keep,
    clock: Date.now,
    randomBytes: length => randomBytes(length),
    onProgress: progressOn(io, 'backup'),
  })
  if (values.json) io.stdout.write(`${JSON.stringify({ region: region.id, ...report })}\n`)
  else
    io.stdout.write(
      `backup ${report.backup} of ${region.id}, taken ${report.taken}\n` +
        `  ${report.files} files, ${report.bytes} bytes; ${report.copiedFiles} files, ${report.copiedBytes} bytes were new\n` +
        `  ledger of ${report.entries} entries\n` +
        (report.removedBackups > 0 ? `  ${report.removedBackups} older backup(s) removed\n` : ''),
    )
  return 0
}

/** Made at the first backup, and never for a place that has backups of another key. */
async function keyFor(depot: Depot, path: string, io: CommandIo): Promise<BackupKey> {
  if (existsSync(path)) return loadBackupKey(path)
  if ((await listBackups(depot)).length > 0)
    throw new HoldfastError(
      'not-found',
      `there is no backup key at ${path}, and ${depot.name} has backups already`,
    )
  const key = await makeBackupKey(path, length => randomBytes(length))
  io.stderr.write(
    `holdfast backup: made ${path}, mode 0600. Keep it apart from the backup AND from this machine's disk:\n` +
      '  without it no backup can be restored, and with it and the backup anybody has the region.\n',
  )
  return key
}

async function check(depot: Depot, key: BackupKey | null, json: boolean, io: CommandIo): Promise<ExitCode> {
  const show = progressOn(io, 'read back')
  const report = await checkBackups(depot, key, (filesDone, files) =>
    show({ files, filesDone, bytes: 0, bytesDone: 0 }),
  )
  const clean = report.findings.length === 0
  if (json) io.stdout.write(`${JSON.stringify({ clean, authentic: key !== null, ...report })}\n`)
  else
    io.stdout.write(
      [
        `${clean ? 'clean' : `${report.findings.length} finding(s)`}: ${report.backups} backup(s), ${report.files} files, ${report.bytes} bytes read back`,
        ...report.findings.map(text => `  ${text}`),
        ...(key === null ? ['  without --key only damage is found, and no forgery'] : []),
        '',
      ].join('\n'),
    )
  return clean ? 0 : 1
}

export function regionIn(config: Config, id: string): RegionConfig {
  const region = config.regions.find(region => region.id === id)
  if (region === undefined)
    throw new HoldfastError('bad-input', `there is no region ${id} in the configuration`)
  return region
}

/** A remote store pins nothing of ours: an identity for this run is enough. */
export async function openDoor(): Promise<Door> {
  return createDoor(await createTlsIdentity('holdfast', ['localhost'], Date.now()))
}

export function openBackups(where: string, region: RegionConfig, config: Config, door: Door): Depot {
  const { country } = region
  return openPlace(where, region.id, 'backup', {
    remotes: config.remotes,
    door,
    country,
    placeOf: createPlaces(config),
  })
}

/** One line that is written over, on a terminal only. */
export function progressOn(io: CommandIo, what: string): BackUpDeps['onProgress'] {
  if (!io.isTty) return () => {}
  let shownAt = 0
  return ({ files, filesDone, bytes, bytesDone }) => {
    const now = Date.now()
    if (now - shownAt < 200 && filesDone < files) return
    shownAt = now
    const mib = (n: number): string => `${Math.floor(n / 2 ** 20)}`
    const sizes = bytes > 0 ? `, ${mib(bytesDone)} of ${mib(bytes)} MiB` : ''
    io.stderr.write(`\r${what}: ${filesDone} of ${files} files${sizes}${filesDone === files ? '\n' : ''}`)
  }
}
