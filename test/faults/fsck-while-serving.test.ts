/** `fsck` on a region whose server goes on: what moves under its eyes is no finding, and what is damaged stays one. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fsckBytes, fsckLedgerAtRest } from '../../src/fsck.ts'
import type { LogStores } from '../../src/ledger/recover.ts'
import { openBlobs, regionFiles } from '../../src/open-region.ts'
import type { Catalog } from '../../src/store/catalog.ts'
import { checkpointPath } from '../../src/verify/tile-path.ts'
import { type Disk, operateOnDisk } from '../support/catalog-surgery.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createTestLedger, region, type TestLedger } from '../support/ledger.ts'

describe('a ledger that is signed and published meanwhile', () => {
  let ledger: TestLedger

  /** Entered and not published, as for a moment in every second. */
  beforeAll(async () => {
    ledger = await createTestLedger()
    const tenant = await ledger.join()
    await ledger.newSequencer().tick()
    for (let i = 0; i < 10; i++) await ledger.draft(tenant)
    ledger.tiles.faults = () => 'lost'
    await expect(ledger.newSequencer().tick()).rejects.toThrow()
    ledger.tiles.faults = null
    expect(await ledger.fsck()).toEqual([])
  })

  it('has no finding', async () => {
    let isPublished = false
    const tiles: LogStores['tiles'] = {
      ...ledger.tiles,
      async read(path) {
        // Between a look at what was signed and one at what is published.
        if (path === checkpointPath && !isPublished) {
          isPublished = true
          await ledger.newSequencer().tick()
        }
        return ledger.tiles.read(path)
      },
    }
    expect(await fsckLedgerAtRest({ ...ledger.stores, tiles }, region)).toEqual([])
    expect(isPublished).toBe(true)
  })

  it('that is damaged has one all the same', async () => {
    ledger.tiles.resources.delete('tile/0/000.p/11')
    expect(await fsckLedgerAtRest(ledger.stores, region)).toEqual(['tile/0/000.p/11 is missing'])
  })
})

describe('an object that is deleted after its row was read', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
    for (const key of ['deleted', 'lost']) await holdfast.s3.put(`/papers/${key}`, Buffer.alloc(2_000_000))
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  const readAll = async (disk: Disk, catalog: Catalog): Promise<string[]> => {
    const { blobs } = openBlobs(regionFiles(holdfast.data, 'in-mumbai'), catalog, {
      writer: '0'.repeat(26),
      segmentBytes: 0,
      clock: Date.now,
      randomBytes: length => new Uint8Array(length),
    })
    await using _blobs = blobs
    for (const key of ['deleted', 'lost'])
      for (const place of await disk.places('papers', key)) rmSync(disk.blobPath(place))
    return fsckBytes({ catalog, blobs })
  }

  it('is not missing; one whose bytes are gone is', async () => {
    const findings = await operateOnDisk(holdfast, async disk => {
      const rowKey = await disk.rowKey('papers', 'deleted')
      let isRead = false
      const catalog: Catalog = {
        ...disk.catalog,
        async scan(table, options) {
          const rows = await disk.catalog.scan(table, options)
          if (table === 'objects' && !isRead) {
            isRead = true
            await disk.catalog.commit({ removes: [{ table: 'objects', key: rowKey }] })
          }
          return rows
        },
      }
      return readAll(disk, catalog)
    })
    expect(findings).toEqual([expect.stringMatching(/^lost .* is not in the store/)])
  })
})
