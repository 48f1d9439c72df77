/** The whole product in a folder of its own, both sides, for a bench run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Credentials } from '../src/crypto/sigv4.ts'

export interface Product extends AsyncDisposable {
  readonly endpoint: string
  readonly credentials: Credentials & { readonly region: string }
  readonly pid: number
}

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

export async function startProduct(folder: string): Promise<Product> {
  const [s3, api, holder] = await freePorts(3)
  const child = spawn(process.execPath, ['--single-threaded-gc', main, 'start'], {
    env: {
      ...process.env,
      // As `npm start` and `bin/holdfast` have it.
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
    endpoint: saved.endpoint,
    credentials: saved,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
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

/** Anonymous resident memory in bytes: what the process really holds, without mapped files. */
export function rssAnonBytes(pid: number): number {
  const match = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) * 1024
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
