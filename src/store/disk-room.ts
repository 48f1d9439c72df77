import { statfsSync } from 'node:fs'

export interface DiskRoom {
  /** Why nothing may be added now; `null`: there is room. Cheap: it looks at the disk once a second at most. */
  full(): string | null
  /** As of the last look. */
  freeBytes(): number
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
    full() {
      const left = look()
      if (left >= reserveBytes) return null
      const mib = (bytes: number): number => Math.floor(bytes / 2 ** 20)
      return `the disk has ${mib(left)} MiB left, and ${mib(reserveBytes)} MiB are kept for reading, deleting and the ledger`
    },
    freeBytes: look,
  }
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
