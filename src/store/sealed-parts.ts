/** Sealing on the way to a place, opening on the way from it. Plaintext never reaches a store or a file. */
import { concat } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { newSortableId, type OriginId, type RandomBytes, type TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { floeParameters, headerBytes } from '../crypto/floe.ts'
import type { Manifest } from '../crypto/manifest.ts'
import {
  createPartOpener,
  createPartSealer,
  partAssociatedData,
  type SealedPart,
  sealShort,
  segmentPlainBytes,
} from '../crypto/part-sealing.ts'
import type { BlobId, BlobStore, BlobWriter } from './blob-store.ts'
import type { Catalog, CatalogBatch, Put } from './catalog.ts'
import { packedBytes } from './packed-blob-store.ts'
import { claimSmall, type Place, readPlace, smallBytes } from './places.ts'

export interface SealTarget {
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly randomBytes: RandomBytes
}

export interface PartKey {
  readonly tenant: TenantId
  readonly origin: OriginId
  readonly dataKey: Uint8Array
}

export interface PlacedPart {
  readonly part: SealedPart
  readonly place: Place
  /** Goes into the batch that publishes the part. */
  readonly claim: Required<Pick<CatalogBatch, 'puts'>>
  /** For a part that ends up unpublished. */
  abandon(): Promise<void>
}

/** Content that is at hand in one piece. */
export async function sealWhole(
  target: SealTarget,
  key: PartKey,
  partNumber: number,
  content: Buffer,
): Promise<PlacedPart> {
  const associatedData = partAssociatedData(key.tenant, key.origin, partNumber)
  if (content.length <= segmentPlainBytes) {
    const { ciphertext, part } = sealShort(key.dataKey, associatedData, target.randomBytes, content)
    return placeSealed(target, [ciphertext], part)
  }
  const sealer = createPartSealer(key.dataKey, associatedData, target.randomBytes)
  const chunks = sealer.update(content)
  const { chunks: last, part } = sealer.finish()
  return placeSealed(target, [...chunks, ...last], part)
}

/**
 * Content that streams in. Ciphertext goes to a blob as soon as it is too long for the catalog; memory holds one
 * segment and what the disk has not taken yet. When `content` throws, nothing stays.
 */
export async function sealStream<End>(
  target: SealTarget,
  key: PartKey,
  partNumber: number,
  content: AsyncGenerator<Buffer, End>,
): Promise<{ placed: PlacedPart; end: End }> {
  const sealer = createPartSealer(
    key.dataKey,
    partAssociatedData(key.tenant, key.origin, partNumber),
    target.randomBytes,
  )
  let held: Buffer[] = []
  let heldBytes = 0
  let writer: BlobWriter | null = null
  try {
    for (;;) {
      const step = await content.next()
      if (step.done === true) {
        const { chunks, part } = sealer.finish()
        if (writer === null)
          return { placed: await placeSealed(target, [...held, ...chunks], part), end: step.value }
        await writer.write([...held, ...chunks])
        return { placed: placedBlob(target.blobs, writer.id, part, await writer.finish()), end: step.value }
      }
      for (const chunk of sealer.update(step.value)) {
        held.push(chunk)
        heldBytes += chunk.length
      }
      // What ends before is one blob among many, in a segment; what goes on is a file of its own.
      if (heldBytes >= (writer === null ? packedBytes : writeBytes)) {
        writer ??= await target.blobs.create()
        await writer.write(held)
        held = []
        heldBytes = 0
      }
    }
  } catch (error) {
    await writer?.abandon()
    throw error
  }
}

const writeBytes = 512 * 1024

async function placeSealed(
  target: SealTarget,
  chunks: readonly Buffer[],
  part: SealedPart,
): Promise<PlacedPart> {
  if (part.cipherBytes <= smallBytes) {
    const place: Place = { in: 'catalog', id: newSortableId(target.clock(), target.randomBytes) as BlobId }
    return {
      part,
      place,
      claim: { puts: [claimSmall(place, chunks.length === 1 ? chunks[0]! : concat(...chunks))] },
      abandon: async () => {},
    }
  }
  const writer = await target.blobs.create(part.cipherBytes)
  try {
    await writer.write(chunks)
    return placedBlob(target.blobs, writer.id, part, await writer.finish())
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

function placedBlob(blobs: BlobStore, id: BlobId, part: SealedPart, puts: Put[]): PlacedPart {
  return {
    part,
    place: { in: 'blobs', id },
    claim: { puts },
    abandon: async () => void (await blobs.remove(id)),
  }
}

/**
 * The plaintext of `[start, end)` of an object, in order. Reads and opens only the segments that the range touches.
 * Throws `sealed-damaged` before any byte of a segment that does not authenticate is given out.
 */
export async function* openObject(
  stores: { readonly catalog: Catalog; readonly blobs: BlobStore },
  manifest: Manifest,
  places: readonly Place[],
  dataKey: Uint8Array,
  start: number,
  end: number,
): AsyncGenerator<Buffer, void> {
  if (places.length !== manifest.parts.length) {
    throw new HoldfastError('sealed-damaged', 'the record names other parts than the manifest')
  }
  let partStart = 0
  for (const [index, part] of manifest.parts.entries()) {
    const partEnd = partStart + part.plainBytes
    if (partEnd > start && partStart < end) {
      const from = Math.max(0, start - partStart)
      const to = Math.min(part.plainBytes, end - partStart)
      const associatedData = partAssociatedData(manifest.tenant, manifest.origin, part.partNumber)
      yield* openPart(stores, part, places[index]!, dataKey, associatedData, from, to)
    }
    partStart = partEnd
    if (partStart >= end) return
  }
}

/**
 * The same for an object of one part that can be had in one piece, in one step: most objects are such, and a generator
 * in a generator costs them more than their decryption. `null` when the object is not such a one.
 */
export async function openShort(
  stores: { readonly catalog: Catalog; readonly blobs: BlobStore },
  manifest: Manifest,
  places: readonly Place[],
  dataKey: Uint8Array,
): Promise<Buffer | null> {
  const part = manifest.parts[0]
  const place = places[0]
  if (part === undefined || place === undefined || places.length !== 1 || manifest.parts.length !== 1)
    return null
  if (part.cipherBytes > shortBytes) return null
  const bytes = await readShort(stores, place, part.cipherBytes)
  if (bytes === null) return null
  const associatedData = partAssociatedData(manifest.tenant, manifest.origin, part.partNumber)
  const open = createPartOpener(dataKey, associatedData, bytes.subarray(0, headerBytes), part)
  const chunks = open(bytes.subarray(headerBytes))
  const plaintext = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  if (plaintext.length !== part.plainBytes) {
    throw new HoldfastError('sealed-damaged', 'the part ends before its manifest says')
  }
  return plaintext
}

/** Above it, the first bytes of an answer should not wait for the last ones to be opened. */
const shortBytes = 256 * 1024

async function readShort(
  { catalog, blobs }: { readonly catalog: Catalog; readonly blobs: BlobStore },
  { in: where, id }: Place,
  bytes: number,
): Promise<Uint8Array | null> {
  if (where === 'blobs') return blobs.readWhole(id, bytes)
  const found = await catalog.get('smallblobs', Buffer.from(id, 'latin1'))
  if (found === null) throw new HoldfastError('not-found', `small blob ${id} is not in the catalog`)
  if (found.length !== bytes) {
    throw new HoldfastError('store-damaged', `small blob ${id} has another length than its record says`)
  }
  return found
}

async function* openPart(
  stores: { readonly catalog: Catalog; readonly blobs: BlobStore },
  part: SealedPart,
  place: Place,
  dataKey: Uint8Array,
  associatedData: Uint8Array,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void> {
  const firstSegment = Math.floor(from / segmentPlainBytes)
  const lastSegment = Math.floor((to - 1) / segmentPlainBytes)
  // The header apart: what is read behind it then falls on segments, and none has to be put together from two reads.
  await using head = await readPlace(stores.catalog, stores.blobs, place, { start: 0, end: headerBytes })
  const header = await head.next()
  if (header === null) throw new HoldfastError('sealed-damaged', 'the part has no header')
  await using reader = await readPlace(stores.catalog, stores.blobs, place, {
    start: headerBytes + firstSegment * floeParameters.segmentBytes,
    end: Math.min(part.cipherBytes, headerBytes + (lastSegment + 1) * floeParameters.segmentBytes),
  })
  const open = createPartOpener(dataKey, associatedData, header, part, firstSegment)
  let at = firstSegment * segmentPlainBytes
  for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) {
    for (const plaintext of open(chunk)) {
      const segmentFrom = Math.max(0, from - at)
      const segmentTo = Math.min(plaintext.length, to - at)
      at += plaintext.length
      if (segmentTo > segmentFrom) yield plaintext.subarray(segmentFrom, segmentTo)
    }
  }
  if (at < to) throw new HoldfastError('sealed-damaged', 'the part ends before its manifest says')
}
