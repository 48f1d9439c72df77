import { concat, fromUtf8, readU64be, toHex, u64be, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { leafBytes, saltBytes } from '../verify/leaf.ts'

/** The ledger's rows in the catalog; `docs/formats/ledger.md` says the same in prose. */
export const treeKey = utf8('ledger/tree')
export const signedKey = utf8('ledger/signed')
export const witnessedKey = utf8('ledger/witnessed')
export const stoppedKey = utf8('ledger/stopped')

/** Id of the tenant's newest `entries.erased`: a statement that did not reach to it would not verify. */
export const erasedKey = (tenant: string): Uint8Array => utf8(`ledger/erased/${tenant}`)

export const entryKey = (index: number): Uint8Array => u64be(index)
export const entryIdKey = (entryId: string): Uint8Array => Buffer.from(entryId, 'latin1')
export const chainHeadKey = (tenant: string): Uint8Array => Buffer.from(tenant, 'latin1')
export const chainRowKey = (tenant: string, seq: number): Uint8Array => {
  const key = Buffer.allocUnsafe(tenant.length + 8)
  key.write(tenant, 'latin1')
  key.writeBigUInt64BE(BigInt(seq), tenant.length)
  return key
}
export const tenantRowKey = (tenant: string): Uint8Array => utf8(tenant)

/** What a region keeps of an entry: the public leaf, and what only the tenant gets. */
export interface EntryRow {
  readonly leaf: Uint8Array
  /** Salt ‖ payload in UTF-8: what the leaf commits to. Empty where it was erased. */
  readonly salted: Uint8Array
}

export function isErased({ salted }: EntryRow): boolean {
  return salted.length === 0
}

export function encodeEntryRow({ leaf, salted }: EntryRow): Uint8Array {
  return concat(leaf, salted)
}

export function decodeEntryRow(bytes: Uint8Array): EntryRow {
  if (bytes.length !== leafBytes && bytes.length <= leafBytes + saltBytes) {
    throw new HoldfastError('store-damaged', `an entry row of ${bytes.length} bytes is too short`)
  }
  return { leaf: bytes.subarray(0, leafBytes), salted: bytes.subarray(leafBytes) }
}

export function saltPayload(salt: Uint8Array, payload: string): Uint8Array {
  const salted = Buffer.allocUnsafe(saltBytes + Buffer.byteLength(payload))
  salted.set(salt)
  salted.write(payload, saltBytes)
  return salted
}

/** In hex, as receipts and statements print it. */
export function saltOf({ salted }: EntryRow): string {
  return toHex(salted.subarray(0, saltBytes))
}

export function payloadOf({ salted }: EntryRow): string {
  return fromUtf8(salted.subarray(saltBytes))
}

/** How far a tenant's chain has come. */
export interface ChainHead {
  /** Entries so far, and so the next sequence number. */
  readonly count: number
  /** Commitment of the last entry; zeros where there is none. */
  readonly prev: Uint8Array
}

export function encodeChainHead({ count, prev }: ChainHead): Uint8Array {
  return concat(u64be(count), prev)
}

export function decodeChainHead(bytes: Uint8Array): ChainHead {
  if (bytes.length !== 40) throw new HoldfastError('store-damaged', 'a chain head is not 40 bytes')
  return { count: readU64be(bytes), prev: bytes.slice(8) }
}

/** The tree over all committed entries. Ahead of what is signed for as long as a tick takes. */
export interface TreeState {
  readonly size: number
  readonly root: Uint8Array
}

export function encodeTreeState({ size, root }: TreeState): Uint8Array {
  return concat(u64be(size), root)
}

export function decodeTreeState(bytes: Uint8Array): TreeState {
  if (bytes.length !== 40) throw new HoldfastError('store-damaged', 'the tree state is not 40 bytes')
  return { size: readU64be(bytes), root: bytes.slice(8) }
}
