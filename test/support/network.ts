/** Hosts of our own on this machine: network namespaces, and between them a network that does what the test tells it. */
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { succeed } from './child.ts'

export interface LinkFaults {
  readonly cut?: boolean
  /** Of packets, by chance; 0 to 1. */
  readonly loss?: number
  readonly duplicate?: number
  readonly delayMs?: number
  /** Up to so much more, each packet by itself: they overtake each other. */
  readonly jitterMs?: number
}

export interface Network extends AsyncDisposable {
  readonly address: (host: string) => string
  /** A command line within a host. */
  readonly within: (host: string) => (command: readonly string[]) => readonly string[]
  /** What the link of a host does from now on, in place of what it did. */
  set(host: string, faults: LinkFaults): Promise<void>
}

/** The address of this process's own end, which has no faults. */
export const ownAddress = '10.77.0.254'

/** Why there can be none on this machine, as a title begins with it; empty when there can. */
export function networkMissing(): string {
  if (spawnSync('ip', ['-V'], { stdio: 'ignore' }).status !== 0) return 'needs ip: '
  const probe = `hfprobe${randomInt(1000)}`
  const made =
    spawnSync('ip', ['tuntap', 'add', 'dev', probe, 'mode', 'tun'], { stdio: 'ignore' }).status === 0
  if (!made) return 'this machine may not make network interfaces: '
  spawnSync('ip', ['link', 'del', probe], { stdio: 'ignore' })
  const spaced = spawnSync('ip', ['netns', 'add', probe], { stdio: 'ignore' }).status === 0
  if (!spaced) return 'this machine may not make network namespaces: '
  spawnSync('ip', ['netns', 'del', probe], { stdio: 'ignore' })
  return ''
}

export async function startNetwork(hosts: readonly string[], seed: number): Promise<Network> {
  await using stack = new AsyncDisposableStack()
  const tag = randomInt(0x10000).toString(16)
  const links = [...hosts, 'own'].map((host, at) => ({
    host,
    space: `hf-${tag}-${at}`,
    device: `hf${tag}n${at}`,
    address: host === 'own' ? ownAddress : `10.77.0.${at + 1}`,
  }))
  const ip = (...args: string[]) => succeed('ip', args)
  const forwarder = spawn(
    'python3',
    [
      join(import.meta.dirname, 'network.py'),
      String(seed),
      ...links.map(link => `${link.device}=${link.address}`),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const said: (() => void)[] = []
  forwarder.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) if (line !== '') said.shift()?.()
  })
  const heard = (): Promise<void> => new Promise(resolve => said.push(resolve))
  stack.defer(() => {
    forwarder.kill('SIGKILL')
  })
  await heard()
  for (const { host, space, device, address } of links) {
    if (host === 'own') {
      await ip('addr', 'add', `${address}/24`, 'dev', device)
      await ip('link', 'set', device, 'up', 'mtu', '9000')
      continue
    }
    await ip('netns', 'add', space)
    stack.defer(() => {
      spawnSync('ip', ['netns', 'del', space])
    })
    await ip('link', 'set', device, 'netns', space)
    await ip('-n', space, 'addr', 'add', `${address}/24`, 'dev', device)
    await ip('-n', space, 'link', 'set', device, 'up', 'mtu', '9000')
    await ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  const linkOf = (host: string) => links.find(link => link.host === host)!
  const owned = stack.move()
  return {
    address: host => linkOf(host).address,
    within: host => command => ['ip', 'netns', 'exec', linkOf(host).space, ...command],
    async set(host, faults) {
      const done = heard()
      forwarder.stdin.write(`${JSON.stringify({ host: linkOf(host).address, ...faults })}\n`)
      await done
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
