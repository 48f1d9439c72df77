/** What the headers of a request say of the version that it makes, beside its content. */
import type { IncomingHttpHeaders } from 'node:http'
import { retentionFrom } from '../store/locks.ts'
import type { VersionAttributes } from '../store/rows.ts'
import { storedHeaders } from './object-headers.ts'
import { lockOfHeaders } from './object-lock.ts'
import type { LocatedBucket } from './operation.ts'
import { parseTagHeader } from './tags.ts'

export function versionAttributes(
  headers: IncomingHttpHeaders,
  bucket: LocatedBucket,
  nowUnixMs: number,
): VersionAttributes {
  return {
    ...storedHeaders(headers),
    ...tagsOfHeader(headers),
    ...lockOfHeaders(headers, bucket, nowUnixMs),
  }
}

function tagsOfHeader(headers: IncomingHttpHeaders): Pick<VersionAttributes, 'tags'> {
  const header = headers['x-amz-tagging']
  const tags = header === undefined ? [] : parseTagHeader(String(header))
  return tags.length === 0 ? {} : { tags }
}

/** Of a row that keeps them. */
export function attributesOf(row: VersionAttributes): VersionAttributes {
  const { headers, metadata, tags, retention, legalHold, owner, acl, encryption } = row
  return {
    ...{ headers, metadata },
    ...(tags && { tags }),
    ...(retention && { retention }),
    ...(legalHold && { legalHold }),
    ...(owner && { owner }),
    ...(acl && { acl }),
    ...(encryption && { encryption }),
  }
}

/** A version without a retention of its own gets the bucket's, counted from when it is made. */
export function withDefaultRetention(
  attributes: VersionAttributes,
  bucket: LocatedBucket,
  nowUnixMs: number,
): VersionAttributes {
  const byDefault = bucket.row.objectLock?.default
  if (attributes.retention !== undefined || byDefault === undefined) return attributes
  return { ...attributes, retention: retentionFrom(byDefault, nowUnixMs) }
}
