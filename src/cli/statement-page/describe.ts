/** An entry in a line of plain words, as a bank's statement names a movement. */
import { countryName, humanBytes } from '../../flows/report/units.ts'
import type { EntryPayload } from '../../verify/payload.ts'

type Body = Readonly<Record<string, unknown>>

const word = (body: Body, name: string): string => {
  const value = body[name]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
const object = (body: Body): string => `${word(body, 'bucket')}/${word(body, 'key')}`
const bytes = (body: Body, name: string): string => humanBytes(Number(word(body, name)))
const inner = (body: Body, name: string): Body =>
  typeof body[name] === 'object' && body[name] !== null ? (body[name] as Body) : {}
const country = (side: Body): string =>
  word(side, 'country') === '' ? 'an unknown country' : countryName(word(side, 'country'))
const short = (id: string): string => id.slice(0, 12)

const lines: Readonly<Record<string, (body: Body) => string>> = {
  'tenant.joined': body => `Joined the region, in ${country(body)}`,
  'accesskey.created': body =>
    `Access key ${word(body, 'accessKeyId')} made${word(body, 'user') === '' ? '' : ` for user ${word(body, 'user')}`}`,
  'accesskey.changed': body => `Access key ${word(body, 'accessKeyId')} is ${word(body, 'status')}`,
  'accesskey.deleted': body => `Access key ${word(body, 'accessKeyId')} deleted`,
  'iam.changed': body => `${word(body, 'action')} of ${word(body, 'resource')}`,
  'quota.set': body =>
    `Quota ${body.bucket === null ? 'of the tenant' : `of bucket ${word(body, 'bucket')}`} set`,
  'session.issued': body => `Session for ${word(body, 'principal')} until ${word(body, 'expires')}`,
  'webhook.registered': body => `Webhook ${word(body, 'name')} registered: ${word(body, 'url')}`,
  'webhook.removed': body => `Webhook ${word(body, 'name')} removed`,
  'notification.dropped': body => `Notification of ${object(body)} given up: ${word(body, 'reason')}`,
  'bucket.created': body => `Bucket ${word(body, 'bucket')} made, for ${word(body, 'dataClass')} data`,
  'bucket.classified': body =>
    `Bucket ${word(body, 'bucket')} holds ${word(body, 'to')} data from now on, on instruction ${short(word(body, 'instruction'))}`,
  'bucket.deleted': body => `Bucket ${word(body, 'bucket')} deleted`,
  'bucket.configured': body =>
    `Bucket ${word(body, 'bucket')}: ${word(body, 'kind')} ${body.sha256 === null ? 'removed' : 'set'}`,
  'bucketkey.created': body => `Key of bucket ${word(body, 'bucket')} made and wrapped by the key holder`,
  'object.put': body =>
    `Stored ${object(body)}, ${bytes(body, 'sizeBytes')}${body.replaced === null ? '' : ', in place of an older one'}`,
  'object.deleted': body =>
    `Deleted ${object(body)}${body.instruction === null ? '' : `, moved by instruction ${short(word(body, 'instruction'))}`}`,
  'object.marked': body => `Delete marker on ${object(body)}`,
  'object.unmarked': body => `Delete marker removed from ${object(body)}`,
  'object.tagged': body => `Tags of ${object(body)}`,
  'object.locked': body => `Lock of ${object(body)}`,
  'object.acl': body => `Grants of ${object(body)}`,
  'reads.summed': body =>
    `${word(body, 'count')} read(s) at home from ${word(body, 'bucket')}, ${bytes(body, 'bytes')}`,
  'read.opened': body =>
    `Read from ${country(inner(body, 'client'))} (${word(inner(body, 'client'), 'address')}) of ${object(body)} opened, at most ${bytes(body, 'maxBytes')}`,
  'read.closed': body => `That read closed: ${bytes(body, 'bytes')} sent, ${word(body, 'outcome')}`,
  connection: body =>
    `Connection with ${country(inner(body, 'remote'))} (${word(inner(body, 'remote'), 'address')}): ${bytes(body, 'bytesOut')} out, ${bytes(body, 'bytesIn')} in`,
  refusal: body =>
    `Refused ${word(body, 'count')} time(s): ${word(body, 'operation')} of ${word(body, 'resource')}, by rule ${word(body, 'rule')}`,
  'instruction.drafted': body => `Instruction ${short(word(body, 'instruction'))} drafted`,
  'instruction.approved': body =>
    `Instruction ${short(word(body, 'instruction'))} approved by ${short(word(body, 'approver'))}`,
  'instruction.rejected': body => `Instruction ${short(word(body, 'instruction'))} rejected`,
  'instruction.revoked': body => `Instruction ${short(word(body, 'instruction'))} revoked`,
  'instruction.state': body => `Instruction ${short(word(body, 'instruction'))} is ${word(body, 'state')}`,
  'transfer.departed': body =>
    `Departed to ${word(body, 'peer')}: ${bytes(body, 'bytes')}, under instruction ${short(word(body, 'instruction'))}`,
  'transfer.arrived': body =>
    `Arrived from ${word(body, 'peer')}: ${bytes(body, 'bytes')}, under instruction ${short(word(body, 'instruction'))}`,
  'transfer.voided': body =>
    `Did not make it to ${word(body, 'peer')}, under instruction ${short(word(body, 'instruction'))}`,
  'entries.erased': body => `Entries erased, on instruction ${short(word(body, 'instruction'))}`,
  'books.closed': body => `Books of period ${word(body, 'number')} closed`,
  'log.rotated': body => `The log has a new key, from its entry ${word(body, 'size')} on`,
  'region.restored': body => `The region was restored from a backup of ${word(body, 'from')}`,
}

/** Movements over the border, which a reader looks for first. */
export function isAbroad({ type, body }: EntryPayload): boolean {
  return (
    type === 'read.opened' ||
    type === 'connection' ||
    (type.startsWith('transfer.') && body.peer !== undefined)
  )
}

export function describeEntry({ type, body }: EntryPayload): string {
  const line = Object.hasOwn(lines, type) ? lines[type] : undefined
  return line === undefined ? type : line(body as Body)
}
