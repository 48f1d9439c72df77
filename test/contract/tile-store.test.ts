import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { createFileTileStore } from '../../src/ledger/file-tile-store.ts'
import { createMemoryTileStore } from '../../src/ledger/memory-tile-store.ts'
import type { TileStore } from '../../src/ledger/tile-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-tiles-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let fresh = 0

const adapters: Record<string, () => TileStore> = {
  memory: () => createMemoryTileStore(),
  files: () => createFileTileStore(join(folder, String(fresh++))),
}

for (const [name, make] of Object.entries(adapters)) {
  describe(`tile store contract: ${name}`, () => {
    let store: TileStore
    beforeEach(() => {
      store = make()
    })
    const text = async (path: string) => {
      const bytes = await store.read(path)
      return bytes === null ? null : Buffer.from(bytes).toString()
    }

    it('reads what was written, and null for what was not', async () => {
      await store.writeTiles([
        { path: 'tile/0/x001/234', bytes: utf8('a') },
        { path: 'tile/0/x001/235.p/7', bytes: utf8('b') },
        { path: 'tile/entries/x001/234', bytes: utf8('c') },
      ])
      expect(await text('tile/0/x001/234')).toBe('a')
      expect(await text('tile/0/x001/235.p/7')).toBe('b')
      expect(await text('tile/entries/x001/234')).toBe('c')
      expect(await text('tile/0/x001/235')).toBeNull()
      expect(await text('checkpoint')).toBeNull()
    })

    it('takes the same resource again', async () => {
      const tile = { path: 'tile/0/000.p/3', bytes: utf8('same') }
      await store.writeTiles([tile])
      await store.writeTiles([tile])
      expect(await text(tile.path)).toBe('same')
    })

    it('takes a batch of hundreds', async () => {
      const batch = Array.from({ length: 300 }, (_, n) => ({
        path: `tile/entries/${String(n).padStart(3, '0')}`,
        bytes: utf8(`${n}`),
      }))
      await store.writeTiles(batch)
      for (const { path, bytes } of batch) expect(await text(path)).toBe(Buffer.from(bytes).toString())
    })

    it('replaces the checkpoint', async () => {
      await store.publish(utf8('one'))
      await store.publish(utf8('two'))
      expect(await text('checkpoint')).toBe('two')
      expect(await text('witnessed')).toBeNull()
      await store.publish(utf8('one, cosigned'), 'witnessed')
      expect([await text('checkpoint'), await text('witnessed')]).toEqual(['two', 'one, cosigned'])
    })

    it('drops the partial forms of a full resource and nothing else', async () => {
      const paths = [
        'tile/0/000',
        'tile/0/000.p/3',
        'tile/0/000.p/255',
        'tile/0/001.p/3',
        'tile/entries/000.p/3',
      ]
      await store.writeTiles(paths.map(path => ({ path, bytes: utf8(path) })))
      await store.dropPartials(['tile/0/000', 'tile/0/007'])
      const left = await Promise.all(paths.map(text))
      expect(left).toEqual(['tile/0/000', null, null, 'tile/0/001.p/3', 'tile/entries/000.p/3'])
    })

    it.each([
      '../secret',
      'tile/../../secret',
      '/etc/passwd',
      'tile/0/000.p/../../../../secret',
      'tile/64/000',
      'tile/0/000.p/0',
      'tile/0/0000',
      'tile/00/000',
      'tile/0/000/',
      'tile/0/x001',
      '',
      '.',
      'checkpoint\0',
      'log.key',
    ])('has nothing under %j', async path => {
      writeFileSync(join(folder, 'secret'), 'secret')
      expect(await store.read(path)).toBeNull()
    })
  })
}

describe('the file tile store', () => {
  it('leaves no temporary files', async () => {
    const at = join(folder, 'tidy')
    const store = createFileTileStore(at)
    await store.writeTiles([{ path: 'tile/0/000.p/3', bytes: utf8('x') }])
    await store.publish(utf8('y'))
    expect(readdirSync(at, { recursive: true }).filter(name => String(name).includes('tmp'))).toEqual([])
  })
})
