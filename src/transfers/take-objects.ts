/**
 * What a source sends of a batch, taken off the wire: every version must be what departed, byte for byte. Short ones are
 * stored a group at a time, with one sync and one commit, while the next group is being read.
 *
 * Crash points: bytes on disk without a staged row are an orphan that fsck lists, and are sent again; a group's staged
 * rows are one transaction, conditional on the batch being open.
 */
import { createHash } from 'node:crypto'
import { equalBytes, toHex, utf8 } from '../core/bytes.ts'
import { type InstructionId, newSortableId, type OriginId, type RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { Manifest } from '../crypto/manifest.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { KnownTransfer } from '../instructions/instruction-book.ts'
import type { BlobId } from '../store/blob-store.ts'
import type { Check, Put } from '../store/catalog.ts'
import { demandRoom } from '../store/disk-room.ts'
import { packedBytes } from '../store/packed-blob-store.ts'
import { claimSmall, type Place, smallBytes } from '../store/places.ts'
import { type BucketKeyRow, encodeRow, type ObjectRow, type VersionRow } from '../store/rows.ts'
import { batchKey, findBatch, type KnownBatch, type StagedRow, stagedKey } from './batches.ts'
import { checkHead, checkMarkerHead } from './check-source.ts'
import type { Frames } from './frame.ts'
import { lostIn } from './keeping.ts'
import type { TransferRegion } from './peers.ts'
import { type Head, isMarkerHead, type Keeping, type RefusedObject, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface Taking {
  readonly region: TransferRegion
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly id: InstructionId
  readonly batch: KnownBatch
  readonly items: ReadonlyMap<string, TransferItem>
  /** Counts what describes versions of the batch, over all its requests; throws where that is more than it can be. */
  readonly countHead: (originId: string, bytes: number) => void
  /** Throws where the instruction stands no longer. */
  readonly standing: () => Promise<{ readonly current: KnownTransfer; readonly keeping: Keeping }>
}

interface Taken {
  readonly item: TransferItem
  readonly head: Head
  readonly places: readonly Place[]
  readonly claims: readonly Put[]
}

const groupObjects = 512
const groupBytes = 8 * 2 ** 20
/** Of a long object, as much at a time goes to the disk. */
const writeBytes = 2 ** 20

/** Resolves when everything that was not refused is staged, on stable storage. */
export async function takeObjects(taking: Taking, frames: Frames): Promise<RefusedObject[]> {
  const { items, standing } = taking
  const refused: RefusedObject[] = []
  const seen = new Set<string>()
  const groups = createGroups(taking, refused)
  for (let head = await frames.next(); head !== null; head = await frames.next()) {
    const { originId } = head.row
    const item = items.get(originId)
    if (item === undefined) throw notOpen(originId)
    taking.countHead(originId, frames.headBytes)
    demandRoom(taking.region.room, item.ciphertextBytes)
    // At each object: a revocation stops the transfer here even if the source goes on.
    const { current, keeping } = await standing()
    const checked = check(head, item, current, keeping, taking)
    if (checked instanceof TransferRefused || seen.has(originId)) {
      for await (const _chunk of frames.read(item.ciphertextBytes));
      if (checked instanceof TransferRefused) refused.push(refusedAs(originId, checked))
      continue
    }
    seen.add(originId)
    await groups.add(item, head, checked, frames)
  }
  await groups.end()
  return refused
}

function check(
  head: Head,
  item: TransferItem,
  current: KnownTransfer,
  keeping: Keeping,
  { region }: Taking,
): Manifest | null | TransferRefused {
  try {
    const manifest = isMarkerHead(head)
      ? checkMarkerHead(head, item, current)
      : checkHead(head, item, current)
    return lostIn(head.row, keeping, region.lawfulNow()) ?? manifest
  } catch (error) {
    if (error instanceof TransferRefused) return error
    throw error
  }
}

interface Groups {
  /** Reads the bytes off the wire; they are stored with the group that they fall into. */
  add(item: TransferItem, head: Head, manifest: Manifest | null, frames: Frames): Promise<void>
  end(): Promise<void>
}

/** What is read while the group before is being stored: one of each, so that memory is bounded. */
function createGroups(taking: Taking, refused: RefusedObject[]): Groups {
  let group: Promise<Taken | null>[] = []
  let bytes = 0
  let storing: Promise<void> = Promise.resolve()

  const store = async (): Promise<void> => {
    const full = group
    group = []
    bytes = 0
    await storing
    storing = Promise.all(full).then(taken =>
      stage(
        taking,
        taken.filter(each => each !== null),
        refused,
      ),
    )
    storing.catch(() => {})
  }

  return {
    async add(item, head, manifest, frames) {
      const [only, ...others] = manifest?.parts ?? []
      if (only === undefined) group.push(Promise.resolve({ item, head, places: [], claims: [] }))
      else if (others.length === 0 && only.cipherBytes <= packedBytes) {
        const content = await frames.readWhole(only.cipherBytes)
        if (sha256Hex(content) !== toHex(only.sha256)) {
          refused.push(refusedAs(item.originId, otherBytes()))
          return
        }
        const placed = placeShort(taking, content).then(place => ({ item, head, ...place }))
        placed.catch(() => {})
        group.push(placed)
        bytes += only.cipherBytes
      } else {
        // What came before does not wait for a long one.
        if (group.length > 0) await store()
        const parts = await takeParts(taking, manifest!, frames)
        if (parts === null) refused.push(refusedAs(item.originId, otherBytes()))
        else group.push(Promise.resolve({ item, head, ...parts }))
      }
      // A head can be longer than what it describes.
      bytes += frames.headBytes
      if (group.length >= groupObjects || bytes >= groupBytes) await store()
    },
    async end() {
      await store()
      await storing
    },
  }
}

type Placed = Pick<Taken, 'places' | 'claims'>

/** A group's blobs share a sync, for they are appended together. */
async function placeShort({ region, clock, randomBytes }: Taking, content: Buffer): Promise<Placed> {
  if (content.length <= smallBytes) {
    const place: Place = { in: 'catalog', id: newSortableId(clock(), randomBytes) as BlobId }
    return { places: [place], claims: [claimSmall(place, content)] }
  }
  const writer = await region.blobs.create(content.length)
  await writer.write([content])
  return { claims: await writer.finish(), places: [{ in: 'blobs', id: writer.id }] }
}

/** Reads the parts off the wire into files of their own. `null`, and nothing left behind: they hash to something else. */
async function takeParts({ region }: Taking, manifest: Manifest, frames: Frames): Promise<Placed | null> {
  const places: Place[] = []
  const claims: Put[] = []
  let isRight = true
  try {
    for (const part of manifest.parts) {
      const digest = createHash('sha256')
      const writer = await region.blobs.create()
      try {
        let chunks: Buffer[] = []
        let bytes = 0
        let writing: Promise<void> = Promise.resolve()
        for await (const chunk of frames.read(part.cipherBytes)) {
          if (bytes === 0) demandRoom(region.room)
          digest.update(chunk)
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes < writeBytes) continue
          // One write at a time, and beside it what comes next is read.
          await writing
          writing = writer.write(chunks)
          writing.catch(() => {})
          chunks = []
          bytes = 0
        }
        await writing
        await writer.write(chunks)
        claims.push(...(await writer.finish()))
      } catch (error) {
        await writer.abandon()
        throw error
      }
      places.push({ in: 'blobs', id: writer.id })
      // The rest is still read: behind it on the wire comes the next object.
      isRight &&= digest.digest().equals(part.sha256)
    }
  } catch (error) {
    await removeBlobs(region, places)
    throw error
  }
  if (isRight) return { places, claims }
  await removeBlobs(region, places)
  return null
}

/** Publishes nothing yet: the rows say whose the bytes are until the batch is closed. */
async function stage(taking: Taking, group: readonly Taken[], refused: RefusedObject[]): Promise<void> {
  const { region, id, batch } = taking
  const { catalog } = region
  let rest = group
  for (;;) {
    const keys = await bucketKeys(taking, rest)
    for (const { item, places } of rest.filter(each => keys.others.has(each.item.originId))) {
      await removeBlobs(region, places)
      const other = new TransferRefused('instruction-out-of-scope', 'Another bucket key is known by this id.')
      refused.push(refusedAs(item.originId, other))
    }
    rest = rest.filter(({ item }) => !keys.others.has(item.originId))
    if (rest.length === 0) return
    const rows = rest.map(({ item, head, places }) => ({
      table: 'batches' as const,
      key: stagedKey(id, batch.row.batch, item.originId),
      value: encodeRow({ v: 1, key: item.key, row: arriving(taking, head, places) } as StagedRow),
    }))
    const held = await catalog.commit({
      checks: [
        { table: 'batches', key: batchKey(id, batch.row.batch), expected: batch.bytes },
        ...rows.map(({ table, key }) => ({ table, key, expected: null })),
        ...keys.checks,
      ],
      puts: [...rest.flatMap(({ claims }) => claims), ...rows, ...keys.puts],
    })
    if (held) return
    const now = await findBatch(catalog, id, batch.row.batch)
    if (now === null || !equalBytes(now.bytes, batch.bytes)) {
      for (const { places } of rest) await removeBlobs(region, places)
      throw notOpen(rest[0]!.item.originId)
    }
    // Sent twice at once, both hash to the departure: the first is kept.
    const kept: Taken[] = []
    for (const [index, taken] of rest.entries()) {
      if ((await catalog.get('batches', rows[index]!.key)) === null) kept.push(taken)
      else await removeBlobs(region, taken.places)
    }
    rest = kept
  }
}

/** The keys that a group's objects are sealed under, to be known here too; and what comes with another one by that id. */
async function bucketKeys(
  { region }: Taking,
  group: readonly Taken[],
): Promise<{ checks: Check[]; puts: Put[]; others: Set<string> }> {
  const sent = new Map<string, Uint8Array>()
  const others = new Set<string>()
  for (const { item, head } of group) {
    if (isMarkerHead(head)) continue
    const { bucketKeyId } = head.bucketKey
    const bytes = encodeRow(head.bucketKey as BucketKeyRow)
    const known = sent.get(bucketKeyId) ?? (await region.catalog.get('bucketkeys', utf8(bucketKeyId)))
    if (known !== null && !equalBytes(known, bytes)) others.add(item.originId)
    else sent.set(bucketKeyId, bytes)
  }
  const checks: Check[] = []
  const puts: Put[] = []
  for (const [bucketKeyId, value] of sent) {
    const row = { table: 'bucketkeys' as const, key: utf8(bucketKeyId) }
    const known = await region.catalog.get('bucketkeys', row.key)
    checks.push({ ...row, expected: known })
    if (known === null) puts.push({ ...row, value })
  }
  return { checks, puts, others }
}

function arriving({ id, clock, randomBytes }: Taking, head: Head, places: readonly Place[]): VersionRow {
  // Its version id is given when it is published.
  const versionId = newSortableId(clock(), randomBytes)
  if (isMarkerHead(head)) return { v: 1, ...head.row, originId: head.row.originId as OriginId, versionId }
  const { partChecksums, ...described } = head.row
  const content = { manifest: head.manifest, places, ...(partChecksums && { partChecksums }) }
  // Ids are branded here: what they look like was checked when the head was parsed.
  const kept = described as unknown as Omit<ObjectRow, 'v'>
  return { ...kept, v: 1, versionId, content, arrivedBy: id }
}

function refusedAs(originId: string, { rule, message }: TransferRefused): RefusedObject {
  return { originId, rule, message }
}

function otherBytes(): TransferRefused {
  return new TransferRefused('instruction-out-of-scope', 'The bytes are not those that departed.')
}

function notOpen(originId: string): TransferRefused {
  return new TransferRefused(
    'instruction-out-of-scope',
    `Object ${originId} did not depart in this batch, or the batch is closed.`,
  )
}

/** Of places that no row refers to. */
async function removeBlobs({ blobs }: TransferRegion, places: readonly Place[]): Promise<void> {
  for (const place of places) if (place.in === 'blobs') await blobs.remove(place.id)
}
