/**
 * One walk over a bucket that has lifecycle rules: what is due ends. The place is written down after each page, and
 * everything is judged anew in the transaction that ends it, so that a walk may stop and go on anywhere; doing a page
 * again does nothing twice.
 */
import { fromUtf8 } from '../../core/bytes.ts'
import type { Log } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics.ts'
import { deletionEntry } from '../../ledger/deletion-entry.ts'
import type { DraftBox } from '../../ledger/drafts.ts'
import { isRefusal } from '../../policy/authorized.ts'
import { decideLifecycle } from '../../policy/decide-lifecycle.ts'
import { type Catalog, prefixEnd, type Row } from '../../store/catalog.ts'
import { newestNoncurrent, noncurrentVersions, readCurrent } from '../../store/key-versions.ts'
import {
  type DeleteRequest,
  deleteObject,
  type KnownBucket,
  type VersionMaking,
} from '../../store/objects.ts'
import {
  bucketPrefix,
  clientVersionId,
  decodeRow,
  encodeRow,
  isMarker,
  type MarkerRow,
  type ObjectRow,
  type UploadRow,
  type VersionRow,
} from '../../store/rows.ts'
import { readVersionRowKey, versionsPrefix } from '../../store/version-keys.ts'
import type { Notifiers } from '../notifications/notifier.ts'
import { abortUpload } from '../ops/abort-uploads.ts'
import {
  abortOf,
  type Due,
  expirationOf,
  type LifecycleRule,
  markerExpirationOf,
  noncurrentExpirationOf,
} from './rules.ts'

export interface WalkDeps extends VersionMaking {
  /** Of the region. */
  readonly id: string
  readonly notifiers: Notifiers
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly dayMs: number
  readonly log: Log
  readonly metrics: Metrics
  readonly stopped: () => boolean
}

/** Markers come after the versions, so that one that hides nothing any more goes in the same walk. */
export const walkTables = ['objects', 'versions', 'markers', 'uploads'] as const

/** A row of `lifecycle`. */
export interface WalkRow {
  readonly v: 1
  /** Of the configuration that is walked for; another one begins anew. */
  readonly sha256: string
  readonly startedUnixMs: number
  /** Of `walkTables`; `null` when the walk has come to its end. */
  readonly table: (typeof walkTables)[number] | null
  /** Last key of it that is done, base64; `null` at its beginning. */
  readonly after: string | null
}

const pageRows = 200

/** Thrown by a condition that finds something else than what was judged: it is left for the next walk. */
class Changed extends Error {}

/** Goes on where `row` says. Ends early when it is stopped. */
export async function walkBucket(
  deps: WalkDeps,
  bucket: KnownBucket,
  rules: readonly LifecycleRule[],
  row: WalkRow,
): Promise<void> {
  const { catalog } = deps
  const prefix = bucketPrefix(bucket.row.id)
  let at = row
  const note = async (change: Partial<WalkRow>): Promise<void> => {
    at = { ...at, ...change }
    await catalog.commit({ puts: [{ table: 'lifecycle', key: prefix, value: encodeRow(at) }] })
  }
  while (at.table !== null && !deps.stopped()) {
    const after = at.after === null ? null : Buffer.from(at.after, 'base64')
    const from = after === null ? prefix : Buffer.concat([after, Buffer.of(0)])
    const rows = await catalog.scan(at.table, { from, to: prefixEnd(prefix)!, limit: pageRows })
    const last = await pages[at.table](deps, bucket, rules, rows)
    const isCut = deps.stopped()
    if (last !== null) await note({ after: Buffer.from(last).toString('base64') })
    if (!isCut && rows.length < pageRows) {
      const next = walkTables[walkTables.indexOf(at.table) + 1] ?? null
      await note({ table: next, after: null })
    }
  }
}

/** Each takes a page of its table and says up to which key it is done. */
type Page = (
  deps: WalkDeps,
  bucket: KnownBucket,
  rules: readonly LifecycleRule[],
  rows: readonly Row[],
) => Promise<Uint8Array | null>

const pages: Readonly<Record<(typeof walkTables)[number], Page>> = {
  async objects(deps, bucket, rules, rows) {
    const { dayMs } = deps
    const judge = (key: string, row: VersionRow | null): Due | null =>
      row === null || isMarker(row) ? null : expirationOf(rules, key, row, dayMs)
    await Promise.all(
      rows.map(async ({ key: rowKey, value }) => {
        const key = keyOf(bucket, rowKey)
        const row = decodeRow<ObjectRow>(value)
        const due = judge(key, row)
        await end(deps, bucket, rules, key, due, {
          judge: (_bucket, current) => {
            if (current?.versionId !== row.versionId || !isDue(deps, judge(key, current))) throw new Changed()
          },
        })
      }),
    )
    return rows.at(-1)?.key ?? null
  },

  /** A key at a time, all its versions: how many are newer counts. */
  async versions(deps, bucket, rules, rows) {
    const keys = new Set(rows.map(row => readVersionRowKey(row.key).key))
    let last: Uint8Array | null = null
    for (const key of keys) {
      if (deps.stopped()) return last
      await endNoncurrent(deps, bucket, rules, key)
      // The last possible key of it, so that the next page begins with another object key.
      last = Buffer.concat([versionsPrefix(bucket.row.id, key), Buffer.alloc(26, 0xff)])
    }
    return last
  },

  async markers(deps, bucket, rules, rows) {
    const { catalog, dayMs } = deps
    await Promise.all(
      rows.map(async ({ key: rowKey, value }) => {
        const key = keyOf(bucket, rowKey)
        const row = decodeRow<MarkerRow>(value)
        const due = markerExpirationOf(rules, key, row, dayMs)
        if (!isDue(deps, due) || (await newestNoncurrent(catalog, bucket.row.id, key)) !== null) return
        await end(deps, bucket, rules, key, due, {
          version: { versionId: clientVersionId(row) },
          // Something under it again means something else on top of it.
          condition: current => {
            if (current?.versionId !== row.versionId) throw new Changed()
          },
        })
      }),
    )
    return rows.at(-1)?.key ?? null
  },

  async uploads(deps, bucket, rules, rows) {
    for (const { key: rowKey, value } of rows) {
      const upload = decodeRow<UploadRow>(value)
      // Key, a zero byte, upload id.
      const key = keyOf(bucket, rowKey.subarray(0, rowKey.length - upload.uploadId.length - 1))
      const due = abortOf(rules, key, upload.startedUnixMs, deps.dayMs)
      if (!isDue(deps, due) || authorize(deps, bucket, rules, key, due) === null) continue
      const target = { row: bucket.row, region: { catalog: deps.catalog } }
      if (await abortUpload(deps, target, rowKey, upload.uploadId)) counted(deps, 'aborted')
    }
    return rows.at(-1)?.key ?? null
  },
}

async function endNoncurrent(
  deps: WalkDeps,
  bucket: KnownBucket,
  rules: readonly LifecycleRule[],
  key: string,
): Promise<void> {
  const { catalog, dayMs } = deps
  const current = await readCurrent(catalog, bucket.row, key)
  if (current === null) return
  let sinceUnixMs = current.row.modifiedUnixMs
  let newer = 0
  for await (const { row } of noncurrentVersions(catalog, bucket.row.id, key)) {
    if (deps.stopped()) return
    const judged = { sinceUnixMs, newer }
    const judge = (row: VersionRow): Due | null =>
      noncurrentExpirationOf(rules, key, { row, ...judged }, dayMs)
    const due = judge(row)
    sinceUnixMs = row.modifiedUnixMs
    newer++
    await end(deps, bucket, rules, key, due, {
      version: { versionId: clientVersionId(row) },
      judge: (_bucket, target) => {
        if (target?.versionId !== row.versionId || !isDue(deps, judge(target))) throw new Changed()
      },
      // Newer ones may have gone meanwhile, and then it is no longer a noncurrent version.
      condition: now => {
        if (now === null || now.versionId === row.versionId) throw new Changed()
      },
    })
  }
}

function isDue(deps: WalkDeps, due: Due | null): due is Due {
  return due !== null && due.atUnixMs <= deps.clock()
}

function authorize(
  { clock }: WalkDeps,
  { row }: KnownBucket,
  rules: readonly LifecycleRule[],
  key: string,
  { rule, atUnixMs }: Due,
) {
  const { name, tenant } = row
  const decision = decideLifecycle(
    { action: 'lifecycle', bucket: { name, tenant }, rule: rule.id, key },
    {
      rules: rules.map(({ id, enabled, filter }) => ({ id, enabled, prefix: filter.prefix })),
      dueUnixMs: atUnixMs,
      nowUnixMs: clock(),
    },
  )
  return isRefusal(decision) ? null : decision
}

/** Under the configuration that was judged by, and no other. */
async function end(
  deps: WalkDeps,
  bucket: KnownBucket,
  rules: readonly LifecycleRule[],
  key: string,
  due: Due | null,
  request: Pick<DeleteRequest, 'version' | 'condition' | 'judge'>,
): Promise<void> {
  if (!isDue(deps, due)) return
  const authorized = authorize(deps, bucket, rules, key, due)
  if (authorized === null) return
  const { id, catalog, notifiers, clock } = deps
  const cause = { principal: 's3.amazonaws.com', address: '', requestId: '' }
  const notifier = await notifiers({ id, catalog }, bucket.row, clock(), cause)
  try {
    const deletion = await deleteObject(deps.catalog, deps, authorized, {
      ...request,
      bucket,
      key,
      judge: (now, target) => {
        if (now.configs?.lifecycle !== bucket.row.configs?.lifecycle) throw new Changed()
        request.judge?.(now, target)
      },
      ...(notifier && { events: deletion => notifier.deletion('LifecycleExpiration', key, deletion) }),
      entry: deletion =>
        deps.drafts.draft(deletionEntry(bucket.row, key, deletion, { lifecycle: due.rule.id })).put,
    })
    if (deletion === 'locked') counted(deps, 'locked')
    else if (deletion !== 'bucket-gone' && deletion.did !== 'nothing') counted(deps, deletion.did)
  } catch (error) {
    if (!(error instanceof Changed)) throw error
  }
}

function counted({ metrics }: WalkDeps, outcome: string): void {
  metrics.count('holdfast_lifecycle_actions_total', { outcome })
}

function keyOf(bucket: KnownBucket, rowKey: Uint8Array): string {
  return fromUtf8(rowKey.subarray(bucket.row.id.length / 2))
}
