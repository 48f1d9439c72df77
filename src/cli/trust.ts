/** `trust update`: follows the keys of the logs that the customer trusts to those in use now. */
import { existsSync, readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { fetchLogKeys } from './api-client.ts'
import { customerFiles, customerFolder, loadCredentials, saveSecret } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { newerRotations, notTold } from './key-history.ts'
import { parseOptions } from './options.ts'

interface TrustFile {
  readonly regions: Readonly<
    Record<string, { readonly vkey: string; readonly rotations?: readonly string[] }>
  >
}

export async function trustCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: { customer: { type: 'string' }, json: { type: 'boolean' } },
  })
  if (positionals.length !== 1 || positionals[0] !== 'update') throw new UsageError('trust update')
  const files = customerFiles(values.customer ?? customerFolder(io.env))
  const { changed } = await followKeys(files.trust, loadCredentials(files.folder).api)
  if (values.json) io.stdout.write(`${JSON.stringify({ changed })}\n`)
  else if (changed.length === 0) io.stdout.write('nothing changed: the keys are those in use\n')
  else
    for (const { region, rotations } of changed)
      io.stdout.write(`${region}: ${rotations} new key(s) followed\n`)
  return 0
}

export interface FollowedKeys {
  readonly trust: Trust
  /** Where keys were replaced since, and how many times. */
  readonly changed: readonly { readonly region: string; readonly rotations: number }[]
}

/** Follows the keys of every log in a trust file, and writes the file when there were new ones. */
export async function followKeys(path: string, api: string): Promise<FollowedKeys> {
  if (!existsSync(path)) throw new HoldfastError('not-found', `there is no trust file at ${path}`)
  const trust = JSON.parse(readFileSync(path, 'utf8')) as TrustFile
  const regions: Record<string, unknown> = {}
  const changed: { region: string; rotations: number }[] = []
  for (const [region, known] of Object.entries(trust.regions)) {
    const rotations = newerRotations({ rotations: [], ...known }, await fetchLogKeys(api, region))
    if (typeof rotations === 'string')
      throw new HoldfastError(
        rotations === notTold ? 'peer-refused' : 'not-verified',
        `${region} ${rotations}`,
      )
    regions[region] = rotations.length === 0 ? known : { ...known, rotations }
    const added = rotations.length - (known.rotations?.length ?? 0)
    if (added > 0) changed.push({ region, rotations: added })
  }
  const updated = { ...trust, regions }
  // The same check that every use of it makes: a rotation that the key before has not signed is not taken over.
  const checked = parseTrust(JSON.stringify(updated), nodeVerifyCrypto)
  if (typeof checked === 'string')
    throw new HoldfastError('not-verified', `${path} stays as it is: ${checked}`)
  if (changed.length > 0) await saveSecret(path, updated)
  return { trust: checked, changed }
}
