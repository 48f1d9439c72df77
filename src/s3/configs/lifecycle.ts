import { createHash } from 'node:crypto'
import type { Tag } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { type Expiration, type LifecycleFilter, type LifecycleRule, realDayMs } from '../lifecycle/rules.ts'
import {
  child,
  childBoolean,
  children,
  childText,
  parseXml,
  type XmlElement,
  type XmlNode,
  xmlDocument,
} from '../xml.ts'

const maxRules = 1000
const maxIdChars = 255
const maxPrefixBytes = 1024
const maxDays = 2 ** 31 - 1
const maxNewerVersions = 100
const storageClasses = [
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
]

/** A rule with the XML that says it, in the form in which it came: clients compare what they are answered. */
interface ReadRule {
  readonly rule: LifecycleRule
  readonly xml: XmlNode
}

export function parseLifecycle(body: Uint8Array): string {
  return xmlDocument('LifecycleConfiguration', { Rule: readRules(body).map(({ xml }) => xml) })
}

export function readLifecycle(body: Uint8Array): LifecycleRule[] {
  return readRules(body).map(({ rule }) => rule)
}

function readRules(body: Uint8Array): ReadRule[] {
  const elements = children(parseXml(body, 'LifecycleConfiguration'), 'Rule')
  if (elements.length === 0 || elements.length > maxRules) throw new S3Error('MalformedXML')
  const named = (index: number): string =>
    createHash('sha256').update(body).update(String(index)).digest('hex').slice(0, 48)
  const rules = elements.map((element, index) => readRule(element, named(index)))
  const ids = new Set(rules.map(({ rule }) => rule.id))
  if (ids.size < rules.length) throw invalid('Rule ID must be unique. Found same ID for more than one rule')
  const legacy = elements.filter(({ Prefix }) => Prefix !== undefined).length
  if (legacy > 0 && legacy < elements.length)
    throw new S3Error(
      'InvalidRequest',
      'Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.',
    )
  return rules
}

function readRule(element: XmlElement, nameless: string): ReadRule {
  const given = childText(element, 'ID') ?? ''
  const id = given === '' ? nameless : given
  if ([...id].length > maxIdChars) throw invalid(`ID length should not exceed allowed limit of ${maxIdChars}`)
  const status = childText(element, 'Status')
  if (status !== 'Enabled' && status !== 'Disabled') throw new S3Error('MalformedXML')
  const scope = readScope(element)
  const expiration = readExpiration(element)
  const noncurrent = readNoncurrent(element)
  const abort = readAbort(element)
  refuseTransitions(element)
  if (expiration === null && noncurrent === null && abort === null)
    throw new S3Error('InvalidRequest', 'At least one action needs to be specified in a rule.')
  const { filter } = scope
  const hasSize = filter.greaterThan !== null || filter.lessThan !== null
  if (abort !== null && filter.tags.length > 0)
    throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Tags.')
  if (abort !== null && hasSize)
    throw new S3Error(
      'InvalidRequest',
      'AbortIncompleteMultipartUpload cannot be specified with Object Size.',
    )
  if (expiration !== null && 'expiredMarker' in expiration.value && filter.tags.length > 0)
    throw new S3Error('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags.')
  return {
    rule: {
      id,
      enabled: status === 'Enabled',
      filter,
      expiration: expiration?.value ?? null,
      noncurrent: noncurrent?.value ?? null,
      abortDays: abort,
    },
    xml: {
      ID: id,
      ...scope.xml,
      Status: status,
      Expiration: expiration?.xml,
      NoncurrentVersionExpiration: noncurrent?.xml,
      AbortIncompleteMultipartUpload: abort === null ? undefined : { DaysAfterInitiation: abort },
    },
  }
}

interface Scope {
  readonly filter: LifecycleFilter
  readonly xml: { readonly [name: string]: XmlNode }
}

const everything: LifecycleFilter = { prefix: '', tags: [], greaterThan: null, lessThan: null }

/** `Prefix` beside the rule's actions is how rules were before there were filters. */
function readScope(element: XmlElement): Scope {
  const legacy = childText(element, 'Prefix')
  const filter = child(element, 'Filter')
  if ((legacy === undefined) === (filter === undefined)) throw new S3Error('MalformedXML')
  if (legacy !== undefined)
    return { filter: { ...everything, prefix: checkPrefix(legacy) }, xml: { Prefix: legacy } }
  const and = child(filter!, 'And')
  const predicates = readPredicates(and ?? filter!)
  const count = predicates.xml.length
  // One by itself, or several in an And.
  if (and === undefined ? count > 1 : count < 2 || Object.keys(filter!).length > 1)
    throw new S3Error('MalformedXML')
  return {
    filter: predicates.filter,
    // In a list of one: a list itself would repeat the element.
    xml: { Filter: and === undefined ? [predicates.xml] : { And: [predicates.xml] } },
  }
}

function readPredicates(element: XmlElement): { filter: LifecycleFilter; xml: XmlNode[] } {
  const prefix = childText(element, 'Prefix')
  const tags = children(element, 'Tag').map(readTag)
  const greaterThan = readSize(element, 'ObjectSizeGreaterThan')
  const lessThan = readSize(element, 'ObjectSizeLessThan')
  if (new Set(tags.map(({ key }) => key)).size < tags.length)
    throw new S3Error('InvalidRequest', 'Duplicate Tag Keys are not allowed.')
  if (greaterThan !== null && lessThan !== null && greaterThan >= lessThan)
    throw new S3Error('InvalidRequest', "'ObjectSizeGreaterThan' must be less than 'ObjectSizeLessThan'.")
  const xml: XmlNode[] = []
  if (prefix !== undefined) xml.push({ Prefix: checkPrefix(prefix) })
  if (greaterThan !== null) xml.push({ ObjectSizeGreaterThan: greaterThan })
  if (lessThan !== null) xml.push({ ObjectSizeLessThan: lessThan })
  for (const { key, value } of tags) xml.push({ Tag: { Key: key, Value: value } })
  return { filter: { prefix: prefix ?? '', tags, greaterThan, lessThan }, xml }
}

function checkPrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > maxPrefixBytes)
    throw new S3Error('InvalidRequest', `The maximum size of a prefix is ${maxPrefixBytes}.`)
  return prefix
}

function readTag(element: XmlElement): Tag {
  const key = childText(element, 'Key')
  const value = childText(element, 'Value')
  if (key === undefined || value === undefined) throw new S3Error('MalformedXML')
  if (key === '' || [...key].length > 128)
    throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid.')
  if ([...value].length > 256) throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid.')
  return { key, value }
}

function readSize(element: XmlElement, name: string): number | null {
  const size = readInteger(element, name)
  if (size !== null && size < 0) throw invalid(`'${name}' must be greater than or equal to 0`)
  return size
}

function readExpiration(element: XmlElement): { value: Expiration; xml: XmlNode } | null {
  const expiration = child(element, 'Expiration')
  if (expiration === undefined) return null
  const days = readDays(expiration, 'Days', 'Expiration')
  const date = readDate(expiration)
  const expiredMarker = childBoolean(expiration, 'ExpiredObjectDeleteMarker') ?? null
  if ([days, date, expiredMarker].filter(each => each !== null).length !== 1)
    throw new S3Error('MalformedXML')
  if (days !== null) return { value: { days }, xml: { Days: days } }
  if (date !== null) return { value: { dateUnixMs: date }, xml: { Date: new Date(date).toISOString() } }
  return { value: { expiredMarker: expiredMarker! }, xml: { ExpiredObjectDeleteMarker: expiredMarker! } }
}

function readNoncurrent(
  element: XmlElement,
): { value: NonNullable<LifecycleRule['noncurrent']>; xml: XmlNode } | null {
  const noncurrent = child(element, 'NoncurrentVersionExpiration')
  if (noncurrent === undefined) return null
  const days = readDays(noncurrent, 'NoncurrentDays', 'NoncurrentVersionExpiration')
  const newer = readInteger(noncurrent, 'NewerNoncurrentVersions')
  if (days === null) throw new S3Error('MalformedXML')
  if (newer !== null && (newer <= 0 || newer > maxNewerVersions))
    throw invalid(
      `'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer of at most ${maxNewerVersions}`,
    )
  return {
    value: { days, newerVersions: newer ?? 0 },
    xml: { NoncurrentDays: days, NewerNoncurrentVersions: newer ?? undefined },
  }
}

function readAbort(element: XmlElement): number | null {
  const abort = child(element, 'AbortIncompleteMultipartUpload')
  if (abort === undefined) return null
  const days = readDays(abort, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload')
  if (days === null) throw new S3Error('MalformedXML')
  return days
}

/** There is one storage class. A transition that was kept and never happened would be a promise that is broken. */
function refuseTransitions(element: XmlElement): void {
  const transitions = children(element, 'Transition')
  const noncurrent = children(element, 'NoncurrentVersionTransition')
  if (transitions.length === 0 && noncurrent.length === 0) return
  for (const transition of transitions) readDate(transition)
  for (const transition of [...transitions, ...noncurrent])
    if (!storageClasses.includes(childText(transition, 'StorageClass') ?? ''))
      throw new S3Error('MalformedXML')
  throw new S3Error('NotImplemented', 'There is one storage class, so nothing can be moved to another.')
}

function readDays(element: XmlElement, name: string, action: string): number | null {
  const days = readInteger(element, name)
  if (days !== null && (days <= 0 || days > maxDays))
    throw invalid(`'${name}' for ${action} action must be a positive integer`)
  return days
}

function readInteger(element: XmlElement, name: string): number | null {
  const text = childText(element, name)?.trim()
  if (text === undefined) return null
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new S3Error('MalformedXML')
  return Number(text)
}

function readDate(element: XmlElement): number | null {
  const text = childText(element, 'Date')?.trim()
  if (text === undefined) return null
  const date = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(text)
    ? Date.parse(text.length > 10 && !/(?:Z|[+-]\d{2}:?\d{2})$/.test(text) ? `${text}Z` : text)
    : Number.NaN
  if (Number.isNaN(date)) throw new S3Error('MalformedXML')
  if (date % realDayMs !== 0) throw invalid("'Date' must be at midnight GMT")
  return date
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', message)
}
