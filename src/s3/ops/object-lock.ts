import { isoTime } from '../../core/time.ts'
import { lockEntry } from '../../ledger/lock-entry.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectRead, ObjectWrite } from '../../policy/operations.ts'
import { mayReplaceRetention } from '../../store/locks.ts'
import type { ObjectRow, Retention } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { findReadable, versionHeader, versionIdOf } from '../find-readable.ts'
import {
  bypassesGovernance,
  demandLock,
  lockedError,
  parseLegalHold,
  parseRetention,
  retentionXml,
} from '../object-lock.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { xmlDocument } from '../xml.ts'
import { collectXml } from './buckets.ts'
import { changeAttributes } from './change-attributes.ts'
import { objectRead } from './get-object.ts'
import { objectWrite } from './put-object.ts'

const maxDocumentBytes = 64 * 1024

export const getObjectRetentionOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObjectRetention',
  facts: objectRead,
  run: async ({ request }, _authorized, bucket) => {
    demandLock(bucket)
    const row = await findReadable(bucket, request.key!, versionIdOf(request))
    if (row.retention === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
    return { status: 200, headers: versionHeader(bucket.row, row), body: retentionXml(row.retention) }
  },
})

export const getObjectLegalHoldOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObjectLegalHold',
  facts: objectRead,
  run: async ({ request }, _authorized, bucket) => {
    demandLock(bucket)
    const row = await findReadable(bucket, request.key!, versionIdOf(request))
    if (row.legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
    const body = xmlDocument('LegalHold', { Status: row.legalHold })
    return { status: 200, headers: versionHeader(bucket.row, row), body }
  },
})

interface Locking<Wanted> {
  readonly bucket: LocatedBucket
  readonly wanted: Wanted
}

export const putObjectRetentionOperation = operation<ObjectWrite, Locking<Retention | null>>({
  name: 'PutObjectRetention',
  facts: async context => {
    const { op, target: bucket } = await objectWrite(context)
    const nowUnixMs = context.services.clock()
    const wanted = parseRetention(await collectXml(context, maxDocumentBytes), nowUnixMs)
    const asked = wanted === null ? {} : askedRetention(wanted, nowUnixMs)
    return { op, target: { bucket, wanted }, asked }
  },
  run: async (context, authorized, { bucket, wanted }) => {
    demandLock(bucket)
    const { request, services } = context
    const bypass = await bypassesGovernance(context, bucket, request.key!, versionIdOf(request))
    const order = { nowUnixMs: services.clock(), bypassGovernance: bypass }
    const change = ({ retention, ...row }: ObjectRow): ObjectRow => {
      if (!mayReplaceRetention(retention, wanted, order)) throw lockedError()
      return wanted === null ? row : { ...row, retention: wanted }
    }
    await enterLock(context, authorized, bucket, change)
    return { status: 200, headers: {}, body: null }
  },
})

export const putObjectLegalHoldOperation = operation<ObjectWrite, Locking<'ON' | 'OFF'>>({
  name: 'PutObjectLegalHold',
  facts: async context => {
    const { op, target: bucket } = await objectWrite(context)
    const wanted = parseLegalHold(await collectXml(context, maxDocumentBytes))
    return { op, target: { bucket, wanted }, asked: { 's3:object-lock-legal-hold': [wanted] } }
  },
  run: async (context, authorized, { bucket, wanted }) => {
    demandLock(bucket)
    await enterLock(context, authorized, bucket, row => ({ ...row, legalHold: wanted }))
    return { status: 200, headers: {}, body: null }
  },
})

function askedRetention({ mode, untilUnixMs }: Retention, nowUnixMs: number): Record<string, string[]> {
  return {
    's3:object-lock-mode': [mode],
    's3:object-lock-retain-until-date': [isoTime(untilUnixMs)],
    's3:object-lock-remaining-retention-days': [String(Math.ceil((untilUnixMs - nowUnixMs) / 86_400e3))],
  }
}

function enterLock(
  context: S3Context,
  authorized: Authorized<ObjectWrite>,
  bucket: LocatedBucket,
  change: (row: ObjectRow) => ObjectRow,
): Promise<ObjectRow> {
  return changeAttributes(context, authorized, bucket, change, (row, name) =>
    bucket.region.drafts.draft({
      tenant: bucket.row.tenant,
      type: 'object.locked',
      body: { ...name, lock: lockEntry(row) },
    }),
  )
}
