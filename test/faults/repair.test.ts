/** `fsck --repair`: what follows from the entries is made again, and nothing else is touched. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readU64be, u64be } from '../../src/core/bytes.ts'
import { repairLedger } from '../../src/ledger/repair.ts'
import { signedKey, treeKey } from '../../src/ledger/tables.ts'
import { regionFiles } from '../../src/open-region.ts'
import { next, type Table } from '../../src/store/catalog.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createTestLedger, crypto, type TestLedger, type TestTenant } from '../support/ledger.ts'
import { untilEntered } from '../support/statement.ts'

async function filled(count = 600): Promise<{ ledger: TestLedger; tenant: TestTenant }> {
  const ledger = await createTestLedger()
  const tenant = await ledger.join()
  for (let i = 1; i < count; i++) await ledger.draft(tenant, `b${i}`)
  const sequencer = ledger.newSequencer()
  while ((await sequencer.tick()).entered > 0);
  return { ledger, tenant }
}

const rowsOf = async (ledger: TestLedger, table: Table): Promise<string[]> =>
  (await ledger.catalog.scan(table, { limit: 10_000 })).map(
    ({ key, value }) => `${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`,
  )

async function picture(ledger: TestLedger) {
  const tables: Record<string, string[]> = {}
  for (const table of ['entries', 'entryids', 'chains', 'meta', 'drafts'] as const)
    tables[table] = await rowsOf(ledger, table)
  const tiles = [...ledger.tiles.resources].map(([path, bytes]) => [path, Buffer.from(bytes).toString('hex')])
  return { tables, tiles: tiles.sort() }
}

const remove = async (ledger: TestLedger, table: Table, at: number): Promise<void> => {
  const row = (await ledger.catalog.scan(table, { limit: 10_000 }))[at]!
  await ledger.catalog.commit({ removes: [{ table, key: row.key }] })
}

const cutShort = async (ledger: TestLedger, table: Table, key: Uint8Array): Promise<void> => {
  const value = (await ledger.catalog.get(table, key))!.slice(0, 7)
  await ledger.catalog.commit({ puts: [{ table, key, value }] })
}

describe('a repair', () => {
  it.each<[string, string, (ledger: TestLedger) => Promise<unknown> | undefined]>([
    [
      'a full tile that was changed',
      'tile/0/001: written again, it was damaged',
      ledger => {
        ledger.tiles.resources.get('tile/0/001')![7]! ^= 1
        return undefined
      },
    ],
    [
      'a bundle',
      'tile/entries/000: written again, it was missing',
      ledger => {
        ledger.tiles.resources.delete('tile/entries/000')
        return undefined
      },
    ],
    [
      'an upper tile',
      'tile/1/000.p/2: written again',
      ledger => {
        ledger.tiles.resources.delete('tile/1/000.p/2')
        return undefined
      },
    ],
    [
      'a partial tile',
      'tile/0/002.p/88: written again',
      ledger => {
        ledger.tiles.resources.delete('tile/0/002.p/88')
        return undefined
      },
    ],
    ['an id', 'leads to entry', ledger => remove(ledger, 'entryids', 77)],
    [
      'an id too many',
      'led to no entry and is gone',
      ledger =>
        ledger.catalog.commit({ puts: [{ table: 'entryids', key: Buffer.from('x'), value: u64be(3) }] }),
    ],
    ['the head of a chain', 'the head of tenant', ledger => remove(ledger, 'chains', 0)],
    ['a number of a chain', 'number 98 of tenant', ledger => remove(ledger, 'chains', 99)],
    [
      'the tree',
      'ledger/tree: written again, for 600 entries',
      ledger => ledger.catalog.commit({ removes: [{ table: 'meta', key: treeKey }] }),
    ],
    [
      'a tree that was cut short',
      'ledger/tree: written again, for 600 entries',
      ledger => cutShort(ledger, 'meta', treeKey),
    ],
    [
      'the head of a chain that was cut short',
      'the head of tenant',
      async ledger => cutShort(ledger, 'chains', (await ledger.catalog.scan('chains', { limit: 1 }))[0]!.key),
    ],
    [
      'a draft that is entered',
      'is entered and no longer a draft',
      async ledger => {
        const [id] = await ledger.catalog.scan('entryids', { limit: 1 })
        const entry = (await ledger.catalog.get('entries', id!.value))!
        const text = `1\n${Buffer.from(id!.key).toString()}\nt\nrefusal\n${readU64be(entry, 1)}\n{}`
        await ledger.catalog.commit({ puts: [{ table: 'drafts', key: next, value: Buffer.from(text) }] })
      },
    ],
  ])('makes %s again', async (_, said, damage) => {
    const { ledger, tenant } = await filled()
    const before = await picture(ledger)
    expect(await repairLedger(ledger.stores)).toEqual([])
    await damage(ledger)
    expect(await ledger.fsck()).not.toEqual([])
    const done = await repairLedger(ledger.stores)
    expect(done).toHaveLength(1)
    expect(done[0]).toContain(said)
    expect(await picture(ledger)).toEqual(before)
    expect(await ledger.fsck()).toEqual([])
    expect(await repairLedger(ledger.stores)).toEqual([])
    expect(verifyStatement(await ledger.statement(tenant), tenant.trust, crypto).verified).toBe(true)
  })

  it('makes everything again at once, from nothing but the entries', async () => {
    const { ledger } = await filled()
    const before = await picture(ledger)
    for (const table of ['entryids', 'chains'] as const)
      await ledger.catalog.commit({
        removes: (await ledger.catalog.scan(table, { limit: 10_000 })).map(({ key }) => ({ table, key })),
      })
    await ledger.catalog.commit({ removes: [{ table: 'meta', key: treeKey }] })
    for (const path of ledger.tiles.resources.keys())
      if (path !== 'checkpoint') ledger.tiles.resources.delete(path)
    await repairLedger(ledger.stores)
    expect(await picture(ledger)).toEqual(before)
  })

  it.each<[string, string, (ledger: TestLedger) => Promise<unknown>]>([
    ['an entry is missing', 'entry 40 is not in the catalog', ledger => remove(ledger, 'entries', 40)],
    ['the last one is', '600 were entered and 599 are here', ledger => remove(ledger, 'entries', 599)],
    [
      'the last one is, and the tree with it',
      '600 were signed and 599 are here',
      async ledger => {
        await remove(ledger, 'entries', 599)
        await ledger.catalog.commit({ removes: [{ table: 'meta', key: treeKey }] })
      },
    ],
    [
      'a leaf was changed',
      'are not those that were signed',
      async ledger => {
        const value = new Uint8Array((await ledger.catalog.get('entries', u64be(9)))!)
        value[50]! ^= 1
        await ledger.catalog.commit({ puts: [{ table: 'entries', key: u64be(9), value }] })
      },
    ],
    [
      'the signed checkpoint is another log’s',
      'is not this log’s',
      async ledger => {
        const other = await filled(10)
        const value = (await other.ledger.catalog.get('meta', signedKey))!
        await ledger.catalog.commit({ puts: [{ table: 'meta', key: signedKey, value }] })
      },
    ],
  ])('touches nothing when %s', async (_, fault, damage) => {
    const { ledger } = await filled()
    await damage(ledger)
    ledger.tiles.resources.delete('tile/0/000')
    const before = await picture(ledger)
    await expect(repairLedger(ledger.stores)).rejects.toThrow(fault.replace('’', "'"))
    expect(await picture(ledger)).toEqual(before)
  })
})

describe('holdfast fsck --repair', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('repaired')
    const { headers } = await holdfast.s3.put('/repaired/a', 'a')
    await untilEntered(holdfast, headers['x-holdfast-entry'] as string)
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  it('refuses while a server runs, repairs when none does, and then has nothing to do', async () => {
    const files = regionFiles(holdfast.data, 'in-mumbai')
    rmSync(join(files.tiles, 'tile/0'), { recursive: true })
    expect(await holdfast.cli('fsck', '--repair')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`in-mumbai is open in process ${holdfast.server.pid}`),
    })
    await holdfast.server.kill()
    expect(await holdfast.cli('fsck')).toMatchObject({ code: 1 })
    const repaired = await holdfast.cli('fsck', '--repair')
    expect(repaired).toMatchObject({ code: 0, stdout: expect.stringContaining('repaired: tile/0/000.p/') })
    {
      await using catalog = await openLmdbCatalog(files.catalog)
      await catalog.commit({ puts: [{ table: 'meta', key: treeKey, value: Buffer.alloc(7) }] })
    }
    expect(await holdfast.cli('fsck', '--repair')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('repaired: ledger/tree: written again'),
    })
    const again = await holdfast.cli('fsck', '--repair')
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout).not.toContain('repaired')
    await holdfast.server.start()
    expect((await holdfast.s3.get('/repaired/a')).body.toString()).toBe('a')
  })

  it('keeps a server from starting meanwhile; one that was killed does not', async () => {
    await holdfast.server.stop()
    const lock = join(regionFiles(holdfast.data, 'in-mumbai').folder, 'repair.lock')
    writeFileSync(lock, String(process.pid))
    await expect(holdfast.server.start()).rejects.toThrow('a repair is running')
    writeFileSync(lock, '999999999')
    await holdfast.server.start()
  })
})
