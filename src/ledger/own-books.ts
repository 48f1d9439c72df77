/**
 * A region as a tenant of its own. What it does for itself and for nobody in particular (which engines it stores in, its
 * connections to witnesses and to copies of its log) is entered in a chain like everybody's, which anybody may read: the
 * provider owes an account of those bytes too. Its genesis is signed by the log key.
 */
import { fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import type { CountryCode, RandomBytes, RegionId, TenantId } from '../core/ids.ts'
import { type Clock, isoTime } from '../core/time.ts'
import { pae, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { createDocument, documentId } from '../crypto/signed-document.ts'
import type { Catalog } from '../store/catalog.ts'
import { encodeRow } from '../store/rows.ts'
import { findTenant, type TenantRow, tenantRowKey } from '../store/tenants.ts'
import { genesisPayloadType } from '../verify/genesis.ts'
import { chainKeyCommitment } from '../verify/leaf.ts'
import type { NoteSigner } from '../verify/note.ts'
import type { DraftBox } from './drafts.ts'

export interface OwnBooksDeps {
  readonly id: RegionId
  readonly country: CountryCode
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly signer: NoteSigner
  readonly clock: Clock
  readonly randomBytes: RandomBytes
}

const ownKey = utf8('region/own')
const enginesKey = utf8('region/engines')
const nobody = { host: '', port: 0, certificate: '', keyId: '', accessKeyId: '', secretAccessKey: '' }

/** The tenant that the region is; made at its first start. */
export async function openOwnBooks(deps: OwnBooksDeps): Promise<TenantId> {
  const { id, country, catalog, drafts, signer, clock, randomBytes } = deps
  for (;;) {
    const known = await catalog.get('meta', ownKey)
    if (known !== null) return fromUtf8(known) as TenantId
    const document = createDocument(genesisPayloadType, {
      approvers: [{ algorithm: 'ed25519', publicKey: toHex(signer.publicKey) }],
      created: isoTime(clock()),
      name: `region ${id}`,
      nonce: toHex(randomBytes(16)),
      quorum: 1,
      recovery: { approvers: [], quorum: 0 },
      v: 1,
    })
    const signature = signer.sign(pae(document.payloadType, document.payload))
    const genesis = printEnvelope({ ...document, signatures: [{ keyid: '', signature }] })
    const tenant = documentId(document) as TenantId
    const chainKey = randomBytes(32)
    const row: TenantRow = {
      ...{ v: 1, tenant, name: `region ${id}`, home: id, genesis: JSON.stringify(genesis) },
      ...{ chainKey: toHex(chainKey), joinedUnixMs: clock(), holder: nobody, isRegion: true },
    }
    const chainKeyHash = toHex(chainKeyCommitment(chainKey, nodeVerifyCrypto))
    const body = { genesis: tenant, home: id, chainKeyCommitment: chainKeyHash, country }
    await catalog.commit({
      checks: [{ table: 'meta', key: ownKey, expected: null }],
      puts: [
        { table: 'meta', key: ownKey, value: utf8(tenant) },
        { table: 'tenants', key: tenantRowKey(tenant), value: encodeRow(row) },
        drafts.draft({ tenant, type: 'tenant.joined', body }).put,
      ],
    })
  }
}

/** Where a region's bytes are, and where what it sends of its own goes. */
export interface Engines {
  readonly stores: readonly { readonly holds: string; readonly engine: string; readonly country: string }[]
  readonly remotes: readonly {
    readonly name: string
    readonly host: string
    readonly country: string | null
  }[]
  readonly witnesses: readonly {
    readonly name: string
    readonly host: string
    readonly country: string | null
  }[]
}

/** Enters them when they are others than those that were entered last. */
export async function declareEngines(
  { catalog, drafts }: Pick<OwnBooksDeps, 'catalog' | 'drafts'>,
  tenant: TenantId,
  engines: Engines,
): Promise<void> {
  const value = utf8(canonicalJson(engines as never))
  const before = await catalog.get('meta', enginesKey)
  if (before !== null && fromUtf8(before) === fromUtf8(value)) return
  const entry = drafts.draft({ tenant, type: 'region.engines', body: engines })
  await catalog.commit({
    checks: [{ table: 'meta', key: enginesKey, expected: before }],
    puts: [{ table: 'meta', key: enginesKey, value }, entry.put],
  })
}

/** For whoever wants to read a region's own books: the trust file that they are checked against. */
export async function ownTrust(
  { id, country, catalog }: Pick<OwnBooksDeps, 'id' | 'country' | 'catalog'>,
  { vkey, rotations }: { readonly vkey: string; readonly rotations: readonly string[] },
  origin: string,
): Promise<object | null> {
  const known = await catalog.get('meta', ownKey)
  const row = known === null ? null : await findTenant(catalog, fromUtf8(known) as TenantId)
  if (row === null) return null
  return {
    format: 'holdfast/trust/v1',
    tenant: row.tenant,
    genesis: JSON.parse(row.genesis),
    regions: {
      [id]: { origin, vkey, chainKey: row.chainKey, country, ...(rotations.length > 0 && { rotations }) },
    },
  }
}
