/**
 * The destination's half. Nothing is taken on the source's word: instruction and quorum are judged by this region's
 * own copy of the tenant's approvers, the departure must be provably in the source's log, what departs must be on the
 * list if the instruction is bound to one, and every byte must hash to what the departure says.
 *
 * Crash points: an object whose bytes are here but whose staged row is not is an orphan that fsck lists, and is sent
 * again; staged and not published, it waits for `close`; `close` publishes a batch and its arrival entry in one
 * transaction, and answers the same when asked again; refused, it voids the batch and then gives up what is staged,
 * which `close` asked again does if it was cut off between the two.
 */

import { utf8 } from '../core/bytes.ts'
import { hasCode } from '../core/errors.ts'
import type { EntryId, InstructionId, RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import { openInstruction } from '../instructions/instruction.ts'
import { asTransfer, type KnownTransfer } from '../instructions/instruction-book.ts'
import { deletionEntry } from '../ledger/deletion-entry.ts'
import { type Authorized, isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferStep } from '../policy/decide-transfer.ts'
import { publishArrivals } from '../store/arrivals.ts'
import { findBucket } from '../store/buckets.ts'
import { demandRoom } from '../store/disk-room.ts'
import type { KnownBucket } from '../store/objects.ts'
import { releasePlaces } from '../store/places.ts'
import { encodeRow, isMarker } from '../store/rows.ts'
import { answerChallenge } from './answer-challenge.ts'
import {
  type BatchRow,
  batchKey,
  createItemsCache,
  findBatch,
  forgetItems,
  type KnownBatch,
  listStaged,
  putItems,
  stagedOrigins,
} from './batches.ts'
import { broughtAlong } from './brought-along.ts'
import { checkClass, checkDeparture } from './check-source.ts'
import type { Frames } from './frame.ts'
import { demandVersions, keepingOf } from './keeping.ts'
import type { KnowledgeExchange } from './knowledge.ts'
import { lawOf, type TransferLaw } from './law.ts'
import { demandPage, keepPages } from './listed-pages.ts'
import { type Peer, peerProofOf, type TransferRegion } from './peers.ts'
import {
  type ChallengeRange,
  itemsDigest,
  type Keeping,
  maxHeadsBytes,
  type PeerProof,
  type RefusedObject,
  type TransferItem,
} from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { createStanding } from './standing.ts'
import { takeObjects } from './take-objects.ts'

export interface Receiver {
  /** `pages`: of an instruction that is bound to a list. Answers what the bucket can keep. */
  offer(
    peer: Peer,
    instruction: unknown,
    verdicts: readonly unknown[],
    pages: readonly string[] | null,
  ): Promise<Keeping>
  openBatch(
    peer: Peer,
    id: InstructionId,
    batch: number,
    items: readonly TransferItem[],
    departure: PeerProof,
  ): Promise<string[]>
  takeObjects(peer: Peer, id: InstructionId, batch: number, frames: Frames): Promise<RefusedObject[]>
  close(peer: Peer, id: InstructionId, batch: number): Promise<{ arrived: readonly string[]; entry: EntryId }>
  arrivalProof(peer: Peer, id: InstructionId, batch: number): Promise<PeerProof | null>
  challenge(
    peer: Peer,
    id: InstructionId,
    batch: number,
    ranges: readonly ChallengeRange[],
  ): Promise<(string | null)[]>
  end(peer: Peer, id: InstructionId, state: 'completed' | 'failed', reason: string | null): Promise<void>
}

interface Allowed {
  readonly current: KnownTransfer
  readonly bucket: KnownBucket
  readonly keeping: Keeping
  readonly authorized: Authorized<TransferStep>
  readonly law: TransferLaw
}

export function createReceiver(
  region: TransferRegion,
  knowledge: Pick<KnowledgeExchange, 'demand'>,
  clock: Clock,
  randomBytes: RandomBytes,
): Receiver {
  const { catalog, book, drafts } = region
  const announced = createItemsCache(catalog)
  const headBytes = new Map<string, { bytes: number; readonly of: Map<string, number> }>()

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
  ): Promise<Allowed> => {
    const current = await known(peer, id)
    const bucket = await findBucket(catalog, current.instruction.to.bucket)
    const step: TransferStep = { action: 'transfer', terms: current.instruction, objects }
    const nowUnixMs = region.lawfulNow()
    const places = {
      ...{ here: region.id, from: peer.country, to: region.country },
      ...{ bucket: bucket?.row ?? null, set: current.set },
    }
    const law = lawOf(region.packs, current.instruction, places, nowUnixMs)
    const decision = decideTransfer(step, {
      end: { role: 'destination', region: region.id, peer: peer.id },
      bucket: bucket === null ? null : bucket.row,
      standing: current.standing,
      moved: current.row,
      phase: 'send',
      law: law.verdict,
      ownPolicy: law.own?.refusal ?? null,
      nowUnixMs,
    })
    if (isRefusal(decision)) throw TransferRefused.of(decision)
    const keeping = await keepingOf(catalog, bucket!.row)
    demandVersions(current.instruction, keeping, bucket!.row.name)
    return { current, bucket: bucket!, keeping, authorized: decision, law }
  }

  const openedBatch = async (peer: Peer, id: InstructionId, batch: number): Promise<KnownBatch> => {
    await known(peer, id)
    const found = await findBatch(catalog, id, batch)
    if (found === null)
      throw new TransferRefused('instruction-out-of-scope', `Batch ${batch} was not announced.`)
    return found
  }

  return {
    async offer(peer, instruction, verdicts, pages) {
      const envelope = parseEnvelope(instruction)
      if (envelope === null)
        throw new TransferRefused('transfer-needs-an-instruction', 'What was offered is no instruction.')
      const opened = openInstruction(envelope)
      // Before it is in anybody's books: a peer orders nothing, and speaks of what it is the source of.
      if (
        typeof opened !== 'string' &&
        ((opened.kind !== 'transfer' && opened.kind !== 'standing-transfer') ||
          opened.from.region !== peer.id ||
          opened.to.region !== region.id)
      )
        throw new TransferRefused(
          'instruction-out-of-scope',
          `What was offered is no transfer from ${peer.id} to ${region.id}: it is not between these two.`,
        )
      const { row } = await book.draft(envelope)
      await knowledge.demand(peer, row.tenant, row.id)
      for (const json of verdicts) {
        const verdict = parseEnvelope(json)
        if (verdict === null) continue
        await book.say(verdict).catch(error => {
          // It has ended here, or counts for nothing here any more: that is policy's to say.
          if (!hasCode(error, 'conflict') && !hasCode(error, 'not-verified')) throw error
        })
      }
      const { current, keeping } = await authorize(peer, row.id, [])
      await keepPages(catalog, current.instruction, pages)
      return keeping
    },

    async openBatch(peer, id, batch, items, departure) {
      const { row: asked } = await known(peer, id)
      await knowledge.demand(peer, asked.tenant, id)
      const before = await findBatch(catalog, id, batch)
      if (before !== null && before.row.state !== 'departed') return []
      const { current, bucket } = await authorize(peer, id, items)
      // Staged by its id: one that came would stand for both.
      if (new Set(items.map(({ originId }) => originId)).size !== items.length)
        throw new TransferRefused('instruction-out-of-scope', `Batch ${batch} names a version twice.`)
      const itemsSha256 = itemsDigest(items)
      checkClass(checkDeparture(region.id, peer, current, batch, itemsSha256, departure), bucket, current)
      await demandPage(catalog, current.instruction, batch, items)
      if (before !== null && before.row.itemsSha256 !== itemsSha256) {
        throw new TransferRefused(
          'instruction-out-of-scope',
          `Batch ${batch} was announced with other objects before.`,
        )
      }
      if (before === null) {
        // What has arrived is published and given up without asking: that takes little, or makes room.
        demandRoom(region.room)
        const row: BatchRow = {
          ...{ v: 1, batch, itemsSha256, state: 'departed' },
          ...{ departure: null, arrival: null, arrived: [], deleteAfterUnixMs: null },
        }
        await catalog.commit({
          checks: [{ table: 'batches', key: batchKey(id, batch), expected: null }],
          puts: [
            { table: 'batches', key: batchKey(id, batch), value: encodeRow(row) },
            putItems(id, batch, items),
          ],
        })
        if (current.row.state === 'approved') await book.move(current, { state: 'running' })
      }
      const here = await stagedOrigins(catalog, id, batch)
      return items.map(item => item.originId as string).filter(originId => !here.has(originId))
    },

    async takeObjects(peer, id, batch, frames) {
      const opened = await openedBatch(peer, id, batch)
      const { instruction } = await known(peer, id)
      if (opened.row.state !== 'departed')
        throw new TransferRefused('instruction-out-of-scope', `The batch is closed: ${batch}.`)
      const { expiresUnixMs, to } = instruction
      const of = { catalog, id, bucket: to.bucket, expiresUnixMs, lawfulNow: region.lawfulNow }
      const items = new Map((await announced.of(id, batch)).map(item => [item.originId as string, item]))
      const standing = createStanding(of, () => authorize(peer, id, []))
      const heads = headBytes.get(`${id} ${batch}`) ?? { bytes: 0, of: new Map<string, number>() }
      headBytes.set(`${id} ${batch}`, heads)
      // One that is sent again takes the place of the one before.
      const countHead = (originId: string, bytes: number): void => {
        heads.bytes += bytes - (heads.of.get(originId) ?? 0)
        heads.of.set(originId, bytes)
        if (heads.bytes > maxHeadsBytes)
          throw new TransferRefused(
            'instruction-out-of-scope',
            `The descriptions of batch ${batch} are longer than ${maxHeadsBytes} bytes.`,
          )
      }
      return takeObjects(
        { region, clock, randomBytes, id, batch: opened, items, standing, countHead },
        frames,
      )
    },

    async close(peer, id, batch) {
      headBytes.delete(`${id} ${batch}`)
      for (;;) {
        const opened = await openedBatch(peer, id, batch)
        if (opened.row.state !== 'departed') {
          await giveUpStaged(id, batch)
          if (opened.row.state === 'done') return { arrived: opened.row.arrived, entry: opened.row.arrival! }
          throw new TransferRefused('transfer-needs-an-instruction', `Batch ${batch} was given up.`)
        }
        const staged = new Map(
          (await listStaged(catalog, id, batch)).map(each => [each.staged.row.originId as string, each]),
        )
        const items = await announced.of(id, batch)
        const arrived = items.filter(({ originId }) => staged.has(originId))
        const check = { table: 'batches', key: batchKey(id, batch), expected: opened.bytes } as const
        // What is taken back between the judgement and the transaction makes it judge again.
        const still = await book.approvers.stillOf((await known(peer, id)).row.tenant)
        let allowed: Allowed
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
            manifestSha256: opened.row.itemsSha256,
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
          // In the order in which they departed, whatever the order in which they came.
          arrived.map(({ originId }) => staged.get(originId)!.staged),
          {
            checks: [check, ...still, { table: 'instructions', key: utf8(id), expected: current.bytes }],
            removes: arrived.map(({ originId }) => ({
              table: 'batches' as const,
              key: staged.get(originId)!.key,
            })),
            puts: [
              { table: 'batches', key: batchKey(id, batch), value: encodeRow(done) },
              { table: 'instructions', key: utf8(id), value: encodeRow(counted) },
              entry.put,
            ],
            broughtEntries: (key, row) =>
              broughtAlong(bucket.row, key, row, { region: region.id }).map(entry => drafts.draft(entry).put),
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

    async challenge(peer, id, batch, ranges) {
      await openedBatch(peer, id, batch)
      const { instruction } = await known(peer, id)
      const bucket = await findBucket(catalog, instruction.to.bucket)
      if (bucket === null) return ranges.map(() => null)
      const keys = new Map(
        (await announced.of(id, batch)).map(({ originId, key }) => [originId as string, key]),
      )
      return answerChallenge(region, bucket.row, originId => keys.get(originId) ?? null, ranges)
    },

    async end(peer, id, state, reason) {
      const current = await known(peer, id)
      if (current.row.state === 'running' || current.row.state === 'approved')
        await book.move(current, { state, reason })
      await forgetItems(catalog, id)
      announced.forget(id)
      for (const batch of headBytes.keys()) if (batch.startsWith(`${id} `)) headBytes.delete(batch)
    },
  }

  /** Of a closed batch, which takes no more: what was staged between the look and the close belongs to nobody. */
  async function giveUpStaged(id: InstructionId, batch: number): Promise<void> {
    const left = await listStaged(catalog, id, batch)
    if (left.length === 0) return
    const places = left.flatMap(({ staged: { row } }) => (isMarker(row) ? [] : (row.content?.places ?? [])))
    const released = releasePlaces(places, clock())
    const removes = left.map(({ key }) => ({ table: 'batches' as const, key }))
    await catalog.commit({ removes: [...removes, ...released.removes], puts: released.puts })
  }
}
