import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'
import { type StatedEntry, untilEntered, verifiedStatement } from '../support/statement.ts'
import { type Acknowledged, createWriters, sha256 } from '../support/writers.ts'

const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Date.now() % 2 ** 32)

describe(`a dead disk, and the backup that was taken under writers (HOLDFAST_TEST_SEED=${seed})`, () => {
  const chance = createChance(seed)
  const outside = mkdtempSync(join(tmpdir(), 'holdfast-backup-'))
  const to = join(outside, 'backups')
  const key = join(outside, 'key', 'backup.key')
  const mirror = join(outside, 'mirror')
  const acknowledged = new Map<string, Acknowledged>()
  const versions = new Map<string, string>()
  let holdfast: Holdfast
  let config: string
  let statedBefore: StatedEntry[]
  let receipt: string
  let firstBackup: string

  const backup = (...more: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    holdfast.cli(
      'backup',
      '--region',
      'in-mumbai',
      '--to',
      to,
      '--config',
      config,
      '--key',
      key,
      '--json',
      ...more,
    )
  const restore = (...more: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    holdfast.cli(
      'restore',
      '--region',
      'in-mumbai',
      '--from',
      to,
      '--config',
      config,
      '--key',
      key,
      '--json',
      ...more,
    )

  const remember = async (path: string, body: Uint8Array): Promise<void> => {
    const reply = await holdfast.s3.put(path, body)
    acknowledged.set(path, { sha256: sha256(body), entry: String(reply.headers['x-holdfast-entry']) })
  }

  beforeAll(async () => {
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      config: { publish: [{ folder: mirror }], trashGraceSeconds: 0, segmentMiB: 1, workers: 1 },
    })
    config = join(holdfast.folder, 'holdfast.yaml')
    await holdfast.s3.makeBucket('papers')
    for (let i = 0; i < 20; i++) await remember(`/papers/small/${i}`, chance.bytes(1 + chance.below(2000)))
    for (let i = 0; i < 20; i++)
      await remember(`/papers/packed/${i}`, chance.bytes(50_000 + chance.below(400_000)))
    for (let i = 0; i < 4; i++) await remember(`/papers/long/${i}`, chance.bytes((3 << 20) + i))
    const parts = [chance.bytes(5 << 20), chance.bytes(100_000)]
    const put = await holdfast.s3.putParts('/papers/parts', parts)
    acknowledged.set('/papers/parts', {
      sha256: sha256(Buffer.concat(parts)),
      entry: String(put.headers['x-holdfast-entry']),
    })
    for (let i = 0; i < 10; i++) {
      const path = `/papers/gone/${i}`
      await holdfast.s3.put(path, chance.bytes(i % 2 === 0 ? 100_000 : 2 << 20))
      expect((await holdfast.s3.call('DELETE', path)).status).toBe(204)
    }
    await holdfast.s3.makeBucket('kept')
    await holdfast.s3.call('PUT', '/kept', {
      query: { versioning: '' },
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    })
    for (let i = 0; i < 5; i++) {
      const body = chance.bytes(1 << (6 + 4 * i))
      const { headers } = await holdfast.s3.put('/kept/one', body)
      versions.set(String(headers['x-amz-version-id']), sha256(body))
    }
    await untilEntered(holdfast, acknowledged.get('/papers/parts')!.entry)
    receipt = join(outside, 'receipt.txt')
    const got = await holdfast.cli('receipt', acknowledged.get('/papers/long/0')!.entry, '-o', receipt)
    expect(got.code).toBe(0)
    statedBefore = await verifiedStatement(holdfast)
  })
  afterAll(async () => {
    await holdfast[Symbol.asyncDispose]()
    rmSync(outside, { recursive: true, force: true })
  })

  it('is taken while writers go on, and reads back clean', async () => {
    const load = createWriters(holdfast.s3, '/papers/meanwhile', 8, chance)
    const running = load.run()
    while (load.acknowledged.size < 50) await sleep(2)
    for (const [path, what] of load.acknowledged) acknowledged.set(path, what)
    const made = await backup()
    expect(made.stderr).toContain('Keep it apart')
    expect(made.code).toBe(0)
    firstBackup = (JSON.parse(made.stdout) as { backup: string }).backup
    const after = load.acknowledged.size
    // The log grows past the cut, and its copy with it.
    while (load.acknowledged.size < after + 50) await sleep(2)
    const last = [...load.acknowledged.values()].at(-1)!
    await untilEntered(holdfast, last.entry)
    const sizeOf = (note: string): number => Number(note.split('\n')[1])
    const own = join(holdfast.data, 'regions', 'in-mumbai', 'tiles', 'checkpoint')
    const published = sizeOf(readFileSync(own, 'utf8'))
    while (
      !existsSync(join(mirror, 'in-mumbai', 'checkpoint')) ||
      sizeOf(readFileSync(join(mirror, 'in-mumbai', 'checkpoint'), 'utf8')) < published
    )
      await sleep(20)
    await holdfast.server.kill()
    await running
    const checked = await holdfast.cli(
      'backup',
      '--check',
      '--region',
      'in-mumbai',
      '--from',
      to,
      '--config',
      config,
      '--key',
      key,
      '--json',
    )
    expect(JSON.parse(checked.stdout)).toMatchObject({ clean: true, authentic: true, backups: 1 })
  })

  it('leaves nothing of itself in the region', () => {
    const left = readdirSync(join(holdfast.data, 'regions', 'in-mumbai'))
    expect(left.filter(name => name.endsWith('.tmp'))).toEqual([])
  })

  it('has no secret in clear', () => {
    const secrets = [holdfast.credentials.secretAccessKey, 'PRIVATE KEY']
    for (const name of readdirSync(to, { recursive: true, encoding: 'utf8' })) {
      const path = join(to, name)
      let bytes: Buffer
      try {
        bytes = readFileSync(path)
      } catch {
        continue
      }
      for (const secret of secrets) expect(bytes.includes(secret), name).toBe(false)
    }
  })

  it('is not restored over a region, nor under a newer published checkpoint', async () => {
    expect((await restore()).stderr).toContain('is not empty')
    renameSync(holdfast.data, `${holdfast.data}.dead`)
    const refused = await restore('--published', join(mirror, 'in-mumbai'))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/second history/)
    expect(existsSync(join(holdfast.data, 'regions', 'in-mumbai'))).toBe(false)
  })

  it('signs nothing when it is restored all the same and a copy of the log is ahead', async () => {
    expect(await restore()).toMatchObject({ code: 0 })
    await holdfast.server.start()
    expect(holdfast.server.said()).toMatch(/ledger-stopped.*second history/)
    expect((await holdfast.s3.get('/papers/small/0')).status).toBe(503)
    await holdfast.server.stop()
    expect(existsSync(join(holdfast.data, 'regions', 'in-mumbai', 'tiles', 'checkpoint'))).toBe(false)
    expect(existsSync(join(holdfast.data, 'regions', 'in-mumbai', 'restored.json'))).toBe(true)
  })

  it('begins a new log, with all of its objects, where the old one cannot go on', async () => {
    renameSync(holdfast.data, `${holdfast.data}.stopped`)
    // The copy of the old log stays what it is; the new one has its own.
    renameSync(mirror, `${mirror}.old`)
    const same = await restore('--new-log', holdfast.credentials.api.replace('http://', ''))
    expect(same.stderr).toContain('a new one needs another host')
    expect(await restore('--new-log', 'new.example')).toMatchObject({ code: 0 })
    await holdfast.server.start()
    const { status, body } = await holdfast.s3.get('/papers/long/0')
    expect([status, sha256(body)]).toEqual([200, acknowledged.get('/papers/long/0')!.sha256])
    const put = await holdfast.s3.put('/papers/new-log', 'entered in another log')
    await untilEntered(holdfast, String(put.headers['x-holdfast-entry']))
    const vkey = await (await fetch(`${holdfast.credentials.api}/log/in-mumbai/vkey`)).text()
    expect(vkey).toMatch(/^new\.example\/log\/in-mumbai\+/)
    // Nobody takes it for the old one.
    await expect(verifiedStatement(holdfast)).rejects.toThrow(/verify/)
    await holdfast.server.stop()
    const { regions } = JSON.parse((await holdfast.cli('fsck', '--json')).stdout) as {
      regions: { findings: string[] }[]
    }
    expect(regions.flatMap(({ findings }) => findings)).toEqual([])
    rmSync(holdfast.data, { recursive: true })
    rmSync(mirror, { recursive: true })
    renameSync(`${holdfast.data}.stopped`, holdfast.data)
    renameSync(`${mirror}.old`, mirror)
  })

  it('gives back every object of the cut, byte by byte', async () => {
    // As if nothing had been published after the cut.
    rmSync(mirror, { recursive: true })
    await holdfast.server.start()
    const wrong: string[] = []
    for (const [path, { sha256: wanted }] of acknowledged) {
      const { status, body } = await holdfast.s3.get(path)
      if (status !== 200 || sha256(body) !== wanted) wrong.push(`${path}: ${status}`)
    }
    expect(wrong).toEqual([])
    for (const [versionId, wanted] of versions) {
      const { body } = await holdfast.s3.call('GET', '/kept/one', { query: { versionId } })
      expect(sha256(body)).toBe(wanted)
    }
    expect((await holdfast.s3.get('/papers/gone/0')).status).toBe(404)
  })

  it('goes on with the statement, in which the restore is entered once', async () => {
    await holdfast.s3.put('/papers/after', 'the restore')
    await holdfast.server.stop()
    await holdfast.server.start()
    const { headers } = await holdfast.s3.put('/papers/after', 'the second start')
    await untilEntered(holdfast, String(headers['x-holdfast-entry']))
    const stated = await verifiedStatement(holdfast)
    expect(stated.slice(0, statedBefore.length).map(({ id }) => id)).toEqual(statedBefore.map(({ id }) => id))
    const restored = stated.filter(({ type }) => type === 'region.restored')
    expect(restored).toHaveLength(1)
    expect(restored[0]!.body.size).toBeGreaterThan(statedBefore.length)
    const stays = new Set(stated.map(({ id }) => id))
    expect([...acknowledged.values()].filter(({ entry }) => !stays.has(entry))).toEqual([])
    expect((await holdfast.cli('verify', receipt)).code).toBe(0)
  })

  it('is clean to fsck, every byte read', async () => {
    await holdfast.server.stop()
    const { stdout, code } = await holdfast.cli('fsck', '--read', '--json')
    const { regions } = JSON.parse(stdout) as { regions: { findings: string[]; orphans: string[] }[] }
    expect(regions.flatMap(({ findings, orphans }) => [...findings, ...orphans])).toEqual([])
    expect(code).toBe(0)
  })

  it('copies only what is new the next time, and keeps as many as it is told', async () => {
    const second = JSON.parse((await backup()).stdout) as { copiedFiles: number; files: number }
    expect(second.copiedFiles).toBeLessThan(second.files / 2)
    const third = JSON.parse((await backup('--keep', '2')).stdout) as { removedBackups: number }
    expect(third.removedBackups).toBe(1)
    expect(readdirSync(join(to, 'in-mumbai'))).not.toContain(`manifest-${firstBackup}.json`)
    const checked = await holdfast.cli(
      'backup',
      '--check',
      '--region',
      'in-mumbai',
      '--from',
      to,
      '--config',
      config,
      '--key',
      key,
      '--json',
    )
    expect(JSON.parse(checked.stdout)).toMatchObject({ clean: true, backups: 2 })
  })

  it('names whatever byte was changed, and restores nothing of it', async () => {
    renameSync(holdfast.data, `${holdfast.data}.second`)
    const folder = join(to, 'in-mumbai')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
    const newest = files
      .filter(path => path.includes('manifest-'))
      .sort()
      .at(-1)!
    const named = readFileSync(newest, 'utf8')
    const inNewest = files.filter(path => named.includes(path.slice(folder.length + 1)) || path === newest)
    const kinds = ['manifest-', '/catalog/', '/region/', '/blobs/', '/segments/']
    for (const kind of kinds) {
      const path = inNewest.find(file => file.includes(kind))!
      const before = readFileSync(path)
      const at = chance.below(before.length)
      const changed = Buffer.from(before)
      changed[at]! ^= 1 << chance.below(8)
      writeFileSync(path, changed)
      const checked = await holdfast.cli(
        'backup',
        '--check',
        '--region',
        'in-mumbai',
        '--from',
        to,
        '--config',
        config,
        '--key',
        key,
      )
      expect(checked.code, `${path} at ${at}`).toBe(1)
      expect(checked.stdout).toContain(path.slice(folder.length + 1))
      const refused = await restore()
      expect(refused.code, `${path} at ${at}`).toBe(1)
      expect(refused.stderr).toContain(path.slice(folder.length + 1))
      expect(existsSync(join(holdfast.data, 'regions', 'in-mumbai'))).toBe(false)
      writeFileSync(path, before)
    }
    expect(await restore()).toMatchObject({ code: 0 })
  })
})
