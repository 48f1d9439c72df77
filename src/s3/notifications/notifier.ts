/** From a change to the rows that tell of it, in the change's own batch. */
import { createConfigCache } from '../../store/bucket-configs.ts'
import type { Catalog, Put } from '../../store/catalog.ts'
import type { Deletion } from '../../store/objects.ts'
import { type BucketRow, clientVersionId, isMarker, type VersionRow } from '../../store/rows.ts'
import { eventPut } from '../../store/webhooks.ts'
import { readNotification } from '../configs/notification.ts'
import { type EventName, type NotificationRule, ruleFor } from './rules.ts'

export interface Cause {
  /** Of whom it was: an access key id, or what did it by itself. */
  readonly principal: string
  readonly address: string
  readonly requestId: string
}

export interface Notifier {
  puts(event: EventName, key: string, row: VersionRow): Put[]
  /** `family`: who deletes, a client or a rule. */
  deletion(
    family: 'ObjectRemoved' | 'LifecycleExpiration',
    key: string,
    deletion: Exclude<Deletion, { did: 'nothing' }>,
  ): Put[]
}

export type Notifiers = (
  place: { readonly id: string; readonly catalog: Catalog },
  bucket: BucketRow,
  nowUnixMs: number,
  cause: Cause,
) => Promise<Notifier | null>

/** `null` for a bucket that tells nobody anything, which costs nothing. */
export function createNotifiers(): Notifiers {
  const rulesOf = createConfigCache('notification', body => readNotification(Buffer.from(body)))
  return async ({ id, catalog }, bucket, nowUnixMs, cause) => {
    if (bucket.configs?.notification === undefined) return null
    const rules = await rulesOf(catalog, bucket)
    if (rules === null || rules.length === 0) return null
    const puts: Notifier['puts'] = (event, key, row) =>
      ruleFor(rules, event, key).map(rule =>
        eventPut({
          v: 1,
          tenant: bucket.tenant,
          webhook: rule.webhook,
          bucket: bucket.name,
          key,
          event,
          madeUnixMs: nowUnixMs,
          message: messageOf(rule, { event, key, row, bucket, region: id, nowUnixMs, cause }),
        }),
      )
    return {
      puts,
      deletion: (family, key, deletion) =>
        deletion.did === 'marked'
          ? puts(`${family}:DeleteMarkerCreated`, key, deletion.marker)
          : puts(`${family}:Delete`, key, deletion.version),
    }
  }
}

interface Happening {
  readonly event: EventName
  readonly key: string
  readonly row: VersionRow
  readonly bucket: BucketRow
  readonly region: string
  readonly nowUnixMs: number
  readonly cause: Cause
}

/** S3's event message, version 2.1 (S3 User Guide, “Event message structure”). */
function messageOf(
  rule: NotificationRule,
  { event, key, row, bucket, region, nowUnixMs, cause }: Happening,
): string {
  const isWritten = event.startsWith('ObjectCreated')
  const record = {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: region,
    eventTime: new Date(nowUnixMs).toISOString(),
    eventName: event,
    userIdentity: { principalId: cause.principal },
    requestParameters: { sourceIPAddress: cause.address },
    responseElements: { 'x-amz-request-id': cause.requestId, 'x-amz-id-2': cause.requestId },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: rule.id,
      bucket: {
        name: bucket.name,
        ownerIdentity: { principalId: bucket.tenant },
        arn: `arn:aws:s3:::${bucket.name}`,
      },
      object: {
        key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
        ...(isWritten && !isMarker(row) && { size: row.sizeBytes }),
        ...(!isMarker(row) && { eTag: row.etag }),
        ...(bucket.versioning !== undefined && { versionId: clientVersionId(row) }),
        // Ids of versions grow within a key; of equal length, they compare as text.
        sequencer: row.versionId.toUpperCase(),
      },
    },
  }
  return JSON.stringify({ Records: [record] })
}
