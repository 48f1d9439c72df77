import { existsSync, mkdirSync, statfsSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import {
  type Catalog,
  type CatalogBatch,
  demandSizes,
  type Row,
  type ScanRange,
  type Table,
  tables,
} from './catalog.ts'
import { syncUpwards } from './durable-file.ts'
import { createGroup, type DbOf, leastKey } from './lmdb-group.ts'

const formatKey = utf8('format')
const format = 'holdfast/catalog/v1'

export interface LmdbCatalog extends Catalog {
  /**
   * Copies what is committed now, of one moment and without what was deleted, to a file that is not there yet. Writers
   * go on meanwhile; what they free is not used again before the copy is done. Not synced.
   */
  snapshot(file: string): Promise<void>
  /** Processes other than this one that have it open and are alive. */
  otherUsers(): number[]
}

/** Into a pooled buffer, which costs less than one of its own to make and to collect. */
function pooledCopy(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}

/** Keys and values as bytes. The library's own `binary` makes a buffer for each that a scan reads. */
const tableEncoding = {
  encoding: 'binary',
  encoder: {
    encode: (value: Uint8Array) => value,
    // `length` of the library's buffer is the value's; its type does not say so.
    decode: (bytes: Buffer, length = bytes.length) => pooledCopy(bytes, 0, length),
  },
  keyEncoder: {
    writeKey(key: Uint8Array, target: Buffer, start: number): number {
      target.set(key, start)
      return start + key.length
    },
    readKey: pooledCopy,
  },
} as const

const pageBytes = 8192
/**
 * What LMDB must have left beside what a group can write: its own lists, and whatever else writes to this disk at that
 * moment. LMDB must not meet the end of a disk (see `endProcess`).
 */
const slackBytes = 8 << 20

interface Pending {
  readonly batch: CatalogBatch
  readonly settle: (held: boolean) => void
  readonly fail: (error: unknown) => void
}

/**
 * The embedded default: LMDB with `overlappingSync: false`, so a commit is visible only once it is on disk (with
 * overlapping sync the sequencer could sign an entry that a power cut takes back) and never `noSync`.
 *
 * Group commit: while one group is being synced, the batches that arrive wait and become the next group, which is one
 * transaction. Its checks run inside it, under LMDB's write lock, so several processes (and threads) can share a
 * catalog: each has its own groups, and they take turns.
 *
 * Crash points: before the group's sync, nothing of it is there; after, all of it. There is no third state.
 */
export async function openLmdbCatalog(path: string): Promise<LmdbCatalog> {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const isNew = !existsSync(`${path}/catalog.mdb`)
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  }
  if (isNew && freeBytes() < slackBytes) throw noRoom()
  const root = open({
    path: `${path}/catalog.mdb`,
    overlappingSync: false,
    keyEncoding: 'binary',
    encoding: 'binary',
    maxDbs: tables.length + 4,
    pageSize: pageBytes,
    noMemInit: true,
    // Address space, not memory or disk: the map is grown by the library up to this.
    mapSize: 2 ** 40,
  })
  const dbs = new Map(tables.map(name => [name, root.openDB<Uint8Array, Uint8Array>(name, tableEncoding)]))
  const db = (table: Table): Database<Uint8Array, Uint8Array> => dbs.get(table)!
  await claimFormat(root, db('meta'))
  // LMDB syncs the file and never its name.
  if (isNew) syncUpwards(resolve(path))

  let queue: Pending[] = []
  let running: Promise<void> | null = null
  let closed = false
  const snapshots = new Set<Promise<void>>()

  const pump = async (): Promise<void> => {
    // Let the requests that this turn of the loop still holds join the first group.
    await new Promise(resolve => setImmediate(resolve))
    while (queue.length > 0) {
      const takeGroup = (): readonly Pending[] => {
        const group = queue
        queue = []
        return group
      }
      await writeGroup(root, db, takeGroup, group => freeBytes() >= slackBytes + growthOf(group))
    }
    running = null
  }

  /**
   * The library reads from one snapshot for a millisecond and more, in which another process may have committed, and
   * answered its client, who asks here next. So each turn begins with a snapshot of its own.
   */
  let isFresh = false
  const age = (): void => {
    isFresh = false
  }
  const refresh = (): void => {
    if (isFresh) return
    root.resetReadTxn()
    isFresh = true
    process.nextTick(age)
  }

  return {
    async get(table, key) {
      refresh()
      // The library's one buffer for values, good until the next read.
      const value = db(table).getBinaryFast(key) as Buffer | undefined
      return value === undefined ? null : pooledCopy(value, 0, value.length)
    },

    async scan(table, range) {
      refresh()
      return scanRows(db(table), range)
    },

    commit(batch) {
      if (closed) return Promise.reject(new HoldfastError('shutting-down', 'the catalog is closed'))
      try {
        demandSizes(batch)
      } catch (error) {
        return Promise.reject(error)
      }
      return new Promise<boolean>((settle, fail) => {
        queue.push({ batch, settle, fail })
        running ??= pump()
      })
    },

    async snapshot(file) {
      // Asked of a closed environment, the library takes the process down.
      if (closed) throw new HoldfastError('shutting-down', 'the catalog is closed')
      const copying = root.backup(file, true)
      snapshots.add(copying)
      await copying.finally(() => snapshots.delete(copying))
    },

    otherUsers() {
      // Those who died without a word are taken off the list first.
      root.readerCheck()
      const pids = [...root.readerList().matchAll(/^ *(\d+) /gm)].map(([, pid]) => Number(pid))
      return [...new Set(pids)].filter(pid => pid !== process.pid)
    },

    async [Symbol.asyncDispose]() {
      closed = true
      await running
      // Closed under it, it takes the process down, too.
      await Promise.allSettled(snapshots)
      await root.close()
    },
  }
}

async function claimFormat(root: RootDatabase, meta: Database<Uint8Array, Uint8Array>): Promise<void> {
  const found = meta.get(formatKey)
  if (found === undefined) {
    await meta.put(formatKey, utf8(format))
    await root.flushed
    return
  }
  if (fromUtf8(found) !== format) {
    await root.close()
    throw new HoldfastError(
      'format-unknown',
      `catalog has format ${fromUtf8(found)}; this version reads ${format}`,
    )
  }
}

/** At most: each row may need a page of its own, and one above it. */
function growthOf(group: readonly Pending[]): number {
  let bytes = 0
  for (const { batch } of group) {
    const { puts = [], removes = [], adds = [] } = batch
    bytes += (puts.length + removes.length + adds.length) * 2 * pageBytes
    for (const { value } of puts) bytes += value.length
  }
  return bytes
}

/**
 * One transaction. Its callback runs while this process has LMDB's write lock, so what it reads is what no other
 * process can change before the commit; reads in it see what it wrote so far. The group is taken only then: what came
 * while another process had the lock shares its sync.
 */
async function writeGroup(
  root: RootDatabase,
  db: DbOf,
  takeGroup: () => readonly Pending[],
  hasRoom: (group: readonly Pending[]) => boolean,
): Promise<void> {
  let group: readonly Pending[] = []
  let fits = true
  const held: Pending[] = []
  const refused: Pending[] = []
  try {
    await root.transaction(() => {
      group = takeGroup()
      fits = hasRoom(group)
      // Nothing is written then, and the transaction is none.
      if (!fits) return
      const applied = createGroup(db)
      for (const pending of group) (applied.apply(pending.batch) ? held : refused).push(pending)
      applied.finish()
    })
  } catch (error) {
    if (error instanceof Error && 'commitError' in error) endProcess()
    const failure = new HoldfastError('store-damaged', 'the catalog could not commit', {}, error)
    // A transaction that could not even begin has taken nobody: whoever waits is told as well.
    for (const pending of group.length > 0 ? group : takeGroup()) pending.fail(failure)
    return
  }
  if (!fits) for (const pending of group) pending.fail(noRoom())
  for (const pending of held) pending.settle(true)
  for (const pending of refused) pending.settle(false)
}

function noRoom(): HoldfastError {
  return new HoldfastError('store-full', 'the disk is full')
}

/**
 * After a write that the system refused, LMDB has the transaction undone; but the library prints its message into too
 * little memory (3.5.6: `malloc(100)`), and nothing in this process can be relied upon from then on. Nobody has been
 * told that anything was held. As after `kill -9`, the next start finds all of the group or nothing.
 */
function endProcess(): never {
  writeSync(2, 'holdfast: the disk refused a write of the catalog; the process ends, to be started again\n')
  // Not `exit`, which ends a thread alone, and runs what can no longer be relied upon.
  process.kill(process.pid, 'SIGKILL')
  throw new Error('killed')
}

function scanRows(db: Database<Uint8Array, Uint8Array>, range: ScanRange): Row[] {
  const { from, to, limit, reverse = false } = range
  const rows: Row[] = []
  if (limit <= 0) return rows
  if (!reverse) {
    const options = { limit, start: from ?? leastKey, ...(to && { end: to }), snapshot: true }
    for (const { key, value } of db.getRange(options as never)) rows.push({ key, value })
    return rows
  }
  // In reverse, lmdb's `start` is the upper bound and inclusive; ours is exclusive, so one more row may be read.
  const options = { limit: limit + 1, reverse: true, ...(to && { start: to }), end: from ?? leastKey }
  for (const { key, value } of db.getRange(options as never)) {
    if (to !== undefined && Buffer.compare(key, to) >= 0) continue
    if (rows.length < limit) rows.push({ key, value })
  }
  // `end` is exclusive in lmdb, our lower bound is inclusive.
  if (from !== undefined && rows.length < limit) {
    const value = db.get(from as never)
    if (value !== undefined && (to === undefined || Buffer.compare(from, to) < 0))
      rows.push({ key: from, value })
  }
  return rows
}
