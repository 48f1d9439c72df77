import type { BucketRow } from '../../store/rows.ts'
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import { childText, parseXml, xmlDocument } from '../xml.ts'

export function parseVersioning(body: Uint8Array): ParsedConfig {
  const root = parseXml(body, 'VersioningConfiguration')
  const status = childText(root, 'Status')
  const mfaDelete = childText(root, 'MfaDelete')
  if (status !== 'Enabled' && status !== 'Suspended')
    throw new S3Error('IllegalVersioningConfigurationException')
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled')
    throw new S3Error('NotImplemented', 'MfaDelete is not implemented.')
  return {
    body: versioningXml(status),
    row: (row): BucketRow => {
      if (row.configs?.replication !== undefined && status === 'Suspended')
        throw new S3Error(
          'InvalidBucketState',
          'A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.',
        )
      if (row.objectLock === undefined || status === 'Enabled') return { ...row, versioning: status }
      throw new S3Error(
        'InvalidBucketState',
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      )
    },
  }
}

export function versioningXml(status: NonNullable<BucketRow['versioning']>): string {
  return xmlDocument('VersioningConfiguration', { Status: status })
}
