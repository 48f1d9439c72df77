import { maxBucketTags, parseTagSet, tagSetXml } from '../tags.ts'

export function parseBucketTagging(body: Uint8Array): string {
  return tagSetXml(parseTagSet(body, maxBucketTags))
}
