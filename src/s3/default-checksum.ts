import { type ChecksumName, defaultChecksum } from '../crypto/checksums.ts'
import type { Encryption } from '../store/rows.ts'
import type { LocatedBucket } from './operation.ts'

/**
 * What is computed and kept of content whose client sends no checksum; `null`: nothing. Whoever reads the catalog could
 * try guesses of the content against it, so it is left out where the ETag says nothing either.
 */
export function defaultChecksumOf(
  { row }: LocatedBucket,
  encryption: Encryption | undefined,
): ChecksumName | null {
  return row.etagMode === 'opaque' || encryption?.algorithm === 'customer' ? null : defaultChecksum
}
