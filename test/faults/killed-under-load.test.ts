import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'
import { untilEntered, verifiedStatement } from '../support/statement.ts'
import { type Acknowledged, createWriters, sha256 } from '../support/writers.ts'

const rounds = 20
const writers = 64
const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Date.now() % 2 ** 32)

describe(`killed without warning under ${writers} writers, ${rounds} times (HOLDFAST_TEST_SEED=${seed})`, () => {
  let holdfast: Holdfast
  const acknowledged = new Map<string, Acknowledged>()
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('never answers anything but success until it is dead, and starts again on what is left', async () => {
    const chance = createChance(seed)
    for (let round = 0; round < rounds; round++) {
      const load = createWriters(holdfast.s3, `/papers/${round}`, writers, chance)
      const running = load.run()
      // By what was done and not by the clock: on a slow machine a round is as busy as on a fast one.
      const enough = 1 + chance.below(600)
      while (load.acknowledged.size < enough && load.unexpected.length === 0) await sleep(1 + chance.below(3))
      await holdfast.server.kill()
      await running
      expect(load.unexpected).toEqual([])
      for (const [path, what] of load.acknowledged) acknowledged.set(path, what)
      await holdfast.server.start()
      await readBack(load.acknowledged)
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(rounds)
  })

  async function readBack(written: ReadonlyMap<string, Acknowledged>): Promise<void> {
    const paths = [...written.keys()]
    const wrong: string[] = []
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
          const { status, body } = await holdfast.s3.get(path)
          if (status !== 200 || sha256(body) !== written.get(path)!.sha256) wrong.push(`${path}: ${status}`)
        }
      }),
    )
    expect(wrong).toEqual([])
  }

  it('has every acknowledged entry in the statement, once', async () => {
    await untilEntered(holdfast, [...acknowledged.values()].at(-1)!.entry)
    const entries = await verifiedStatement(holdfast)
    const stated = new Set(entries.map(entry => entry.id))
    expect(stated.size).toBe(entries.length)
    const missing = [...acknowledged.values()].filter(({ entry }) => !stated.has(entry))
    expect(missing).toEqual([])
  })

  it('has the bytes of all rounds at the end', () => readBack(acknowledged))

  it('is clean to fsck, running and stopped', async () => {
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await holdfast.server.stop()
      const { code, stdout } = await holdfast.cli('fsck', '--json')
      const { regions } = JSON.parse(stdout) as { regions: { findings: string[] }[] }
      expect(regions.flatMap(region => region.findings)).toEqual([])
      expect(code).toBe(0)
    }
  })
})
