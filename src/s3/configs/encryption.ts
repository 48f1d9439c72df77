import { S3Error } from '../errors.ts'
import { child, childBoolean, children, childText, parseXml, type XmlNode, xmlDocument } from '../xml.ts'

export interface BucketEncryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  readonly keyId: string | null
  readonly bucketKey: boolean
  /** Nothing is to be written under keys that clients send (SSE-C). */
  readonly blocksCustomerKeys: boolean
}

/** What S3 says of a bucket for which nothing was set. */
export const defaultEncryption: BucketEncryption = {
  algorithm: 'AES256',
  keyId: null,
  bucketKey: false,
  blocksCustomerKeys: false,
}

export function parseEncryption(body: Uint8Array): string {
  return xmlDocument('ServerSideEncryptionConfiguration', encryptionXml(readEncryption(body)))
}

export function readEncryption(body: Uint8Array): BucketEncryption {
  const rules = children(parseXml(body, 'ServerSideEncryptionConfiguration'), 'Rule')
  const rule = rules.length === 1 ? rules[0]! : null
  if (rule === null) throw new S3Error('MalformedXML')
  const wanted = child(rule, 'ApplyServerSideEncryptionByDefault')
  const algorithm = wanted === undefined ? 'AES256' : childText(wanted, 'SSEAlgorithm')
  const keyId = wanted === undefined ? null : (childText(wanted, 'KMSMasterKeyID') ?? null)
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse')
    throw new S3Error('MalformedXML')
  if (keyId !== null && algorithm === 'AES256') {
    throw new S3Error(
      'InvalidArgument',
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    )
  }
  const blocked = child(rule, 'BlockedEncryptionTypes')
  const type = blocked === undefined ? 'NONE' : childText(blocked, 'EncryptionType')
  if (type !== 'NONE' && type !== 'SSE-C') throw new S3Error('MalformedXML')
  return {
    algorithm,
    keyId,
    bucketKey: childBoolean(rule, 'BucketKeyEnabled') ?? false,
    blocksCustomerKeys: type === 'SSE-C',
  }
}

export function encryptionXml({
  algorithm,
  keyId,
  bucketKey,
  blocksCustomerKeys,
}: BucketEncryption): XmlNode {
  return {
    Rule: {
      ApplyServerSideEncryptionByDefault: {
        SSEAlgorithm: algorithm,
        KMSMasterKeyID: keyId ?? undefined,
      },
      BucketKeyEnabled: bucketKey,
      BlockedEncryptionTypes: blocksCustomerKeys ? { EncryptionType: 'SSE-C' } : undefined,
    },
  }
}
