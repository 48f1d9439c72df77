import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket, S3Context } from '../operation.ts'
import { child, childText, parseXml, type XmlElement, xmlDocument } from '../xml.ts'

export interface LoggingTarget {
  readonly bucket: string
  readonly prefix: string
  /** By the source's account, region, name and the day; `EventTime` names the day alone. Left out: plain. */
  readonly partitioned?: 'EventTime' | 'DeliveryTime'
}

const maxPrefixBytes = 800

export async function parseLogging(
  body: Uint8Array,
  source: LocatedBucket,
  context: S3Context,
): Promise<ParsedConfig> {
  const target = readLogging(body)
  if (target === null) return { body: null }
  const found = await context.locate(target.bucket).catch(error => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket') return null
    throw error
  })
  const fits =
    found !== null && found.row.tenant === source.row.tenant && found.region.id === source.region.id
  // Whether it is another's or not there at all is not told.
  if (!fits) throw new S3Error('InvalidTargetBucketForLogging', undefined, { TargetBucket: target.bucket })
  const { bucket, prefix, partitioned } = target
  return {
    body: xmlDocument('BucketLoggingStatus', {
      LoggingEnabled: {
        TargetBucket: bucket,
        TargetPrefix: prefix,
        TargetObjectKeyFormat:
          partitioned === undefined
            ? { SimplePrefix: '' }
            : { PartitionedPrefix: { PartitionDateSource: partitioned } },
      },
    }),
  }
}

/** `null`: nothing is to be logged. */
export function readLogging(body: Uint8Array): LoggingTarget | null {
  const enabled = child(parseXml(body, 'BucketLoggingStatus'), 'LoggingEnabled')
  if (enabled === undefined) return null
  const bucket = childText(enabled, 'TargetBucket')
  const prefix = childText(enabled, 'TargetPrefix')
  if (bucket === undefined || prefix === undefined) throw new S3Error('MalformedXML')
  if (Buffer.byteLength(prefix) > maxPrefixBytes) throw new S3Error('KeyTooLongError')
  if (child(enabled, 'TargetGrants') !== undefined)
    throw new S3Error(
      'NotImplemented',
      'TargetGrants are not implemented: a bucket policy of the target says who may read logs.',
    )
  const partitioned = readPartition(enabled)
  return { bucket, prefix, ...(partitioned !== null && { partitioned }) }
}

function readPartition(enabled: XmlElement): NonNullable<LoggingTarget['partitioned']> | null {
  const format = child(enabled, 'TargetObjectKeyFormat')
  const partition = format === undefined ? undefined : child(format, 'PartitionedPrefix')
  if (partition === undefined) return null
  const source = childText(partition, 'PartitionDateSource') ?? 'DeliveryTime'
  if (source !== 'EventTime' && source !== 'DeliveryTime') throw new S3Error('MalformedXML')
  return source
}
