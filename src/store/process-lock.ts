/** A lock that one process on this machine holds: a file with its number. One that was killed leaves a lock that holds nobody. */
import { readFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { HoldfastError } from '../core/errors.ts'

/** `conflict`, with `busy` as its words, while another process has it. */
export async function takeProcessLock(path: string, busy: string): Promise<AsyncDisposable> {
  demandUnlocked(path, busy)
  await rm(path, { force: true })
  // Exclusive: of two that come at once, one finds it there.
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new HoldfastError('conflict', busy) : error
  })
  await file.writeFile(String(process.pid))
  await file.close()
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true })
    },
  }
}

/** `conflict`, with `busy` as its words, while a process on this machine has the lock. */
export function demandUnlocked(path: string, busy: string): void {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (isAlive(Number(text))) throw new HoldfastError('conflict', busy)
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
