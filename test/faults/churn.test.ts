import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'

const chance = createChance(23)
const keys = 240
const sizes = [3500, 20_000, 64_000, 180_000, 400_000]

const bytesUnder = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    // One file may be unlinked between the listing and the look.
    .reduce(
      (sum, entry) =>
        sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )

describe('a week of churn in a minute', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      config: { workers: 2, trashGraceSeconds: 0, segmentMiB: 1 },
    })
    await holdfast.s3.makeBucket('churn')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('leaves a disk within 1.5 times the live bytes, every object whole, and fsck clean', async () => {
    const { s3 } = holdfast
    const live = new Map<string, Buffer>()
    let written = 0
    const client = async (id: number): Promise<void> => {
      const own = createChance(id)
      for (let i = 0; i < 260; i++) {
        const key = `${id}/${own.below(keys / 6)}`
        if (own.below(5) === 0) {
          await s3.call('DELETE', `/churn/${key}`)
          live.delete(key)
          continue
        }
        const body = chance.bytes(sizes[own.below(sizes.length)]!)
        await s3.put(`/churn/${key}`, body)
        live.set(key, body)
        written += body.length
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, id) => client(id)))
    const liveBytes = [...live.values()].reduce((sum, body) => sum + body.length, 0)
    expect(written).toBeGreaterThan(4 * liveBytes)
    const region = join(holdfast.data, 'regions', 'in-mumbai')
    const disk = (): number => bytesUnder(join(region, 'segments')) + bytesUnder(join(region, 'blobs'))
    // Each worker's segment, and compaction's, may hold what is dead until it is full.
    await expect.poll(disk, { interval: 500 }).toBeLessThan(1.5 * liveBytes + (3 << 20))
    for (const [key, body] of live) expect((await s3.get(`/churn/${key}`)).body.equals(body)).toBe(true)
    const fsck = await holdfast.cli('fsck', '--read', '--json')
    const [report] = JSON.parse(fsck.stdout).regions
    expect([report.findings, report.orphans, report.objects]).toEqual([[], [], live.size])
  })
})
