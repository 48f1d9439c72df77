/** Tags of buckets and objects, with the limits that the S3 User Guide gives them. */
import type { Tag } from '../store/rows.ts'
import { S3Error } from './errors.ts'
import { child, children, childText, parseXml, type XmlElement, xmlDocument } from './xml.ts'

export type { Tag }

export const maxObjectTags = 10
export const maxBucketTags = 50
const maxKeyChars = 128
const maxValueChars = 256
/** Letters, spaces and numbers of any script, and `+ - = . _ : / @`. */
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

export function parseTagSet(body: Uint8Array, maxTags: number): Tag[] {
  const set = child(parseXml(body, 'Tagging'), 'TagSet')
  if (set === undefined) throw new S3Error('MalformedXML')
  return checkTags(children(set, 'Tag').map(tagOf), maxTags)
}

function tagOf(element: XmlElement): Tag {
  const key = childText(element, 'Key')
  const value = childText(element, 'Value')
  if (key === undefined || value === undefined) throw new S3Error('MalformedXML')
  return { key, value }
}

/** `x-amz-tagging: team=red&public`, encoded as a URL's query; a key without a value has an empty one. */
export function parseTagHeader(header: string): Tag[] {
  const malformed = (): S3Error =>
    new S3Error(
      'InvalidArgument',
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      { ArgumentName: 'x-amz-tagging', ArgumentValue: header },
    )
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text.replaceAll('+', ' '))
    } catch {
      throw malformed()
    }
  }
  const tags: Tag[] = []
  for (const pair of header.split('&')) {
    if (pair === '') continue
    const [key, value = '', more] = pair.split('=') as [string, string?, string?]
    if (more !== undefined) throw malformed()
    tags.push({ key: decode(key), value: decode(value) })
  }
  if (new Set(tags.map(({ key }) => key)).size < tags.length) throw malformed()
  return checkTags(tags, maxObjectTags)
}

/** As `parseTagHeader` reads it. */
export function tagsToHeader(tags: readonly Tag[]): string {
  return tags.map(({ key, value }) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&')
}

function checkTags(tags: readonly Tag[], maxTags: number): Tag[] {
  if (tags.length > maxTags)
    throw new S3Error('InvalidTag', `There can be no more than ${maxTags} tags; ${tags.length} were given.`)
  const seen = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || [...key].length > maxKeyChars || !allowed.test(key))
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid.', { TagKey: key })
    if (key.startsWith('aws:'))
      throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester.', { TagKey: key })
    if ([...value].length > maxValueChars || !allowed.test(value))
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid.', { TagKey: key })
    if (seen.has(key))
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key.', { TagKey: key })
    seen.add(key)
  }
  return [...tags]
}

export function tagSetXml(tags: readonly Tag[]): string {
  return xmlDocument('Tagging', {
    TagSet: { Tag: tags.map(({ key, value }) => ({ Key: key, Value: value })) },
  })
}

/** What policies may ask of tags that a request's body sets. */
export function askedTags(tags: readonly Tag[]): Record<string, readonly string[]> {
  const asked: Record<string, readonly string[]> = {
    's3:requestobjecttagkeys': tags.map(({ key }) => key),
  }
  for (const { key, value } of tags) asked[`s3:requestobjecttag/${key}`] = [value]
  return asked
}
