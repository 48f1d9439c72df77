/** Object lock in headers and documents. */
import type { IncomingHttpHeaders } from 'node:http'
import { isoTime } from '../core/time.ts'
import type { LockMode, ObjectRow, Retention, VersionAttributes } from '../store/rows.ts'
import { S3Error } from './errors.ts'
import type { LocatedBucket, S3Context } from './operation.ts'
import { childText, parseXml, type XmlElement, xmlDocument } from './xml.ts'

const modeHeader = 'x-amz-object-lock-mode'
const untilHeader = 'x-amz-object-lock-retain-until-date'
const holdHeader = 'x-amz-object-lock-legal-hold'
const bypassHeader = 'x-amz-bypass-governance-retention'

export type Lock = Pick<VersionAttributes, 'retention' | 'legalHold'>

/** The lock that a new version is to have by its request's headers. Demands that its bucket has object lock. */
export function lockOfHeaders(headers: IncomingHttpHeaders, bucket: LocatedBucket, nowUnixMs: number): Lock {
  const [mode, until, hold] = [modeHeader, untilHeader, holdHeader].map(name => headers[name]?.toString())
  if (mode === undefined && until === undefined && hold === undefined) return {}
  if ((mode === undefined) !== (until === undefined)) {
    throw badArgument(
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
      mode === undefined ? modeHeader : untilHeader,
    )
  }
  const lock: { retention?: Retention; legalHold?: 'ON' | 'OFF' } = {}
  if (mode !== undefined) {
    if (!isMode(mode)) throw badArgument('Unknown wormMode directive.', modeHeader, mode)
    lock.retention = { mode, untilUnixMs: futureDate(until!, untilHeader, nowUnixMs) }
  }
  if (hold !== undefined) {
    if (hold !== 'ON' && hold !== 'OFF')
      throw badArgument("Legal Hold must be either of 'ON' or 'OFF'", holdHeader, hold)
    lock.legalHold = hold
  }
  demandLock(bucket)
  return lock
}

export function demandLock(bucket: LocatedBucket): void {
  if (bucket.row.objectLock === undefined)
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration')
}

/** A lock protects what the client meant to store, so it must have said what that is. */
export function demandIntegrity(headers: IncomingHttpHeaders): void {
  const isChecked =
    headers['content-md5'] !== undefined ||
    headers['x-amz-trailer'] !== undefined ||
    Object.keys(headers).some(name => name.startsWith('x-amz-checksum-'))
  if (isChecked) return
  throw new S3Error(
    'InvalidRequest',
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
  )
}

/** Whether the caller asks to pass over locks of governance mode, and may. */
export async function bypassesGovernance(
  { request, mayAlso }: S3Context,
  bucket: LocatedBucket,
  key: string,
  versionId: string | null,
): Promise<boolean> {
  if (bucket.row.objectLock === undefined) return false
  if (String(request.headers[bypassHeader]).toLowerCase() !== 'true') return false
  return mayAlso({ action: 's3:BypassGovernanceRetention', bucket, key, versionId })
}

export function lockedError(): S3Error {
  return new S3Error('AccessDenied', 'Access Denied because object protected by object lock.')
}

export function lockHeaders({ retention, legalHold }: ObjectRow): Record<string, string> {
  return {
    ...(retention && { [modeHeader]: retention.mode, [untilHeader]: isoTime(retention.untilUnixMs) }),
    ...(legalHold && { [holdHeader]: legalHold }),
  }
}

/** `null`: empty, which takes a retention away. */
export function parseRetention(body: Uint8Array, nowUnixMs: number): Retention | null {
  const root = parseXml(body, 'Retention')
  const mode = childText(root, 'Mode')
  const until = childText(root, 'RetainUntilDate')
  refuseEventHold(root)
  if (mode === undefined && until === undefined) return null
  if (!isMode(mode) || until === undefined) throw new S3Error('MalformedXML')
  if (Number.isNaN(Date.parse(until))) throw new S3Error('MalformedXML')
  return { mode, untilUnixMs: futureDate(until, 'RetainUntilDate', nowUnixMs) }
}

/** A hold until an event: passed over in silence, what the client believes to be held would not be. */
export function refuseEventHold(element: XmlElement): void {
  const name = Object.keys(element).find(each => each.includes('EventHold'))
  if (name !== undefined) throw new S3Error('NotImplemented', `${name} is not implemented.`)
}

export function retentionXml({ mode, untilUnixMs }: Retention): string {
  return xmlDocument('Retention', { Mode: mode, RetainUntilDate: isoTime(untilUnixMs) })
}

export function parseLegalHold(body: Uint8Array): 'ON' | 'OFF' {
  const status = childText(parseXml(body, 'LegalHold'), 'Status')
  if (status !== 'ON' && status !== 'OFF') throw new S3Error('MalformedXML')
  return status
}

export function lockModeOf(element: XmlElement): LockMode {
  const mode = childText(element, 'Mode')
  if (!isMode(mode)) throw new S3Error('MalformedXML')
  return mode
}

function isMode(text: string | undefined): text is LockMode {
  return text === 'GOVERNANCE' || text === 'COMPLIANCE'
}

function futureDate(text: string, name: string, nowUnixMs: number): number {
  const unixMs = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(unixMs))
    throw badArgument('The retain until date must be provided in ISO 8601 format', name, text)
  if (unixMs <= nowUnixMs) throw badArgument('The retain until date must be in the future!', name, text)
  return unixMs
}

function badArgument(message: string, name: string, value?: string): S3Error {
  return new S3Error('InvalidArgument', message, {
    ArgumentName: name,
    ...(value !== undefined && { ArgumentValue: value }),
  })
}
