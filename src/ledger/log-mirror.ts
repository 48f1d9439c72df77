/**
 * Copies a public log to a depot: tiles and bundles first, the checkpoint that needs them after, so that no reader
 * sees a checkpoint without its tiles. Reads what is published and nothing else, and so holds up nobody.
 *
 * Crash points: before the checkpoint, resources are there that nothing names yet, and the next step finds the full
 * ones; after it, partial tiles may be left that the full ones have replaced, which harm nobody.
 */
import { equalBytes, fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Depot, DepotHeaders } from '../store/depot.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { checkpointPath, tilePath, tileWidth, tileWidthAt, witnessedPath } from '../verify/tile-path.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { earlierRoot } from './earlier-root.ts'
import { type LogKeyHistory, printKeyHistory } from './log-keys.ts'
import { type PublishedCheckpoint, readPublished } from './published-log.ts'
import type { TileStore } from './tile-store.ts'
import { createTreeReader } from './tree-reader.ts'

export interface LogMirrorDeps {
  readonly tiles: Pick<TileStore, 'read'>
  /** Its keys over time. */
  readonly keys: LogKeys
  /** Copied once there is a rotation, so that readers of the copy can follow it. */
  readonly history?: LogKeyHistory
  readonly crypto: VerifyCrypto
  readonly depot: Depot
}

export interface LogMirror {
  /**
   * Copies what is published now and not there yet. Not twice at once. Rejects with a `MirrorFault` when what is at the
   * copy must not be written over; that is for a person to look at. Anything else may pass. A first copy may take hours:
   * `stopping` ends it between two files, and the next step goes on from there.
   */
  step(stopping?: AbortSignal): Promise<MirrorState>
}

/** `fork`: a checkpoint by this log's key that is newer or of another tree. `foreign`: none of this log. */
export class MirrorFault extends HoldfastError {
  readonly kind: 'fork' | 'foreign'

  constructor(kind: 'fork' | 'foreign', message: string) {
    super('conflict', message)
    this.kind = kind
  }
}

export interface MirrorState {
  /** Size of the tree whose checkpoint is at the copy now. */
  readonly size: number
  readonly copied: number
}

const tileHeaders: DepotHeaders = {
  contentType: 'application/octet-stream',
  cacheControl: 'public, max-age=31536000, immutable',
}
const checkpointHeaders: DepotHeaders = {
  contentType: 'text/plain; charset=utf-8',
  cacheControl: 'no-cache',
}

const keysHeaders: DepotHeaders = { contentType: 'application/json', cacheControl: 'no-cache' }

const parallelPuts = 8
const partialsGone = Symbol('partials gone')

export function createLogMirror({ tiles, keys, history, crypto, depot }: LogMirrorDeps): LogMirror {
  /** What is at the copy; `null`: it was not looked at yet. */
  let there: { readonly note: string | null; readonly size: number } | null = null
  let witnessed = ''
  let hasKeys = history === undefined || history.rotations.length === 0
  /** By `entries` or level: full resources below it are at the copy. Kept over steps that failed. */
  const full = new Map<number | 'entries', number>()

  /** `null`: `own` is not the newest any more. */
  const look = async (own: PublishedCheckpoint): Promise<{ note: string | null; size: number } | null> => {
    const bytes = await depot.get(checkpointPath)
    if (bytes === null) return { note: null, size: 0 }
    const note = fromUtf8(bytes)
    const checkpoint = openCheckpoint(note, keys, crypto)
    if (typeof checkpoint === 'string')
      throw new MirrorFault('foreign', `${depot.name} has something else at checkpoint: ${checkpoint}`)
    const { size, root } = checkpoint
    if (size > own.size) {
      // A copy that another process makes, `log copy` say, may have what was published since.
      const now = (await readPublished(tiles, keys, crypto))?.size ?? 0
      if (size <= now) return null
      throw new MirrorFault(
        'fork',
        `${depot.name} has a checkpoint over ${size} entries by this log’s key, and here ${now} are published`,
      )
    }
    // A log that was turned back need not have had a tree of that size, nor the partial tiles of one.
    const reader = createTreeReader(tiles, own.size, crypto)
    if (!equalBytes(await earlierRoot(reader, size, crypto), root))
      throw new MirrorFault(
        'fork',
        `${depot.name} has a checkpoint by this log’s key over another tree of ${size} entries`,
      )
    return { note, size }
  }

  return {
    async step(stopping) {
      for (let last = ''; ; ) {
        const own = await readPublished(tiles, keys, crypto)
        if (own === null) return { size: 0, copied: 0 }
        // Each time anew before the checkpoint is replaced: somebody else may have written there meanwhile.
        if (there?.note === own.note) {
          await copyWitnessed(own.size)
          return { size: own.size, copied: 0 }
        }
        const isFirst = there === null
        const from = await look(own)
        if (from === null) continue
        there = from
        if (from.note === own.note) return { size: own.size, copied: 0 }
        const copied = await copyResources(own.size, from.size, isFirst, stopping)
        // Its partial tiles were dropped meanwhile, because the log has grown: there is a newer checkpoint by now.
        if (copied === partialsGone) {
          if (own.note === last) throw new HoldfastError('store-damaged', 'a partial tile is missing')
          last = own.note
          continue
        }
        if (!hasKeys) await depot.put('keys', utf8(`${printKeyHistory(history!)}\n`), keysHeaders)
        hasKeys = true
        await depot.sync()
        await depot.put(checkpointPath, utf8(own.note), checkpointHeaders)
        await depot.sync()
        there = { note: own.note, size: own.size }
        await copyWitnessed(own.size)
        await dropPartials(from.size, own.size)
        return { size: own.size, copied }
      }
    },
  }

  /** Of a tree that is at the copy already, so that its readers can look into it. */
  async function copyWitnessed(size: number): Promise<void> {
    const bytes = await tiles.read(witnessedPath)
    if (bytes === null) return
    const note = fromUtf8(bytes)
    const checkpoint = openCheckpoint(note, keys, crypto)
    if (note === witnessed || typeof checkpoint === 'string' || checkpoint.size > size) return
    await depot.put(witnessedPath, bytes, checkpointHeaders)
    await depot.sync()
    witnessed = note
  }

  async function copyResources(
    size: number,
    fromSize: number,
    isFirst: boolean,
    stopping: AbortSignal | undefined,
  ): Promise<number | typeof partialsGone> {
    let copied = 0
    for (const [level, bottom] of levelsOf(size)) {
      const count = Math.floor(size / tileWidth ** (bottom + 1))
      const begin = Math.max(full.get(level) ?? 0, Math.floor(fromSize / tileWidth ** (bottom + 1)))
      const waiting = numbers(begin, count)
      const worker = async (): Promise<void> => {
        for (const index of waiting) {
          stopping?.throwIfAborted()
          const path = tilePath(level, index, tileWidth)
          const bytes = await tiles.read(path)
          if (bytes === null) throw new HoldfastError('store-damaged', `${path} is missing`)
          // After a start it is not known how far the one before came.
          if (isFirst && (await depot.find(path, false))?.bytes === bytes.length) continue
          await depot.put(path, bytes, tileHeaders)
          copied++
        }
      }
      const workers = Array.from({ length: parallelPuts }, worker)
      await Promise.allSettled(workers)
      await Promise.all(workers)
      full.set(level, count)
      const width = tileWidthAt(bottom, count, size)
      if (width === 0) continue
      const path = tilePath(level, count, width)
      const bytes = await tiles.read(path)
      if (bytes === null) return partialsGone
      await depot.put(path, bytes, tileHeaders)
      copied++
    }
    return copied
  }

  /** Those of tiles that are full now: there was one a level at most that was not. */
  async function dropPartials(fromSize: number, size: number): Promise<void> {
    for (const [level, bottom] of levelsOf(fromSize)) {
      const index = Math.floor(fromSize / tileWidth ** (bottom + 1))
      if (index >= Math.floor(size / tileWidth ** (bottom + 1))) continue
      const folder = `${tilePath(level, index, tileWidth)}.p/`
      for await (const { path } of depot.list(folder)) await depot.remove(path)
    }
  }
}

/** The levels that a tree has tiles at, with what each counts in; bundles count as level 0 does. */
function levelsOf(size: number): (readonly [level: number | 'entries', bottom: number])[] {
  const levels: (readonly [number | 'entries', number])[] = [['entries', 0]]
  for (let level = 0; size >= tileWidth ** level && size > 0; level++) levels.push([level, level])
  return levels
}

function* numbers(from: number, to: number): Generator<number, void> {
  for (let number = from; number < to; number++) yield number
}
