/** What a source says, held against what it has entered: nothing of it is taken on its word. */
import { z } from 'zod'
import type { RegionId } from '../core/ids.ts'
import { ciphertextSha256, type Manifest, readManifest } from '../crypto/manifest.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { KnownTransfer } from '../instructions/instruction-book.ts'
import type { KnownBucket } from '../store/objects.ts'
import { openPeerProof } from '../verify/peer-proof.ts'
import { classLost } from './law.ts'
import type { Peer } from './peers.ts'
import { type MarkerHead, type ObjectHead, type PeerProof, rowDigest, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'

/** The departure must be in the source's log, for exactly this; what its entry says. */
export function checkDeparture(
  here: RegionId,
  peer: Peer,
  { instruction, row }: KnownTransfer,
  batch: number,
  itemsSha256: string,
  departure: PeerProof,
): Readonly<Record<string, unknown>> {
  const refusal = (what: string): TransferRefused =>
    new TransferRefused(
      'transfer-needs-an-instruction',
      `The departure of batch ${batch} is not in the books of ${peer.id}: ${what}.`,
    )
  if (instruction.ledger !== peer.log.origin) throw refusal('the instruction names another ledger')
  const opened = openPeerProof(departure, peer.log, nodeVerifyCrypto)
  if (typeof opened === 'string') throw refusal(opened)
  const { entry } = opened
  if (entry.type !== 'transfer.departed' || entry.tenant !== row.tenant || entry.region !== peer.id)
    throw refusal('it is another entry')
  const body = entry.body as Readonly<Record<string, unknown>>
  const says = [body.instruction, body.batch, body.peer, body.bucket, body.toBucket, body.manifestSha256]
  const wanted = [row.id, batch, here, instruction.from.bucket, instruction.to.bucket, itemsSha256]
  if (says.some((value, index) => value !== wanted[index])) throw refusal('it says something else')
  return body
}

/** The source's word for what it holds; it is in its books, and in the tenant's. */
export function checkClass(
  { law }: Readonly<Record<string, unknown>>,
  { row }: KnownBucket,
  { instruction }: KnownTransfer,
): void {
  const said = saidSchema.safeParse(law)
  const { dataClass, classes } = said.success ? said.data : { dataClass: 'unknown', classes: [] }
  // The first is the scope's own.
  const inner = classes.slice(1).map(([prefix, each]) => ({ prefix, dataClass: each }))
  const lost = classLost({ dataClass, classes: inner }, row, instruction.prefix)
  if (lost !== null) throw new TransferRefused('class-would-be-lost', lost)
}

const saidSchema = z.object({
  dataClass: z.string(),
  /** A bucket has a hundred at most, and its scope has one. */
  classes: z
    .array(z.tuple([z.string(), z.string()]))
    .max(101)
    .default([]),
})

/** A delete marker is all description. */
export function checkMarkerHead(head: MarkerHead, item: TransferItem, { instruction }: KnownTransfer): null {
  const isIt =
    head.key === item.key &&
    head.row.originId === item.originId &&
    item.ciphertextBytes === 0 &&
    rowDigest(head.row) === item.rowSha256
  if (isIt && instruction.versions === 'all') return null
  throw new TransferRefused(
    'instruction-out-of-scope',
    isIt
      ? 'A delete marker goes only where all versions go.'
      : `Object ${item.originId} is not what departed: another delete marker.`,
  )
}

/** The source describes the object; every claim must agree with the departure that it is bound to. */
export function checkHead(head: ObjectHead, item: TransferItem, { row }: KnownTransfer): Manifest {
  const refuse = (what: string): never => {
    throw new TransferRefused(
      'instruction-out-of-scope',
      `Object ${item.originId} is not what departed: ${what}.`,
    )
  }
  const bytes = Buffer.from(head.manifest, 'base64')
  if (sha256Hex(bytes) !== item.manifestSha256) refuse('another manifest')
  let manifest: Manifest
  try {
    manifest = readManifest(bytes)
  } catch {
    return refuse('no manifest')
  }
  const cipherBytes = manifest.parts.reduce((sum, part) => sum + part.cipherBytes, 0)
  const plainBytes = manifest.parts.reduce((sum, part) => sum + part.plainBytes, 0)
  if (head.key !== item.key || head.row.originId !== item.originId || manifest.origin !== item.originId)
    refuse('another version')
  if (manifest.tenant !== row.tenant || head.bucketKey.tenant !== row.tenant) refuse('another tenant')
  if (head.row.bucketKeyId !== head.bucketKey.bucketKeyId) refuse('another bucket key')
  if (cipherBytes !== item.ciphertextBytes || head.row.ciphertextBytes !== cipherBytes)
    refuse('another length')
  if (head.row.sizeBytes !== plainBytes) refuse('another size')
  if (rowDigest(head.row) !== item.rowSha256) refuse('another description')
  if (head.row.partCount !== manifest.parts.length) refuse('another number of parts')
  if (ciphertextSha256(manifest.parts) !== item.ciphertextSha256) refuse('another digest')
  return manifest
}
