import { maxBucketTags, parseTagSet, tagSetXml } from '../tags.ts'
import { xmlDocument } from '../xml.ts'

export function parseBucketTagging(body: Uint8Array): string {
  return xmlDocument('Tagging', tagSetXml(parseTagSet(body, maxBucketTags)))
}
