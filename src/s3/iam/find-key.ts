import { createHash } from 'node:crypto'
import type { RegionId } from '../../core/ids.ts'
import type { Clock } from '../../core/time.ts'
import { equalSecrets } from '../../crypto/constant-time.ts'
import type { Catalog } from '../../store/catalog.ts'
import { createRowCache } from '../../store/row-cache.ts'
import { type AccessKeyRow, findAccessKey } from '../../store/tenants.ts'
import type { KnownKey } from '../authenticate.ts'
import { S3Error } from '../errors.ts'
import type { Identity } from '../operation.ts'
import { createCallers } from './callers.ts'

export type KeyFinder = (accessKeyId: string, token: string | null) => Promise<KnownKey<Identity> | null>

/** A key that is switched off, or whose user is gone, is as one that never was. */
export function createKeyFinder(
  regions: ReadonlyMap<RegionId, { readonly catalog: Catalog }>,
  clock: Clock,
): KeyFinder {
  const decode = createRowCache<AccessKeyRow>()
  const callers = createCallers()
  return async (accessKeyId, token) => {
    for (const [id, { catalog }] of regions) {
      const row = await findAccessKey(catalog, accessKeyId, decode)
      // What stands at home counts; a copy elsewhere only where home is not served here.
      if (row === null || (row.home !== id && regions.has(row.home))) continue
      if (row.status === 'Inactive') return null
      checkToken(row, token, clock())
      const identity = await callers(row, catalog)
      return identity === null ? null : { secretAccessKey: row.secretAccessKey, identity }
    }
    return null
  }
}

function checkToken({ session }: AccessKeyRow, token: string | null, nowUnixMs: number): void {
  if (session === undefined) {
    if (token !== null) throw new S3Error('InvalidToken')
    return
  }
  // A session's key without its token is no key.
  if (token === null) throw new S3Error('InvalidAccessKeyId')
  const hash = createHash('sha256').update(token).digest('hex')
  if (!equalSecrets(hash, session.tokenSha256)) throw new S3Error('InvalidToken')
  if (nowUnixMs >= session.expiresUnixMs) throw new S3Error('ExpiredToken')
}
