/** A repair alone has a region: `repair.lock` in its folder keeps servers from starting, until it is done or dead. */
import { readFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'

const nameOf = (folder: string): string => join(folder, 'repair.lock')

/** `conflict` when another repair is running. One that was killed leaves a lock that holds nobody. */
export async function takeRepairLock(folder: string): Promise<AsyncDisposable> {
  demandNoRepair(folder)
  await rm(nameOf(folder), { force: true })
  // Exclusive: of two that come at once, one finds it there.
  const file = await open(nameOf(folder), 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? running(folder) : error
  })
  await file.writeFile(String(process.pid))
  await file.close()
  return {
    async [Symbol.asyncDispose]() {
      await rm(nameOf(folder), { force: true })
    },
  }
}

/** `conflict` while a repair is running on this machine. */
export function demandNoRepair(folder: string): void {
  let text: string
  try {
    text = readFileSync(nameOf(folder), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (isAlive(Number(text))) throw running(folder)
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

function running(folder: string): HoldfastError {
  return new HoldfastError('conflict', `a repair is running in ${folder}`)
}
