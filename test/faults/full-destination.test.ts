/** The destination of a move has no room left: nothing is lost or said to have arrived, and it goes on when there is. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeWith } from '../support/program.ts'
import { type Site, type Sites, startSites } from '../support/sites.ts'

const objects = 40
const disks = [
  ['that keeps nothing back', 64, 0, /^de-frankfurt: the disk is full$/],
  ['that keeps some of it back', 128, 64, /^de-frankfurt: the disk has \d+ MiB left, and 64 MiB are kept/],
] as const

describeWith('mount', 'a move to a region whose disk is full', () => {
  for (const [what, size, reserve, says] of disks) describe(what, () => move(size, reserve, says))
})

function move(size: number, diskReserveMiB: number, says: RegExp): void {
  const disk = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  let sites: Sites
  let mumbai: Site
  let frankfurt: Site
  beforeAll(async () => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'holdfast', disk])
    expect(String(mounted.stderr)).toBe('')
    sites = await startSites([
      { region: 'in-mumbai', country: 'IN' },
      {
        region: 'de-frankfurt',
        country: 'DE',
        data: join(disk, 'data'),
        config: { diskReserveMiB, staleSeconds: 4 },
      },
    ])
    mumbai = sites.at('in-mumbai')
    frankfurt = sites.at('de-frankfurt')
  })
  afterAll(async () => {
    await sites?.[Symbol.asyncDispose]()
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })

  const json = async (...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await mumbai.cli(...args, '--json')
    if (code !== 0) throw new Error(`${args.join(' ')}: ${code} ${stdout} ${stderr}`)
    return JSON.parse(stdout)
  }

  it('keeps every object in one place at least, and ends with all of them in the other', async () => {
    await mumbai.s3.makeBucket('source', 'in-mumbai')
    await frankfurt.s3.makeBucket('target', 'de-frankfurt')
    await frankfurt.s3.put('/target/early', Buffer.from('early'))
    const stored = new Map<string, Buffer>()
    for (let at = 0; at < objects; at++) {
      const body = randomBytes(at % 2 === 0 ? 5_000_000 : 100_000)
      stored.set(`k${at}`, body)
      await mumbai.s3.put(`/source/k${at}`, body)
    }
    const ends = ['--to-bucket', 'target', '--to-region', 'de-frankfurt']
    const { id } = await json(
      ...['instruct', 'transfer', '--bucket', 'source', ...ends],
      ...['--mode', 'move', '--purpose', 'a test of faults'],
    )
    await json('approve', id, '--key', sites.approverFiles[0]!)
    await expect.poll(async () => (await json('transfers', id)).waitingFor, { interval: 500 }).toMatch(says)
    // Between two attempts; while one is made, there is nothing to wait for.
    await expect
      .poll(async () => (await mumbai.cli('transfers', id)).stdout, { interval: 500 })
      .toMatch(/^ {2}waiting \(de-frankfurt: the disk/m)
    const { state, objects: arrived, verified } = await json('transfers', id)
    expect([state, arrived < objects, verified]).toEqual(['running', true, 0])
    if (diskReserveMiB > 0) {
      const { bavail, bsize } = statfsSync(disk)
      expect((bavail * bsize) / 2 ** 20).toBeGreaterThan(diskReserveMiB - 8)
      expect((await frankfurt.s3.call('DELETE', '/target/early')).status).toBe(204)
    }
    for (const [key, body] of stored) {
      const here = await mumbai.s3.call('GET', `/source/${key}`)
      const there = here.status === 200 ? here : await frankfurt.s3.call('GET', `/target/${key}`)
      expect([there.status, there.body.equals(body)]).toEqual([200, true])
    }
    spawnSync('mount', ['-o', 'remount,size=600m', disk])
    await expect.poll(async () => (await json('transfers', id)).state, { interval: 500 }).toBe('completed')
    for (const [key, body] of stored) {
      expect((await frankfurt.s3.get(`/target/${key}`)).body.equals(body)).toBe(true)
      expect((await mumbai.s3.call('GET', `/source/${key}`)).status).toBe(404)
    }
    expect(await json('transfers', id)).toMatchObject({ objects, verified: objects, voided: 0 })
    for (const site of [mumbai, frankfurt]) {
      const { stdout } = await site.fsck('--json')
      expect(JSON.parse(stdout).regions[0].findings).toEqual([])
    }
  })
}
