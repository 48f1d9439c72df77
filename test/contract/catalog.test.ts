import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareBytes, fromUtf8, readU64be, toHex, utf8 } from '../../src/core/bytes.ts'
import { type Catalog, decodeCounters, next, type Put, prefixEnd } from '../../src/store/catalog.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { createMemoryCatalog } from '../../src/store/memory-catalog.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-catalog-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const adapters: Record<string, () => Promise<Catalog>> = {
  memory: async () => createMemoryCatalog(),
  lmdb: () => openLmdbCatalog(join(folder, Math.random().toString(36).slice(2))),
}

for (const [name, make] of Object.entries(adapters)) {
  describe(`catalog contract: ${name}`, () => {
    let catalog: Catalog
    beforeAll(async () => {
      catalog = await make()
    })
    afterAll(() => catalog[Symbol.asyncDispose]())

    const put = (key: string, value: string) => ({
      table: 'objects' as const,
      key: utf8(key),
      value: utf8(value),
    })

    it('shows what was committed and nothing of a refused batch', async () => {
      expect(await catalog.commit({ puts: [put('a', '1'), put('b', '2')] })).toBe(true)
      const refused = await catalog.commit({
        checks: [{ table: 'objects', key: utf8('a'), expected: null }],
        puts: [put('c', '3')],
        removes: [{ table: 'objects', key: utf8('b') }],
      })
      expect(refused).toBe(false)
      expect(await catalog.get('objects', utf8('c'))).toBeNull()
      expect(fromUtf8((await catalog.get('objects', utf8('b')))!)).toBe('2')
    })

    it('lets exactly one of many racing conditional batches through', async () => {
      const race = Array.from({ length: 50 }, (_, i) =>
        catalog.commit({
          checks: [{ table: 'objects', key: utf8('race'), expected: null }],
          puts: [put('race', `${i}`)],
        }),
      )
      const outcomes = await Promise.all(race)
      expect(outcomes.filter(held => held)).toHaveLength(1)
      expect(fromUtf8((await catalog.get('objects', utf8('race')))!)).toBe(`${outcomes.indexOf(true)}`)
    })

    it('lets a check see the batches before its own, in call order', async () => {
      const first = catalog.commit({ puts: [put('chain', 'x')] })
      const second = catalog.commit({
        checks: [{ table: 'objects', key: utf8('chain'), expected: utf8('x') }],
        removes: [{ table: 'objects', key: utf8('chain') }],
      })
      const third = catalog.commit({
        checks: [{ table: 'objects', key: utf8('chain'), expected: null }],
        puts: [put('chain', 'z')],
      })
      expect(await Promise.all([first, second, third])).toEqual([true, true, true])
      expect(fromUtf8((await catalog.get('objects', utf8('chain')))!)).toBe('z')
    })

    it('holds an empty-prefix check against rows, and against what the same group wrote before', async () => {
      const check = { table: 'uploads' as const, emptyPrefix: utf8('bucket/') }
      const row = { table: 'uploads' as const, key: utf8('bucket/1'), value: utf8('x') }
      const before = catalog.commit({ checks: [check], puts: [{ ...row, key: utf8('bucket0') }] })
      const during = catalog.commit({ puts: [row] })
      const after = catalog.commit({ checks: [check], puts: [{ ...row, key: utf8('never') }] })
      expect(await Promise.all([before, during, after])).toEqual([true, true, false])
      expect(await catalog.commit({ checks: [check], puts: [{ ...row, key: utf8('never') }] })).toBe(false)
      const removed = catalog.commit({ removes: [row] })
      const again = catalog.commit({ checks: [check], puts: [{ ...row, key: utf8('now') }] })
      expect(await Promise.all([removed, again])).toEqual([true, true])
    })

    it('numbers `next` rows in the order of commits, and counts', async () => {
      const row = (value: string): Put => ({ table: 'drafts', key: next, value: utf8(value) })
      const add = (amounts: number[], atMost?: (number | null)[]) => ({
        table: 'usage' as const,
        key: utf8('tenant'),
        amounts,
        ...(atMost && { atMost }),
      })
      const outcomes = await Promise.all([
        catalog.commit({ puts: [row('a'), row('b')], adds: [add([1, 100])] }),
        catalog.commit({ puts: [row('c')], adds: [add([1, 50]), add([1, 50])] }),
        catalog.commit({ puts: [row('never')], adds: [add([1, 1], [null, 200])] }),
        catalog.commit({ puts: [row('d')], adds: [add([-2, -150], [null, 10])] }),
      ])
      expect(outcomes).toEqual([true, true, false, true])
      const rows = await catalog.scan('drafts', { limit: 10 })
      expect(rows.map(({ value }) => fromUtf8(value))).toEqual(['a', 'b', 'c', 'd'])
      expect(rows.map(({ key }) => readU64be(key))).toEqual([0, 1, 2, 3])
      expect(decodeCounters(await catalog.get('usage', utf8('tenant')))).toEqual([1, 50])
      await catalog.commit({
        removes: rows.slice(0, 2).map(({ key }) => ({ table: 'drafts' as const, key })),
      })
      await catalog.commit({ puts: [row('e')] })
      expect(readU64be((await catalog.scan('drafts', { limit: 1, reverse: true }))[0]!.key)).toBe(4)
    })

    it('refuses what does not fit before anything of its group is written', async () => {
      const long = { table: 'objects' as const, key: new Uint8Array(1901), value: utf8('x') }
      const good = catalog.commit({ puts: [put('beside', '1')] })
      await expect(catalog.commit({ puts: [put('half', '1'), long] })).rejects.toThrow()
      expect(await good).toBe(true)
      expect(await catalog.get('objects', utf8('half'))).toBeNull()
    })

    it('keeps keys of 1,900 bytes and values of a mebibyte', async () => {
      const key = new Uint8Array(1900).fill(255)
      const value = new Uint8Array(1 << 20).fill(7)
      await catalog.commit({ puts: [{ table: 'manifests', key, value }] })
      expect((await catalog.get('manifests', key))!.length).toBe(1 << 20)
    })

    it('scans like a sorted map, both ways, within any bounds', async () => {
      const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 })
      const property = fc.asyncProperty(
        fc.uniqueArray(bytes, { selector: toHex, maxLength: 30 }),
        fc.option(bytes, { nil: undefined }),
        fc.option(bytes, { nil: undefined }),
        fc.integer({ min: 0, max: 10 }),
        fc.boolean(),
        async (keys, from, to, limit, reverse) => {
          const old = await catalog.scan('uploads', { limit: 1000 })
          await catalog.commit({ removes: old.map(({ key }) => ({ table: 'uploads' as const, key })) })
          await catalog.commit({ puts: keys.map(key => ({ table: 'uploads' as const, key, value: key })) })
          const rows = await catalog.scan('uploads', {
            ...(from && { from }),
            ...(to && { to }),
            limit,
            reverse,
          })
          const expected = keys
            .filter(key => (!from || compareBytes(key, from) >= 0) && (!to || compareBytes(key, to) < 0))
            .sort((a, b) => (reverse ? -1 : 1) * compareBytes(a, b))
            .slice(0, limit)
          expect(rows.map(row => toHex(row.key))).toEqual(expected.map(toHex))
        },
      )
      await fc.assert(property, { numRuns: 60 })
    })
  })
}

it('an LMDB catalog that is closed refuses whatever it is asked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-closed-'))
  const catalog = await openLmdbCatalog(folder)
  await catalog[Symbol.asyncDispose]()
  await expect(catalog.get('objects', utf8('key'))).rejects.toThrow(/closed/)
  await expect(catalog.scan('objects', { limit: 1 })).rejects.toThrow(/closed/)
  await expect(catalog.commit({ puts: [] })).rejects.toThrow(/closed/)
  await expect(catalog.snapshot(join(folder, 'snapshot'))).rejects.toThrow(/closed/)
  rmSync(folder, { recursive: true })
})

// In a process of its own: the library ends the one that closes under a copy.
it('an LMDB catalog that is closed while it is being copied waits for the copy, which is whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-copied-'))
  const [path, copy] = [join(folder, 'catalog'), join(folder, 'copy')]
  const program = join(folder, 'program.ts')
  writeFileSync(
    program,
    `import { mkdirSync } from 'node:fs'
import { openLmdbCatalog } from '${new URL('../../src/store/lmdb-catalog.ts', import.meta.url).pathname}'
const catalog = await openLmdbCatalog('${path}')
for (let n = 0; n < 64; n++)
  await catalog.commit({ puts: [{ table: 'objects', key: Buffer.from([n]), value: Buffer.alloc(1 << 20, n) }] })
mkdirSync('${copy}')
let isCopied = false
const copying = catalog.snapshot('${join(copy, 'catalog.mdb')}').then(() => { isCopied = true })
const closing = catalog[Symbol.asyncDispose]()
console.log(isCopied ? 'copied before it was closed' : 'closed while it is copied')
await closing
console.log(isCopied)
await copying
`,
  )
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  expect(stdout).toBe('closed while it is copied\ntrue\n')
  await using copied = await openLmdbCatalog(copy)
  const rows = await copied.scan('objects', { limit: 100 })
  expect(rows.map(({ key, value }) => [key[0], value.length, value.at(-1)])).toEqual(
    Array.from({ length: 64 }, (_, n) => [n, 1 << 20, n]),
  )
  rmSync(folder, { recursive: true })
})

it('prefixEnd leaves a prefix that is a Buffer as it is', () => {
  const prefix = Buffer.from('abc')
  expect(Buffer.from(prefixEnd(prefix)!).toString()).toBe('abd')
  expect(prefix.toString()).toBe('abc')
})

it('prefixEnd bounds exactly the keys with the prefix', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc.uint8Array({ maxLength: 6 }),
      (prefix, key) => {
        const end = prefixEnd(prefix)
        const starts = key.length >= prefix.length && prefix.every((byte, i) => key[i] === byte)
        const inside = compareBytes(key, prefix) >= 0 && (end === null || compareBytes(key, end) < 0)
        expect(inside).toBe(starts)
      },
    ),
  )
})
