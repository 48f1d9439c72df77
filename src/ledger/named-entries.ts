import { equalBytes, toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { commitmentOf, labelOf, parseLeaf } from '../verify/leaf.ts'
import { parsePayload } from '../verify/payload.ts'
import { chainKeyIn } from './enter.ts'
import { ErasureFindings } from './fsck-erasures.ts'
import type { LogStores } from './recover.ts'
import { storedEntries } from './stored-leaves.ts'
import { isErased, payloadOf, tenantRowKey } from './tables.ts'

export interface NamedEntry {
  readonly index: number
  /** `null` of one that was erased and whose erasure is not known. */
  readonly id: string | null
  readonly tenant: string
  readonly seq: number
  readonly commitment: Uint8Array
}

/**
 * Whose each entry is and how it is called, by the entries alone. `store-damaged` where one does not hold what its leaf
 * commits to, or does not continue its tenant's chain.
 */
export async function readNamedEntries(stores: LogStores, size: number): Promise<NamedEntry[]> {
  const { catalog, crypto } = stores
  const entries: NamedEntry[] = []
  const next = new Map<string, { seq: number; prev: string; readonly chainKey: Uint8Array }>()
  const erasures = new ErasureFindings(stores)
  for await (const entry of storedEntries(catalog, 0, size)) {
    const { index } = entry
    const fail = (what: string): HoldfastError =>
      new HoldfastError('store-damaged', `entry ${index}: ${what}; its rows cannot be made again`)
    const leaf = parseLeaf(entry.leaf)
    if (leaf === null) throw fail('not a leaf')
    const commitment = new Uint8Array(leaf.commitment)
    const hex = toHex(commitment)
    if (isErased(entry)) {
      const owner = [...next].find(([, { chainKey, seq }]) =>
        equalBytes(labelOf(chainKey, seq, crypto), leaf.label),
      )
      if (owner === undefined) throw fail('it is blank, and the next of no tenant')
      const [tenant, chain] = owner
      entries.push({ index, id: null, tenant, seq: chain.seq++, commitment })
      chain.prev = hex
      continue
    }
    const payload = parsePayload(payloadOf(entry))
    if (typeof payload === 'string') throw fail(payload)
    if (!equalBytes(commitmentOf(entry.salted, crypto), leaf.commitment))
      throw fail('the commitment is to another payload')
    const { tenant, seq, id, prev } = payload
    const chain = next.get(tenant) ?? {
      seq: 0,
      prev: '0'.repeat(64),
      chainKey: chainKeyIn(await catalog.get('tenants', tenantRowKey(tenant)), tenant),
    }
    next.set(tenant, chain)
    if (seq !== chain.seq || prev !== chain.prev)
      throw fail('it does not follow the entry before of its tenant')
    await erasures.read(payload, () => {})
    entries.push({ index, id, tenant, seq, commitment })
    chain.seq = seq + 1
    chain.prev = hex
  }
  await erasures.readDrafts()
  return entries.map(entry =>
    entry.id === null ? { ...entry, id: erasures.idOf(entry.tenant, entry.seq) } : entry,
  )
}
