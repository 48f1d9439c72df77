import { mkdirSync } from 'node:fs'
import { type FileHandle, open, opendir, rename, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { newSortableId, type RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { type BlobId, type BlobStore, type BlobWriter, parseBlobId } from './blob-store.ts'
import { isMissing, storeFault, syncUpwards } from './durable-file.ts'
import { createFileReader, type ReadBuffers } from './file-reader.ts'
import { dropBytes } from './segment-writer.ts'

const fanOut = 256

/**
 * One file a blob, in 256 folders by the last characters of its id (the random end, so they fill evenly).
 *
 * A blob is written as `<id>.part`, synced, renamed, and its folder synced. Crash points: before the rename a
 * `.part` file is left, which `sweep` removes at start-up; between rename and the catalog's commit a blob is left
 * that no row names, which `fsck` lists. Neither can be mistaken for stored data.
 */
export type FileBlobStore = BlobStore & { sweep(): Promise<number> }

export function createFileBlobStore(
  folder: string,
  clock: Clock,
  randomBytes: RandomBytes,
  buffers: ReadBuffers,
): FileBlobStore {
  let made = false
  for (let i = 0; i < fanOut; i++) {
    const home = join(folder, i.toString(16).padStart(2, '0'))
    made = mkdirSync(home, { recursive: true, mode: 0o700 }) !== undefined || made
  }
  if (made) syncUpwards(resolve(folder))
  const folders = createFolderSync()

  const folderOf = (id: BlobId): string => join(folder, blobFolder(id))

  return {
    async create() {
      const id = newSortableId(clock(), randomBytes) as BlobId
      const home = folderOf(id)
      const path = join(home, id)
      const handle = await open(`${path}.part`, 'wx', 0o600)
      return fileWriter(id, home, path, handle, folders)
    },

    async read(id, { start, end }) {
      let handle: FileHandle
      try {
        handle = await open(join(folderOf(id), id), 'r')
      } catch (error) {
        // Too many open files, say, is no word on whether it is there.
        if (!isMissing(error)) throw error
        throw new HoldfastError('not-found', `blob ${id} is not in the store`, { id }, error)
      }
      return createFileReader({ id, handle, start, end, buffers, close: () => handle.close() })
    },

    async remove(id) {
      await unlink(join(folderOf(id), id)).catch(ignoreMissing)
      return { removes: [{ table: 'blobs', key: utf8(id) }] }
    },

    readWhole: async () => null,

    async *list() {
      for (let i = 0; i < fanOut; i++) {
        const home = join(folder, i.toString(16).padStart(2, '0'))
        for await (const entry of await opendir(home)) {
          const id = parseBlobId(entry.name)
          if (id === null) continue
          const file = await stat(join(home, entry.name)).catch(ignoreMissing)
          if (file !== undefined) yield { id, bytes: file.size }
        }
      }
    },

    /** Removes what a crash left half written; called before the first write. Returns how many. */
    async sweep() {
      let swept = 0
      for (let i = 0; i < fanOut; i++) {
        const home = join(folder, i.toString(16).padStart(2, '0'))
        for await (const entry of await opendir(home)) {
          if (!entry.name.endsWith('.part')) continue
          await unlink(join(home, entry.name))
          swept++
        }
      }
      return swept
    },
  }
}

/** Which of the 256 folders a blob's file is in. */
export function blobFolder(id: BlobId): string {
  let hash = 0
  for (let i = id.length - 4; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) % fanOut
  return hash.toString(16).padStart(2, '0')
}

function fileWriter(
  id: BlobId,
  home: string,
  path: string,
  handle: FileHandle,
  folders: FolderSync,
): BlobWriter {
  let at = 0
  let open = true
  let syncedTo = 0
  let syncing: Promise<void> | null = null
  let fault: unknown = null

  /** Beside what is still to come: the sync at the end then has little left, and the disk is never idle before it. */
  const syncAhead = (): void => {
    if (syncing !== null || at - syncedTo < syncAheadBytes) return
    syncedTo = at
    syncing = handle.datasync().then(
      () => {
        syncing = null
      },
      error => {
        fault = error
        syncing = null
      },
    )
  }

  return {
    id,

    async write(chunks) {
      let bytes = 0
      for (const chunk of chunks) bytes += chunk.length
      if (bytes === 0) return
      // writev may write less than it was given (a nearly full disk); what is left is written again.
      let rest: readonly Uint8Array[] = chunks
      while (bytes > 0) {
        const { bytesWritten } = await handle.writev(rest as Uint8Array[], at).catch(storeFault)
        at += bytesWritten
        bytes -= bytesWritten
        if (bytes > 0) rest = dropBytes(rest, bytesWritten)
      }
      syncAhead()
    },

    async finish() {
      await syncing
      // A kernel tells of a failed write-back once, to whoever syncs first.
      if (fault !== null) storeFault(fault)
      await handle.datasync().catch(storeFault)
      await handle.close()
      open = false
      await rename(`${path}.part`, path)
      await folders.sync(home)
      return [{ table: 'blobs', key: utf8(id), value: utf8(String(at)) }]
    },

    async abandon() {
      if (!open) return
      open = false
      await syncing
      await handle.close()
      await unlink(`${path}.part`).catch(ignoreMissing)
    },
  }
}

interface FolderSync {
  sync(folder: string): Promise<void>
}

const syncAheadBytes = 8 << 20

/** Many files that appear in one folder at once share its sync: a caller joins the first sync that starts after it. */
function createFolderSync(): FolderSync {
  const running = new Map<string, { current: Promise<void>; next: Promise<void> | null }>()
  const syncOnce = async (folder: string): Promise<void> => {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
  const sync = (folder: string): Promise<void> => {
    const state = running.get(folder)
    if (state !== undefined) {
      state.next ??= state.current.catch(() => {}).then(() => sync(folder))
      return state.next
    }
    const current = syncOnce(folder).finally(() => running.delete(folder))
    running.set(folder, { current, next: null })
    return current
  }
  return { sync }
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
