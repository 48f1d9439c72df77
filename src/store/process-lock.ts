/** A lock that one process on this machine holds: a file with its number. One that was killed leaves a lock that holds nobody. */
import { readFileSync } from 'node:fs'
import { link, rm, writeFile } from 'node:fs/promises'
import { HoldfastError } from '../core/errors.ts'

let temporaryNumber = 0

/**
 * `conflict`, with `busy` as its words, while another process has it.
 *
 * Crash points: before it has its name, a `.new` is left that holds nobody; after, a lock that the next one takes away.
 */
export async function takeProcessLock(path: string, busy: string): Promise<AsyncDisposable> {
  // Its number is in it before it has its name: an empty one would pass for one that was left.
  const ready = `${path}.${process.pid}.${temporaryNumber++}.new`
  await writeFile(ready, String(process.pid), { mode: 0o600 })
  try {
    if (!(await hasNamed(ready, path))) await takeAfterDead(ready, path, busy)
  } finally {
    await rm(ready, { force: true })
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true })
    },
  }
}

/**
 * Of two that find a dead one's, the slower must not take away the new one of the quicker. So to take one away is a
 * lock of its own, under which it is looked at again: a dead one's goes away by nobody else.
 */
async function takeAfterDead(ready: string, path: string, busy: string): Promise<void> {
  demandUnlocked(path, busy)
  await using _alone = await takeProcessLock(`${path}.next`, busy)
  if (demandUnlocked(path, busy) === 'left') await rm(path)
  if (!(await hasNamed(ready, path))) throw new HoldfastError('conflict', busy)
}

/** Exclusive: of two that come at once, one finds it there. */
async function hasNamed(ready: string, path: string): Promise<boolean> {
  try {
    await link(ready, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** `conflict`, with `busy` as its words, while a process on this machine has the lock. `left`: a dead one had it. */
export function demandUnlocked(path: string, busy: string): 'free' | 'left' {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'free'
    throw error
  }
  if (isAlive(Number(text))) throw new HoldfastError('conflict', busy)
  return 'left'
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
