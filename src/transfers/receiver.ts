/**
 * The destination's half. Nothing is taken on the source's word: instruction and quorum are judged by this region's
 * own copy of the tenant's approvers, the departure must be provably in the source's log, and every byte must hash
 * to what that departure says.
 *
 * Crash points: an object whose bytes are here but whose staged row is not is an orphan that fsck lists, and is sent
 * again; staged and not published, it waits for `close`; `close` publishes a batch and its arrival entry in one
 * transaction, and answers the same when asked again; refused, it voids the batch and then gives up what is staged,
 * which `close` asked again does if it was cut off between the two.
 */
import { createHash } from 'node:crypto'
import { equalBytes, toHex, utf8 } from '../core/bytes.ts'
import { hasCode } from '../core/errors.ts'
import {
  type EntryId,
  type InstructionId,
  newSortableId,
  type OriginId,
  type RandomBytes,
} from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import { type Manifest, readManifest } from '../crypto/manifest.ts'
import { asTransfer, type KnownTransfer } from '../instructions/instruction-book.ts'
import { deletionEntry } from '../ledger/deletion-entry.ts'
import { type Authorized, isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferStep } from '../policy/decide-transfer.ts'
import type { BlobId } from '../store/blob-store.ts'
import { findBucket } from '../store/buckets.ts'
import type { Put } from '../store/catalog.ts'
import { contentOf } from '../store/content.ts'
import { findOrigin } from '../store/key-versions.ts'
import { type KnownBucket, publishArrivals } from '../store/objects.ts'
import { claimSmall, type Place, readPlace, releasePlaces, smallBytes } from '../store/places.ts'
import { type BucketKeyRow, type Encryption, encodeRow, isMarker, type ObjectRow } from '../store/rows.ts'
import { type BatchRow, batchKey, findBatch, listStaged, stagedKey } from './batches.ts'
import { checkClass, checkDeparture, checkHead } from './check-source.ts'
import type { Frame } from './frame.ts'
import type { KnowledgeExchange } from './knowledge.ts'
import { lawOf, type TransferLaw } from './law.ts'
import { type Peer, peerProofOf, type TransferRegion } from './peers.ts'
import { itemsDigest, type PeerProof, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface Receiver {
  offer(peer: Peer, instruction: unknown, verdicts: readonly unknown[]): Promise<void>
  openBatch(
    peer: Peer,
    id: InstructionId,
    batch: number,
    items: readonly TransferItem[],
    departure: PeerProof,
  ): Promise<string[]>
  takeObject(peer: Peer, id: InstructionId, batch: number, originId: string, frame: Frame): Promise<void>
  close(peer: Peer, id: InstructionId, batch: number): Promise<{ arrived: readonly string[]; entry: EntryId }>
  arrivalProof(peer: Peer, id: InstructionId, batch: number): Promise<PeerProof | null>
  challenge(
    peer: Peer,
    id: InstructionId,
    batch: number,
    originId: string,
    start: number,
    end: number,
  ): Promise<string>
  end(peer: Peer, id: InstructionId, state: 'completed' | 'failed', reason: string | null): Promise<void>
}

export function createReceiver(
  region: TransferRegion,
  knowledge: Pick<KnowledgeExchange, 'demand'>,
  clock: Clock,
  randomBytes: RandomBytes,
): Receiver {
  const { catalog, blobs, book, drafts } = region

  /** A pinned peer that is not the instruction's source learns nothing of it and changes nothing. */
  const known = async (peer: Peer, id: InstructionId): Promise<KnownTransfer> => {
    const instruction = await book.find(id)
    const found = instruction === null ? null : asTransfer(instruction)
    if (found === null)
      throw new TransferRefused('transfer-needs-an-instruction', `${region.id} knows no instruction ${id}.`)
    if (found.instruction.from.region !== peer.id) {
      throw new TransferRefused(
        'instruction-out-of-scope',
        `${peer.id} is not the source of this instruction; the transfer is not between these two.`,
      )
    }
    return found
  }

  const authorize = async (
    peer: Peer,
    id: InstructionId,
    objects: readonly TransferItem[],
  ): Promise<{
    current: KnownTransfer
    bucket: KnownBucket
    authorized: Authorized<TransferStep>
    law: TransferLaw
  }> => {
    const current = await known(peer, id)
    const bucket = await findBucket(catalog, current.instruction.to.bucket)
    const step: TransferStep = { action: 'transfer', terms: current.instruction, objects }
    const nowUnixMs = region.lawfulNow()
    const places = { from: peer.country, to: region.country, dataClass: bucket?.row.dataClass ?? '' }
    const law = lawOf(region.packs, current.instruction, places, nowUnixMs)
    const decision = decideTransfer(step, {
      end: { role: 'destination', region: region.id, peer: peer.id },
      bucket: bucket === null ? null : bucket.row,
      standing: current.standing,
      moved: current.row,
      phase: 'send',
      law: law.verdict,
      nowUnixMs,
    })
    if (isRefusal(decision)) throw TransferRefused.of(decision)
    return { current, bucket: bucket!, authorized: decision, law }
  }

  const openedBatch = async (
    peer: Peer,
    id: InstructionId,
    batch: number,
  ): Promise<{ row: BatchRow; bytes: Uint8Array }> => {
    await known(peer, id)
    const found = await findBatch(catalog, id, batch)
    if (found === null)
      throw new TransferRefused('instruction-out-of-scope', `Batch ${batch} was not announced.`)
    return found
  }

  return {
    async offer(peer, instruction, verdicts) {
      const envelope = parseEnvelope(instruction)
      if (envelope === null)
        throw new TransferRefused('transfer-needs-an-instruction', 'What was offered is no instruction.')
      const { row } = await book.draft(envelope)
      await knowledge.demand(peer, row.tenant, row.id)
      for (const json of verdicts) {
        const verdict = parseEnvelope(json)
        if (verdict === null) continue
        await book.say(verdict).catch(error => {
          // It has ended here: that is policy's to say.
          if (!hasCode(error, 'conflict')) throw error
        })
      }
      await authorize(peer, row.id, [])
    },

    async openBatch(peer, id, batch, items, departure) {
      const { row: asked } = await known(peer, id)
      await knowledge.demand(peer, asked.tenant, id)
      const before = await findBatch(catalog, id, batch)
      if (before !== null && before.row.state !== 'departed') return []
      const { current, bucket } = await authorize(peer, id, items)
      checkClass(checkDeparture(region.id, peer, current, batch, items, departure), bucket)
      if (before !== null && itemsDigest(before.row.items) !== itemsDigest(items)) {
        throw new TransferRefused(
          'instruction-out-of-scope',
          `Batch ${batch} was announced with other objects before.`,
        )
      }
      if (before === null) {
        const row: BatchRow = {
          v: 1,
          batch,
          items,
          state: 'departed',
          departure: null,
          arrival: null,
          arrived: [],
          deleteAfterUnixMs: null,
        }
        await catalog.commit({
          checks: [{ table: 'batches', key: batchKey(id, batch), expected: null }],
          puts: [{ table: 'batches', key: batchKey(id, batch), value: encodeRow(row) }],
        })
        if (current.row.state === 'approved') await book.move(current, { state: 'running' })
      }
      const here = new Set(
        (await listStaged(catalog, id, batch)).map(({ staged }) => staged.row.originId as string),
      )
      return items.map(item => item.originId as string).filter(originId => !here.has(originId))
    },

    async takeObject(peer, id, batch, originId, frame) {
      const opened = await openedBatch(peer, id, batch)
      const item = opened.row.items.find(candidate => candidate.originId === originId)
      const notOpen = new TransferRefused(
        'instruction-out-of-scope',
        `Object ${originId} did not depart in batch ${batch}, or the batch is closed.`,
      )
      if (item === undefined || opened.row.state !== 'departed') throw notOpen
      // Asked again for each object: a revocation stops the transfer here even if the source goes on.
      const { current } = await authorize(peer, id, [])
      const { head } = frame
      const manifest = checkHead(head, item, current)
      const { places, claims } = await takeParts(manifest, frame)
      const { tags, encryption, ...described } = head.row
      const row: ObjectRow = {
        v: 1,
        ...described,
        ...(tags && { tags }),
        ...(encryption && { encryption: encryption as Encryption }),
        originId: originId as OriginId,
        versionId: newSortableId(clock(), randomBytes),
        content: { manifest: head.manifest, places },
        arrivedBy: id,
      }
      const keyRow = utf8(head.bucketKey.bucketKeyId)
      const keyBytes = encodeRow(head.bucketKey as BucketKeyRow)
      const rowKey = stagedKey(id, batch, originId)
      for (;;) {
        const knownKey = await catalog.get('bucketkeys', keyRow)
        const staged = await catalog.get('batches', rowKey)
        const now = await openedBatch(peer, id, batch)
        const otherKey = knownKey !== null && !equalBytes(knownKey, keyBytes)
        if (otherKey || staged !== null || now.row.state !== 'departed') {
          await removeBlobs(places)
          if (otherKey)
            throw new TransferRefused('instruction-out-of-scope', 'Another bucket key is known by this id.')
          if (now.row.state !== 'departed') throw notOpen
          // Sent twice at once, both hash to the departure: the first is kept.
          return
        }
        const held = await catalog.commit({
          checks: [
            { table: 'bucketkeys', key: keyRow, expected: knownKey },
            { table: 'batches', key: rowKey, expected: null },
            { table: 'batches', key: batchKey(id, batch), expected: now.bytes },
          ],
          puts: [
            ...claims,
            { table: 'bucketkeys', key: keyRow, value: keyBytes },
            {
              table: 'batches',
              key: rowKey,
              value: encodeRow({ v: 1, key: item.key, row } as { v: 1 }),
            },
          ],
        })
        if (held) return
      }
    },

    async close(peer, id, batch) {
      for (;;) {
        const opened = await openedBatch(peer, id, batch)
        if (opened.row.state !== 'departed') {
          await giveUpStaged(id, batch)
          if (opened.row.state === 'done') return { arrived: opened.row.arrived, entry: opened.row.arrival! }
          throw new TransferRefused('transfer-needs-an-instruction', `Batch ${batch} was given up.`)
        }
        const staged = await listStaged(catalog, id, batch)
        const arrived = opened.row.items.filter(item =>
          staged.some(each => each.staged.row.originId === item.originId),
        )
        const check = { table: 'batches', key: batchKey(id, batch), expected: opened.bytes } as const
        let allowed: Awaited<ReturnType<typeof authorize>>
        try {
          // Batches announced side by side were each within the limits: here counts what is about to be published.
          allowed = await authorize(peer, id, arrived)
        } catch (error) {
          if (!(error instanceof TransferRefused)) throw error
          // Revoked, expired or too much by now: the batch is closed with nothing in it.
          const voided = encodeRow({ ...opened.row, state: 'voided' } as BatchRow)
          const held = await catalog.commit({
            checks: [check],
            puts: [{ table: 'batches', key: batchKey(id, batch), value: voided }],
          })
          if (!held) continue
          await giveUpStaged(id, batch)
          throw error
        }
        const { current, bucket, authorized, law } = allowed
        const bytes = arrived.reduce((sum, item) => sum + item.ciphertextBytes, 0)
        const entry = drafts.draft({
          tenant: current.row.tenant,
          type: 'transfer.arrived',
          body: {
            instruction: id,
            batch,
            peer: peer.id,
            bucket: current.instruction.from.bucket,
            toBucket: current.instruction.to.bucket,
            manifestSha256: itemsDigest(opened.row.items),
            objects: arrived.map(
              item => [item.originId, item.ciphertextBytes, item.ciphertextSha256] as const,
            ),
            bytes,
            law: law.body,
          },
        })
        const arrivedIds = arrived.map(item => item.originId as string)
        const done: BatchRow = { ...opened.row, state: 'done', arrival: entry.entryId, arrived: arrivedIds }
        const counted = {
          ...current.row,
          objects: current.row.objects + arrived.length,
          bytes: current.row.bytes + bytes,
        }
        const published = await publishArrivals(
          catalog,
          { clock, randomBytes },
          authorized,
          bucket,
          staged.map(({ staged: { key, row } }) => ({ key, row })),
          {
            checks: [check, { table: 'instructions', key: utf8(id), expected: current.bytes }],
            removes: staged.map(({ key }) => ({ table: 'batches' as const, key })),
            puts: [
              { table: 'batches', key: batchKey(id, batch), value: encodeRow(done) },
              { table: 'instructions', key: utf8(id), value: encodeRow(counted) },
              entry.put,
            ],
            replacedEntry: (key, version) =>
              drafts.draft(
                deletionEntry(bucket.row, key, { did: 'removed', version }, { region: region.id }, id),
              ).put,
          },
        )
        if (published === 'over-quota')
          throw new TransferRefused(
            'over-quota',
            'The destination has no room for more of this tenant or bucket.',
          )
        if (!published) continue
        await giveUpStaged(id, batch)
        return { arrived: arrivedIds, entry: entry.entryId }
      }
    },

    async arrivalProof(peer, id, batch) {
      const { row } = await openedBatch(peer, id, batch)
      const { tenant } = (await known(peer, id)).row
      return row.arrival === null ? null : peerProofOf(region, tenant, row.arrival)
    },

    async challenge(peer, id, batch, originId, start, end) {
      const { row } = await openedBatch(peer, id, batch)
      const item = row.items.find(candidate => candidate.originId === originId)
      const { instruction } = await known(peer, id)
      const bucket = await findBucket(catalog, instruction.to.bucket)
      const object =
        item === undefined || bucket === null
          ? null
          : await findOrigin(catalog, bucket.row, item.key, originId)
      const content = object === null || isMarker(object.row) ? null : await contentOf(catalog, object.row)
      if (content === null)
        throw new TransferRefused('instruction-out-of-scope', `Object ${originId} is not here.`)
      return hashCiphertext(region, readManifest(content.manifest), content.places, start, end)
    },

    async end(peer, id, state, reason) {
      const current = await known(peer, id)
      if (current.row.state === 'running' || current.row.state === 'approved')
        await book.move(current, { state, reason })
    },
  }

  /** Of a closed batch, which takes no more: what was staged between the look and the close belongs to nobody. */
  async function giveUpStaged(id: InstructionId, batch: number): Promise<void> {
    const left = await listStaged(catalog, id, batch)
    if (left.length === 0) return
    const places = left.flatMap(({ staged }) => staged.row.content?.places ?? [])
    const released = releasePlaces(places, clock())
    const removes = left.map(({ key }) => ({ table: 'batches' as const, key }))
    await catalog.commit({ removes: [...removes, ...released.removes], puts: released.puts })
  }

  /** Reads the parts off the wire into their places. Whatever does not hash to its manifest row leaves nothing behind. */
  async function takeParts(manifest: Manifest, frame: Frame): Promise<{ places: Place[]; claims: Put[] }> {
    const places: Place[] = []
    const claims: Put[] = []
    try {
      for (const part of manifest.parts) {
        const digest = createHash('sha256')
        if (part.cipherBytes <= smallBytes) {
          const chunks: Uint8Array[] = []
          for await (const chunk of frame.read(part.cipherBytes)) {
            digest.update(chunk)
            chunks.push(chunk)
          }
          const place: Place = { in: 'catalog', id: newSortableId(clock(), randomBytes) as BlobId }
          places.push(place)
          claims.push(claimSmall(place, Buffer.concat(chunks)))
        } else {
          // Not packed among several: a segment's record must be claimed soon, and other parts are still to come.
          const writer = await blobs.create(manifest.parts.length === 1 ? part.cipherBytes : undefined)
          try {
            for await (const chunk of frame.read(part.cipherBytes)) {
              digest.update(chunk)
              await writer.write([Buffer.from(chunk)])
            }
            claims.push(...(await writer.finish()))
          } catch (error) {
            await writer.abandon()
            throw error
          }
          places.push({ in: 'blobs', id: writer.id })
        }
        if (!digest.digest().equals(part.sha256)) {
          throw new TransferRefused('instruction-out-of-scope', 'The bytes are not those that departed.')
        }
      }
      await frame.end()
      return { places, claims }
    } catch (error) {
      await removeBlobs(places)
      throw error
    }
  }

  /** Of places that no row refers to. */
  async function removeBlobs(places: readonly Place[]): Promise<void> {
    for (const place of places) if (place.in === 'blobs') await blobs.remove(place.id)
  }
}

/** SHA-256 of a range of an object's ciphertext, its parts one after the other. */
export async function hashCiphertext(
  stores: Pick<TransferRegion, 'catalog' | 'blobs'>,
  manifest: Manifest,
  places: readonly Place[],
  start: number,
  end: number,
): Promise<string> {
  const hash = createHash('sha256')
  let partStart = 0
  for (const [index, part] of manifest.parts.entries()) {
    const from = Math.max(0, start - partStart)
    const to = Math.min(part.cipherBytes, end - partStart)
    if (from < to) {
      await using reader = await readPlace(stores.catalog, stores.blobs, places[index]!, {
        start: from,
        end: to,
      })
      for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) hash.update(chunk)
    }
    partStart += part.cipherBytes
  }
  return toHex(hash.digest())
}
