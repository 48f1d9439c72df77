import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BackUpDeps, type BackupReport, backUp } from '../../src/backup/back-up.ts'
import { loadBackupKey, makeBackupKey } from '../../src/backup/backup-key.ts'
import { dropAllHolds, liveHolds } from '../../src/store/backup-hold.ts'
import type { Depot } from '../../src/store/depot.ts'
import { createFolderDepot } from '../../src/store/folder-depot.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { createChance } from '../support/random.ts'
import { sha256 } from '../support/writers.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const chance = createChance(21)
const outside = mkdtempSync(join(tmpdir(), 'holdfast-cut-off-'))
const to = join(outside, 'backups')
const key = join(outside, 'backup.key')
let holdfast: Holdfast
let vault: TestApp
let config: string

beforeAll(async () => {
  vault = await startTestApp()
  const customer = await vault.customer('vault', 1, 1)
  await customer.s3('PUT', '/backups')
  const { accessKeyId, secretAccessKey, endpoint } = customer.credentials
  const credentialsFile = join(outside, 'vault.json')
  writeFileSync(credentialsFile, JSON.stringify({ accessKeyId, secretAccessKey }), { mode: 0o600 })
  const remote = { endpoint, region: 'in-mumbai', bucket: 'backups', prefix: 'holdfast', credentialsFile }
  holdfast = await startHoldfast({
    regions: [['in-mumbai', 'IN']],
    loopbackIsHome: false,
    places: [{ cidr: '127.0.0.0/8', country: 'IN' }],
    config: {
      trashGraceSeconds: 0,
      workers: 1,
      remotes: [
        { ...remote, name: 'vault' },
        { ...remote, name: 'elsewhere', country: 'DE' },
      ],
    },
  })
  config = join(holdfast.folder, 'holdfast.yaml')
  await holdfast.s3.makeBucket('papers')
  for (let i = 0; i < 30; i++) {
    const body = chance.bytes([1000, 100_000, 1_300_000][i % 3]! + i)
    await holdfast.s3.put(`/papers/${i}`, body)
  }
})
afterAll(async () => {
  await holdfast[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
  rmSync(outside, { recursive: true, force: true })
})

const args = (command: string, ...more: string[]): string[] => [
  command,
  '--region',
  'in-mumbai',
  '--config',
  config,
  '--key',
  key,
  '--json',
  ...more,
]

/** Starts a command and kills it as soon as `moment` has come; false when it ended before. */
async function killAt(command: string[], moment: () => boolean): Promise<boolean> {
  const env = { ...process.env, HOLDFAST_DATA: holdfast.data }
  const child = spawn(process.execPath, [main, ...command], { env, stdio: 'ignore' })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  while (child.exitCode === null && !moment()) await sleep(1)
  const alive = child.exitCode === null
  child.kill('SIGKILL')
  await ended
  return alive && child.signalCode === 'SIGKILL'
}

/** Of a folder that others are writing: it may be moved or emptied while it is read. */
const filesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

describe('a backup that is killed', () => {
  it('is none, whenever it was, and the next one is whole', async () => {
    const region = join(holdfast.data, 'regions', 'in-mumbai')
    const isWorking = (): boolean => readdirSync(region).some(name => name.endsWith('.tmp'))
    const moments: (() => boolean)[] = [
      isWorking,
      () => filesIn(join(to, 'in-mumbai')).length >= 1,
      () => filesIn(join(to, 'in-mumbai')).length >= 5,
      () => filesIn(join(to, 'in-mumbai')).length >= 10,
    ]
    let killed = 0
    for (const moment of moments) {
      // Once the manifest is there it has succeeded, whatever becomes of the process.
      const wasKilled = await killAt(args('backup', '--to', to), moment)
      if (wasKilled && !filesIn(to).some(name => name.includes('manifest'))) killed++
      else rmSync(to, { recursive: true, force: true })
      const checked = await holdfast.cli(...args('backup', '--check', '--from', to))
      expect(checked.code).toBe(1)
      expect(checked.stderr).toMatch(/there is no backup/)
      expect((await holdfast.cli(...args('restore', '--from', to, '--data', join(outside, 'x')))).code).toBe(
        1,
      )
    }
    expect(killed).toBeGreaterThan(0)
    // What it held is let go by itself: the row says when.
    await using catalog = await openLmdbCatalog(join(region, 'catalog'))
    expect((await liveHolds(catalog, Date.now())).length).toBeGreaterThan(0)
    expect(await liveHolds(catalog, Date.now() + 11 * 60_000)).toEqual([])

    const made = await holdfast.cli(...args('backup', '--to', to))
    expect(made.code).toBe(0)
    expect(JSON.parse((await holdfast.cli(...args('backup', '--check', '--from', to))).stdout)).toMatchObject(
      { clean: true, backups: 1 },
    )
    // Nothing of those that were killed is left behind in it.
    expect(filesIn(to).filter(name => name.includes('/catalog/'))).toHaveLength(1)
  })
})

describe('a restore that is killed', () => {
  it('leaves no region, and the next one is whole', async () => {
    const data = join(outside, 'restored')
    const half = join(data, 'restoring-in-mumbai', 'regions', 'in-mumbai')
    for (const count of [1, 6, 12]) {
      await killAt(args('restore', '--from', to, '--data', data), () => filesIn(half).length >= count)
      if (existsSync(join(data, 'regions', 'in-mumbai'))) rmSync(join(data, 'regions'), { recursive: true })
    }
    expect(existsSync(join(data, 'regions', 'in-mumbai'))).toBe(false)
    expect((await holdfast.cli(...args('restore', '--from', to, '--data', data))).code).toBe(0)
    expect(readdirSync(data)).toEqual(['regions'])
  })
})

describe('housekeeping while a backup runs', () => {
  it('unlinks nothing that the backup still needs', async () => {
    // Deleted between the snapshot and the copy: the trash is emptied at once, but for the hold.
    const other = join(outside, 'slow')
    const region = join(holdfast.data, 'regions', 'in-mumbai')
    {
      // Those of the backups that were killed would do the same.
      await using catalog = await openLmdbCatalog(join(region, 'catalog'))
      await dropAllHolds(catalog)
    }
    for (let i = 0; i < 40; i++) await holdfast.s3.put(`/papers/soon-gone/${i}`, chance.bytes(1_300_000))
    const backup = holdfast.cli(...args('backup', '--to', other))
    while (!filesIn(region).some(name => name.endsWith('catalog.sealed'))) await sleep(1)
    for (let i = 0; i < 40; i++) await holdfast.s3.call('DELETE', `/papers/soon-gone/${i}`)
    expect(await backup).toMatchObject({ code: 0 })
    expect(
      JSON.parse((await holdfast.cli(...args('backup', '--check', '--from', other))).stdout),
    ).toMatchObject({ clean: true })
    expect(
      (await holdfast.cli(...args('restore', '--from', other, '--data', join(outside, 'again')))).code,
    ).toBe(0)
  })
})

/** As the command does it, in this process. */
const backUpHere = async (place: string, deps: Partial<BackUpDeps> = {}): Promise<BackupReport> =>
  backUp({
    region: 'in-mumbai',
    country: 'IN',
    folder: join(holdfast.data, 'regions', 'in-mumbai'),
    depot: depotAt(place),
    key: existsSync(key) ? loadBackupKey(key) : await makeBackupKey(key, randomBytes),
    keep: 1,
    clock: Date.now,
    randomBytes,
    onProgress: () => {},
    ...deps,
  })
const depotAt = (place: string): Depot => createFolderDepot(join(place, 'in-mumbai'), 'private')

describe('two backups to one place', () => {
  it('do not run at once: the one that ends first would remove what the other has copied', async () => {
    const place = join(outside, 'contended')
    const [copied, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const depot = depotAt(place)
    const slow = backUpHere(place, {
      depot: {
        ...depot,
        async putFile(path, source, bytes) {
          const digest = await depot.putFile(path, source, bytes)
          copied.resolve()
          await go.promise
          return digest
        },
      },
    })
    await copied.promise
    const second = await holdfast.cli(...args('backup', '--to', place))
    const elsewhere = await holdfast.cli(...args('backup', '--to', join(outside, 'uncontended')))
    go.resolve()
    await slow
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('another backup to') })
    expect(elsewhere.code).toBe(0)
    expect(await holdfast.cli(...args('backup', '--check', '--from', place))).toMatchObject({ code: 0 })
    expect(await holdfast.cli(...args('backup', '--to', place))).toMatchObject({ code: 0 })
  })
})

describe('a backup after the clock was set back', () => {
  it('is the newest all the same, and the one that stays', async () => {
    const place = join(outside, 'set-back')
    const ahead = await backUpHere(place, { clock: () => Date.now() + 365 * 86_400_000 })
    const made = JSON.parse((await holdfast.cli(...args('backup', '--to', place, '--keep', '1'))).stdout)
    expect(made.removedBackups).toBe(1)
    expect(made.backup > ahead.backup).toBe(true)
    const restored = await holdfast.cli(
      ...args('restore', '--from', place, '--data', join(outside, 'after-set-back')),
    )
    expect(restored).toMatchObject({ code: 0 })
    expect(JSON.parse(restored.stdout).backup).toBe(made.backup)
  })
})

describe('what lies in the folder of a region beside its own', () => {
  it('is not in the backup and keeps nobody from restoring it; a key behind a link is in it', async () => {
    const region = join(holdfast.data, 'regions', 'in-mumbai')
    const [place, data] = [join(outside, 'beside'), join(outside, 'from-beside')]
    const strangers = ['.log.key.swp', '.nfs0000000000b1', 'log.key (copy)', 'repair.lock']
    for (const name of strangers) writeFileSync(join(region, name), '1')
    renameSync(join(region, 'log.key'), join(outside, 'log.key'))
    symlinkSync(join(outside, 'log.key'), join(region, 'log.key'))
    try {
      expect(await holdfast.cli(...args('backup', '--to', place))).toMatchObject({ code: 0 })
    } finally {
      renameSync(join(outside, 'log.key'), join(region, 'log.key'))
      for (const name of strangers) rmSync(join(region, name))
    }
    expect(await holdfast.cli(...args('restore', '--from', place, '--data', data))).toMatchObject({ code: 0 })
    const restored = join(data, 'regions', 'in-mumbai')
    expect(readdirSync(restored).filter(name => strangers.includes(name))).toEqual([])
    expect(readFileSync(join(restored, 'log.key'))).toEqual(readFileSync(join(region, 'log.key')))
  })
})

describe('a backup in a remote store', () => {
  it('is taken, checked and restored through the door, and copies only what is new', async () => {
    const made = await holdfast.cli(...args('backup', '--to', 'remote:vault'))
    expect(made).toMatchObject({ code: 0 })
    const again = JSON.parse((await holdfast.cli(...args('backup', '--to', 'remote:vault'))).stdout) as {
      copiedFiles: number
    }
    expect(again.copiedFiles).toBe(2)
    const checked = await holdfast.cli(...args('backup', '--check', '--from', 'remote:vault'))
    expect(JSON.parse(checked.stdout)).toMatchObject({ clean: true, backups: 2 })
    const data = join(outside, 'from-remote')
    expect(await holdfast.cli(...args('restore', '--from', 'remote:vault', '--data', data))).toMatchObject({
      code: 0,
    })
    const fsck = await holdfast.cli('fsck', '--region', 'in-mumbai', '--read', '--json')
    expect(fsck.code).toBe(0)
  })

  it('does not leave for a place that is, or may be, another country', async () => {
    const refused = await holdfast.cli(...args('backup', '--to', 'remote:elsewhere'))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('remote-place-contradicts')
    const abroad = join(outside, 'abroad.yaml')
    const text = readFileSync(config, 'utf8')
    for (const [places, rule] of [
      ['    country: DE', 'backup-leaves-the-country'],
      [null, 'remote-place-unknown'],
    ] as const) {
      writeFileSync(
        abroad,
        places === null
          ? text.replace(/places:\n( {2}.*\n)+/, 'places: []\n')
          : text.replace(/(cidr: 127.0.0.0\/8\n) {4}country: IN/, `$1${places}`),
      )
      const { code, stderr } = await holdfast.cli(
        'backup',
        '--region',
        'in-mumbai',
        '--config',
        abroad,
        '--key',
        key,
        '--to',
        'remote:vault',
      )
      expect(stderr).toContain(rule)
      expect(code).toBe(1)
    }
  })

  it('copies the public log all the same, once, to a folder or a remote', async () => {
    for (const place of ['remote:vault', join(outside, 'copy')]) {
      const copied = await holdfast.cli(
        'log',
        'copy',
        '--region',
        'in-mumbai',
        '--config',
        config,
        '--to',
        place,
        '--json',
      )
      expect(copied).toMatchObject({ code: 0 })
      expect((JSON.parse(copied.stdout) as { size: number }).size).toBeGreaterThan(30)
    }
    const own = join(holdfast.data, 'regions', 'in-mumbai', 'tiles', 'checkpoint')
    expect(readFileSync(join(outside, 'copy', 'checkpoint'), 'utf8')).toBe(readFileSync(own, 'utf8'))
  })
})

describe('the key of the backups', () => {
  it('is demanded, and must be the right one', async () => {
    const wrong = join(outside, 'wrong.key')
    const base = ['--region', 'in-mumbai', '--config', config]
    const away = await holdfast.cli('backup', ...base, '--to', to, '--key', wrong)
    expect(away.stderr).toMatch(/has backups already/)
    expect(existsSync(wrong)).toBe(false)
    writeFileSync(wrong, `holdfast/backup-key/v1 ${'ab'.repeat(32)}\n`)
    for (const command of [
      ['backup', ...base, '--to', to, '--key', wrong],
      ['restore', ...base, '--from', to, '--key', wrong, '--data', join(outside, 'y')],
    ])
      expect((await holdfast.cli(...command)).stderr).toMatch(/made with backup key/)
    const inside = await holdfast.cli('backup', ...base, '--to', to, '--key', join(to, 'backup.key'))
    expect(inside.code).toBe(2)
  })

  it('tells what was forged from what was made: a manifest with new digests is refused', async () => {
    const folder = join(to, 'in-mumbai')
    const name = readdirSync(folder).find(file => file.startsWith('manifest-'))!
    const path = join(folder, name)
    const before = readFileSync(path, 'utf8')
    const [body = '', mac = ''] = before.split('\n')
    const forged = `${body.replace(/"size":\d+/, '"size":1')}\n${mac}\n`
    writeFileSync(path, `${forged}sha256 ${sha256(Buffer.from(forged))}\n`)
    const refused = await holdfast.cli(...args('restore', '--from', to, '--data', join(outside, 'z')))
    expect(refused.stderr).toMatch(/not authentic/)
    writeFileSync(path, before)
  })
})

describeWith('mount', 'a full disk at the destination', () => {
  const disk = mkdtempSync(join(tmpdir(), 'holdfast-small-'))
  beforeAll(() => {
    mkdirSync(disk, { recursive: true })
    expect(String(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'holdfast', disk]).stderr)).toBe('')
  })
  afterAll(() => {
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })

  it('leaves no backup that claims to be one', async () => {
    const failed = await holdfast.cli(...args('backup', '--to', join(disk, 'b')))
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('the disk is full')
    expect(filesIn(disk).filter(name => name.includes('manifest'))).toEqual([])
    const restored = await holdfast.cli(...args('restore', '--from', to, '--data', join(disk, 'd')))
    expect(restored.code).toBe(1)
    expect(filesIn(join(disk, 'd'))).toEqual([])
  })
})
