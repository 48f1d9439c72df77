/** LMDB at the end of a disk: it is kept from it, and where the system refuses its write all the same, the process ends. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { type LmdbCatalog, openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { describeWith } from '../support/program.ts'

const source = join(import.meta.dirname, '..', '..', 'src', 'store', 'lmdb-catalog.ts')
const put = (key: string, bytes: number) => ({
  puts: [{ table: 'objects' as const, key: utf8(key), value: Buffer.alloc(bytes, key) }],
})

describeWith('mount', 'a catalog on a disk that others have filled', () => {
  const disk = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  const filler = join(disk, 'filler')
  let catalog: LmdbCatalog
  beforeAll(async () => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'holdfast', disk])
    expect(String(mounted.stderr)).toBe('')
    catalog = await openLmdbCatalog(join(disk, 'catalog'))
  })
  afterAll(async () => {
    await catalog?.[Symbol.asyncDispose]()
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })

  it('says so, reads on, and takes more when there is room', async () => {
    await catalog.commit(put('kept', 1000))
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'])
    for (const bytes of [10, 3_000_000]) {
      const some = await Promise.allSettled(
        ['a', 'b', 'c'].map(async key => await catalog.commit(put(key, bytes))),
      )
      for (const one of some)
        expect(one).toMatchObject({
          status: 'rejected',
          reason: { code: 'store-full', message: 'the disk is full' },
        })
    }
    expect((await catalog.get('objects', utf8('kept')))?.length).toBe(1000)
    await expect(openLmdbCatalog(join(disk, 'other'))).rejects.toMatchObject({ code: 'store-full' })
    rmSync(filler)
    // What there is room for beside what must stay free, and not more.
    expect(await catalog.commit(put('a', 3_000_000))).toBe(true)
    await expect(catalog.commit(put('b', 16_000_000))).rejects.toMatchObject({ code: 'store-full' })
    expect(await catalog.commit(put('c', 10))).toBe(true)
    expect((await catalog.scan('objects', { limit: 9 })).map(({ key }) => key.toString())).toEqual([
      'a',
      'c',
      'kept',
    ])
  })
})

it('ends its process when the system refuses a write, with what was acknowledged on disk and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-limit-'))
  const script = `const { openLmdbCatalog } = await import(${JSON.stringify(source)})
    const catalog = await openLmdbCatalog(${JSON.stringify(folder)})
    for (let i = 0; ; i++) {
      await catalog.commit({ puts: [{ table: 'objects', key: Buffer.from(String(i)), value: Buffer.alloc(100_000) }] })
      process.stdout.write(i + '\\n')
    }`
  // The disk has room, and this process may not write a file of more than 4,096 blocks of 1 KiB.
  const limited = [
    '-c',
    'ulimit -f 4096; exec "$0" "$@"',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]
  const child = spawn('bash', limited, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const signal = await new Promise(resolve => child.once('close', (_code, signal) => resolve(signal)))
  expect(signal).toBe('SIGKILL')
  expect(stderr).toContain('holdfast: the disk refused a write of the catalog')
  const acknowledged = stdout.trim().split('\n').map(Number)
  expect(acknowledged.length).toBeGreaterThan(10)
  await using catalog = await openLmdbCatalog(folder)
  const rows = await catalog.scan('objects', { limit: 1000 })
  expect(new Set(rows.map(({ key }) => Number(key.toString())))).toEqual(new Set(acknowledged))
  rmSync(folder, { recursive: true })
})
