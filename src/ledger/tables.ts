import { concat, readU64be, u64be, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { leafBytes } from '../verify/leaf.ts'

/** The ledger's rows in the catalog; `docs/formats/ledger.md` says the same in prose. */
export const treeKey = utf8('ledger/tree')
export const signedKey = utf8('ledger/signed')

export const entryKey = (index: number): Uint8Array => u64be(index)
export const entryIdKey = (entryId: string): Uint8Array => utf8(entryId)
export const chainHeadKey = (tenant: string): Uint8Array => utf8(tenant)
export const chainRowKey = (tenant: string, seq: number): Uint8Array => concat(utf8(tenant), u64be(seq))
export const tenantRowKey = (tenant: string): Uint8Array => utf8(tenant)

const saltBytes = 32

/** What a region keeps of an entry: the public leaf, and what only the tenant gets. */
export interface EntryRow {
  readonly leaf: Uint8Array
  readonly salt: Uint8Array
  /** UTF-8 of the payload. */
  readonly payload: Uint8Array
}

export function encodeEntryRow({ leaf, salt, payload }: EntryRow): Uint8Array {
  return concat(leaf, salt, payload)
}

export function decodeEntryRow(bytes: Uint8Array): EntryRow {
  if (bytes.length <= leafBytes + saltBytes) {
    throw new HoldfastError('store-damaged', `an entry row of ${bytes.length} bytes is too short`)
  }
  const payloadAt = leafBytes + saltBytes
  return {
    leaf: bytes.subarray(0, leafBytes),
    salt: bytes.subarray(leafBytes, payloadAt),
    payload: bytes.subarray(payloadAt),
  }
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
