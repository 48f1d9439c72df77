import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { presignUrl } from '../../src/crypto/sigv4.ts'
import { startTestApp } from '../support/app.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'
import { createS3 } from '../support/s3.ts'

const chance = createChance(11)

function processesUnder(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...children.flatMap(child => processesUnder(Number(child)))]
}

function anonymousMiB(pid: number): number {
  return processesUnder(pid).reduce(
    (sum, each) =>
      sum + Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))![1]) / 1024,
    0,
  )
}

describe('connections that stall', () => {
  let holdfast: Holdfast
  const open: Socket[] = []
  beforeAll(async () => {
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      s3: { idleSeconds: 4 },
      config: { workers: 2 },
    })
    await holdfast.s3.makeBucket('papers')
    await holdfast.s3.put('/papers/large', chance.bytes(32 << 20))
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy()
  })

  const signed = (method: string, key: string): string =>
    presignUrl(
      new URL(`${holdfast.endpoint}/papers/${key}`),
      method,
      holdfast.credentials,
      { region: 'in-mumbai', service: 's3' },
      Date.now(),
      3600,
    ).slice(holdfast.endpoint.length)

  const dial = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(holdfast.endpoint)
      const socket = connect(Number(port), hostname)
      open.push(socket)
      socket.once('connect', () => resolve(socket))
      socket.once('error', reject)
    })

  const untilClosed = (socket: Socket): Promise<string> =>
    new Promise(resolve => {
      let seen = ''
      socket.on('data', chunk => {
        seen += chunk.toString('latin1')
      })
      socket.once('close', () => resolve(seen))
      socket.on('error', () => {})
    })

  it.each([
    ['a short body', 1000],
    ['a long body', 50 << 20],
  ])('%s that stops coming ends in RequestTimeout, and stores nothing', async (_, bytes) => {
    const socket = await dial()
    const answer = untilClosed(socket)
    socket.write(`PUT ${signed('PUT', 'stalled')} HTTP/1.1\r\nhost: ${new URL(holdfast.endpoint).host}\r\n`)
    socket.write(`content-length: ${bytes}\r\n\r\n${'x'.repeat(Math.min(bytes / 2, 100_000))}`)
    const text = await answer
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect(text).toContain('<Code>RequestTimeout</Code>')
    expect((await holdfast.s3.get('/papers/stalled')).code).toBe('NoSuchKey')
  })

  it('a client that does not read its answer is let go of', async () => {
    const socket = await dial()
    socket.pause()
    socket.write(`GET ${signed('GET', 'large')} HTTP/1.1\r\nhost: ${new URL(holdfast.endpoint).host}\r\n\r\n`)
    await new Promise(resolve => setTimeout(resolve, 15_000))
    const text = await untilClosed(socket.resume())
    expect(text.length).toBeLessThan(32 << 20)
  })

  it('ten thousand that say nothing cost little, and harm nobody', async () => {
    const before = anonymousMiB(holdfast.server.pid)
    for (let i = 0; i < 10_000; i += 200) await Promise.all(Array.from({ length: 200 }, dial))
    const body = chance.bytes(100_000)
    await Promise.all(Array.from({ length: 20 }, (_, i) => holdfast.s3.put(`/papers/beside-${i}`, body)))
    expect((await holdfast.s3.get('/papers/beside-7')).body.equals(body)).toBe(true)
    expect(anonymousMiB(holdfast.server.pid) - before).toBeLessThan(400)
  })
})

it('a request that is all there may wait for its answer longer than the idle time', async () => {
  await using holdfast = await startHoldfast({
    regions: [['in-mumbai', 'IN']],
    s3: { idleSeconds: 1 },
    leaseSeconds: 1,
  })
  await holdfast.s3.makeBucket('papers')
  await holdfast.s3.put('/papers/k', 'kept')
  // The lease of the key ends, and its holder hears nothing for a while.
  process.kill(holdfast.keyHolder.pid, 'SIGSTOP')
  await new Promise(resolve => setTimeout(resolve, 1500))
  const began = Date.now()
  const reading = holdfast.s3.get('/papers/k')
  // More than there is room for on its way: it is not all taken while the key is asked for.
  const writing = holdfast.s3.call('PUT', '/papers/long', { body: chance.bytes(20 << 20) })
  await new Promise(resolve => setTimeout(resolve, 3000))
  process.kill(holdfast.keyHolder.pid, 'SIGCONT')
  // Busy as this machine may be, the holder may have been given up: that is an answer, too.
  expect((await reading).status).toBeOneOf([200, 503])
  expect((await writing).status).toBeOneOf([200, 503])
  expect(Date.now() - began).toBeGreaterThan(2000)
})

it('a client that is gone by the time that a slow store takes its bytes is let go of', async () => {
  await using test = await startTestApp({ s3IdleMs: 1000 })
  const { credentials } = await test.customer('acme', 1, 1)
  const s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('papers')
  const { blobs } = test.app.regions.get('in-mumbai' as RegionId)!
  const { create } = blobs
  let isStalled = false
  blobs.create = async (...given) => {
    isStalled = true
    await new Promise(resolve => setTimeout(resolve, 3000))
    return create.apply(blobs, given)
  }
  const where = { region: 'in-mumbai', service: 's3' }
  const url = presignUrl(new URL('/papers/long', s3.endpoint), 'PUT', credentials, where, Date.now(), 3600)
  const { host, hostname, port, pathname, search } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${50 << 20}\r\n\r\n`)
  socket.write(chance.bytes(20 << 20))
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk.toString('latin1')
  })
  await once(socket, 'close')
  expect([isStalled, answer]).toEqual([true, expect.stringContaining('<Code>RequestTimeout</Code>')])
})
