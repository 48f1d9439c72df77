/**
 * From drafts to entries: number, chain, leaf, rows. The hot path of the ledger, measured by
 * `bench/` (`ledger: enter`); so it works in one pass and leaves the body's JSON unparsed.
 */
import { fromHex, fromUtf8, toHex, u64be } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import type { Catalog, Put, Remove, Row } from '../store/catalog.ts'
import { chainKeyCommitment, commitmentOf, encodeLeaf, labelsOf, saltBytes } from '../verify/leaf.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { decodeDraft, type StoredDraft } from './draft-format.ts'
import { printPayload } from './payload-print.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeChainHead,
  encodeChainHead,
  encodeEntryRow,
  entryIdKey,
  entryKey,
  saltPayload,
  tenantRowKey,
} from './tables.ts'

/** One tenant's chain as far as it is entered, with the key that labels it. */
export interface Chain {
  readonly chainKey: Uint8Array
  readonly labels: (seq: number) => Uint8Array
  count: number
  prev: Uint8Array
}

export interface EnterContext {
  readonly region: string
  readonly crypto: VerifyCrypto
  readonly randomBytes: RandomBytes
  /** Must hold the chain of every tenant in the drafts; `loadChains` sees to it. Moved on as entries are made. */
  readonly chains: Map<string, Chain>
}

export interface Entered {
  readonly puts: Put[]
  readonly removes: Remove[]
  /** In leaf order. */
  readonly leaves: Uint8Array[]
}

export function decodeDrafts(rows: readonly Row[]): StoredDraft[] {
  return rows.map(({ value }) => decodeDraft(value))
}

export async function loadChains(
  catalog: Catalog,
  drafts: readonly StoredDraft[],
  chains: Map<string, Chain>,
  crypto: VerifyCrypto,
): Promise<void> {
  const missing = new Set<string>()
  for (const { tenant } of drafts) if (!chains.has(tenant)) missing.add(tenant)
  await Promise.all(
    Array.from(missing, async tenant => {
      const row = await catalog.get('tenants', tenantRowKey(tenant))
      const head = await catalog.get('chains', chainHeadKey(tenant))
      const { count, prev } = head === null ? { count: 0, prev: new Uint8Array(32) } : decodeChainHead(head)
      const chainKey = chainKeyIn(row, tenant)
      chains.set(tenant, { chainKey, labels: labelsOf(chainKey, crypto), count, prev })
    }),
  )
}

/** Gives `drafts` (of the rows in `rows`) the leaf indices from `firstIndex` on. */
export function enterDrafts(
  rows: readonly Row[],
  drafts: readonly StoredDraft[],
  firstIndex: number,
  context: EnterContext,
): Entered {
  const { chains, crypto, region } = context
  const salts = context.randomBytes(saltBytes * drafts.length)
  const entered: Entered = { puts: [], removes: [], leaves: [] }
  const touched = new Set<string>()
  for (const [i, draft] of drafts.entries()) {
    const index = firstIndex + i
    const chain = chains.get(draft.tenant)!
    const seq = chain.count
    demandJoin(draft, seq, chain, crypto)
    const salt = salts.subarray(saltBytes * i, saltBytes * (i + 1))
    const salted = saltPayload(salt, printPayload(draft, region, seq, toHex(chain.prev)))
    const commitment = commitmentOf(salted, crypto)
    const label = chain.labels(seq)
    const leaf = encodeLeaf({ timeUnixMs: draft.timeUnixMs, label, commitment })
    chain.count = seq + 1
    chain.prev = commitment
    touched.add(draft.tenant)
    const position = u64be(index)
    entered.leaves.push(leaf)
    entered.puts.push(
      { table: 'entries', key: entryKey(index), value: encodeEntryRow({ leaf, salted }) },
      { table: 'entryids', key: entryIdKey(draft.entryId), value: position },
      { table: 'chains', key: chainRowKey(draft.tenant, seq), value: position },
    )
    entered.removes.push({ table: 'drafts', key: rows[i]!.key })
  }
  for (const tenant of touched) {
    entered.puts.push({
      table: 'chains',
      key: chainHeadKey(tenant),
      value: encodeChainHead(chains.get(tenant)!),
    })
  }
  return entered
}

/**
 * Number 0, and no other, is `tenant.joined`, and commits to the chain key in use: a statement that began otherwise
 * would fail at every verifier, so it is better that the ledger stops here.
 */
function demandJoin(draft: StoredDraft, seq: number, chain: Chain, crypto: VerifyCrypto): void {
  const joins = draft.type === 'tenant.joined'
  if (joins !== (seq === 0)) {
    throw new HoldfastError('store-damaged', `draft ${draft.entryId} is ${draft.type} at number ${seq}`)
  }
  if (!joins) return
  const { chainKeyCommitment: committed } = JSON.parse(draft.body) as { chainKeyCommitment?: unknown }
  if (committed !== toHex(chainKeyCommitment(chain.chainKey, crypto))) {
    throw new HoldfastError('store-damaged', `draft ${draft.entryId} commits to another chain key`)
  }
}

export function chainKeyIn(row: Uint8Array | null, tenant: string): Uint8Array {
  const { chainKey } = row === null ? {} : (JSON.parse(fromUtf8(row)) as { chainKey?: unknown })
  const bytes = typeof chainKey === 'string' ? fromHex(chainKey) : null
  if (bytes?.length !== 32) throw new HoldfastError('store-damaged', `tenant ${tenant} has no chain key here`)
  return bytes
}
