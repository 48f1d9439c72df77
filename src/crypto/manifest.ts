/** The authenticated list of an object's parts (docs/formats/sealed-object.md). */
import { createHash, timingSafeEqual } from 'node:crypto'
import { toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { OriginId, TenantId } from '../core/ids.ts'
import { hmac } from './hmac.ts'
import type { SealedPart } from './part-sealing.ts'

const magic = Buffer.from('holdfast/mani/v1', 'ascii')
const keyPurpose = Buffer.from('holdfast/manifest-key/v1', 'ascii')
const headBytes = 16 + 32 + 16 + 4
const rowBytes = 84
const macBytes = 32

export interface ManifestPart extends SealedPart {
  readonly partNumber: number
}

export interface Manifest {
  readonly tenant: TenantId
  readonly origin: OriginId
  /** Ascending part numbers. */
  readonly parts: readonly ManifestPart[]
}

/** From it the data key does not follow. */
export function manifestKeyOf(dataKey: Uint8Array): Buffer {
  return hmac('sha256', dataKey, keyPurpose)
}

export function encodeManifest(manifest: Manifest, manifestKey: Uint8Array): Buffer {
  const { parts } = manifest
  const out = Buffer.allocUnsafe(headBytes + parts.length * rowBytes + macBytes)
  magic.copy(out)
  out.write(manifest.tenant, 16, 'hex')
  out.write(manifest.origin, 48, 'hex')
  out.writeUInt32BE(parts.length, 64)
  let at = headBytes
  for (const part of parts) {
    out.writeUInt32BE(part.partNumber, at)
    out.writeBigUInt64BE(BigInt(part.plainBytes), at + 4)
    out.writeBigUInt64BE(BigInt(part.cipherBytes), at + 12)
    out.set(part.headerTag, at + 20)
    out.set(part.sha256, at + 52)
    at += rowBytes
  }
  mac(out.subarray(0, at), manifestKey).copy(out, at)
  return out
}

/** What a manifest says, unauthenticated: for bookkeeping by those who hold no data key (fsck, transfers). */
export function readManifest(bytes: Uint8Array): Manifest {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < headBytes + macBytes || magic.compare(view, 0, 16) !== 0) throw damaged('is no manifest')
  const count = view.readUInt32BE(64)
  if (view.length !== headBytes + count * rowBytes + macBytes) throw damaged('has a wrong length')
  const parts: ManifestPart[] = []
  for (let at = headBytes; parts.length < count; at += rowBytes) {
    parts.push({
      partNumber: view.readUInt32BE(at),
      plainBytes: readU64(view, at + 4),
      cipherBytes: readU64(view, at + 12),
      headerTag: bytes.slice(at + 20, at + 52),
      sha256: bytes.slice(at + 52, at + 84),
    })
  }
  return {
    tenant: view.toString('hex', 16, 48) as TenantId,
    origin: view.toString('hex', 48, 64) as OriginId,
    parts,
  }
}

/** As a number: what is too long for one is too long for any store. */
function readU64(view: Buffer, at: number): number {
  return view.readUInt32BE(at) * 2 ** 32 + view.readUInt32BE(at + 4)
}

/** Authenticates before anything of it is believed: who changes the store cannot cut, add or reorder parts. */
export function openManifest(
  bytes: Uint8Array,
  dataKey: Uint8Array,
  expected: { tenant: TenantId; origin: OriginId },
): Manifest {
  const manifest = readManifest(bytes)
  const body = bytes.subarray(0, bytes.length - macBytes)
  if (!timingSafeEqual(mac(body, manifestKeyOf(dataKey)), bytes.subarray(bytes.length - macBytes))) {
    throw damaged('does not authenticate')
  }
  if (manifest.tenant !== expected.tenant || manifest.origin !== expected.origin) {
    throw damaged('belongs to another version')
  }
  return manifest
}

/** As entries say it: of one part, its digest; of several, the digest of the digests. */
export function ciphertextSha256(parts: readonly ManifestPart[]): string {
  if (parts.length === 1) return toHex(parts[0]!.sha256)
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part.sha256)
  return hash.digest('hex')
}

function mac(body: Uint8Array, manifestKey: Uint8Array): Buffer {
  return hmac('sha256', manifestKey, body)
}

function damaged(what: string): HoldfastError {
  return new HoldfastError('sealed-damaged', `the manifest ${what}`)
}
