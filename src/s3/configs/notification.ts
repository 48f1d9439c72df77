import { createHash } from 'node:crypto'
import { accountOf, findTenant } from '../../store/tenants.ts'
import { findWebhook } from '../../store/webhooks.ts'
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import { type NotificationRule, overlap, supportedEvents } from '../notifications/rules.ts'
import type { LocatedBucket } from '../operation.ts'
import {
  child,
  children,
  childText,
  echoXml,
  parseXml,
  type XmlElement,
  type XmlNode,
  xmlDocument,
} from '../xml.ts'

const forms = [
  ['TopicConfiguration', 'Topic'],
  ['QueueConfiguration', 'Queue'],
  ['CloudFunctionConfiguration', 'CloudFunction'],
] as const
const maxRules = 100
const maxValueBytes = 1024

interface ReadRule {
  readonly form: string
  readonly target: string
  readonly rule: NotificationRule
  readonly xml: XmlNode
}

export async function parseNotification(body: Uint8Array, bucket: LocatedBucket): Promise<ParsedConfig> {
  const read = readAll(body)
  if (read.length === 0) return { body: null }
  for (const [index, { rule }] of read.entries())
    if (read.slice(0, index).some(before => overlap(before.rule, rule)))
      throw invalid(
        'Configurations overlap. Configurations on the same bucket cannot share a common event type.',
      )
  if (new Set(read.map(({ rule }) => rule.id)).size < read.length)
    throw invalid('Same ID used for multiple configurations. IDs must be unique')
  await checkTargets(bucket, read)
  const xml = forms.map(([form]) => ({
    [form]: read.filter(each => each.form === form).map(each => each.xml),
  }))
  return { body: xmlDocument('NotificationConfiguration', Object.assign({}, ...xml) as XmlNode) }
}

export function readNotification(body: Uint8Array): NotificationRule[] {
  return readAll(body).map(({ rule }) => rule)
}

function readAll(body: Uint8Array): ReadRule[] {
  const root = parseXml(body, 'NotificationConfiguration')
  if (child(root, 'EventBridgeConfiguration') !== undefined)
    throw new S3Error('NotImplemented', 'There is no EventBridge here; events go to webhooks.')
  const read = forms.flatMap(([form, name]) =>
    children(root, form).map((element, index) => readRule(element, form, name, hashOf(body, form, index))),
  )
  if (read.length > maxRules) throw invalid(`There can be at most ${maxRules} configurations.`)
  return read
}

function hashOf(body: Uint8Array, form: string, index: number): string {
  return createHash('sha256').update(body).update(`${form}/${index}`).digest('hex').slice(0, 48)
}

function readRule(element: XmlElement, form: string, name: string, nameless: string): ReadRule {
  const given = childText(element, 'Id') ?? ''
  const id = given === '' ? nameless : given
  const target = childText(element, name)
  if (target === undefined) throw new S3Error('MalformedXML')
  const webhook = /^arn:[^:]+:[a-z]+:[^:]+:\d{12}:([a-z0-9][a-z0-9_-]{0,62})$/.exec(target)?.[1]
  if (webhook === undefined) throw invalid('The ARN is not well formed', name, target)
  const value = element.Event
  const events = (Array.isArray(value) ? value : [value]) as unknown[]
  if (value === undefined || !events.every(event => typeof event === 'string'))
    throw new S3Error('MalformedXML')
  for (const event of events as string[])
    if (!supportedEvents.has(event))
      throw invalid('The event is not supported for notifications', 'Event', event)
  const filter = child(element, 'Filter')
  const { prefix, suffix } = readFilter(filter)
  return {
    form,
    target,
    rule: { id, events: events as string[], prefix, suffix, webhook },
    xml: {
      Id: id,
      [name]: target,
      Event: events as string[],
      Filter: filter === undefined ? undefined : echoXml(filter),
    },
  }
}

function readFilter(filter: XmlElement | undefined): { prefix: string; suffix: string } {
  const found = { prefix: '', suffix: '' }
  const key = filter === undefined ? undefined : child(filter, 'S3Key')
  const seen = new Set<string>()
  for (const rule of key === undefined ? [] : children(key, 'FilterRule')) {
    const name = childText(rule, 'Name')?.toLowerCase()
    const value = childText(rule, 'Value')
    if (value === undefined) throw new S3Error('MalformedXML')
    if (name !== 'prefix' && name !== 'suffix')
      throw invalid('filter rule name must be either prefix or suffix', 'FilterRule.Name', name ?? '')
    if (seen.has(name)) throw invalid(`Cannot specify more than one ${name} rule in a filter.`)
    if (Buffer.byteLength(value) > maxValueBytes)
      throw invalid('Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation')
    seen.add(name)
    found[name] = value
  }
  return found
}

/** Of the bucket's own tenant and region. */
async function checkTargets({ row, region }: LocatedBucket, read: readonly ReadRule[]): Promise<void> {
  const { accountId } = accountOf((await findTenant(region.catalog, row.tenant)) ?? { tenant: row.tenant })
  for (const { target, rule } of read) {
    const [, , , place, account] = target.split(':')
    const isOwn = place === region.id && account === accountId
    if (!isOwn || (await findWebhook(region.catalog, row.tenant, rule.webhook)) === null)
      throw invalid(
        'Unable to validate the following destination configurations',
        target,
        'The destination is no webhook of this account in the region of the bucket: holdfast webhook create',
      )
  }
}

function invalid(message: string, name?: string, value?: string): S3Error {
  const fields: Record<string, string> =
    name === undefined ? {} : { ArgumentName: name, ArgumentValue: value ?? '' }
  return new S3Error('InvalidArgument', message, fields)
}
