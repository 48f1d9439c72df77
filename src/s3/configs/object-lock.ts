import type { BucketRow, DefaultRetention } from '../../store/rows.ts'
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import { lockModeOf, refuseEventHold } from '../object-lock.ts'
import { child, childText, parseXml, type XmlElement, xmlDocument } from '../xml.ts'

const maxCount = { Days: 36_500, Years: 100 } as const

export function parseObjectLock(body: Uint8Array): ParsedConfig {
  const root = parseXml(body, 'ObjectLockConfiguration')
  if (childText(root, 'ObjectLockEnabled') !== 'Enabled') throw new S3Error('MalformedXML')
  const rule = child(root, 'Rule')
  const retention = rule === undefined ? null : readDefaultRetention(rule)
  const objectLock = retention === null ? {} : { default: retention }
  return {
    body: objectLockXml(retention),
    // Locks are of versions, and a bucket that has them never stops keeping versions.
    row: (row): BucketRow => {
      if (row.versioning === 'Enabled') return { ...row, objectLock }
      throw new S3Error(
        'InvalidBucketState',
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      )
    },
  }
}

function readDefaultRetention(rule: XmlElement): DefaultRetention {
  const element = child(rule, 'DefaultRetention')
  if (element === undefined) throw new S3Error('MalformedXML')
  refuseEventHold(element)
  const mode = lockModeOf(element)
  const days = childText(element, 'Days')
  const years = childText(element, 'Years')
  if ((days === undefined) === (years === undefined)) throw new S3Error('MalformedXML')
  const unit = days === undefined ? 'Years' : 'Days'
  const text = (days ?? years)!.trim()
  if (!/^[+-]?\d{1,18}$/.test(text)) throw new S3Error('MalformedXML')
  const count = Number(text)
  const wrong = (message: string): S3Error =>
    new S3Error('InvalidArgument', message, { ArgumentName: unit, ArgumentValue: text })
  if (count <= 0) throw wrong('Default retention period must be a positive integer value.')
  if (count > maxCount[unit]) throw wrong('Default retention period too large.')
  return { mode, unit, count }
}

export function objectLockXml(retention: DefaultRetention | null): string {
  const rule = retention && { DefaultRetention: { Mode: retention.mode, [retention.unit]: retention.count } }
  return xmlDocument('ObjectLockConfiguration', {
    ObjectLockEnabled: 'Enabled',
    Rule: rule ?? undefined,
  })
}
