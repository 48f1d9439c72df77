import { createServer } from 'node:net'

/**
 * Ports below the ephemeral range, so that no outgoing connection takes one between our look and the server's
 * `listen`. Each test process begins elsewhere, and a restarted server finds its own port free again.
 */
const range = 4_750
// Of two processes that run tests at the same time, neither looks where the other does.
const first = 12_000 + (Number(process.env.VITEST_POOL_ID ?? 0) % 4) * range
const last = first + range - 1
let next = first + ((process.pid * 97) % range)

export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    next = next >= last ? first : next + 1
    if (await isFree(next)) found.push(next)
  }
  return found
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
