import { randomBytes } from 'node:crypto'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { EntryId, RegionId, TenantId } from '../../src/core/ids.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { generatePrivateKey, type PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { createDraftBox, type DraftBox } from '../../src/ledger/drafts.ts'
import { fsckLedger } from '../../src/ledger/fsck-ledger.ts'
import { createMemoryTileStore, type MemoryTileStore } from '../../src/ledger/memory-tile-store.ts'
import { receiptOf } from '../../src/ledger/receipts.ts'
import type { LogStores } from '../../src/ledger/recover.ts'
import { createSequencer, type Sequencer } from '../../src/ledger/sequencer.ts'
import { type StatementRange, statementLines } from '../../src/ledger/statements.ts'
import { tenantRowKey } from '../../src/ledger/tables.ts'
import { createMemoryCatalog, type MemoryCatalog } from '../../src/store/memory-catalog.ts'
import { genesisPayloadType } from '../../src/verify/genesis.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import { type LogKeys, singleKey } from '../../src/verify/log-keys.ts'
import type { NoteSigner } from '../../src/verify/note.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { noteKeyId, printVerifierKey } from '../../src/verify/verifier-key.ts'

export const crypto = nodeVerifyCrypto
export const region = 'in-mumbai' as RegionId

export interface TestTenant {
  readonly id: TenantId
  /** Of its approvers; the quorum is 1. */
  readonly keys: readonly PrivateKey[]
  readonly chainKey: Uint8Array
  readonly trustText: string
  readonly trust: Trust
}

/** A region's ledger in memory, with the tenants' side of it. */
export interface TestLedger {
  readonly catalog: MemoryCatalog
  readonly tiles: MemoryTileStore
  readonly signer: NoteSigner
  readonly stores: LogStores
  readonly drafts: DraftBox
  newSequencer(batchSize?: number): Sequencer
  join(): Promise<TestTenant>
  /** Commits one small draft a call, as a request would. */
  draft(tenant: TestTenant, note?: string): Promise<EntryId>
  statement(tenant: TestTenant, range?: StatementRange): Promise<Uint8Array>
  receipt(tenant: TestTenant, entryId: EntryId): Promise<string>
  fsck(): Promise<string[]>
}

export function makeSigner(name = 'log.example/log/in-mumbai'): NoteSigner {
  const key = generatePrivateKey('ed25519')
  return { name, publicKey: key.publicKey, sign: message => key.sign(message) }
}

/** Of a log whose only key is the signer's. */
export function logOfSigner(signer: NoteSigner): LogKeys {
  return singleKey({ ...signer, keyId: noteKeyId(signer.name, signer.publicKey, crypto) })
}

export function makeGenesis(approvers = 2) {
  const keys = Array.from({ length: approvers }, () => generatePrivateKey('ed25519'))
  const document = createDocument(genesisPayloadType, {
    approvers: keys.map(key => ({ algorithm: 'ed25519', publicKey: toHex(key.publicKey) })),
    created: '2026-01-02T03:04:05.678Z',
    name: 'Example',
    nonce: toHex(randomBytes(16)),
    quorum: 1,
    recovery: { approvers: [], quorum: 0 },
    v: 1,
  })
  return { keys, document, signed: signDocument(document, ...keys), tenant: documentId(document) as TenantId }
}

export async function createTestLedger(signer = makeSigner()): Promise<TestLedger> {
  const catalog = createMemoryCatalog()
  const tiles = createMemoryTileStore()
  let now = Date.UTC(2026, 0, 2)
  const drafts = createDraftBox(region, () => now++, randomBytes)
  const log = logOfSigner(signer)
  const stores = { catalog, tiles, log, crypto }
  return {
    catalog,
    tiles,
    signer,
    stores,
    drafts,

    newSequencer: (batchSize = 1000) =>
      createSequencer({ catalog, tiles, region, signer, log, crypto, randomBytes, batchSize }),

    async join() {
      const { keys, signed, tenant: id } = makeGenesis()
      const chainKey = randomBytes(32)
      const { put } = drafts.draft({
        tenant: id,
        type: 'tenant.joined',
        body: {
          genesis: id,
          home: region,
          chainKeyCommitment: toHex(chainKeyCommitment(chainKey, crypto)),
          country: 'IN',
        },
      })
      const row = utf8(JSON.stringify({ chainKey: toHex(chainKey) }))
      await catalog.commit({ puts: [put, { table: 'tenants', key: tenantRowKey(id), value: row }] })
      const trustText = JSON.stringify({
        format: 'holdfast/trust/v1',
        tenant: id,
        genesis: printEnvelope(signed),
        regions: {
          [region]: {
            origin: signer.name,
            vkey: printVerifierKey(signer.name, signer.publicKey, crypto),
            chainKey: toHex(chainKey),
            country: 'IN',
          },
        },
      })
      const trust = parseTrust(trustText, crypto)
      if (typeof trust === 'string') throw new Error(trust)
      return { id, keys, chainKey, trustText, trust }
    },

    async draft(tenant, note = 'b') {
      const body = { bucket: note, by: { accessKeyId: 'AK' } }
      const { entryId, put } = drafts.draft({ tenant: tenant.id, type: 'bucket.deleted', body })
      await catalog.commit({ puts: [put] })
      return entryId
    },

    async statement(tenant, range = {}) {
      let text = ''
      for await (const line of statementLines(
        { catalog, tiles, region, signer, log, crypto, clock: () => now },
        tenant.id,
        range,
      ))
        text += line
      return utf8(text)
    },

    async receipt(tenant, entryId) {
      const answer = await receiptOf(stores, tenant.id, entryId)
      if (answer?.state !== 'entered') throw new Error(`no receipt: ${answer?.state}`)
      return answer.receipt
    },

    fsck: () => fsckLedger(stores, region),
  }
}
