/**
 * Source: the list that an instruction is bound to, as a plan. Before anything departs the scope is walked once; its
 * pages are written down on the way, and only if they hash to what was approved do they depart, a batch each, whatever
 * has come or changed since.
 *
 * Crash points: until the transfer's row says how many pages are planned, the walk is made anew from the start and
 * writes the same rows again; afterwards the plan never changes.
 */
import { concat, u32be, utf8 } from '../core/bytes.ts'
import type { InstructionId } from '../core/ids.ts'
import { type Catalog, prefixEnd } from '../store/catalog.ts'
import { findOrigin, readCurrent, readNoncurrent } from '../store/key-versions.ts'
import { type BucketRow, decodeRow, encodeRow, isMarker } from '../store/rows.ts'
import { type TransferRow, transferKey } from './batches.ts'
import type { DepartingItem } from './departure.ts'
import { type ListedItem, listDigest, pageDigest, pagesOf } from './list.ts'
import { putScope } from './progress.ts'
import { TransferRefused } from './refused.ts'
import { itemOf, type Scope, type ScopedVersion, versionsInScope } from './scope.ts'
import { type Allowed, type SenderDeps, transferRow } from './sender-state.ts'

type PlannedItem = ListedItem & { readonly versionId: string }

/** `sizeBytes`: of its content. */
type FoundItem = PlannedItem & { readonly sizeBytes: number }

interface PageRow {
  readonly v: 1
  readonly sha256: string
  readonly items: readonly PlannedItem[]
}

const planPrefix = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('#'))
const pageKey = (id: InstructionId, page: number): Uint8Array => concat(planPrefix(id), u32be(page))

/** What would depart now, in pages: of a dry run and of a plan alike. */
export async function* listedPages(
  catalog: Catalog,
  bucket: BucketRow,
  scope: Scope,
): AsyncGenerator<FoundItem[], void> {
  async function* items(): AsyncGenerator<FoundItem, void> {
    for await (const version of versionsInScope(catalog, bucket, scope)) {
      const item = await itemOf(catalog, bucket.id, version)
      if (item === null) continue
      const { key, originId, ciphertextBytes, ciphertextSha256 } = item
      const { row } = version
      const { versionId } = row
      const sizeBytes = isMarker(row) ? 0 : row.sizeBytes
      yield { key, originId, ciphertextBytes, ciphertextSha256, versionId, sizeBytes }
    }
  }
  yield* pagesOf(items())
}

/** Plans once; throws `list-changed` when what is there is not what was approved. Answers the digests of the pages. */
export async function planned(deps: SenderDeps, { current, bucket }: Allowed): Promise<string[]> {
  const { catalog } = deps.region
  const { instruction } = current
  const { id, list } = instruction
  const row = await transferRow(deps, id)
  if (row.planned !== undefined) return pageDigests(catalog, id, row.planned)
  const pages: string[] = []
  let objects = 0
  let bytes = 0
  for await (const items of listedPages(catalog, bucket.row, instruction)) {
    const page: PageRow = { v: 1, sha256: pageDigest(items), items: items.map(plannedOf) }
    await catalog.commit({
      puts: [{ table: 'transfers', key: pageKey(id, pages.length), value: encodeRow(page) }],
    })
    pages.push(page.sha256)
    objects += items.length
    for (const { ciphertextBytes } of items) bytes += ciphertextBytes
  }
  if (listDigest(pages) !== list) {
    await forgetPlan(catalog, id)
    throw new TransferRefused(
      'list-changed',
      `What is there is not what was listed when it was approved: it is ${objects} objects and ${bytes} bytes now. Nothing was moved.`,
    )
  }
  const next: TransferRow = { ...row, planned: pages.length }
  await catalog.commit({
    puts: [
      { table: 'transfers', key: transferKey(id), value: encodeRow(next) },
      putScope(id, { objects, bytes }),
    ],
  })
  return pages
}

function plannedOf({ sizeBytes: _sizeBytes, ...item }: FoundItem): PlannedItem {
  return item
}

async function pageDigests(catalog: Catalog, id: InstructionId, count: number): Promise<string[]> {
  const digests: string[] = []
  for (let page = 0; page < count; page++) digests.push((await readPage(catalog, id, page)).sha256)
  return digests
}

async function readPage(catalog: Catalog, id: InstructionId, page: number): Promise<PageRow> {
  const bytes = await catalog.get('transfers', pageKey(id, page))
  return bytes === null ? { v: 1, sha256: '', items: [] } : decodeRow<PageRow>(bytes)
}

const never = '0'.repeat(64)

/** The next page as it was planned. What is no longer there departs all the same, to be voided with its reason. */
export async function plannedPage(
  deps: SenderDeps,
  id: InstructionId,
  { bucket }: Allowed,
  row: TransferRow,
): Promise<{ items: DepartingItem[]; cursor: null; atEnd: boolean }> {
  const { catalog } = deps.region
  const { items } = await readPage(catalog, id, row.batches)
  const departing: DepartingItem[] = []
  for (const item of items) {
    const found = await findPlanned(catalog, bucket.row, item)
    const now = found === null ? null : await itemOf(catalog, bucket.row.id, { key: item.key, row: found })
    departing.push({ ...item, manifestSha256: never, rowSha256: never, ...now })
  }
  return { items: departing, cursor: null, atEnd: row.batches + 1 >= row.planned! }
}

async function findPlanned(
  catalog: Catalog,
  bucket: BucketRow,
  { key, originId, versionId }: PlannedItem,
): Promise<ScopedVersion['row'] | null> {
  const current = await readCurrent(catalog, bucket, key)
  if (current?.row.versionId === versionId) return current.row
  if (bucket.versioning === undefined) return null
  const older = await readNoncurrent(catalog, bucket.id, key, versionId)
  return older?.row ?? (await findOrigin(catalog, bucket, key, originId))?.row ?? null
}

/** A plan is of no use once the transfer has ended. */
export async function forgetPlan(catalog: Catalog, id: InstructionId): Promise<void> {
  const prefix = planPrefix(id)
  for (;;) {
    const rows = await catalog.scan('transfers', { from: prefix, to: prefixEnd(prefix)!, limit: 4 })
    if (rows.length === 0) return
    await catalog.commit({ removes: rows.map(({ key }) => ({ table: 'transfers', key })) })
  }
}
