/** What a notification configuration says: of which events, of which keys, which webhook is told. */

export interface NotificationRule {
  readonly id: string
  /** `s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`. */
  readonly events: readonly string[]
  readonly prefix: string
  readonly suffix: string
  /** Name of the webhook. */
  readonly webhook: string
}

export type EventName =
  | 'ObjectCreated:Put'
  | 'ObjectCreated:Post'
  | 'ObjectCreated:Copy'
  | 'ObjectCreated:CompleteMultipartUpload'
  | 'ObjectRemoved:Delete'
  | 'ObjectRemoved:DeleteMarkerCreated'
  | 'ObjectTagging:Put'
  | 'ObjectTagging:Delete'
  | 'ObjectAcl:Put'
  | 'LifecycleExpiration:Delete'
  | 'LifecycleExpiration:DeleteMarkerCreated'

const families: Readonly<Record<string, readonly string[]>> = {
  ObjectCreated: ['Put', 'Post', 'Copy', 'CompleteMultipartUpload'],
  ObjectRemoved: ['Delete', 'DeleteMarkerCreated'],
  ObjectTagging: ['Put', 'Delete'],
  LifecycleExpiration: ['Delete', 'DeleteMarkerCreated'],
  // Of these nothing happens here, and nothing is left out when nobody is told.
  ObjectRestore: ['Post', 'Completed', 'Delete'],
  Replication: [
    'OperationFailedReplication',
    'OperationMissedThreshold',
    'OperationReplicatedAfterThreshold',
    'OperationNotTracked',
  ],
}

export const supportedEvents: ReadonlySet<string> = new Set([
  ...Object.entries(families).flatMap(([family, kinds]) =>
    ['*', ...kinds].map(kind => `s3:${family}:${kind}`),
  ),
  's3:ObjectAcl:Put',
  's3:ReducedRedundancyLostObject',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
])

function eventMatches(wanted: string, event: string): boolean {
  return wanted === event || (wanted.endsWith(':*') && event.startsWith(wanted.slice(0, -1)))
}

export function ruleFor(
  rules: readonly NotificationRule[],
  event: EventName,
  key: string,
): readonly NotificationRule[] {
  return rules.filter(
    rule =>
      key.startsWith(rule.prefix) &&
      key.endsWith(rule.suffix) &&
      rule.events.some(wanted => eventMatches(wanted, `s3:${event}`)),
  )
}

/** Whether some key and some event would be told of twice. */
export function overlap(a: NotificationRule, b: NotificationRule): boolean {
  const nested = (x: string, y: string, starts: boolean): boolean =>
    starts ? x.startsWith(y) || y.startsWith(x) : x.endsWith(y) || y.endsWith(x)
  return (
    a.events.some(x => b.events.some(y => eventMatches(x, y) || eventMatches(y, x))) &&
    nested(a.prefix, b.prefix, true) &&
    nested(a.suffix, b.suffix, false)
  )
}
