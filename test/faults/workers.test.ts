import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'

const chance = createChance(3)

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

describe('worker processes', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ config: { workers: 3 } })
    await holdfast.s3.makeBucket('papers')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  const workers = (): number[] => childrenOf(holdfast.server.pid)

  it('serve the same objects, whichever takes the connection', async () => {
    const { s3 } = holdfast
    const bodies = Array.from({ length: 60 }, (_, i) => chance.bytes(i * 700))
    await Promise.all(bodies.map((body, i) => s3.put(`/papers/${i}`, body)))
    const back = await Promise.all(bodies.map((_, i) => s3.get(`/papers/${i}`)))
    expect(back.every(({ body }, i) => body.equals(bodies[i]!))).toBe(true)
  })

  it('let one of many conditional writers through, over all of them', async () => {
    const { s3 } = holdfast
    const headers = { 'if-none-match': '*' }
    const race = Array.from({ length: 40 }, (_, i) =>
      s3.call('PUT', '/papers/lock', { body: Buffer.from(`${i}`), headers }),
    )
    const statuses = (await Promise.all(race)).map(({ status }) => status)
    expect(statuses.filter(status => status === 200)).toHaveLength(1)
    expect(statuses.every(status => status === 200 || status === 412 || status === 409)).toBe(true)
    expect(String((await s3.get('/papers/lock')).body)).toBe(String(statuses.indexOf(200)))
  })

  it('give a bucket name out once, whichever region it is asked for in', async () => {
    const { s3 } = holdfast
    const constraint = (region: string) =>
      Buffer.from(
        `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`,
      )
    const race = ['in-mumbai', 'de-frankfurt', 'sg-singapore', 'in-mumbai', 'de-frankfurt'].map(region =>
      s3.call('PUT', '/wanted-by-all', { body: constraint(region) }),
    )
    const statuses = (await Promise.all(race)).map(({ status }) => status)
    expect(statuses.filter(status => status === 200)).toHaveLength(1)
    expect(statuses.filter(status => status === 409)).toHaveLength(4)
  })

  it('are replaced when they are killed, while the others go on; nothing acknowledged is lost', async () => {
    const { s3 } = holdfast
    const stored = new Map<string, Buffer>()
    const before = workers()
    expect(before).toHaveLength(3)
    let writing = true
    const writer = async (name: string): Promise<void> => {
      for (let i = 0; writing; i++) {
        const body = chance.bytes(1 + ((i * 997) % 9000))
        // A connection of the dead worker breaks; nothing was promised on it.
        const answer = await s3.call('PUT', `/papers/${name}-${i}`, { body }).catch(() => null)
        if (answer?.status === 200) stored.set(`${name}-${i}`, body)
      }
    }
    const writers = ['a', 'b', 'c', 'd'].map(writer)
    for (const pid of before.slice(0, 2)) {
      await new Promise(resolve => setTimeout(resolve, 300))
      process.kill(pid, 'SIGKILL')
    }
    await expect.poll(() => workers().filter(pid => !before.includes(pid)).length).toBe(2)
    await new Promise(resolve => setTimeout(resolve, 300))
    writing = false
    await Promise.all(writers)
    expect(stored.size).toBeGreaterThan(10)
    for (const [key, body] of stored) expect((await s3.get(`/papers/${key}`)).body.equals(body)).toBe(true)
    const api = new URL('/metrics', holdfast.credentials.api)
    await expect.poll(async () => (await fetch(api)).text()).toContain('process="worker-2"')
    const fsck = await holdfast.cli('fsck', '--json')
    expect(
      JSON.parse(fsck.stdout).regions.flatMap((region: { findings: string[] }) => region.findings),
    ).toEqual([])
  })

  it('end with the main process, also when that is killed', async () => {
    const before = workers()
    process.kill(holdfast.server.pid, 'SIGKILL')
    await expect.poll(() => before.filter(isAlive)).toEqual([])
    await holdfast.server.kill()
    await holdfast.server.start()
    expect((await holdfast.s3.get('/papers/lock')).status).toBe(200)
  })
})
