/** Conditional requests (RFC 9110 section 13, as S3 reads it) and ranges. */
import type { IncomingHttpHeaders } from 'node:http'
import { isMarker, type ObjectRow, type VersionRow } from '../store/rows.ts'
import { S3Error } from './errors.ts'

type Names = { ifMatch: string; ifNoneMatch: string; ifModifiedSince: string; ifUnmodifiedSince: string }
const plain: Names = {
  ifMatch: 'if-match',
  ifNoneMatch: 'if-none-match',
  ifModifiedSince: 'if-modified-since',
  ifUnmodifiedSince: 'if-unmodified-since',
}
const ofCopySource: Names = {
  ifMatch: 'x-amz-copy-source-if-match',
  ifNoneMatch: 'x-amz-copy-source-if-none-match',
  ifModifiedSince: 'x-amz-copy-source-if-modified-since',
  ifUnmodifiedSince: 'x-amz-copy-source-if-unmodified-since',
}

export type ReadOutcome = 'send' | 'not-modified'

/** Of a GET or HEAD. Throws PreconditionFailed. */
export function checkRead(headers: IncomingHttpHeaders, row: ObjectRow): ReadOutcome {
  return check(headers, row, plain)
}

/** Of a copy's source, where "not modified" is a failure too. */
export function checkCopySource(headers: IncomingHttpHeaders, row: ObjectRow): void {
  if (check(headers, row, ofCopySource) === 'not-modified') throw new S3Error('PreconditionFailed')
}

function check(headers: IncomingHttpHeaders, row: ObjectRow, names: Names): ReadOutcome {
  const ifMatch = text(headers, names.ifMatch)
  const ifNoneMatch = text(headers, names.ifNoneMatch)
  const modified = wholeSeconds(row.modifiedUnixMs)
  if (ifMatch !== null) {
    if (!matches(ifMatch, row.etag))
      throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-Match' })
  } else {
    const since = date(headers, names.ifUnmodifiedSince)
    if (since !== null && modified > since) {
      throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-Unmodified-Since' })
    }
  }
  if (ifNoneMatch !== null) return matches(ifNoneMatch, row.etag) ? 'not-modified' : 'send'
  const since = date(headers, names.ifModifiedSince)
  return since !== null && modified <= since ? 'not-modified' : 'send'
}

/** Of a write: judged against the row that the commit replaces, so that of many racing writers one wins. */
export function writeCondition(
  headers: IncomingHttpHeaders,
): ((current: ObjectRow | null) => void) | undefined {
  const ifMatch = text(headers, 'if-match')
  const ifNoneMatch = text(headers, 'if-none-match')
  if (ifNoneMatch !== null && ifNoneMatch !== '*') {
    throw new S3Error('NotImplemented', 'If-None-Match of a write takes * only.')
  }
  if (ifMatch === null && ifNoneMatch === null) return undefined
  return current => {
    if (ifNoneMatch !== null && current !== null) {
      throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-None-Match' })
    }
    if (ifMatch !== null) {
      if (current === null) throw new S3Error('NoSuchKey')
      if (!matches(ifMatch, current.etag))
        throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-Match' })
    }
  }
}

/** What a deletion may demand of the object that is there now. */
export interface DeleteDemand {
  readonly etag: string | undefined
  readonly modified: string | undefined
  readonly sizeBytes: string | undefined
}

export function deleteDemand(headers: IncomingHttpHeaders): DeleteDemand {
  return {
    etag: headers['if-match'],
    modified: headers['x-amz-if-match-last-modified-time']?.toString(),
    sizeBytes: headers['x-amz-if-match-size']?.toString(),
  }
}

/**
 * Of a deletion ("How to perform conditional deletes", S3 User Guide): judged against the current version, whichever
 * is deleted, and in the transaction that deletes it. Time and size let a missing object pass, an ETag does not.
 */
export function deleteCondition(demand: DeleteDemand): ((current: VersionRow | null) => void) | undefined {
  const { etag, modified, sizeBytes } = demand
  if (etag === undefined && modified === undefined && sizeBytes === undefined) return undefined
  const modifiedUnixMs = modified === undefined ? null : Date.parse(modified)
  if (Number.isNaN(modifiedUnixMs) || (sizeBytes !== undefined && !/^\d{1,15}$/.test(sizeBytes)))
    throw new S3Error('InvalidArgument', 'The precondition of the deletion is not valid.')
  const failed = (condition: string): S3Error =>
    new S3Error('PreconditionFailed', undefined, { Condition: condition })
  return row => {
    const current = row === null || isMarker(row) ? null : row
    if (etag !== undefined) {
      if (current === null) throw etag.trim() === '*' ? failed('If-Match') : new S3Error('NoSuchKey')
      if (!matches(etag, current.etag)) throw failed('If-Match')
    }
    if (current === null) return
    if (modifiedUnixMs !== null && wholeSeconds(current.modifiedUnixMs) !== wholeSeconds(modifiedUnixMs))
      throw failed('x-amz-if-match-last-modified-time')
    if (sizeBytes !== undefined && Number(sizeBytes) !== current.sizeBytes)
      throw failed('x-amz-if-match-size')
  }
}

/**
 * One range of `sizeBytes`; several, or what is no range at all, are ignored as RFC 9110 allows and S3 does. A range
 * that lies outside throws InvalidRange.
 */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.replaceAll(' ', '') ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return null
  const outside = (): S3Error =>
    new S3Error('InvalidRange', undefined, { RangeRequested: header!, ActualObjectSize: String(sizeBytes) })
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), sizeBytes)
    if (length === 0) throw outside()
    return { start: sizeBytes - length, end: sizeBytes }
  }
  const start = Number(match[1])
  const last = match[2] === '' ? sizeBytes - 1 : Number(match[2])
  if (last < start && match[2] !== '') return null
  if (start >= sizeBytes) throw outside()
  return { start, end: Math.min(last + 1, sizeBytes) }
}

function matches(list: string, etag: string): boolean {
  return list.split(',').some(item => {
    const tag = item.trim().replace(/^W\//, '')
    return tag === '*' || tag === etag || tag === `"${etag}"`
  })
}

function text(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

/** HTTP dates have no more. */
function wholeSeconds(unixMs: number): number {
  return Math.floor(unixMs / 1000) * 1000
}

function date(headers: IncomingHttpHeaders, name: string): number | null {
  const unixMs = Date.parse(text(headers, name) ?? '')
  return Number.isNaN(unixMs) ? null : unixMs
}
