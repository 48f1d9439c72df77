import { S3Error } from '../errors.ts'
import { children, childText, parseXml, xmlDocument } from '../xml.ts'

export const objectOwnerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const
export type ObjectOwnership = (typeof objectOwnerships)[number]

export function parseOwnershipControls(body: Uint8Array): string {
  const rules = children(parseXml(body, 'OwnershipControls'), 'Rule')
  const ownership = rules.length === 1 ? childText(rules[0]!, 'ObjectOwnership') : undefined
  if (!(objectOwnerships as readonly (string | undefined)[]).includes(ownership))
    throw new S3Error('MalformedXML')
  return ownershipControlsXml(ownership as ObjectOwnership)
}

export function ownershipControlsXml(ownership: ObjectOwnership): string {
  return xmlDocument('OwnershipControls', { Rule: { ObjectOwnership: ownership } })
}
