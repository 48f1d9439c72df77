/**
 * The first start of a region that came from a backup. Before anything is signed it is compared with every copy of its
 * log; then every tenant's chain gets an entry that says so.
 *
 * Crash points: the entries and the row that says that they were made are one batch of the catalog, conditional on that
 * row; the mark is removed afterwards. After a crash in between, the row is found and only the mark is removed.
 */
import { readRestoredMark, removeRestoredMark } from './backup/restored-mark.ts'
import { fromUtf8, utf8 } from './core/bytes.ts'
import { messageOf } from './core/errors.ts'
import type { RegionId, TenantId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { contradiction } from './ledger/continues.ts'
import type { DraftBox } from './ledger/drafts.ts'
import type { Catalog, Put } from './store/catalog.ts'
import type { Depot } from './store/depot.ts'
import { rowsOf } from './store/rows-of.ts'
import type { LogKeys } from './verify/log-keys.ts'
import { checkpointPath } from './verify/tile-path.ts'

export interface HeedRestoreDeps {
  readonly id: RegionId
  readonly folder: string
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly keys: LogKeys
  readonly mirrors: readonly Depot[]
  readonly log: Log
}

/** Why the ledger must not go on; `null`: it may. */
export async function heedRestore(deps: HeedRestoreDeps): Promise<string | null> {
  const { id, folder, catalog, drafts, mirrors, log } = deps
  const mark = readRestoredMark(folder)
  if (mark === null) return null
  const doneKey = utf8(`restored/${mark.restore}`)
  if ((await catalog.get('meta', doneKey)) === null) {
    log('warn', 'region-restored', {
      region: id,
      backup: mark.backup,
      taken: mark.taken,
      size: mark.size,
      mirrors: mirrors.map(({ name }) => name),
    })
    for (const mirror of mirrors) {
      const fault = await faultOf(mirror, deps)
      if (fault !== null)
        return `it was restored from a backup of ${mark.taken}, and ${mirror.name} does not let it go on: ${fault}`
    }
    const puts: Put[] = [{ table: 'meta', key: doneKey, value: utf8(mark.taken) }]
    for await (const { key } of rowsOf(catalog, 'tenants')) {
      const tenant = fromUtf8(key) as TenantId
      const body = { from: mark.taken, size: mark.size }
      puts.push(drafts.draft({ tenant, type: 'region.restored', body }).put)
    }
    await catalog.commit({ checks: [{ table: 'meta', key: doneKey, expected: null }], puts })
  }
  await removeRestoredMark(folder)
  return null
}

/** A copy that cannot be read says nothing, and what nobody has compared is not signed on. */
async function faultOf(mirror: Depot, { catalog, keys }: HeedRestoreDeps): Promise<string | null> {
  try {
    const note = await mirror.get(checkpointPath)
    return note === null
      ? null
      : await contradiction(fromUtf8(note), { catalog, crypto: nodeVerifyCrypto, log: keys })
  } catch (error) {
    return `its checkpoint could not be read (${messageOf(error)}); start again when it can`
  }
}
