import { open, readFile, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolderDurable, syncFolder, writeFileDurable } from '../store/durable-file.ts'
import { checkpointPath, isLogResource } from '../verify/tile-path.ts'
import type { TileResource, TileStore } from './tile-store.ts'

/** Enough to keep the disk's queue busy; more only fills Node's pool of file threads. */
const parallelWrites = 8

/**
 * Files under one folder, laid out as they are served. A batch costs one sync a file and one a folder: the renames
 * of a folder become durable together.
 *
 * Crash points of `writeTiles`: before a rename, a temporary file is left that nobody reads (the next write of that
 * resource replaces it); between renames, some resources are there and no checkpoint names them yet.
 */
export function createFileTileStore(folder: string): TileStore {
  return {
    async writeTiles(resources) {
      const folders = new Set(resources.map(({ path }) => dirname(join(folder, path))))
      for (const each of folders) await makeFolderDurable(each)
      const waiting = resources.values()
      const worker = async (): Promise<void> => {
        for (const resource of waiting) await writeRenamed(folder, resource)
      }
      await Promise.all(Array.from({ length: parallelWrites }, worker))
      await Promise.all(Array.from(folders, syncFolder))
    },

    publish: (checkpoint, path = checkpointPath) => writeFileDurable(join(folder, path), checkpoint),

    async read(path) {
      if (!isLogResource(path)) return null
      try {
        return await readFile(join(folder, path))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },

    async dropPartials(fullPaths) {
      for (const path of fullPaths) await rm(join(folder, `${path}.p`), { recursive: true, force: true })
    },
  }
}

/** Durable but for the name, which the sync of the folder makes so. There is one writer, so one temporary name. */
async function writeRenamed(folder: string, { path, bytes }: TileResource): Promise<void> {
  const target = join(folder, path)
  const temporary = `${target}.tmp`
  try {
    const handle = await open(temporary, 'w', 0o644)
    try {
      await handle.writeFile(bytes)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}
