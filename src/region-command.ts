/**
 * `region show`: what other operators put under `peers` of their configuration to know this region. Made here when it is
 * not there yet, so that two processes can be told of each other before either has started.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { fetchApi } from './cli/api-client.ts'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { loadOrCreateLogKey } from './ledger/log-keys.ts'
import { claimFolder, loadIdentity, logOrigin, regionFiles } from './open-region.ts'
import { verifyStatement } from './verify/statement.ts'
import { parseTrust } from './verify/trust.ts'

export async function regionCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      region: { type: 'string' },
      config: { type: 'string' },
      api: { type: 'string' },
      output: { type: 'string', short: 'o' },
      trust: { type: 'string' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (positionals[0] === 'statement' && positionals.length === 1)
    return ownStatement(
      {
        api: values.api ?? `http://127.0.0.1:${io.env.HOLDFAST_API_PORT ?? 9001}`,
        region: required(values.region, '--region R'),
        output: required(values.output, '-o s.json'),
        trust: required(values.trust, '--trust own-trust.json'),
        vkey: values.vkey ?? null,
      },
      io,
    )
  if (positionals.length !== 1 || positionals[0] !== 'show') throw new UsageError('region show or statement')
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

interface OwnStatement {
  readonly api: string
  readonly region: string
  readonly output: string
  readonly trust: string
  /** Of the log, as whoever asks knows it from elsewhere; `null`: it is taken as it is told. */
  readonly vkey: string | null
}

async function ownStatement(
  { api, region, output, trust, vkey }: OwnStatement,
  io: CommandIo,
): Promise<ExitCode> {
  const base = `/regions/${encodeURIComponent(region)}/own`
  const trustText = await (await fetchApi(api, 'GET', `${base}/trust`, null)).text()
  const opened = parseTrust(trustText, nodeVerifyCrypto)
  if (typeof opened === 'string')
    throw new HoldfastError('not-verified', `what ${region} gives for trust: ${opened}`)
  const told = (JSON.parse(trustText) as { regions: Record<string, { vkey: string }> }).regions[region]?.vkey
  if (vkey !== null && told !== vkey)
    throw new HoldfastError('not-verified', `${region} says that its log key is ${told}, and not ${vkey}`)
  const statement = new Uint8Array(
    await (await fetchApi(api, 'GET', `${base}/statement`, null)).arrayBuffer(),
  )
  const verdict = verifyStatement(statement, opened, nodeVerifyCrypto)
  if (!verdict.verified) throw new HoldfastError('not-verified', verdict.failures.join('; '))
  writeFileSync(output, statement)
  writeFileSync(trust, trustText)
  const count = verdict.entries.length
  io.stdout.write(
    `${count} entries of ${region} itself, verified: ${output}, with ${trust}\n${vkey === null ? `The log key is what the region says it is (${told}); --vkey holds it against one that you know.\n` : ''}`,
  )
  return 0
}
