import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { concat } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Depot } from './depot.ts'
import { storeFault, syncFolder } from './durable-file.ts'

const chunkBytes = 1 << 20
const temporary = /\.tmp$/

/**
 * Files under a folder. Each is written under a temporary name, synced and renamed; `sync` makes the names durable.
 *
 * Crash points: before the rename, a `.tmp` is left that nobody lists, until the next write of that file or `sweep`; before
 * `sync`, a power cut may take files away, whole.
 */
export function createFolderDepot(
  folder: string,
  /** `shared`: for other programs to read, a web server say. */
  access: 'private' | 'shared',
): Depot {
  const modes = access === 'shared' ? { file: 0o644, folder: 0o755 } : { file: 0o600, folder: 0o700 }
  const touched = new Set<string>()

  const write = async (path: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> => {
    const target = join(folder, path)
    await makeFolder(dirname(target))
    const half = `${target}.tmp`
    try {
      const handle = await open(half, 'w', modes.file)
      try {
        await fill(handle)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await rename(half, target)
    } catch (error) {
      await unlink(half).catch(() => {})
      throw error instanceof HoldfastError ? error : storeFault(error)
    }
    touched.add(dirname(target))
  }

  const makeFolder = async (path: string): Promise<void> => {
    const made = await mkdir(path, { recursive: true, mode: modes.folder }).catch(storeFault)
    if (made === undefined) return
    for (let at = path; at.length >= made.length; at = dirname(at)) touched.add(dirname(at))
  }

  const list = async function* (prefix: string): ReturnType<Depot['list']> {
    // The folder that the prefix ends in, if it ends in one: the rest is compared.
    const from = join(folder, prefix.slice(0, prefix.lastIndexOf('/') + 1))
    const entries = await readdir(from, { withFileTypes: true }).catch(error => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
      throw error
    })
    for (const entry of entries) {
      const path = relative(folder, join(from, entry.name))
      if (entry.isDirectory()) {
        if (`${path}/`.startsWith(prefix) || prefix.startsWith(`${path}/`)) yield* list(`${path}/`)
      } else if (path.startsWith(prefix) && !temporary.test(path)) {
        const found = await stat(join(folder, path)).catch(() => null)
        if (found !== null) yield { path, bytes: found.size }
      }
    }
  }

  const depot: Depot = {
    name: folder,

    put: (path, bytes) => write(path, handle => handle.writeFile(bytes)),

    async putFile(path, source, bytes) {
      const digest = createHash('sha256')
      await write(path, async handle => {
        for await (const chunk of readFileBytes(source, bytes)) {
          digest.update(chunk)
          await handle.writeFile(chunk)
        }
      })
      return digest.digest('hex')
    },

    async get(path) {
      const chunks: Uint8Array[] = []
      try {
        for await (const chunk of depot.read(path)) chunks.push(new Uint8Array(chunk))
      } catch (error) {
        if (error instanceof HoldfastError && error.code === 'not-found') return null
        throw error
      }
      return concat(...chunks)
    },

    async *read(path) {
      yield* readFileBytes(join(folder, path), null)
    },

    async find(path, digest) {
      const found = await stat(join(folder, path)).catch(error => {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
        throw error
      })
      if (found === null || !found.isFile()) return null
      if (!digest) return { bytes: found.size, sha256: null }
      const hash = createHash('sha256')
      for await (const chunk of depot.read(path)) hash.update(chunk)
      return { bytes: found.size, sha256: hash.digest('hex') }
    },

    list,

    async remove(path) {
      await unlink(join(folder, path)).catch(error => {
        if (codeOf(error) !== 'ENOENT') throw error
      })
    },

    async sync() {
      for (const each of [...touched]) {
        // Before the sync: what is put meanwhile touches it again.
        touched.delete(each)
        try {
          await syncFolder(each)
        } catch (error) {
          touched.add(each)
          storeFault(error)
        }
      }
    },

    async sweep() {
      const all = await readdir(folder, { recursive: true, withFileTypes: true })
      for (const entry of all)
        if (entry.isFile() && temporary.test(entry.name)) await unlink(join(entry.parentPath, entry.name))
    },
  }
  return depot
}

/** The first `bytes` bytes of a file, or all of it. Each chunk is the caller's until it asks for the next. */
export async function* readFileBytes(path: string, bytes: number | null): AsyncGenerator<Uint8Array, void> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new HoldfastError('not-found', `there is no ${path}`, {}, error)
    throw error
  }
  try {
    const length = bytes ?? (await handle.stat()).size
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, length)))
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, length - at), at)
      if (bytesRead === 0)
        throw new HoldfastError('store-damaged', `${path} has ${at} bytes where ${length} belong`)
      yield buffer.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
