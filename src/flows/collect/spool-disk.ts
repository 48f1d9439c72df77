/** What the spool asks of a disk. */
import { access, open, rename, statfs, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isMissing, syncFolder } from '../../store/durable-file.ts'

export type SpoolFile = {
  /** MUST write all of it there, or reject; what a rejected write left behind is unknown. */
  readonly write: (buffers: readonly Uint8Array[], at: number) => Promise<void>
  /** MUST answer only when everything written is on disk. After a rejection nothing since the last answer is known to be. */
  readonly sync: () => Promise<void>
  readonly truncate: (bytes: number) => Promise<void>
  readonly close: () => Promise<void>
}

export type SpoolDisk = {
  /** MUST fail when there is such a file already. */
  readonly create: (path: string) => Promise<SpoolFile>
  /**
   * MUST be durable when it answers. After a rejection it may have the new name or not; asked again, it MUST go on from
   * there.
   */
  readonly rename: (from: string, to: string) => Promise<void>
  /** MUST answer when it is gone already: an earlier call may have rejected after it did its work. */
  readonly remove: (path: string) => Promise<void>
  readonly freeBytes: (folder: string) => Promise<number>
}

export const realDisk: SpoolDisk = {
  async create(path) {
    const handle = await open(path, 'wx', 0o600)
    return {
      async write(buffers, at) {
        const size = buffers.reduce((sum, { length }) => sum + length, 0)
        const { bytesWritten } = await handle.writev([...buffers], at)
        // A disk that fills up takes a part: the rest is asked for, so that the reason comes to light.
        let rest = bytesWritten
        if (rest < size) {
          const whole = Buffer.concat(buffers)
          while (rest < size) {
            const more = await handle.write(whole, rest, size - rest, at + rest)
            if (more.bytesWritten === 0) throw new Error('the disk took no more bytes')
            rest += more.bytesWritten
          }
        }
      },
      sync: () => handle.datasync(),
      truncate: bytes => handle.truncate(bytes),
      close: () => handle.close(),
    }
  },
  async rename(from, to) {
    await rename(from, to).catch(async error => {
      // It was renamed before, and only the sync after it failed.
      if (!isMissing(error) || !(await isThere(to))) throw error
    })
    await syncFolder(dirname(to))
  },
  remove: path =>
    unlink(path).catch(error => {
      if (!isMissing(error)) throw error
    }),
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
