import { childBoolean, parseXml, xmlDocument } from '../xml.ts'

const settings = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const
export type PublicAccessBlock = Readonly<Record<(typeof settings)[number], boolean>>

export function parsePublicAccessBlock(body: Uint8Array): string {
  return xmlDocument('PublicAccessBlockConfiguration', readPublicAccessBlock(body))
}

/** What every new bucket has, as S3 makes them since April 2023. */
export const allBlocked = xmlDocument(
  'PublicAccessBlockConfiguration',
  Object.fromEntries(settings.map(name => [name, true])),
)

/** A setting that is left out is false. */
export function readPublicAccessBlock(body: Uint8Array): PublicAccessBlock {
  const root = parseXml(body, 'PublicAccessBlockConfiguration')
  return Object.fromEntries(
    settings.map(name => [name, childBoolean(root, name) ?? false]),
  ) as PublicAccessBlock
}
