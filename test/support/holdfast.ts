/** A whole Holdfast, the provider's side and one customer's, in a temporary folder and in processes of its own. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { CustomerCredentials } from '../../src/cli/customer-folder.ts'
import { createTlsIdentity } from '../../src/crypto/tls-identity.ts'
import { type Daemon, type Outcome, run, startDaemon, succeed } from './child.ts'
import { freePorts } from './free-ports.ts'
import { createS3, type S3 } from './s3.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export interface HoldfastOptions {
  /** S3 over TLS too, with a certificate of its own. */
  readonly tls?: boolean
  readonly leaseSeconds?: number
  /** How many approver keys the customer has, and how many of them must agree; left out, one. */
  readonly approvers?: readonly [count: number, quorum: number]
  readonly places?: readonly { readonly cidr: string; readonly country: string }[]
  /** Loopback clients count as at home, unless told otherwise. */
  readonly loopbackIsHome?: boolean
  readonly regions?: readonly (readonly [id: string, country: string])[]
  /** Runs the server under another program, such as a tracer. Given the command line, returns the one to run. */
  /** More of the server's configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  /** More of its `s3` part. */
  readonly s3?: Readonly<Record<string, unknown>>
  /** The data folder, in place of one in the temporary folder. */
  readonly data?: string
  readonly under?: (command: readonly string[]) => readonly string[]
}

export interface Holdfast extends AsyncDisposable {
  readonly folder: string
  readonly data: string
  readonly customer: string
  readonly credentials: CustomerCredentials
  readonly endpoint: string
  readonly tlsEndpoint: string
  /** PEM file of the certificate behind `tlsEndpoint`; `null` without TLS. */
  readonly tlsCertificate: string | null
  /** A client with the customer's access key. */
  readonly s3: S3
  readonly server: Side
  readonly keyHolder: Side
  /** The command line, as the customer runs it. */
  cli(...args: string[]): Promise<Outcome>
}

/** One of the two processes. */
export interface Side {
  readonly pid: number
  said(): string
  stop(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** On the same folders and ports. */
  start(): Promise<void>
}

const threeRegions = [
  ['in-mumbai', 'IN'],
  ['de-frankfurt', 'DE'],
  ['sg-singapore', 'SG'],
] as const

export async function startHoldfast(options: HoldfastOptions = {}): Promise<Holdfast> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const data = options.data ?? join(folder, 'data')
  const customer = join(folder, 'customer')
  const regions = options.regions ?? threeRegions
  const [s3Port, tlsPort, apiPort, holderPort, ...peerPorts] = (await freePorts(4 + regions.length)) as [
    number,
    number,
    number,
    number,
    ...number[],
  ]
  const certificate = join(folder, 's3.crt')
  const s3 = { port: s3Port, tls: { port: tlsPort, key: join(folder, 's3.pem'), certificate } }
  const configFile = join(folder, 'holdfast.yaml')
  if (options.tls === true) {
    const identity = await createTlsIdentity('s3', ['127.0.0.1', 'localhost', '*.localhost'], Date.now())
    mkdirSync(folder, { recursive: true })
    writeFileSync(s3.tls.key, identity.key, { mode: 0o600 })
    writeFileSync(certificate, identity.certificate)
  }
  const config = {
    data,
    s3: { ...(options.tls === true ? s3 : { port: s3Port }), ...options.s3 },
    api: { port: apiPort },
    loopbackIsHome: options.loopbackIsHome ?? true,
    places: options.places ?? [],
    regions: regions.map(([id, country], index) => ({
      id,
      country,
      operator: 'test',
      peer: { host: '127.0.0.1', port: peerPorts[index] },
    })),
    ...(options.leaseSeconds !== undefined && { leaseSeconds: options.leaseSeconds }),
    ...options.config,
  }
  writeFileSync(configFile, stringify(config))
  const env = { ...cleanEnv, HOLDFAST_DATA: data, HOLDFAST_CUSTOMER: customer }

  const serve = [process.execPath, main, 'serve', '--config', configFile]
  const [program, ...args] = (options.under?.(serve) ?? serve) as [string, ...string[]]
  const server = createSide(() => startDaemon(program, args, { env, ready: 'holdfast ready' }))
  stack.use(server)
  await server.start()
  const api = `http://127.0.0.1:${apiPort}`
  const endpoint = `http://127.0.0.1:${s3Port}`
  const home = regions[0]![0]
  const create = ['tenant', 'create', '--name', 'test', '--home', home, '--customer', customer]
  const reach = ['--api', api, '--endpoint', endpoint, '--keyholder', `127.0.0.1:${holderPort}`]
  const [approvers, quorum] = options.approvers ?? [1, 1]
  const agree = ['--approvers', String(approvers), '--quorum', String(quorum)]
  await succeed(process.execPath, [main, ...create, ...reach, ...agree], { env })
  const credentials = JSON.parse(
    readFileSync(join(customer, 'credentials.json'), 'utf8'),
  ) as CustomerCredentials
  const keyHolder = createSide(() =>
    startDaemon(process.execPath, [main, 'keyholder'], { env, ready: 'keyholder ready' }),
  )
  stack.use(keyHolder)
  await keyHolder.start()

  const owned = stack.move()
  return {
    folder,
    data,
    customer,
    credentials,
    endpoint,
    tlsEndpoint: `https://localhost:${tlsPort}`,
    tlsCertificate: options.tls === true ? certificate : null,
    s3: createS3(endpoint, credentials),
    server,
    keyHolder,
    cli: (...command) => run(process.execPath, [main, ...command], { env, cwd: folder }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What the machine's owner has set for a Holdfast or a cloud of his own must not reach the tests. */
const cleanEnv = Object.fromEntries(
  Object.keys(process.env)
    .filter(name => /^(HOLDFAST|AWS)_/.test(name))
    .map(name => [name, undefined]),
)

function createSide(start: () => Promise<Daemon>): Side & AsyncDisposable {
  let daemon: Daemon | null = null
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = daemon
    daemon = null
    await ending?.end(signal)
  }
  return {
    get pid() {
      if (daemon === null) throw new Error('it is not running')
      return daemon.pid
    },
    said: () => daemon?.said() ?? '',
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      if (daemon !== null) throw new Error('it is running already')
      daemon = await start()
    },
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  }
}
