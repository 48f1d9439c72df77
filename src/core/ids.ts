/** Ids and names: branded strings that only the parsers and makers in this file mint. */
declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** 64 lower-case hex digits: SHA-256 of the PAE of the tenant's genesis. */
export type TenantId = Branded<'TenantId'>
/** One data-centre facility, such as `in-mumbai`. */
export type RegionId = Branded<'RegionId'>
export type BucketName = Branded<'BucketName'>
/** 26 characters of Crockford base32, time-ordered; see `newSortableId`. */
export type EntryId = Branded<'EntryId'>
/** A version's id for life: kept in every region it is transferred to. 32 lower-case hex digits. */
export type OriginId = Branded<'OriginId'>
/** 64 lower-case hex digits: SHA-256 of the instruction's PAE. */
export type InstructionId = Branded<'InstructionId'>
/** ISO 3166-1 alpha-2, upper case. */
export type CountryCode = Branded<'CountryCode'>

export type RandomBytes = (length: number) => Uint8Array

const hex64 = /^[0-9a-f]{64}$/

/** Stands where a tenant stands and nobody signed. No genesis hashes to it. */
export const anonymousTenant = '0'.repeat(64) as TenantId

export function parseTenantId(text: string): TenantId | null {
  return hex64.test(text) ? (text as TenantId) : null
}

export function parseInstructionId(text: string): InstructionId | null {
  return hex64.test(text) ? (text as InstructionId) : null
}

export function parseRegionId(text: string): RegionId | null {
  return /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(text) ? (text as RegionId) : null
}

/** The general-purpose bucket naming rules of the S3 User Guide. */
export function parseBucketName(text: string): BucketName | null {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text)) return null
  if (text.includes('..') || text.includes('.-') || text.includes('-.')) return null
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null
  if (text.startsWith('xn--') || text.startsWith('sthree-') || text.startsWith('amzn-s3-demo-')) return null
  if (text.endsWith('-s3alias') || text.endsWith('--ol-s3')) return null
  return text as BucketName
}

export function parseEntryId(text: string): EntryId | null {
  return isSortableId(text) ? (text as EntryId) : null
}

export function parseCountryCode(text: string): CountryCode | null {
  return /^[A-Z]{2}$/.test(text) ? (text as CountryCode) : null
}

const crockford = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * 48 bits of milliseconds, then 80 random bits, in Crockford base32 (the layout of a ULID, in lower case). The
 * time in front keeps new rows together on disk; the random part is what makes it unguessable and unique.
 */
export function newSortableId(nowUnixMs: number, randomBytes: RandomBytes): string {
  let out = ''
  let time = nowUnixMs
  for (let i = 0; i < 10; i++) {
    out = crockford[time % 32]! + out
    time = Math.floor(time / 32)
  }
  const random = randomBytes(16)
  for (let i = 0; i < 16; i++) out += crockford[random[i]! & 31]!
  return out
}

export function isSortableId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{26}$/.test(text)
}

/** When a sortable id was made, by its own word: milliseconds since 1970. */
export function sortableIdTime(id: string): number {
  let time = 0
  for (let i = 0; i < 10; i++) time = time * 32 + crockford.indexOf(id[i]!)
  return time
}

export function newEntryId(nowUnixMs: number, randomBytes: RandomBytes): EntryId {
  return newSortableId(nowUnixMs, randomBytes) as EntryId
}
