import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { RegionId, TenantId } from '../../src/core/ids.ts'
import { createDraftBox } from '../../src/ledger/drafts.ts'
import { createFileTileStore } from '../../src/ledger/file-tile-store.ts'
import { fsckLedger } from '../../src/ledger/fsck-ledger.ts'
import { loadOrCreateLogKey } from '../../src/ledger/log-keys.ts'
import { type SequencerMessage, startSequencerThread } from '../../src/ledger/sequencer-thread.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import { crypto, region } from '../support/ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-sequencer-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the sequencer thread', () => {
  const config = {
    region,
    origin: 'log.example/log/in-mumbai',
    catalogPath: join(folder, 'catalog'),
    tilesPath: join(folder, 'log'),
    keyPath: join(folder, 'keys', 'log.pem'),
  }

  it('enters from the same catalog what others commit to it, and drains when it is stopped', async () => {
    await using catalog = await openLmdbCatalog(config.catalogPath)
    const signer = await loadOrCreateLogKey(config.keyPath, config.origin, crypto)
    expect(statSync(config.keyPath).mode & 0o777).toBe(0o600)
    expect(await loadOrCreateLogKey(config.keyPath, config.origin, crypto)).toMatchObject({
      vkey: signer.vkey,
    })

    const tenant = 'a'.repeat(64) as TenantId
    const chainKey = randomBytes(32)
    const row = utf8(JSON.stringify({ chainKey: toHex(chainKey) }))
    await catalog.commit({ puts: [{ table: 'tenants', key: utf8(tenant), value: row }] })
    const drafts = createDraftBox(region, Date.now, randomBytes)
    const chainKeyCommitmentHex = toHex(chainKeyCommitment(chainKey, crypto))
    const join = { genesis: tenant, home: region, chainKeyCommitment: chainKeyCommitmentHex, country: 'IN' }
    await catalog.commit({ puts: [drafts.draft({ tenant, type: 'tenant.joined', body: join }).put] })

    const messages: SequencerMessage[] = []
    const fatal: Error[] = []
    for (let round = 0; round < 2; round++) {
      await using thread = startSequencerThread()
      const running = thread.run(config, {
        onMessage: message => messages.push(message),
        onFatal: error => fatal.push(error),
      })
      const body = { bucket: 'b', by: { accessKeyId: 'AK' } }
      const one = () => catalog.commit({ puts: [drafts.draft({ tenant, type: 'bucket.deleted', body }).put] })
      for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 50 }, one))
      await running.stop()
      expect(await catalog.scan('drafts', { limit: 1 })).toEqual([])
    }

    expect(fatal).toEqual([])
    expect(messages.filter(message => message.kind === 'retry')).toEqual([])
    expect(messages.at(-1)).toMatchObject({ kind: 'tick', size: 1001 })
    const tiles = createFileTileStore(config.tilesPath)
    expect(await fsckLedger({ catalog, tiles, log: signer.log, crypto }, region)).toEqual([])
  })

  it('heeds what a witness says while the region is still being opened', async () => {
    const early = {
      ...config,
      region: 'fr-paris' as RegionId,
      catalogPath: join(folder, 'early'),
      tilesPath: join(folder, 'early-log'),
      keyPath: join(folder, 'early-keys', 'log.pem'),
    }
    await loadOrCreateLogKey(early.keyPath, early.origin, crypto)
    await using thread = startSequencerThread()
    const fatal = new Promise<Error>(resolve => {
      // In the same turn: nothing can be open yet.
      thread.run(early, { onMessage: () => {}, onFatal: resolve }).halt('a witness has another tree')
    })
    expect((await fatal).message).toContain('a witness has another tree')
  })

  it('says so when the ledger must not go on', async () => {
    writeFileSync(config.keyPath, '')
    rmSync(config.keyPath)
    await loadOrCreateLogKey(config.keyPath, config.origin, crypto)
    await using thread = startSequencerThread()
    const other = { ...config, region: 'de-frankfurt' as RegionId, catalogPath: join(folder, 'other') }
    const beside = {
      ...other,
      tilesPath: join(folder, 'other-log'),
      keyPath: join(folder, 'other-keys', 'log.pem'),
    }
    await loadOrCreateLogKey(beside.keyPath, beside.origin, crypto)
    const messages: SequencerMessage[] = []
    const healthy = thread.run(beside, { onMessage: message => messages.push(message), onFatal: () => {} })
    const fatal = await new Promise<Error>(resolve => {
      thread.run(config, { onMessage: () => {}, onFatal: resolve })
    })
    expect(fatal.message).toContain('signs nothing more')
    // Its neighbour in the same thread goes on, and stops when it is told to.
    await healthy.stop()
  })
})
