/** What departs next, and the transaction that makes a batch of it. */
import type { InstructionId } from '../core/ids.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferStep } from '../policy/decide-transfer.ts'
import { encodeRow } from '../store/rows.ts'
import { type BatchRow, batchKey, putItems, putOpen, type TransferRow, transferKey } from './batches.ts'
import { entriesSoFar, type Following, followedPage, putMarks } from './follow.ts'
import { pagesOf } from './list.ts'
import type { Peer } from './peers.ts'
import { plannedPage } from './plan.ts'
import { type Extent, putScope } from './progress.ts'
import { itemsDigest, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { type Cursor, itemOf, type Scope, versionsInScope } from './scope.ts'
import { type Allowed, authorize, known, type Run, type SenderDeps, transferRow } from './sender-state.ts'

/** An item with the version that it was made of, which is where its bytes are looked for first. */
export interface DepartingItem extends TransferItem {
  readonly versionId: string
}

export interface Departed {
  readonly batch: BatchRow
  readonly items: readonly DepartingItem[]
}

/** Counts the scope. One that holds more than the instruction allows moves nothing, instead of stopping halfway. */
export async function countAhead(deps: SenderDeps, peer: Peer, id: InstructionId): Promise<void> {
  const { current, bucket, law } = await authorize(deps, peer, id, [])
  const row = await transferRow(deps, id)
  if (row.batches > 0) return
  const { catalog } = deps.region
  let moved: Extent = { objects: 0, bytes: 0 }
  for await (const { row } of versionsInScope(catalog, bucket.row, current.instruction))
    moved = { objects: moved.objects + 1, bytes: moved.bytes + ('marker' in row ? 0 : row.ciphertextBytes) }
  const step: TransferStep = { action: 'transfer', terms: current.instruction, objects: [] }
  const decision = decideTransfer(step, {
    end: { role: 'source', region: deps.region.id, peer: peer.id },
    bucket: bucket.row,
    standing: current.standing,
    moved,
    phase: 'send',
    law: law.verdict,
    ownPolicy: law.own?.refusal ?? null,
    nowUnixMs: deps.region.lawfulNow(),
  })
  if (isRefusal(decision)) throw TransferRefused.of(decision)
  await catalog.commit({ puts: [putScope(id, moved)] })
}

interface Page {
  readonly items: readonly DepartingItem[]
  readonly cursor: Cursor | null
  readonly atEnd: boolean
  readonly following?: Following
}

/** Of a standing transfer: the walk, and then what the books tell of. It never comes to an end by itself. */
async function standingPage(
  deps: SenderDeps,
  allowed: Allowed,
  row: TransferRow,
  after: Cursor | null,
): Promise<Page> {
  const { catalog } = deps.region
  const { prefix, versions, tenant } = allowed.current.instruction
  // Read before the walk begins: what is entered later is followed.
  const following = row.following ?? { seq: await entriesSoFar(catalog, tenant), walkedUnixMs: null }
  if (following.walkedUnixMs === null) {
    const page = await nextPage(deps, allowed, { prefix, versions }, after)
    return {
      ...page,
      atEnd: false,
      following: { ...following, walkedUnixMs: page.items.length === 0 ? deps.clock() : null },
    }
  }
  const { items, ...read } = await followedPage(catalog, allowed, row, following)
  return { items, cursor: null, atEnd: false, following: { ...following, ...read } }
}

async function nextPage(
  deps: SenderDeps,
  { bucket }: Allowed,
  scope: Scope,
  after: Cursor | null,
): Promise<Page> {
  const { catalog } = deps.region
  let last = after
  async function* departing(): AsyncGenerator<DepartingItem, void> {
    for await (const version of versionsInScope(catalog, bucket.row, scope, after)) {
      const { versionId } = version.row
      const item = await itemOf(catalog, bucket.row.id, version)
      if (item !== null) yield { ...item, versionId }
      else last = { key: version.key, versionId }
    }
  }
  for await (const items of pagesOf(departing())) {
    const { key, versionId } = items.at(-1)!
    return { items, cursor: { key, versionId }, atEnd: false }
  }
  return { items: [], cursor: last, atEnd: true }
}

/** Batch row, cursor and departure entry, in one transaction. `null`: there is nothing left to depart. */
export async function depart(run: Run, row: TransferRow, ahead: Extent): Promise<Departed | null> {
  const { deps, peer, id } = run
  const { region } = deps
  const allowed = await run.standing()
  const { prefix, versions } = allowed.current.instruction
  const after = row.cursor === '' ? null : { key: row.cursor, versionId: row.cursorVersion ?? '' }
  const isStanding = allowed.current.instruction.kind === 'standing-transfer'
  const page: Page = isStanding
    ? await standingPage(deps, allowed, row, after)
    : row.planned === undefined
      ? await nextPage(deps, allowed, { prefix, versions }, after)
      : await plannedPage(deps, id, allowed, row)
  const rowBytes = await region.catalog.get('transfers', transferKey(id))
  const check = { table: 'transfers', key: transferKey(id), expected: rowBytes } as const
  const next: TransferRow = {
    ...row,
    ...(page.cursor !== null && { cursor: page.cursor.key, cursorVersion: page.cursor.versionId }),
    ...(page.following && { following: page.following }),
    walked: !isStanding && (page.atEnd || page.items.length === 0),
  }
  if (page.items.length === 0) {
    const { following } = page
    // It has looked, and there is nothing new: nothing is written down for that.
    if (following !== undefined && JSON.stringify(following) === JSON.stringify(row.following)) return null
    await region.catalog.commit({
      checks: [check],
      puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(next) }],
    })
    return null
  }
  const items = page.items.map(({ versionId: _versionId, ...item }) => item)
  const itemsSha256 = itemsDigest(items)
  const bytes = items.reduce((sum, item) => sum + item.ciphertextBytes, 0)
  // What changes meanwhile (a batch that is answered for, a revocation) is seen when the judgement comes round.
  for (;;) {
    const still = await region.book.approvers.stillOf(allowed.current.row.tenant)
    const { current, law } = await authorize(deps, peer, id, items, 'send', ahead)
    const { instruction } = current
    const entry = region.drafts.draft({
      tenant: instruction.tenant,
      type: 'transfer.departed',
      body: {
        instruction: id,
        batch: row.batches,
        peer: peer.id,
        bucket: instruction.from.bucket,
        toBucket: instruction.to.bucket,
        manifestSha256: itemsSha256,
        objects: items.map(item => [item.originId, item.ciphertextBytes, item.ciphertextSha256] as const),
        bytes,
        law: law.body,
      },
    })
    const batch: BatchRow = {
      ...{ v: 1, batch: row.batches, itemsSha256, state: 'departed', departure: entry.entryId },
      ...{ arrival: null, arrived: [], deleteAfterUnixMs: null },
    }
    const puts = [
      {
        table: 'transfers' as const,
        key: transferKey(id),
        value: encodeRow({ ...next, batches: row.batches + 1 } as TransferRow),
      },
      { table: 'batches' as const, key: batchKey(id, row.batches), value: encodeRow(batch) },
      putItems(id, row.batches, items),
      putOpen(id, row.batches),
      ...(page.following?.walkedUnixMs === null ? putMarks(id, page.items) : []),
      entry.put,
    ]
    if (await region.book.move(current, { state: 'running' }, { checks: [check, ...still], puts }))
      return { batch, items: page.items }
    if ((await known(deps, id)).standing.ended) return null
    deps.log('info', 'departure-again', { instruction: id })
  }
}
