/** Where backups and copies of public logs go: a folder, or `remote:NAME` of the configuration, through the door. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RemoteConfig } from './config.ts'
import { HoldfastError, messageOf } from './core/errors.ts'
import type { CountryCode } from './core/ids.ts'
import type { Door } from './outbound/door.ts'
import { createS3Client } from './outbound/s3-client.ts'
import { createS3Depot, parseCredentials } from './outbound/s3-depot.ts'
import type { Depot } from './store/depot.ts'
import { createFolderDepot } from './store/folder-depot.ts'

const idleMs = 60_000

export interface RemoteDeps {
  readonly remotes: readonly RemoteConfig[]
  readonly door: Pick<Door, 'send'>
  /** The country of the region whose files they are. */
  readonly country: CountryCode
  readonly placeOf: (address: string) => CountryCode | 'home' | null
}

/** `path` is under the remote's prefix: what is of one region, kept apart from what is of another. */
export function openRemote(
  name: string,
  path: string,
  holds: 'backup' | 'public-log',
  { remotes, door, country, placeOf }: RemoteDeps,
): Depot {
  const config = remotes.find(remote => remote.name === name)
  if (config === undefined)
    throw new HoldfastError('bad-input', `there is no remote ${name} in the configuration`)
  const credentials = parseCredentials(readText(config.credentialsFile), config.credentialsFile)
  const certificate = config.certificateFile === null ? null : readText(config.certificateFile)
  const client = createS3Client(
    { ...config, certificate, credentials },
    { door, holds, from: country, placeOf, clock: Date.now, sleep: ms => sleep(ms), idleMs },
  )
  const prefix = [config.prefix, path].filter(Boolean).join('/')
  return createS3Depot(client, { name: `remote ${name} (bucket ${config.bucket}, ${prefix}/)`, prefix })
}

/** As `--to` and `--from` say it: `remote:NAME` or a folder. */
export function openPlace(
  where: string,
  path: string,
  holds: 'backup' | 'public-log',
  deps: RemoteDeps,
): Depot {
  const remote = /^remote:(.*)$/.exec(where)
  if (remote !== null) return openRemote(remote[1]!, path, holds, deps)
  return createFolderDepot(resolve(where, path), holds === 'backup' ? 'private' : 'shared')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new HoldfastError('not-found', `${path}: ${messageOf(error)}`)
  }
}
