/**
 * Keys of the table `versions`: bucket id, object key, version id, such that rows sort by object key as its bytes do
 * and within one key from the newest version to the oldest. An object key may contain any byte, so it can neither be
 * ended by one nor be left without an end. It is cut into groups of eight bytes, the last one filled up with zeros
 * (one more group when nothing is left over); each is followed by a byte that says how full it is, 0xff for a full
 * one. Compared as bytes, what results sorts as the keys do, and is an eighth longer at most.
 */
import { concat, fromHex, fromUtf8, utf8 } from '../core/bytes.ts'
import { prefixEnd } from './catalog.ts'

const groupBytes = 8
const full = 0xff
const idBytes = 26
export const bucketIdBytes = 8

function encodeKey(key: Uint8Array): Uint8Array {
  const groups = Math.floor(key.length / groupBytes) + 1
  const out = new Uint8Array(groups * (groupBytes + 1))
  for (let group = 0; group < groups; group++) {
    const bytes = key.subarray(group * groupBytes, (group + 1) * groupBytes)
    const at = group * (groupBytes + 1)
    out.set(bytes, at)
    out[at + groupBytes] = full - (groupBytes - bytes.length)
  }
  return out
}

/** Larger ids come first. */
function encodeId(versionId: string): Uint8Array {
  return Uint8Array.from(utf8(versionId), byte => 0xff - byte)
}

/** What the rows of all versions of a key start with; below it stand the rows of all smaller keys. */
export const versionsPrefix = (bucketId: string, key: string): Uint8Array =>
  concat(fromHex(bucketId)!, encodeKey(utf8(key)))
export const versionRowKey = (bucketId: string, key: string, versionId: string): Uint8Array =>
  concat(versionsPrefix(bucketId, key), encodeId(versionId))

/** Above the rows of every key that starts with `prefix`, below those of every greater key. */
export function versionsEnd(bucketId: string, prefix: string): Uint8Array | null {
  const bytes = utf8(prefix)
  const whole = bytes.length - (bytes.length % groupBytes)
  const groups = encodeKey(bytes.subarray(0, whole)).subarray(0, (whole / groupBytes) * (groupBytes + 1))
  return prefixEnd(concat(fromHex(bucketId)!, groups, bytes.subarray(whole)))
}

export interface VersionRowName {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
}

export function readVersionRowKey(rowKey: Uint8Array): VersionRowName {
  const bytes: number[] = []
  let at = bucketIdBytes
  for (;;) {
    const size = groupBytes - (full - rowKey[at + groupBytes]!)
    for (let i = 0; i < size; i++) bytes.push(rowKey[at + i]!)
    at += groupBytes + 1
    if (size < groupBytes) break
  }
  const id = rowKey.subarray(at, at + idBytes)
  return {
    bucketId: Buffer.from(rowKey.subarray(0, bucketIdBytes)).toString('hex'),
    key: fromUtf8(Uint8Array.from(bytes)),
    versionId: fromUtf8(Uint8Array.from(id, byte => 0xff - byte)),
  }
}
