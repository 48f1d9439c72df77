import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { createChance } from '../support/random.ts'

const chance = createChance(7)

describe('a disk that is nearly full', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app[Symbol.asyncDispose]())

  it('takes nothing more, says why, and goes on reading and deleting', async () => {
    const customer = await app.customer('demo', 1, 1)
    await customer.s3('PUT', '/papers')
    await customer.s3('PUT', '/papers/kept', 'kept')
    await app.restart({ diskReserveBytes: 2 ** 60 })
    for (const [method, path] of [
      ['PUT', '/papers/more'],
      ['PUT', '/other-bucket'],
      ['POST', '/papers/large?uploads'],
    ] as const) {
      const refused = await customer.s3(method, path, path.endsWith('more') ? 'x' : '')
      expect(refused.status).toBe(503)
      expect(await refused.text()).toContain('Reading and deleting go on')
    }
    expect(await (await customer.s3('GET', '/papers/kept')).text()).toBe('kept')
    expect((await customer.s3('DELETE', '/papers/kept')).status).toBe(204)
    expect((await customer.s3('GET', '/papers/kept')).status).toBe(404)
    await app.restart({ diskReserveBytes: 0 })
    expect((await customer.s3('PUT', '/papers/more', 'x')).status).toBe(200)
  })
})

describeWith('mount', 'a disk that is really full', () => {
  const disk = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  let holdfast: Holdfast
  beforeAll(async () => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'holdfast', disk])
    expect(String(mounted.stderr)).toBe('')
    // Nothing is kept back: the store must run into the wall itself.
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      data: join(disk, 'data'),
      config: { diskReserveMiB: 0, trashGraceSeconds: 0 },
    })
  })
  afterAll(async () => {
    await holdfast[Symbol.asyncDispose]()
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })

  it('refuses what does not fit, keeps what it acknowledged, and takes more when there is room again', async () => {
    const { s3 } = holdfast
    await s3.makeBucket('papers')
    const stored = new Map<string, Buffer>()
    const refused: number[] = []
    for (let i = 0; i < 60 && refused.length < 6; i++) {
      // Small, packed and long: each runs into the wall in its own way.
      for (const bytes of [900, 90_000, 3_000_000]) {
        const key = `${i}-${bytes}`
        const body = chance.bytes(bytes)
        const { status } = await s3.call('PUT', `/papers/${key}`, { body })
        if (status === 200) stored.set(key, body)
        else refused.push(status)
      }
    }
    expect(refused.length).toBeGreaterThan(0)
    expect([...new Set(refused)]).toEqual([503])
    const check = async (): Promise<void> => {
      for (const [key, body] of stored) expect((await s3.get(`/papers/${key}`)).body.equals(body)).toBe(true)
    }
    await check()
    await holdfast.server.kill()
    // Somebody makes room; what was acknowledged is there, and nothing else.
    spawnSync('mount', ['-o', 'remount,size=160m', disk])
    await holdfast.server.start()
    await check()
    expect((await s3.call('PUT', '/papers/again', { body: chance.bytes(5_000_000) })).status).toBe(200)
    for (const key of stored.keys()) expect((await s3.call('DELETE', `/papers/${key}`)).status).toBe(204)
    const fsck = await holdfast.cli('fsck', '--json')
    expect(JSON.parse(fsck.stdout).regions[0].findings).toEqual([])
    writeFileSync(join(disk, 'room'), 'x')
  })
})
