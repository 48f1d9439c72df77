/** Tags of buckets and objects, with the limits that the S3 User Guide gives them. */
import { S3Error } from './errors.ts'
import { child, children, childText, parseXml, type XmlElement } from './xml.ts'

export interface Tag {
  readonly key: string
  readonly value: string
}

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

export function checkTags(tags: readonly Tag[], maxTags: number): Tag[] {
  if (tags.length > maxTags)
    throw new S3Error('InvalidTag', `There can be no more than ${maxTags} tags; ${tags.length} were given.`)
  const seen = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || [...key].length > maxKeyChars || !allowed.test(key) || key.startsWith('aws:'))
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid.')
    if ([...value].length > maxValueChars || !allowed.test(value))
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid.')
    if (seen.has(key))
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key.', { TagKey: key })
    seen.add(key)
  }
  return [...tags]
}

export function tagSetXml(tags: readonly Tag[]): { TagSet: { Tag: { Key: string; Value: string }[] } } {
  return { TagSet: { Tag: tags.map(({ key, value }) => ({ Key: key, Value: value })) } }
}
