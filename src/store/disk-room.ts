import { statfsSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'

export interface DiskRoom {
  /**
   * Why nothing may be added now; `null`: there is room for `bytes` more, and they count as written. Cheap: it looks at
   * the disk once a second at most.
   */
  full(bytes?: number): string | null
  /** As of the last look. */
  freeBytes(): number
}

/** Throws `store-full`. */
export function demandRoom(room: Pick<DiskRoom, 'full'>, bytes = 0): void {
  const full = room.full(bytes)
  if (full !== null) throw new HoldfastError('store-full', full)
}

const lookEveryMs = 1000

/**
 * Admission: when the disk has less than `reserveBytes` left, nothing is added to it, while there is still room for
 * what reading, deleting and the ledger must write. A disk that is truly full could not even record a deletion.
 */
export function createDiskRoom(
  folder: string,
  reserveBytes: number,
  now: () => number,
  freeOf: (folder: string) => number = freeBytesOf,
): DiskRoom {
  let free = Number.POSITIVE_INFINITY
  let lookedAt = Number.NEGATIVE_INFINITY
  const look = (): number => {
    const time = now()
    if (time - lookedAt >= lookEveryMs || time < lookedAt) {
      lookedAt = time
      free = freeOf(folder)
    }
    return free
  }
  return {
    full(bytes = 0) {
      const left = look()
      if (left - bytes >= reserveBytes) {
        free -= bytes
        return null
      }
      const mib = (some: number): string => `${Math.floor(some / 2 ** 20)} MiB`
      const wanted = left < reserveBytes ? '' : `; this takes ${mib(bytes)}`
      return `the disk has ${mib(left)} left, and ${mib(reserveBytes)} are kept for reading, deleting and the ledger${wanted}`
    },
    freeBytes: look,
  }
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
