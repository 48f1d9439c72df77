import { readU64be } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { EntryId, TenantId } from '../core/ids.ts'
import type { Catalog } from '../store/catalog.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { parsePayload } from '../verify/payload.ts'
import { printReceipt } from '../verify/receipt-format.ts'
import { inclusionRanges } from '../verify/subtrees.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { decodeDraft } from './draft-format.ts'
import { chooseCheckpoint } from './published-log.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeChainHead,
  decodeEntryRow,
  entryIdKey,
  entryKey,
  isErased,
  payloadOf,
  saltOf,
} from './tables.ts'
import type { TileStore } from './tile-store.ts'
import { createTreeReader } from './tree-reader.ts'

export interface ReceiptDeps {
  readonly catalog: Catalog
  readonly tiles: TileStore
  readonly log: LogKeys
  readonly crypto: VerifyCrypto
}

export type ReceiptAnswer =
  | { readonly state: 'entered'; readonly receipt: string }
  /** Durable, and not yet under a published checkpoint. */
  | { readonly state: 'pending' }
  /** Its payload and salt were erased on the tenant's instruction: its leaf is all that is left. */
  | { readonly state: 'erased' }

const draftPage = 1000

/** The receipt of a tenant's entry, pending until a witness has cosigned a tree with it if that is asked for; `null` when the tenant has no entry of this id (another's looks the same). */
export async function receiptOf(
  deps: ReceiptDeps,
  tenant: TenantId,
  entryId: EntryId,
  isWitnessed = false,
): Promise<ReceiptAnswer | null> {
  const index =
    (await indexOf(deps.catalog, entryId)) ??
    ((await isDraft(deps.catalog, tenant, entryId)) ? 'draft' : null) ??
    // It may have been entered between the two looks.
    (await indexOf(deps.catalog, entryId))
  if (index === 'draft') return { state: 'pending' }
  const bytes = index === null ? null : await deps.catalog.get('entries', entryKey(index))
  if (index === null || bytes === null) return null

  const row = decodeEntryRow(bytes)
  if (isErased(row)) return (await isOfChain(deps.catalog, tenant, index)) ? { state: 'erased' } : null
  const text = payloadOf(row)
  const payload = parsePayload(text)
  if (typeof payload === 'string') throw new HoldfastError('store-damaged', `entry ${index}: ${payload}`)
  if (payload.tenant !== tenant) return null

  const published = await chooseCheckpoint(deps, { lastIndex: index, isWitnessed })
  if (published === null) return { state: 'pending' }
  const reader = createTreeReader(deps.tiles, published.size, deps.crypto)
  const proof = await reader.proof(inclusionRanges(index, published.size))
  return {
    state: 'entered',
    receipt: printReceipt({ payload: text, salt: saltOf(row), index, proof, checkpoint: published.note }),
  }
}

/** Whose an erased entry was is no longer in its row; the indices of a tenant's chain ascend. */
async function isOfChain(catalog: Catalog, tenant: TenantId, index: number): Promise<boolean> {
  const head = await catalog.get('chains', chainHeadKey(tenant))
  let low = 0
  let high = head === null ? 0 : decodeChainHead(head).count
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = await catalog.get('chains', chainRowKey(tenant, middle))
    const found = row === null ? -1 : readU64be(row)
    if (found === index) return true
    if (found < index) low = middle + 1
    else high = middle
  }
  return false
}

async function indexOf(catalog: Catalog, entryId: EntryId): Promise<number | null> {
  const row = await catalog.get('entryids', entryIdKey(entryId))
  return row === null ? null : readU64be(row)
}

/** Drafts are keyed by order, not by id; there are as many as came in since the last tick. */
async function isDraft(catalog: Catalog, tenant: TenantId, entryId: EntryId): Promise<boolean> {
  for (let from: Uint8Array | undefined; ; ) {
    const rows = await catalog.scan('drafts', { limit: draftPage, ...(from && { from }) })
    for (const { value } of rows) {
      const draft = decodeDraft(value)
      if (draft.entryId === entryId) return draft.tenant === tenant
    }
    if (rows.length < draftPage) return false
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}
