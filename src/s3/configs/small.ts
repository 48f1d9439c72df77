/** Configurations of which one value fits what is here, and every other is refused. */
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket } from '../operation.ts'
import { childText, parseXml, xmlDocument } from '../xml.ts'

/** Nothing is charged here, so nobody can be made to pay. */
export function parseRequestPayment(body: Uint8Array): ParsedConfig {
  const payer = childText(parseXml(body, 'RequestPaymentConfiguration'), 'Payer')
  if (payer === 'BucketOwner') return { body: null }
  if (payer === 'Requester')
    throw new S3Error('NotImplemented', 'Requests are not charged, so nobody pays for them.')
  throw new S3Error('MalformedXML')
}

export function parseAccelerate(body: Uint8Array, bucket: LocatedBucket): ParsedConfig {
  const status = childText(parseXml(body, 'AccelerateConfiguration'), 'Status')
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  if (bucket.row.name.includes('.'))
    throw new S3Error(
      'InvalidRequest',
      'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
    )
  if (status === 'Enabled')
    throw new S3Error('NotImplemented', 'There are no edge locations: a request goes to the region itself.')
  return { body: xmlDocument('AccelerateConfiguration', { Status: status }) }
}
