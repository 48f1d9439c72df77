import { equalBytes, fromUtf8, readU64be, toHex } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import type { Catalog } from '../store/catalog.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import { commitmentOf, labelOf, parseLeaf } from '../verify/leaf.ts'
import { noPrevious, parsePayload } from '../verify/payload.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { decodeDraft } from './draft-format.ts'
import { chainKeyIn } from './enter.ts'
import { ErasureFindings } from './fsck-erasures.ts'
import { readPublished } from './published-log.ts'
import type { LogStores } from './recover.ts'
import { storedEntries } from './stored-leaves.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeTreeState,
  type EntryRow,
  encodeChainHead,
  entryIdKey,
  isErased,
  payloadOf,
  signedKey,
  type TreeState,
  tenantRowKey,
  treeKey,
} from './tables.ts'
import { emptyEdge, TileBuilder } from './tile-builder.ts'
import type { TileResource, TileStore } from './tile-store.ts'

interface TenantSeen {
  readonly chainKey: Uint8Array | null
  count: number
  prev: string
}

const pageRows = 1000

/**
 * Does the ledger hold together? Rebuilds everything that can be derived from the entries and compares: tree, tiles,
 * signed and published checkpoint, chains, indices. Returns what is wrong, in words; an empty list when nothing is.
 * Reads a moving ledger wrongly: run it on one that is at rest.
 */
export async function fsckLedger(stores: LogStores, region: string): Promise<string[]> {
  const { catalog, crypto, log, tiles } = stores
  const findings: string[] = []
  const tree = await readTree(catalog)
  if (typeof tree === 'string') return [`ledger/tree: ${tree}`]
  const size = tree?.size ?? 0
  const signedRow = await catalog.get('meta', signedKey)
  const signed = signedRow === null ? null : openCheckpoint(fromUtf8(signedRow), log, crypto)
  if (typeof signed === 'string') return [`signed: ${signed}`]
  const published = await readPublished(tiles, log, crypto).catch(messageOf)
  if (typeof published === 'string') return [`published: ${published}`]

  const roots = new Map<number, string>()
  const wanted = new Set([size, signed?.size ?? 0, published?.size ?? 0])
  const tenants = new Map<string, TenantSeen>()
  const erasures = new ErasureFindings(stores)
  const builder = new TileBuilder(crypto, emptyEdge)
  const noteRoot = async (): Promise<void> => {
    if (!wanted.has(builder.size)) return
    roots.set(builder.size, toHex(builder.root()))
    if (builder.size !== published?.size) return
    const partials = builder.takePartials()
    for (const resource of partials) await compareTile(tiles, resource, true, findings)
  }
  await noteRoot()
  try {
    for await (const entry of storedEntries(catalog, 0, size)) {
      if (isErased(entry)) checkBlank(entry, tenants, erasures, crypto, findings)
      else await checkEntry(entry, region, tenants, catalog, crypto, findings, erasures)
      builder.append(entry.leaf)
      const due = builder.takeFull()
      if (builder.size <= (published?.size ?? 0)) {
        for (const resource of due) await compareTile(tiles, resource, false, findings)
      }
      await noteRoot()
    }
  } catch (error) {
    findings.push(messageOf(error))
  }

  for (const [name, claim] of [
    ['the tree', tree],
    ['the signed checkpoint', signed],
    ['the published checkpoint', published],
  ] as const) {
    if (claim !== null && roots.get(claim.size) !== toHex(claim.root)) {
      findings.push(`${name} of size ${claim.size} does not have the root of the entries`)
    }
  }
  if ((published?.size ?? -1) > (signed?.size ?? -1))
    findings.push('more is published than was recorded as signed')

  for (const [tenant, { count, prev }] of tenants) {
    const head = await catalog.get('chains', chainHeadKey(tenant))
    const expected = encodeChainHead({ count, prev: Buffer.from(prev, 'hex') })
    if (head === null || !equalBytes(head, expected)) {
      findings.push(`tenant ${tenant}: the chain's head is not its last entry`)
    }
  }
  await erasures.readDrafts()
  findings.push(...(await erasures.findings()))
  await countRows(catalog, 'entries', size, findings)
  await countRows(catalog, 'entryids', size, findings)
  await countRows(catalog, 'chains', size + tenants.size, findings)
  await checkDrafts(catalog, findings)
  return findings
}

/** `null` where there is none yet; why in words, where it cannot be read. */
export async function readTree(catalog: Catalog): Promise<TreeState | string | null> {
  const row = await catalog.get('meta', treeKey)
  try {
    return row === null ? null : decodeTreeState(row)
  } catch (error) {
    return messageOf(error)
  }
}

async function checkEntry(
  row: EntryRow & { readonly index: number },
  region: string,
  tenants: Map<string, TenantSeen>,
  catalog: Catalog,
  crypto: VerifyCrypto,
  findings: string[],
  erasures: ErasureFindings,
): Promise<void> {
  const { index, leaf, salted } = row
  const find = (what: string): void => void findings.push(`entry ${index}: ${what}`)
  const parsed = parseLeaf(leaf)
  const entry = parsePayload(payloadOf(row))
  if (parsed === null) return find('not a leaf')
  if (typeof entry === 'string') return find(entry)
  const tenant = tenants.get(entry.tenant) ?? (await newTenant(catalog, entry.tenant))
  tenants.set(entry.tenant, tenant)

  if (!equalBytes(commitmentOf(salted, crypto), parsed.commitment))
    find('the commitment is to another payload')
  if (Date.parse(entry.time) !== parsed.timeUnixMs) find("its time is not the leaf's")
  if (entry.region !== region) find(`of region ${entry.region}`)
  if (entry.seq !== tenant.count) find(`number ${entry.seq} of its tenant where ${tenant.count} belongs`)
  if (entry.prev !== tenant.prev) find('it does not follow the entry before of its tenant')
  if (tenant.chainKey === null) find('its tenant has no chain key')
  else if (!equalBytes(labelOf(tenant.chainKey, entry.seq, crypto), parsed.label))
    find('the label is of another number')
  if (!(await pointsTo(catalog, 'entryids', entryIdKey(entry.id), index)))
    find(`id ${entry.id} does not lead to it`)
  if (!(await pointsTo(catalog, 'chains', chainRowKey(entry.tenant, entry.seq), index))) {
    find(`number ${entry.seq} of its tenant does not lead to it`)
  }
  await erasures.read(entry, find)
  tenant.count = entry.seq + 1
  tenant.prev = toHex(parsed.commitment)
}

/** Whose a blank row is, its label says: it is that of some tenant's next number. */
function checkBlank(
  { index, leaf }: EntryRow & { readonly index: number },
  tenants: ReadonlyMap<string, TenantSeen>,
  erasures: ErasureFindings,
  crypto: VerifyCrypto,
  findings: string[],
): void {
  const parsed = parseLeaf(leaf)
  const owner = [...tenants].find(
    ([, { chainKey, count }]) =>
      parsed !== null && chainKey !== null && equalBytes(labelOf(chainKey, count, crypto), parsed.label),
  )
  if (parsed === null || owner === undefined) {
    findings.push(`entry ${index}: it is blank, and the next of no tenant`)
    return
  }
  const [id, tenant] = owner
  erasures.sawBlank({ index, tenant: id, seq: tenant.count })
  tenant.count++
  tenant.prev = toHex(parsed.commitment)
}

async function newTenant(catalog: Catalog, tenant: string): Promise<TenantSeen> {
  const row = await catalog.get('tenants', tenantRowKey(tenant))
  let chainKey: Uint8Array | null = null
  try {
    chainKey = chainKeyIn(row, tenant)
  } catch {
    // Reported with each entry of the tenant.
  }
  return { chainKey, count: 0, prev: noPrevious }
}

async function pointsTo(
  catalog: Catalog,
  table: 'entryids' | 'chains',
  key: Uint8Array,
  index: number,
): Promise<boolean> {
  const row = await catalog.get(table, key)
  return row !== null && readU64be(row) === index
}

/** A partial tile may be gone when the full one is there; its hashes are in front of the full one's. */
async function compareTile(
  tiles: Pick<TileStore, 'read'>,
  { path, bytes }: TileResource,
  partial: boolean,
  findings: string[],
): Promise<void> {
  const found = (await tiles.read(path)) ?? (partial ? await tiles.read(path.replace(/\.p\/\d+$/, '')) : null)
  if (found === null) findings.push(`${path} is missing`)
  else if (!equalBytes(partial ? found.subarray(0, bytes.length) : found, bytes)) {
    findings.push(`${path} does not hold the hashes of the entries`)
  }
}

/** Every row that must be there was looked up; a row too many shows in the number. */
async function countRows(
  catalog: Catalog,
  table: 'entries' | 'entryids' | 'chains',
  expected: number,
  findings: string[],
): Promise<void> {
  let count = 0
  for await (const _ of allRows(catalog, table)) count++
  if (count !== expected) findings.push(`${table} has ${count} rows where ${expected} belong`)
}

async function checkDrafts(catalog: Catalog, findings: string[]): Promise<void> {
  for await (const { value } of allRows(catalog, 'drafts')) {
    const { entryId } = decodeDraft(value)
    if ((await catalog.get('entryids', entryIdKey(entryId))) !== null) {
      findings.push(`draft ${entryId} is entered and is still a draft`)
    }
  }
}

async function* allRows(
  catalog: Catalog,
  table: 'entries' | 'entryids' | 'chains' | 'drafts',
): AsyncGenerator<{ readonly value: Uint8Array }> {
  for (let from: Uint8Array | undefined; ; ) {
    const rows = await catalog.scan(table, { limit: pageRows, ...(from && { from }) })
    yield* rows
    if (rows.length < pageRows) return
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}
