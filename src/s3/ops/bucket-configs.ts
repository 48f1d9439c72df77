/** Get, put and delete of every kind of configuration, made from its row in the table. */
import type { Drafted } from '../../ledger/drafts.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { type ConfigChange, changeConfig, findConfig } from '../../store/bucket-configs.ts'
import type { ConfigKind } from '../../store/rows.ts'
import { type ConfigSpec, configSpecs } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, type Operation, operation, type S3Answer, type S3Context } from '../operation.ts'
import { need, type Route } from '../route.ts'
import { bucketUse, collectXml } from './buckets.ts'

const maxDocumentBytes = 1 << 20

export const configRoutes: readonly Route[] = configSpecs.flatMap(spec => {
  const { kind, doc } = spec
  const row = { level: 'bucket', query: [kind] } as const
  const routes: Route[] = [
    {
      ...row,
      method: 'GET',
      operation: getOperation(spec),
      iam: [need(spec.iamGet)],
      doc: `Answers ${doc}.`,
    },
  ]
  const iam = [need(spec.iamPut)]
  if (spec.parse !== undefined)
    routes.push({ ...row, method: 'PUT', operation: putOperation(spec), iam, doc: `Sets ${doc}.` })
  if (spec.delete !== undefined) {
    const ofDelete = [need(spec.iamDelete ?? spec.iamPut)]
    const doc = 'Takes that configuration away.'
    routes.push({ ...row, method: 'DELETE', operation: deleteOperation(spec), iam: ofDelete, doc })
  }
  return routes
})

function getOperation({ kind, get, absent, contentType, headers: more }: ConfigSpec): Operation {
  return operation<BucketUse, LocatedBucket>({
    name: get,
    facts: bucketUse,
    run: async (_context, _authorized, bucket) => {
      const body = await findConfig(bucket.region.catalog, bucket.row, kind)
      const headers = { ...more, ...(contentType !== undefined && { 'content-type': contentType }) }
      if (body !== null) return { status: 200, headers, body }
      if (typeof absent === 'string') throw new S3Error(absent, undefined, { BucketName: bucket.row.name })
      return { status: 200, headers, body: absent(bucket) }
    },
  })
}

function putOperation({ kind, put, parse, headers = {}, putStatus = 200 }: ConfigSpec): Operation {
  return operation<BucketUse, LocatedBucket>({
    name: put,
    facts: bucketUse,
    run: async (context, authorized, bucket): Promise<S3Answer> => {
      const parsed = await parse!(await collectXml(context, maxDocumentBytes), bucket, context)
      const { headers: own, ...change } = typeof parsed === 'string' ? { body: parsed } : parsed
      await enterChange(context, authorized, bucket, { kind, ...change })
      return { status: putStatus, headers: { ...headers, ...own }, body: null }
    },
  })
}

/** What is not there is deleted already: nothing changes and nothing is entered. */
function deleteOperation({ kind, delete: name }: ConfigSpec): Operation {
  return operation<BucketUse, LocatedBucket>({
    name: name!,
    facts: bucketUse,
    run: async (context, authorized, bucket): Promise<S3Answer> => {
      if (bucket.row.configs?.[kind] !== undefined)
        await enterChange(context, authorized, bucket, { kind, body: null })
      return { status: 204, headers: {}, body: null }
    },
  })
}

export async function enterChange(
  context: S3Context,
  authorized: Authorized<BucketUse>,
  bucket: LocatedBucket,
  change: Omit<ConfigChange, 'entry'>,
): Promise<void> {
  const { region, row } = bucket
  let entered: Drafted | null = null
  const held = await changeConfig(region.catalog, authorized, bucket, {
    ...change,
    entry: sha256 => {
      entered = region.drafts.draft({
        tenant: row.tenant,
        type: 'bucket.configured',
        body: {
          bucket: row.name,
          kind: change.kind satisfies ConfigKind,
          sha256,
          by: { accessKeyId: context.identity.accessKeyId },
        },
      })
      return entered.put
    },
  })
  if (!held) throw new S3Error('NoSuchBucket', undefined, { BucketName: row.name })
  if (entered !== null) context.entered(entered)
}
