import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import { children, childText, parseXml, xmlDocument } from '../xml.ts'

const objectOwnerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const
export type ObjectOwnership = (typeof objectOwnerships)[number]

export function parseOwnershipControls(body: Uint8Array): ParsedConfig {
  const ownership = readOwnershipControls(body)
  return {
    body: ownershipControlsXml(ownership),
    row: row => {
      // A private list is none that is kept: what is there grants something to others.
      if (ownership === 'BucketOwnerEnforced' && row.configs?.acl !== undefined)
        throw new S3Error('InvalidBucketAclWithObjectOwnership')
      return row
    },
  }
}

export function readOwnershipControls(body: Uint8Array): ObjectOwnership {
  const rules = children(parseXml(body, 'OwnershipControls'), 'Rule')
  const ownership = rules.length === 1 ? readOwnership(childText(rules[0]!, 'ObjectOwnership')) : null
  if (ownership === null) throw new S3Error('MalformedXML')
  return ownership
}

export function readOwnership(text: string | undefined): ObjectOwnership | null {
  return objectOwnerships.find(each => each === text) ?? null
}

export function ownershipControlsXml(ownership: ObjectOwnership): string {
  return xmlDocument('OwnershipControls', { Rule: { ObjectOwnership: ownership } })
}
