/**
 * One backup at a time to one place: another one that ends meanwhile would take what this one has copied, and no manifest
 * names yet, for the remains of one that was killed, and remove it.
 *
 * Crash points: the row stays, and holds nobody once its process is gone or its hold has ended.
 */
import { createHash } from 'node:crypto'
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { liveHolds } from '../store/backup-hold.ts'
import type { LmdbCatalog } from '../store/lmdb-catalog.ts'

/** For a backup that has its hold already. `conflict` while another one to that place is under way. */
export async function takePlace(
  catalog: LmdbCatalog,
  place: string,
  backup: string,
  nowUnixMs: number,
): Promise<AsyncDisposable> {
  const key = utf8(`backup/to/${createHash('sha256').update(place).digest('hex')}`)
  const own = utf8(`${backup} ${process.pid}`)
  const busy = new HoldfastError('conflict', `another backup to ${place} is under way`)
  const found = await catalog.get('meta', key)
  if (found !== null) {
    const [other = '', pid] = fromUtf8(found).split(' ')
    // Both: the number of a process that was killed may be another's by now.
    if (catalog.otherUsers().includes(Number(pid)) && (await liveHolds(catalog, nowUnixMs)).includes(other))
      throw busy
  }
  const taken = await catalog.commit({
    checks: [{ table: 'meta', key, expected: found }],
    puts: [{ table: 'meta', key, value: own }],
  })
  if (!taken) throw busy
  return {
    async [Symbol.asyncDispose]() {
      const checks = [{ table: 'meta' as const, key, expected: own }]
      await catalog.commit({ checks, removes: [{ table: 'meta', key }] }).catch(() => {})
    },
  }
}
