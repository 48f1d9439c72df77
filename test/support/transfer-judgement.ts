/** What must hold when a run of the model is over. */
import { createHash } from 'node:crypto'
import { utf8 } from '../../src/core/bytes.ts'
import type { RegionId } from '../../src/core/ids.ts'
import { statementLines } from '../../src/ledger/statements.ts'
import { decodeRow, type ObjectRow } from '../../src/store/rows.ts'
import { type BookedEntry, balanceBooks } from '../../src/transfers/balance.ts'
import type { CheckedRow } from '../../src/verify/statement.ts'
import { checkStatement } from '../../src/verify/statement.ts'
import { crypto, logOfSigner } from './ledger.ts'
import type { Stored } from './transfer-objects.ts'
import { bucketIds, ids, startUnixMs, type TransferParts } from './transfer-parts.ts'
import type { Side } from './transfer-sides.ts'

/** What a run knows of itself beside what lies on the disks. */
export interface TransferHistory {
  /** Versions that were at the source at some time. */
  readonly seen: readonly Stored[]
  /** Versions that a client took away itself: nobody owes them to anybody. */
  readonly given: ReadonlySet<string>
  /** Versions whose write may have failed, and may be there all the same. */
  readonly tried: readonly Stored[]
  readonly state: string
  readonly mode: 'copy' | 'move'
  readonly wereClientsThere: boolean
}

/** What does not hold, a line each: no object lost or there twice, and the books of both ends balanced. */
export async function judgeTransfer(
  parts: TransferParts,
  from: Side,
  to: Side,
  { seen, given, tried, state, mode, wereClientsThere }: TransferHistory,
): Promise<string[]> {
  const faults: string[] = []
  const there = await storedIn(to)
  const here = await storedIn(from)
  const known = new Map([...seen, ...tried].map(stored => [stored.originId, stored]))
  const counted = new Map<string, number>()
  for (const { originId, sha256 } of there) {
    counted.set(originId, (counted.get(originId) ?? 0) + 1)
    if (known.get(originId)?.sha256 !== sha256) faults.push(`${originId} arrived as something else`)
  }
  for (const [originId, count] of counted) if (count > 1) faults.push(`${originId} is there ${count} times`)
  for (const { originId } of seen) {
    if (given.has(originId)) continue
    const isHere = here.some(stored => stored.originId === originId)
    const isThere = counted.has(originId)
    if (!isHere && !isThere) faults.push(`${originId} is lost`)
    if (state === 'completed' && !wereClientsThere) {
      if (!isThere) faults.push(`${originId} did not arrive, and the transfer is completed`)
      if (mode === 'move' && isHere) faults.push(`${originId} was moved, and is still here`)
    }
    if (mode === 'copy' && !isHere) faults.push(`${originId} was copied, and is not here any more`)
  }
  const entries: BookedEntry[] = []
  for (const side of [from, to]) entries.push(...(await booksOf(parts, side, faults)))
  const balance = await balanceBooks(each(entries), { regions: new Set(ids), isOpen: () => false })
  faults.push(...balance.findings)
  const arrived = entries
    .filter(({ type }) => type === 'transfer.arrived')
    .flatMap(({ body }) => objectsOf(body))
  if (new Set(arrived).size !== arrived.length) faults.push('an object is entered as arrived twice')
  for (const { originId } of there)
    if (!arrived.includes(originId)) faults.push(`${originId} is there and in no books`)
  return faults
}

function objectsOf(body: unknown): string[] {
  return ((body as { objects: [string][] }).objects ?? []).map(([origin]) => origin)
}

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items
}
export async function storedIn({ id, disk }: Side): Promise<(Stored & { readonly blob: string })[]> {
  const rows = await disk.catalog.scan('objects', { limit: 10_000 })
  const found: (Stored & { blob: string })[] = []
  for (const { key, value } of rows) {
    const { originId, content } = decodeRow<ObjectRow>(value)
    const blob = content!.places[0]!.id
    const bytes = await disk.catalog.get('smallblobs', utf8(blob))
    const sha256 = bytes === null ? 'no bytes' : createHash('sha256').update(bytes).digest('hex')
    const prefix = bucketIds[id].length / 2
    found.push({ key: Buffer.from(key.subarray(prefix)).toString(), originId, sha256, blob })
  }
  return found
}

/** The tenant's entries, of a statement that must verify. */
async function booksOf(parts: TransferParts, { id, disk }: Side, faults: string[]): Promise<BookedEntry[]> {
  const { tenant, trust, signers } = parts
  const signer = signers[id]
  const { catalog, tiles } = disk
  const region = id as RegionId
  const deps = { catalog, tiles, region, signer, log: logOfSigner(signer), crypto, clock: () => startUnixMs }
  const rows: CheckedRow[] = []
  const check = checkStatement(trust, crypto, row => void rows.push(row))
  for await (const line of statementLines(deps, tenant)) check.push(utf8(line))
  const verdict = check.end()
  if (!verdict.verified) faults.push(`${id}: ${verdict.failures.join('; ')}`)
  return rows.flatMap(({ payload }) =>
    payload === null
      ? []
      : [{ id: payload.id, region: payload.region, type: payload.type, body: payload.body }],
  )
}
