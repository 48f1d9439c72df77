/** A repair alone has a region: `repair.lock` in its folder keeps servers from starting, until it is done or dead. */
import { join } from 'node:path'
import { demandUnlocked, takeProcessLock } from './process-lock.ts'

const nameOf = (folder: string): string => join(folder, 'repair.lock')
const busyIn = (folder: string): string => `a repair is running in ${folder}`

/** `conflict` when another repair is running. */
export function takeRepairLock(folder: string): Promise<AsyncDisposable> {
  return takeProcessLock(nameOf(folder), busyIn(folder))
}

/** `conflict` while a repair is running on this machine. */
export function demandNoRepair(folder: string): void {
  demandUnlocked(nameOf(folder), busyIn(folder))
}
