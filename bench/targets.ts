/** What is measured: the product, and the peers that are there. Each in a folder of its own, on loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '../src/crypto/sigv4.ts'
import { processesOf, withChildren } from './processes.ts'

export interface Target extends AsyncDisposable {
  readonly name: string
  /** What a reader must know to compare. */
  readonly conditions: string
  readonly endpoint: string
  readonly credentials: Credentials & { readonly region: string }
  /** All of its processes; empty where they are not on this machine. */
  pids(): number[]
}

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

export async function startHoldfast(folder: string): Promise<Target> {
  const [s3, api, holder] = await freePorts(3)
  // As `npm start` and `bin/holdfast` have it.
  const child = spawn(process.execPath, ['--single-threaded-gc', main, 'start'], {
    env: {
      ...process.env,
      MALLOC_ARENA_MAX: '2',
      HOLDFAST_DATA: join(folder, 'data'),
      HOLDFAST_CUSTOMER: join(folder, 'customer'),
      HOLDFAST_S3_PORT: String(s3),
      HOLDFAST_API_PORT: String(api),
      HOLDFAST_KEYHOLDER_PORT: String(holder),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await untilPrinted(child, 'holdfast ready')
  const saved = JSON.parse(readFileSync(join(folder, 'customer', 'credentials.json'), 'utf8'))
  return {
    name: 'Holdfast',
    conditions: 'npm start’s defaults: sealed, entered, synced; three regions and the key holder run along',
    // On a second start the ports are new; the customer's folder still says the first ones.
    endpoint: `http://127.0.0.1:${s3}`,
    credentials: saved,
    pids: () => withChildren(child.pid!),
    async [Symbol.asyncDispose]() {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

const cephScript = join(import.meta.dirname, '..', '..', 'shared', 'tools', 'ceph-loopback.sh')

/** `null` where Ceph is not installed. */
export async function startCeph(folder: string): Promise<Target | null> {
  if (!existsSync('/usr/bin/radosgw') || !existsSync('/usr/bin/ceph-osd') || !existsSync(cephScript))
    return null
  const [port] = await freePorts(1)
  const home = join(folder, 'ceph')
  const out = execFileSync('bash', [cephScript, 'up', home, String(port)], {
    encoding: 'utf8',
    timeout: 180_000,
  })
  const [, endpoint, accessKeyId, secretAccessKey] =
    /endpoint (\S+) access (\S+) secret (\S+)/.exec(out) ?? []
  if (endpoint === undefined) throw new Error(`Ceph did not start: ${out}`)
  await tuneGateway(home, port!)
  return {
    name: 'Ceph RGW',
    conditions:
      'one monitor, manager, OSD (BlueStore on a file of the same disk) and gateway; replication 1; not encrypted; ' +
      'gateway with tcp_nodelay=1 (without it, short answers wait 40 ms), no operation log, no debug log',
    endpoint,
    credentials: { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey!, region: 'default' },
    pids: () => processesOf(home),
    async [Symbol.asyncDispose]() {
      execFileSync('bash', [cephScript, 'down', home])
    },
  }
}

/** Starts the gateway again with what somebody who measures would set; the script's own has none of it. */
async function tuneGateway(home: string, port: number): Promise<void> {
  for (const pid of processesOf('radosgw', home)) process.kill(pid, 'SIGTERM')
  while (processesOf('radosgw', home).length > 0) await sleep(100)
  execFileSync('radosgw', [
    ...[
      '-c',
      join(home, 'ceph.conf'),
      '-n',
      'client.admin',
      '--debug-rgw=0',
      '--debug-ms=0',
      '--rgw-enable-ops-log=false',
    ],
    `--rgw_frontends=beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
  ])
  for (let tries = 0; tries < 100; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (up) return
    await sleep(200)
  }
  throw new Error('the Ceph gateway did not come back')
}

/** `NAME=URL,ACCESS_KEY,SECRET[,REGION]`: any S3 endpoint. */
export function externalTarget(text: string): Target {
  const [name = '', rest = ''] = text.split(/=(.*)/s)
  const [endpoint = '', accessKeyId = '', secretAccessKey = '', region = 'us-east-1'] = rest.split(',')
  if (!URL.canParse(endpoint) || secretAccessKey === '')
    throw new Error(`--endpoint ${name}: it is NAME=URL,ACCESS_KEY,SECRET[,REGION]`)
  return {
    name,
    conditions: 'as it was found',
    endpoint: endpoint.replace(/\/$/, ''),
    credentials: { accessKeyId, secretAccessKey, region },
    pids: () => [],
    async [Symbol.asyncDispose]() {},
  }
}

export function untilPrinted(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
      if (seen.includes(text)) resolve(seen)
    })
    child.once('exit', code => reject(new Error(`ended with ${code} before it printed ${text}`)))
  })
}

async function freePorts(count: number): Promise<number[]> {
  // The peers' ports follow the API's by 100; far apart, three ports do not meet them.
  const ports: number[] = []
  while (ports.length < count) {
    const server = createServer()
    const port = await new Promise<number>(resolve =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    await new Promise(resolve => server.close(resolve))
    if (ports.every(other => Math.abs(other - port) > 5)) ports.push(port)
  }
  return ports
}
