import type { Drafted } from '../../ledger/drafts.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectWrite } from '../../policy/operations.ts'
import { changeVersion } from '../../store/change-version.ts'
import { isMarker, type ObjectRow } from '../../store/rows.ts'
import { markerError, noSuchVersion, versionIdOf } from '../find-readable.ts'
import type { EventName } from '../notifications/rules.ts'
import { type LocatedBucket, notifierOf, type S3Context } from '../operation.ts'

/** What every entry about one version says of it. */
export interface VersionName {
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly originId: ObjectRow['originId']
  readonly by: { readonly accessKeyId: string }
}

/** Changes what is said of the version that the request names, and enters it. */
export async function changeAttributes(
  context: S3Context,
  authorized: Authorized<ObjectWrite>,
  bucket: LocatedBucket,
  change: (row: ObjectRow) => ObjectRow,
  draft: (row: ObjectRow, name: VersionName) => Drafted,
  event?: EventName,
): Promise<ObjectRow> {
  const { request, identity } = context
  const key = request.key!
  const versionId = versionIdOf(request)
  let entered: Drafted | null = null
  const entry = (row: ObjectRow) => {
    const name = {
      bucket: bucket.row.name,
      key,
      versionId: row.versionId,
      originId: row.originId,
      by: { accessKeyId: identity.accessKeyId },
    }
    entered = draft(row, name)
    return entered.put
  }
  const notifier = event === undefined ? null : await notifierOf(context, bucket)
  const row = await changeVersion(bucket.region.catalog, authorized, {
    bucket,
    key,
    versionId,
    change,
    entry,
    ...(notifier && { events: row => notifier.puts(event!, key, row) }),
  })
  if (row === null) throw noSuchVersion(key, versionId)
  if (isMarker(row)) throw markerError(bucket.row, row, key, versionId)
  if (entered !== null) context.entered(entered)
  return row
}
