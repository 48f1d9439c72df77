/**
 * Gives the space of dead records back: of a segment that takes no more and is a quarter dead, what lives is appended
 * to another one, and the old file is unlinked once nobody can be reading it. Runs in one process of a region.
 *
 * Crash points: after the append and before its commit, the copies are garbage and the old places hold. After the
 * commit of some, those have moved and the rest moves at the next run. After the mark and before the unlink, the next
 * run unlinks.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import type { Clock } from '../core/time.ts'
import { isHeld } from './backup-hold.ts'
import type { BlobId } from './blob-store.ts'
import { type Catalog, type CatalogBatch, decodeCounters, prefixEnd, type Row } from './catalog.ts'
import { decodeLocation, doneKey, locationRows } from './packed-blob-store.ts'
import { type SegmentFiles, type SegmentId, segmentHeaderBytes, writerOf } from './segment-files.ts'
import type { SegmentWriter } from './segment-writer.ts'

export interface CompactionDeps {
  readonly catalog: Catalog
  readonly segments: SegmentFiles
  /** Appends what lives; its segments are compacted in their turn. */
  readonly writer: SegmentWriter
  /** Writers of processes that live: their last segment may still grow. */
  readonly liveWriters: () => ReadonlySet<string>
  readonly clock: Clock
  /** How long a segment stays after its last record moved: readers that looked before are done by then. */
  readonly graceMs: number
}

export interface CompactionReport {
  readonly compacted: number
  readonly removed: number
  readonly movedBytes: number
}

/** With a quarter dead at most, a store takes no more than 4/3 of its live bytes, and moves each byte about three times. */
const deadShare = 0.25
/** So many records, of a mebibyte at most each, are in memory at once. */
const pageRows = 16

export async function compactSegments(deps: CompactionDeps): Promise<CompactionReport> {
  const { catalog, segments } = deps
  let compacted = 0
  let removed = 0
  let movedBytes = 0
  for (const segment of closedSegments(await segments.list(), deps.liveWriters())) {
    const done = await catalog.get('segments', doneKey(segment))
    if (done !== null) {
      if (deps.clock() - Number(fromUtf8(done)) < deps.graceMs) continue
      // After the mark was read: a hold that comes later is of a snapshot that names the segment no more.
      if (await isHeld(catalog, deps.clock())) continue
      await segments.remove(segment)
      await catalog.commit({ removes: [{ table: 'segments', key: utf8(segment) }] })
      removed++
      continue
    }
    const [deadBytes = 0] = decodeCounters(await catalog.get('segments', utf8(segment)))
    const [first] = await recordsOf(catalog, segment, 1)
    if (first !== undefined && deadBytes < deadShare * (await sizeOf(segments, segment))) continue
    movedBytes += await moveLive(deps, segment)
    // Conditional on the very thing: a record that was claimed meanwhile keeps its segment.
    const marked = await catalog.commit({
      checks: [{ table: 'packed', emptyPrefix: utf8(segment) }],
      puts: [{ table: 'segments', key: doneKey(segment), value: utf8(String(deps.clock())) }],
    })
    if (marked) compacted++
  }
  return { compacted, removed, movedBytes }
}

/** At a start, before anybody writes: no claim can be under way, so the marks of what is gone have done their duty. */
export async function forgetRemovedSegments(catalog: Catalog, segments: SegmentFiles): Promise<void> {
  const there = new Set<string>(await segments.list())
  for (let from: Uint8Array | undefined; ; ) {
    const rows = await catalog.scan('segments', { limit: 500, ...(from && { from }) })
    const stale = rows.filter(({ key }) => !there.has(fromUtf8(key).split('/', 1)[0]!))
    if (stale.length > 0)
      await catalog.commit({ removes: stale.map(({ key }) => ({ table: 'segments' as const, key })) })
    if (rows.length < 500) return
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}

/** All but the last one of each writer that lives. */
function closedSegments(all: readonly SegmentId[], live: ReadonlySet<string>): SegmentId[] {
  const last = new Map<string, SegmentId>()
  for (const segment of all) {
    const writer = writerOf(segment)
    if (live.has(writer) && segment > (last.get(writer) ?? '')) last.set(writer, segment)
  }
  const open = new Set(last.values())
  return all.filter(segment => !open.has(segment))
}

async function moveLive(deps: CompactionDeps, segment: SegmentId): Promise<number> {
  let moved = 0
  const { catalog, segments, writer } = deps
  const handle = await segments.open(segment)
  try {
    for (let from: Uint8Array | undefined; ; ) {
      const rows = await recordsOf(catalog, segment, pageRows, from)
      if (rows.length === 0) return moved
      const steps = rows.map(async ({ key, value }): Promise<number> => {
        const id = fromUtf8(value) as BlobId
        const row = await catalog.get('blobs', utf8(id))
        if (row === null) return 0
        const { bytes, place } = decodeLocation(row)
        if (place === null || place.segment !== segment) return 0
        const record = Buffer.allocUnsafe(bytes)
        const { bytesRead } = await handle.read(record, 0, bytes, place.at)
        // A short read here is damage; scrub and fsck say so. The record is left where it is, and so is its segment.
        if (bytesRead !== bytes) return 0
        const to = await writer.append(id, [record])
        const batch: CatalogBatch = {
          checks: [{ table: 'blobs', key: utf8(id), expected: row }],
          removes: [{ table: 'packed', key }],
          puts: locationRows(id, { bytes, place: to }),
        }
        return (await catalog.commit(batch)) ? bytes : 0
      })
      for (const bytes of await Promise.all(steps)) moved += bytes
      from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
    }
  } finally {
    await handle.close()
  }
}

function recordsOf(catalog: Catalog, segment: SegmentId, limit: number, from?: Uint8Array): Promise<Row[]> {
  const prefix = utf8(segment)
  return catalog.scan('packed', { from: from ?? prefix, to: prefixEnd(prefix)!, limit })
}

async function sizeOf(segments: SegmentFiles, segment: SegmentId): Promise<number> {
  const handle = await segments.open(segment)
  try {
    return Math.max(segmentHeaderBytes, (await handle.stat()).size)
  } finally {
    await handle.close()
  }
}
