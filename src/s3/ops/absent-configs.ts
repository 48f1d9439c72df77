/** Configurations that S3 has many of in a bucket, by id. There are none here, and clients that ask are told so. */
import type { BucketUse } from '../../policy/operations.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { need, type Route } from '../route.ts'
import { xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

const kinds = [
  ['analytics', 'AnalyticsConfiguration', 'ListBucketAnalyticsConfigurationResult'],
  ['inventory', 'InventoryConfiguration', 'ListInventoryConfigurationsResult'],
  ['metrics', 'MetricsConfiguration', 'ListMetricsConfigurationsResult'],
  [
    'intelligent-tiering',
    'IntelligentTieringConfiguration',
    'ListBucketIntelligentTieringConfigurationsOutput',
  ],
] as const

export const absentConfigRoutes: readonly Route[] = kinds.flatMap(([query, name, root]) => {
  const route = (method: 'GET' | 'DELETE', verb: 'Get' | 'Put', doc: string): Route => ({
    method,
    level: 'bucket',
    query: [query],
    iam: [need(`s3:${verb}${name}`)],
    doc,
    operation: operation<BucketUse, LocatedBucket>({
      name: `${method === 'GET' ? 'Get' : 'Delete'}Bucket${name}`,
      facts: bucketUse,
      run: async ({ request }) => {
        if (method === 'DELETE' || request.query.has('id')) throw new S3Error('NoSuchConfiguration')
        return { status: 200, headers: {}, body: xmlDocument(root, { IsTruncated: false }) }
      },
    }),
  })
  return [
    route('GET', 'Get', 'Answers that there is none, or with `id` that it is not there.'),
    route('DELETE', 'Put', 'Answers that it is not there.'),
  ]
})
