/** Regions in processes of their own, each told of the others by its operator, and one customer who has joined them all. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { CustomerCredentials } from '../../src/cli/customer-folder.ts'
import { type PrivateKey, parsePrivateKey } from '../../src/crypto/signatures.ts'
import { type Daemon, type Outcome, run, startDaemon, succeed } from './child.ts'
import { freePorts } from './free-ports.ts'
import { createS3, type S3 } from './s3.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const cleanEnv = Object.fromEntries(
  Object.keys(process.env)
    .filter(name => /^(HOLDFAST|AWS)_/.test(name))
    .map(name => [name, undefined]),
)

export interface SiteTerms {
  readonly region: string
  readonly country: string
  /** Left out, 127.0.0.1. */
  readonly host?: string
  /** The command line that the process is started by, such as within a network namespace. */
  readonly under?: (command: readonly string[]) => readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly config?: Readonly<Record<string, unknown>>
  /** Left out, a folder of the sites' own. */
  readonly data?: string
}

export interface Site {
  readonly region: string
  readonly data: string
  /** The customer's folder for this site. */
  readonly customer: string
  readonly credentials: CustomerCredentials
  readonly s3: S3
  said(): string
  /** As the customer, at this site. */
  cli(...args: string[]): Promise<Outcome>
  fsck(...args: string[]): Promise<Outcome>
  stop(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
}

export interface Sites extends AsyncDisposable {
  readonly folder: string
  readonly customer: string
  readonly approvers: readonly PrivateKey[]
  readonly approverFiles: readonly string[]
  readonly at: (region: string) => Site
}

export interface SitesOptions {
  readonly approvers?: readonly [count: number, quorum: number]
  /** Where the key holder listens; left out, 127.0.0.1. */
  readonly holderHost?: string
  /** Runs the customer's side. */
  readonly customerUnder?: (command: readonly string[]) => readonly string[]
}

/** The first is the tenant's home. */
export async function startSites(terms: readonly SiteTerms[], options: SitesOptions = {}): Promise<Sites> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-sites-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const ports = await freePorts(1 + terms.length * 3)
  const customer = join(folder, 'customer')
  const wrap = options.customerUnder ?? (command => command)
  const cliIn = (at: string, ...args: string[]): Promise<Outcome> => {
    const [program, ...rest] = wrap([process.execPath, main, ...args]) as [string, ...string[]]
    return run(program, rest, { env: { ...cleanEnv, HOLDFAST_CUSTOMER: at }, cwd: folder })
  }
  const mustCli = async (at: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cliIn(at, ...args)
    if (code !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  const planned = terms.map((term, at) => {
    const host = term.host ?? '127.0.0.1'
    const [s3Port, apiPort, peerPort] = ports.slice(1 + at * 3, 4 + at * 3) as [number, number, number]
    const own = join(folder, term.region)
    mkdirSync(own)
    const configFile = join(own, 'holdfast.yaml')
    const config = {
      data: term.data ?? join(own, 'data'),
      host,
      workers: 0,
      loopbackIsHome: true,
      s3: { port: s3Port },
      api: { port: apiPort },
      regions: [{ id: term.region, country: term.country, operator: 'test', peer: { host, port: peerPort } }],
      ...term.config,
    }
    writeFileSync(configFile, stringify(config))
    return {
      ...term,
      own,
      config,
      configFile,
      api: `http://${host}:${apiPort}`,
      endpoint: `http://${host}:${s3Port}`,
    }
  })
  // Each is told of the others as its operator would be: by what `region show` prints there.
  const shown = new Map<string, unknown>()
  for (const { region, configFile, endpoint } of planned) {
    const out = await succeed(process.execPath, [main, 'region', 'show', '--config', configFile], {
      env: cleanEnv,
    })
    const [peer] = (parse(out) as { peers: object[] }).peers
    shown.set(region, { ...peer, s3: new URL(endpoint).host })
  }
  for (const { region, config, configFile } of planned) {
    const peers = [...shown].filter(([id]) => id !== region).map(([, peer]) => peer)
    writeFileSync(configFile, stringify({ ...config, peers }))
  }

  const daemons = new Map<string, Daemon>()
  const starting = (plan: (typeof planned)[number]) => async (): Promise<void> => {
    const serve = [process.execPath, main, 'serve', '--config', plan.configFile]
    const [program, ...args] = (plan.under?.(serve) ?? serve) as [string, ...string[]]
    const env = { ...cleanEnv, ...plan.env }
    daemons.set(plan.region, await startDaemon(program, args, { env, ready: 'holdfast ready' }))
  }
  const ending = (region: string, signal: 'SIGTERM' | 'SIGKILL') => async (): Promise<void> => {
    const daemon = daemons.get(region)
    daemons.delete(region)
    await daemon?.end(signal)
  }
  for (const plan of planned) {
    stack.defer(ending(plan.region, 'SIGKILL'))
    await starting(plan)()
  }

  const [home, ...others] = planned
  const [count, quorum] = options.approvers ?? [1, 1]
  const holder = `${options.holderHost ?? '127.0.0.1'}:${ports[0]}`
  const tokenOf = ({ data }: { readonly data: string }): string[] => [
    '--operator-token',
    join(data, 'operator.token'),
  ]
  await mustCli(
    customer,
    ...['tenant', 'create', '--name', 'test', '--home', home!.region, '--customer', customer],
    ...['--api', home!.api, '--endpoint', home!.endpoint, '--keyholder', holder, ...tokenOf(home!.config)],
    ...['--approvers', String(count), '--quorum', String(quorum)],
  )
  for (const { region, api, endpoint, config } of others)
    await mustCli(
      customer,
      ...['tenant', 'join', '--customer', customer, '--site', region],
      ...['--api', api, '--endpoint', endpoint, ...tokenOf(config)],
    )
  const [program, ...args] = wrap([process.execPath, main, 'keyholder']) as [string, ...string[]]
  const keyHolder = await startDaemon(program, args, {
    env: { ...cleanEnv, HOLDFAST_CUSTOMER: customer },
    ready: 'keyholder ready',
  })
  stack.defer(() => keyHolder.end('SIGKILL'))

  const sites = new Map(
    planned.map((plan, at): [string, Site] => {
      const own = at === 0 ? customer : join(customer, 'sites', plan.region)
      const credentials = JSON.parse(
        readFileSync(join(own, 'credentials.json'), 'utf8'),
      ) as CustomerCredentials
      return [
        plan.region,
        {
          region: plan.region,
          data: plan.config.data,
          customer: own,
          credentials,
          s3: createS3(plan.endpoint, credentials),
          said: () => daemons.get(plan.region)?.said() ?? '',
          cli: (...args) => cliIn(own, ...args),
          fsck: (...args) =>
            run(process.execPath, [main, 'fsck', ...args], {
              env: { ...cleanEnv, HOLDFAST_DATA: plan.config.data },
            }),
          stop: ending(plan.region, 'SIGTERM'),
          kill: ending(plan.region, 'SIGKILL'),
          start: starting(plan),
        },
      ]
    }),
  )
  const keyFile = join(customer, 'approver.key')
  const approverFiles = Array.from({ length: count }, (_, at) =>
    at === 0 ? keyFile : keyFile.replace(/\.key$/, `-${at + 1}.key`),
  )
  const owned = stack.move()
  return {
    folder,
    customer,
    approverFiles,
    approvers: approverFiles.map(file => parsePrivateKey(readFileSync(file, 'utf8'))),
    at: region => sites.get(region)!,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
