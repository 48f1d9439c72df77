/**
 * Segments, one after another, into Parquet.
 *
 * Crash points: before the commit, the segment is decoded again from the state of the commit before it, and its files
 * are replaced by equal ones; after it, the segment is only taken away. What fails (a full disk) is done again from the
 * same commit, so a failure and a crash are one thing.
 */
import { link, mkdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { isMissing, syncFolder } from '../../store/durable-file.ts'
import { createExportDecoder, type ExportDecoder } from '../decode/export-decoder.ts'
import { type InputNotes, Notes } from '../decode/notes.ts'
import { latestUnixMs } from '../decode/timestamps.ts'
import { Duck } from '../engine/duck.ts'
import type { FlowRecord } from '../flow-record.ts'
import { readCapture } from './capture-reader.ts'
import { agrees } from './clock-trust.ts'
import { type Commit, type ExporterCounts, readCommit, writeCommit } from './commit.ts'
import { restoreInto, snapshotOf } from './decoder-snapshot.ts'
import { hoursOf, rangePath, segmentPath } from './folder.ts'
import { headerUnixMs } from './header-time.ts'
import { addNotes, noNotes, notesSince } from './note-counts.ts'
import { createRawPacker, elsewhere } from './raw-columns.ts'
import { dropRawTable, openRawTable, type RawTable, spellAddresses, writeRawHour } from './raw-parquet.ts'

const maxReasons = 20_000
const maxExporters = 10_000
const otherExporters = 'others'

export type SegmentDecoder = AsyncDisposable & {
  readonly commit: () => Commit
  /** The engine, for what else is done with it between segments. */
  readonly duck: Duck
  /** Rejects when the segment could not be written; it can be asked for again. */
  readonly decode: (segment: number) => Promise<void>
  /** Keeps a segment that cannot be decoded out of the way, and goes on after it. */
  readonly setAside: (segment: number) => Promise<void>
}

type Learned = {
  readonly decoder: ExportDecoder
  readonly notes: Notes
  /** What the notes said when the decoder was made: that was counted before. */
  readonly before: InputNotes
  readonly exporters: Map<string, { datagrams: number; records: number; lastUnixMs: number }>
}

export async function openSegmentDecoder(options: {
  readonly folder: string
  readonly memoryMiB: number
  readonly threads: number
}): Promise<SegmentDecoder> {
  const { folder } = options
  const work = join(folder, 'work')
  // Of a run that was killed.
  await rm(work, { recursive: true, force: true })
  await mkdir(work, { recursive: true, mode: 0o700 })
  let commit = await readCommit(folder)
  const duck = await Duck.open({ ...options, folder: work, inMemory: true })
  let learned: Learned | null = null
  let table: RawTable | null = null
  const packer = createRawPacker((columns, rows) => table!.append(columns, rows))

  const decodeInto = async (segment: number, known: Learned): Promise<Commit> => {
    const bytes = await readFile(segmentPath(folder, segment))
    const { decoder, notes, exporters } = known
    packer.reset()
    table = await openRawTable(duck)
    let lastArrivedUnixMs = commit.lastArrivedUnixMs
    let arrivedUnixMs = 0
    let agreedUnixMs = commit.agreedUnixMs ?? null
    const { datagrams, damagedFrames } = readCapture(bytes, (payload, exporter, unixMs) => {
      arrivedUnixMs = Math.min(unixMs, latestUnixMs)
      lastArrivedUnixMs = arrivedUnixMs
      const sentUnixMs = headerUnixMs(payload)
      if (sentUnixMs !== null && agrees(sentUnixMs, arrivedUnixMs)) agreedUnixMs = sentUnixMs
      const before = packer.rows()
      let records: readonly FlowRecord[] = []
      try {
        records = decoder.decode(payload, exporter, arrivedUnixMs)
      } catch (error) {
        // One datagram must not keep the others from being read, whatever it is.
        notes.unread(
          `datagram at which the decoder failed (${messageOf(error).slice(0, 80)})`,
          payload.length,
        )
      }
      // Where the engine takes no rows, no datagram is at fault: the segment is to be decoded again.
      packer.add(records, arrivedUnixMs)
      count(exporters, exporter, packer.rows() - before, arrivedUnixMs)
    })
    packer.add(decoder.cut(), arrivedUnixMs)
    packer.flush()
    if (damagedFrames > 0) notes.unread('capture: damaged frame (its checksum differs)', 0, damagedFrames)
    if (packer.unreadable() > 0) notes.unread('record whose addresses make no sense', 0, packer.unreadable())
    const noted = addNotes(known.before, notes.summary())
    const fresh = addNotes(commit.carried, notesSince(commit.notes, noted))
    const rows = packer.rows()
    if (rows > 0) await writeHours(segment, fresh)
    return {
      ...commit,
      through: segment,
      datagrams: commit.datagrams + datagrams,
      records: commit.records + rows,
      lastArrivedUnixMs,
      ...(agreedUnixMs === null ? {} : { agreedUnixMs }),
      notes: noted,
      carried: rows > 0 ? noNotes : fresh,
      exporters: [...exporters].map(([exporter, counts]) => ({ exporter, ...counts })),
      decoder: snapshotOf(decoder),
    }
  }

  /** The notes stand in the file of the hour that has most of the rows. */
  const writeHours = async (segment: number, notes: InputNotes): Promise<void> => {
    await spellAddresses(duck)
    const hours = [...packer.hours].sort((a, b) => b[1] - a[1])
    for (const [index, [hour]] of hours.entries()) {
      const path = rangePath(folder, 'raw', hour === elsewhere ? null : hour, {
        from: segment,
        through: segment,
      })
      await writeRawHour(duck, path, hours.length === 1 ? null : hour, index === 0 ? notes : noNotes)
    }
  }

  const finish = async (next: Commit): Promise<void> => {
    await writeCommit(folder, next)
    commit = next
    await removeSegment(folder, next.through)
  }

  return {
    duck,
    commit: () => commit,
    async decode(segment) {
      if (segment <= commit.through) {
        await removeSegment(folder, segment)
        return
      }
      learned ??= learnAgain(commit)
      try {
        await finish(await decodeInto(segment, learned))
      } catch (error) {
        // What it learned of the segment must not be learned twice.
        if (commit.through < segment) learned = null
        throw error
      } finally {
        await dropRawTable(duck)
        table = null
      }
    },
    async setAside(segment) {
      if (segment <= commit.through) {
        await removeSegment(folder, segment)
        return
      }
      const bytes = await readFile(segmentPath(folder, segment))
      const { datagrams } = readCapture(bytes, () => {})
      for (const hour of await hoursOf(folder, 'raw'))
        await rm(rangePath(folder, 'raw', hour, { from: segment, through: segment }), { force: true })
      await keepFailed(folder, segment)
      learned = null
      const { failedSegments, failedDatagrams } = commit
      await finish({
        ...commit,
        through: segment,
        failedSegments: failedSegments + 1,
        failedDatagrams: failedDatagrams + datagrams,
      })
    },
    [Symbol.asyncDispose]: () => duck[Symbol.asyncDispose](),
  }
}

/** Under a second name before the first is taken away: it is all that there is of its datagrams. */
async function keepFailed(folder: string, segment: number): Promise<void> {
  const failed = join(folder, 'failed')
  await mkdir(failed, { recursive: true, mode: 0o700 })
  const path = segmentPath(folder, segment)
  await link(path, join(failed, basename(path))).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await syncFolder(failed)
}

function learnAgain(commit: Commit): Learned {
  const notes = new Notes(maxReasons)
  const decoder = createExportDecoder(notes)
  if (commit.decoder !== null) restoreInto(decoder, notes, commit.decoder)
  const exporters = new Map(
    commit.exporters.map(({ exporter, ...counts }: ExporterCounts) => [exporter, counts]),
  )
  return { decoder, notes, before: commit.notes, exporters }
}

function count(exporters: Learned['exporters'], exporter: string, records: number, unixMs: number): void {
  const key = exporters.has(exporter) || exporters.size < maxExporters ? exporter : otherExporters
  const counts = exporters.get(key)
  if (counts === undefined) exporters.set(key, { datagrams: 1, records, lastUnixMs: unixMs })
  else {
    counts.datagrams += 1
    counts.records += records
    counts.lastUnixMs = unixMs
  }
}

async function removeSegment(folder: string, segment: number): Promise<void> {
  await rm(segmentPath(folder, segment)).catch(error => {
    if (!isMissing(error)) throw error
  })
}
