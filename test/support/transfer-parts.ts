/** Two regions, a tenant of both and the order that it gives: what all runs of the model share. */
import { toHex } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import type { CountryCode, RegionId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, signDocument } from '../../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import type { Peer } from '../../src/transfers/peers.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, logOfSigner, makeGenesis, makeSigner } from './ledger.ts'

export const ids = ['in-mumbai', 'de-frankfurt'] as const
export type Id = (typeof ids)[number]
export const source = ids[0] as RegionId
const target = ids[1] as RegionId
export const countries = { 'in-mumbai': 'IN', 'de-frankfurt': 'DE' } as const
export const buckets = { 'in-mumbai': 'source', 'de-frankfurt': 'target' } as const
export const bucketIds = { 'in-mumbai': 'a'.repeat(16), 'de-frankfurt': 'b'.repeat(16) } as const
export const startUnixMs = Date.UTC(2026, 0, 2)

/** What all runs share: making it would cost more than a run. */
export function createTransferParts() {
  const { keys, signed, tenant } = makeGenesis(1)
  const genesis = JSON.stringify(printEnvelope(signed))
  const chainKey = Buffer.alloc(32, 7)
  const signers = Object.fromEntries(ids.map(id => [id, makeSigner(`log.example/log/${id}`)])) as Record<
    Id,
    ReturnType<typeof makeSigner>
  >
  const trust = parseTrust(
    JSON.stringify({
      format: 'holdfast/trust/v1',
      tenant,
      genesis: printEnvelope(signed),
      regions: Object.fromEntries(
        ids.map(id => [
          id,
          {
            origin: signers[id].name,
            vkey: printVerifierKey(signers[id].name, signers[id].publicKey, crypto),
            chainKey: toHex(chainKey),
            country: countries[id],
          },
        ]),
      ),
    }),
    crypto,
  ) as Trust
  const tenantRow = (id: Id) => ({
    v: 1,
    tenant,
    name: 'Example',
    home: id,
    chainKey: toHex(chainKey),
    genesis,
  })
  return { key: keys[0]!, tenant, chainKey, signers, trust, tenantRow, packs: loadPackBook(packsFolder) }
}
export type TransferParts = ReturnType<typeof createTransferParts>

export function peerOf({ signers }: TransferParts, id: Id): Peer {
  return {
    id: id as RegionId,
    country: countries[id] as CountryCode,
    operator: 'test',
    host: 'nowhere',
    port: 1,
    certificate: '',
    log: logOfSigner(signers[id]),
  }
}

export function sign(key: PrivateKey, type: string, fields: { readonly [field: string]: Json }): Envelope {
  return signDocument(createDocument(type, { reason: '', v: 1, ...fields }), key)
}

export function order({ tenant, signers }: TransferParts, mode: 'copy' | 'move', seed: number): Envelope {
  return createDocument(instructionPayloadType, {
    expires: isoTime(startUnixMs + 300 * 86_400e3),
    from: { bucket: buckets['in-mumbai'], region: source },
    kind: 'transfer',
    ledger: signers['in-mumbai'].name,
    limits: { bytes: null, objects: null },
    mechanism: null,
    mode,
    nonce: seed.toString(16).padStart(32, '0'),
    notBefore: isoTime(startUnixMs - 1000),
    purpose: 'a test',
    scope: { prefix: '' },
    tenant,
    to: { bucket: buckets['de-frankfurt'], region: target },
    v: 1,
  })
}
