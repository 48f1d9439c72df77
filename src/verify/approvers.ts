import { fromHex, toHex } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { type Approver, approverHolds, approverTerms, readApprover } from '../crypto/approver.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export type { Approver } from '../crypto/approver.ts'

/** A list of approvers and how many of them it takes, or what is wrong; `docs/formats/instruction.md`, "Algorithms". */
export function parseApproverSet(
  list: unknown,
  quorum: unknown,
): { approvers: Approver[]; quorum: number } | string {
  if (!Array.isArray(list)) return 'approvers is not a list'
  const approvers: Approver[] = []
  for (const entry of list as unknown[]) {
    if (!isRecord(entry)) return 'not an approver'
    const publicKey = typeof entry.publicKey === 'string' ? fromHex(entry.publicKey) : null
    const approver = readApprover(entry, publicKey)
    if (typeof approver === 'string') return approver
    approvers.push(approver)
  }
  // One key listed twice would be counted as two people, also where it is listed under two algorithms.
  if (new Set(approvers.map(({ publicKey }) => toHex(publicKey))).size !== approvers.length) {
    return 'a key is listed twice'
  }
  const least = approvers.length === 0 ? 0 : 1
  if (
    typeof quorum !== 'number' ||
    !Number.isInteger(quorum) ||
    quorum < least ||
    quorum > approvers.length
  ) {
    return 'a quorum must be from 1 to the number of approvers'
  }
  return { approvers, quorum }
}

/** As it stands in documents; canonical JSON puts the fields in order. */
export function printApprover(approver: Approver): Json {
  const { algorithm, publicKey } = approver
  return { algorithm, publicKey: toHex(publicKey), ...approverTerms(approver) }
}

/** Whether it is the approver's signature: by the key and the algorithm of the set, whatever came with the signature. */
export function approverSigned(
  approver: Approver,
  message: Uint8Array,
  signature: Uint8Array,
  crypto: VerifyCrypto,
): boolean {
  return approverHolds(approver, message, signature, crypto)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
