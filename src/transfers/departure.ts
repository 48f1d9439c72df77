/** What departs next: the walk over the scope, and the transaction that makes a batch of it. */
import { concat, utf8 } from '../core/bytes.ts'
import type { InstructionId } from '../core/ids.ts'
import { ciphertextSha256, readManifest } from '../crypto/manifest.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferStep } from '../policy/decide-transfer.ts'
import { prefixEnd } from '../store/catalog.ts'
import { contentOf } from '../store/content.ts'
import type { KnownBucket } from '../store/objects.ts'
import { bucketPrefix, decodeRow, encodeRow, type ObjectRow } from '../store/rows.ts'
import { type BatchRow, batchKey, type TransferRow, transferKey } from './batches.ts'
import type { Peer } from './peers.ts'
import {
  itemsDigest,
  maxBatchBytes,
  maxBatchObjects,
  type ObjectHead,
  rowDigest,
  type TransferItem,
} from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { authorize, known, type SenderDeps, transferRow } from './sender-state.ts'

/** An instruction whose scope holds more than it allows moves nothing, instead of stopping halfway. */
export async function checkLimitsAhead(deps: SenderDeps, peer: Peer, id: InstructionId): Promise<void> {
  const { current, bucket, law } = await authorize(deps, peer, id, [])
  const { limits, prefix } = current.instruction
  const row = await transferRow(deps, id)
  if (row.batches > 0 || (limits.objects === null && limits.bytes === null)) return
  let cursor = ''
  let moved = { objects: 0, bytes: 0 }
  for (;;) {
    const page = await nextItems(deps, bucket, prefix, cursor)
    if (page.items.length === 0) return
    const step: TransferStep = { action: 'transfer', terms: current.instruction, objects: page.items }
    const decision = decideTransfer(step, {
      end: { role: 'source', region: deps.region.id, peer: peer.id },
      bucket: bucket.row,
      standing: current.standing,
      moved,
      phase: 'send',
      law: law.verdict,
      nowUnixMs: deps.region.lawfulNow(),
    })
    if (isRefusal(decision)) throw TransferRefused.of(decision)
    moved = {
      objects: moved.objects + page.items.length,
      bytes: page.items.reduce((sum, item) => sum + item.ciphertextBytes, moved.bytes),
    }
    cursor = page.cursor
    if (page.atEnd) return
  }
}

async function nextItems(
  deps: SenderDeps,
  bucket: KnownBucket,
  prefix: string,
  cursor: string,
): Promise<{ items: TransferItem[]; cursor: string; atEnd: boolean }> {
  const { catalog } = deps.region
  const base = bucketPrefix(bucket.row.id)
  const from = cursor === '' ? concat(base, utf8(prefix)) : concat(base, utf8(cursor), new Uint8Array([0]))
  const to = prefixEnd(concat(base, utf8(prefix)))
  const rows = await catalog.scan('objects', { from, ...(to && { to }), limit: maxBatchObjects })
  const items: TransferItem[] = []
  let bytes = 0
  let last = cursor
  for (const { key, value } of rows) {
    const row = decodeRow<ObjectRow>(value)
    // A batch takes at least one object, however large.
    if (items.length > 0 && bytes + row.ciphertextBytes > maxBatchBytes)
      return { items, cursor: last, atEnd: false }
    const objectKey = Buffer.from(key.subarray(base.length)).toString('utf8')
    const content = await contentOf(catalog, row)
    last = objectKey
    if (content === null) continue
    items.push({
      key: objectKey,
      originId: row.originId,
      ciphertextBytes: row.ciphertextBytes,
      ciphertextSha256: ciphertextSha256(readManifest(content.manifest).parts),
      manifestSha256: sha256Hex(content.manifest),
      rowSha256: rowDigest(sentRow(row)),
    })
    bytes += row.ciphertextBytes
  }
  return { items, cursor: last, atEnd: rows.length < maxBatchObjects }
}

/** Of a version, what the destination keeps as it is; version id, places and lock are its own. */
export function sentRow(row: ObjectRow): ObjectHead['row'] {
  const { originId, sizeBytes, ciphertextBytes, etag, modifiedUnixMs, headers, metadata } = row
  const { checksum, bucketKeyId, wrappedDataKey, partCount, tags, encryption } = row
  return {
    ...{ originId, sizeBytes, ciphertextBytes, etag, modifiedUnixMs, headers, metadata },
    ...{ checksum, bucketKeyId, wrappedDataKey, partCount },
    ...(tags && { tags }),
    ...(encryption && { encryption }),
  }
}

/** Batch row, cursor and departure entry, in one transaction. */
export async function depart(
  deps: SenderDeps,
  peer: Peer,
  id: InstructionId,
  row: TransferRow,
): Promise<void> {
  const { region } = deps
  const { bucket } = await authorize(deps, peer, id, [])
  const page = await nextItems(deps, bucket, (await known(deps, id)).instruction.prefix, row.cursor)
  const next: TransferRow = { ...row, cursor: page.cursor, walked: page.atEnd }
  const rowBytes = await region.catalog.get('transfers', transferKey(id))
  const check = { table: 'transfers', key: transferKey(id), expected: rowBytes } as const
  if (page.items.length === 0) {
    await region.catalog.commit({
      checks: [check],
      puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(next) }],
    })
    return
  }
  const { current, law } = await authorize(deps, peer, id, page.items)
  const { instruction } = current
  const bytes = page.items.reduce((sum, item) => sum + item.ciphertextBytes, 0)
  const entry = region.drafts.draft({
    tenant: instruction.tenant,
    type: 'transfer.departed',
    body: {
      instruction: id,
      batch: row.batches,
      peer: peer.id,
      bucket: instruction.from.bucket,
      toBucket: instruction.to.bucket,
      manifestSha256: itemsDigest(page.items),
      objects: page.items.map(item => [item.originId, item.ciphertextBytes, item.ciphertextSha256] as const),
      bytes,
      law: law.body,
    },
  })
  const batch: BatchRow = {
    v: 1,
    batch: row.batches,
    items: page.items,
    state: 'departed',
    departure: entry.entryId,
    arrival: null,
    arrived: [],
    deleteAfterUnixMs: null,
  }
  const held = await region.book.move(
    current,
    { state: 'running' },
    {
      checks: [check],
      puts: [
        {
          table: 'transfers',
          key: transferKey(id),
          value: encodeRow({ ...next, batches: row.batches + 1 } as TransferRow),
        },
        { table: 'batches', key: batchKey(id, row.batches), value: encodeRow(batch) },
        entry.put,
      ],
    },
  )
  // Whatever changed meanwhile (a revocation, most likely) is seen when the walk comes round.
  if (!held) deps.log('info', 'departure-again', { instruction: id })
}
