/** A process that drafts and sequences as fast as it can until somebody kills it. Argument: its folder. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { TenantId } from '../../src/core/ids.ts'
import { createDraftBox } from '../../src/ledger/drafts.ts'
import { createFileTileStore } from '../../src/ledger/file-tile-store.ts'
import { loadOrCreateLogKey } from '../../src/ledger/log-keys.ts'
import { createSequencer } from '../../src/ledger/sequencer.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import { crypto, region } from './ledger.ts'

const folder = process.argv[2]!
const catalog = await openLmdbCatalog(join(folder, 'catalog'))
const tiles = createFileTileStore(join(folder, 'log'))
const signer = await loadOrCreateLogKey(join(folder, 'log.pem'), 'log.example/busy', crypto)
const drafts = createDraftBox(region, Date.now, randomBytes)
const tenant = 'b'.repeat(64) as TenantId
if ((await catalog.get('tenants', utf8(tenant))) === null) {
  const chainKey = randomBytes(32)
  const commitment = toHex(chainKeyCommitment(chainKey, crypto))
  const body = { genesis: tenant, home: region, chainKeyCommitment: commitment, country: 'IN' }
  const row = utf8(JSON.stringify({ chainKey: toHex(chainKey) }))
  const { put } = drafts.draft({ tenant, type: 'tenant.joined', body })
  await catalog.commit({ puts: [put, { table: 'tenants', key: utf8(tenant), value: row }] })
}

const { log } = signer
const sequencer = createSequencer({
  catalog,
  tiles,
  region,
  signer,
  log,
  crypto,
  randomBytes,
  batchSize: 100,
})
const draftOn = async (): Promise<never> => {
  for (;;) {
    const body = { bucket: 'b', by: { accessKeyId: 'AK' } }
    const { entryId, put } = drafts.draft({ tenant, type: 'bucket.deleted', body })
    await catalog.commit({ puts: [put] })
    // Said only now: from here on nobody may lose it.
    process.stdout.write(`${entryId}\n`)
  }
}
const sequenceOn = async (): Promise<never> => {
  for (;;) {
    await sequencer.tick()
    await new Promise(resolve => setImmediate(resolve))
  }
}
await Promise.all([draftOn(), draftOn(), draftOn(), draftOn(), sequenceOn()])
