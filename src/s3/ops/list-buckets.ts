import { fromBase64, fromUtf8, toBase64, utf8 } from '../../core/bytes.ts'
import { parseBucketName, parseRegionId } from '../../core/ids.ts'
import type { BucketList } from '../../policy/operations.ts'
import { listBuckets } from '../../store/buckets.ts'
import { S3Error } from '../errors.ts'
import { integerParameter } from '../list-parameters.ts'
import { xmlDate } from '../object-headers.ts'
import { operation, type S3Context } from '../operation.ts'
import { xmlDocument } from '../xml.ts'

const maxBuckets = 10_000
const parameters = ['max-buckets', 'continuation-token', 'prefix', 'bucket-region']

export const listBucketsOperation = operation<BucketList, null>({
  name: 'ListBuckets',
  facts: async () => ({ op: { action: 'bucket.list' }, target: null }),
  run: async context => {
    const { request, services, identity } = context
    const { query } = request
    const limit = integerParameter(request, 'max-buckets', maxBuckets, 1, maxBuckets)
    const prefix = (query.get('prefix') ?? '').slice(0, 64)
    const token = query.get('continuation-token') ?? ''
    const after = token === '' ? '' : parseToken(token)
    const region = wantedRegion(context)
    const regions = [...services.regions.values()].filter(({ id }) => region === null || id === region)
    // One more of each region than fits: the first of all of them are among these, and whether there are more.
    const found = await Promise.all(
      regions.map(async ({ id, catalog }) => {
        const rows = await listBuckets(catalog, identity.tenant, { prefix, after, limit: limit + 1 })
        return rows.map(row => ({ row, region: id }))
      }),
    )
    const sorted = found.flat().sort((a, b) => (a.row.name < b.row.name ? -1 : 1))
    const page = sorted.slice(0, limit)
    // S3 says where a bucket is to those who use the parameters of a page.
    const isPaged = parameters.some(name => query.has(name))
    const body = xmlDocument('ListAllMyBucketsResult', {
      Owner: { ID: identity.account.canonicalId, DisplayName: identity.account.displayName },
      Buckets: {
        Bucket: page.map(({ row, region: id }) => ({
          Name: row.name,
          CreationDate: xmlDate(row.createdUnixMs),
          BucketRegion: isPaged ? id : undefined,
        })),
      },
      Prefix: prefix === '' ? undefined : prefix,
      ContinuationToken: sorted.length > limit ? toBase64(utf8(page.at(-1)!.row.name)) : undefined,
    })
    return { status: 200, headers: {}, body }
  },
})

function wantedRegion({ request, services }: S3Context): string | null {
  const text = request.query.get('bucket-region')
  if (text === undefined || text === '') return null
  const id = parseRegionId(text)
  if (id !== null && services.regions.has(id)) return id
  throw new S3Error('InvalidArgument', `Argument value ${text} is not a valid region.`, {
    ArgumentName: 'bucket-region',
    ArgumentValue: text,
  })
}

function parseToken(token: string): string {
  try {
    const bytes = fromBase64(token)
    const name = bytes === null ? null : parseBucketName(fromUtf8(bytes))
    if (name !== null) return name
  } catch {}
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
    ArgumentName: 'continuation-token',
  })
}
