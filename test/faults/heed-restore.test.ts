import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RestoredMark, writeRestoredMark } from '../../src/backup/restored-mark.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { silentLog } from '../../src/core/log.ts'
import { heedRestore } from '../../src/heed-restore.ts'
import { decodeDraft } from '../../src/ledger/draft-format.ts'
import type { Depot } from '../../src/store/depot.ts'
import { createFolderDepot } from '../../src/store/folder-depot.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { printNote } from '../../src/verify/note.ts'
import { createTestLedger, crypto, region, type TestLedger } from '../support/ledger.ts'

const mark: RestoredMark = {
  format: 'holdfast/restored/v1',
  restore: '01m7y5hny7jw0gw1rnnf5ram75',
  backup: '01m7y5hny7jw0gw1rnnf5ram74',
  taken: '2026-01-02T03:04:05.678Z',
  restored: '2026-01-03T03:04:05.678Z',
  size: 7,
}

describe('the first start after a restore', () => {
  let folder: string
  let ledger: TestLedger
  let mirror: Depot
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-restored-'))
    ledger = await createTestLedger()
    await ledger.join()
    await ledger.join()
    await ledger.newSequencer().tick()
    mirror = createFolderDepot(join(folder, 'mirror'), 'shared')
    await writeRestoredMark(folder, mark)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const start = (mirrors: readonly Depot[] = [mirror]): Promise<string | null> =>
    heedRestore({
      id: region,
      folder,
      catalog: ledger.catalog,
      drafts: ledger.drafts,
      keys: ledger.stores.log,
      mirrors,
      log: silentLog,
    })
  const restoredDrafts = async (): Promise<unknown[]> =>
    (await ledger.catalog.scan('drafts', { limit: 100 }))
      .map(({ value }) => decodeDraft(value))
      .filter(({ type }) => type === 'region.restored')
      .map(({ body }) => JSON.parse(body))

  it('is entered for every tenant, once, also when it dies before it has taken the mark away', async () => {
    const bytes = readFileSync(join(folder, 'restored.json'))
    expect(await start()).toBeNull()
    const entered = [
      { from: mark.taken, size: 7 },
      { from: mark.taken, size: 7 },
    ]
    expect(await restoredDrafts()).toEqual(entered)
    expect(existsSync(join(folder, 'restored.json'))).toBe(false)
    writeFileSync(join(folder, 'restored.json'), bytes)
    expect(await start()).toBeNull()
    expect(await restoredDrafts()).toEqual(entered)
    expect(await start()).toBeNull()
    expect(await restoredDrafts()).toEqual(entered)
  })

  it.each([
    ['is ahead', 3, 'second history'],
    ['has another tree', 2, 'another one'],
    ['has something else', null, 'no checkpoint of this log'],
  ] as const)('stops before anything is entered when a copy %s', async (_, size, reason) => {
    const text =
      size === null
        ? 'hello\n'
        : printNote(
            printCheckpoint({ origin: ledger.signer.name, size, root: new Uint8Array(32) }),
            ledger.signer,
            crypto,
          )
    await mirror.put('checkpoint', utf8(text))
    expect(await start()).toContain(reason)
    expect(await restoredDrafts()).toEqual([])
    expect(existsSync(join(folder, 'restored.json'))).toBe(true)
  })

  it('stops when a copy cannot be read, and goes on when it can', async () => {
    const away: Depot = {
      ...mirror,
      get: async () => {
        throw new Error('no route to host')
      },
    }
    expect(await start([mirror, away])).toContain('no route to host')
    expect(await restoredDrafts()).toEqual([])
    expect(await start()).toBeNull()
    expect(await restoredDrafts()).toHaveLength(2)
  })

  it('goes on under the checkpoint that it continues', async () => {
    await mirror.put('checkpoint', ledger.tiles.resources.get('checkpoint')!)
    expect(await start()).toBeNull()
  })

  it('is no matter of a region that was not restored', async () => {
    rmSync(join(folder, 'restored.json'))
    expect(await start()).toBeNull()
    expect(await restoredDrafts()).toEqual([])
  })
})
