import { fromBase64, fromHex, fromUtf8, toBase64, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson, type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { leafHash, rootOfProof } from './merkle.ts'
import { knownSigners, type SignedNote } from './note.ts'
import type { EntryPayload } from './payload.ts'
import type { Trust, TrustedRegion } from './trust.ts'
import { notAnchored, type Refused, refused } from './verdict.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * What a region signs when it answers: these entries are durable and will be in its log within so many seconds. One
 * signature covers all answers of a moment, so it is over the root of a tree whose leaves are the answers
 * (`docs/formats/promise.md`). A promise without its entry is proof of fraud, and needs no other witness.
 */
export interface EntryPromise {
  readonly region: string
  /** When it was given, by the region's clock. */
  readonly time: string
  readonly withinSeconds: number
  readonly entries: readonly PromisedEntry[]
  readonly index: number
  readonly size: number
  readonly path: readonly Uint8Array[]
  /** Key id and signature, as in a line of a signed note. */
  readonly signature: Uint8Array
}

export interface PromisedEntry {
  readonly id: string
  /** SHA-256 of `promisedText`, hex. */
  readonly digest: string
}

const start = 'hfp1.'
const format = 'holdfast/promise/v1'
const fields = 'entries,index,path,region,signature,size,time,v,within'

/** What is promised of an entry: all of it but its place in the chain, which it gets later. Canonical JSON. */
function promisedText(entry: Omit<EntryPayload, 'seq' | 'prev'>): string {
  const { body, id, region, tenant, time, type } = entry
  return printPromised({ body: canonicalJson(body), id, region, tenant, time, type })
}

/** The same with a body that is canonical JSON already (hot path of a region). */
export function printPromised(entry: {
  readonly body: string
  readonly id: string
  readonly region: string
  readonly tenant: string
  readonly time: string
  readonly type: string
}): string {
  const { body, id, region, tenant, time, type } = entry
  return `{"body":${body},"id":"${id}","region":"${region}","tenant":"${tenant}","time":"${time}","type":"${type}","v":1}`
}

export function promiseLeaf(
  entries: readonly PromisedEntry[],
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Uint8Array {
  return leafHash(utf8(printEntries(entries)), crypto)
}

/** What is signed for all answers of a moment. */
export function promiseText(
  origin: string,
  { time, withinSeconds, size }: Pick<EntryPromise, 'time' | 'withinSeconds' | 'size'>,
  root: Uint8Array,
): string {
  return `${format}\n${origin}\n${time}\n${withinSeconds}\n${size}\n${toBase64(root)}\n`
}

/** As it stands in a header, and on a line of a file. */
export function printPromise(promise: EntryPromise): string {
  const { region, time, withinSeconds, entries, index, size, path, signature } = promise
  const hashes = path.map(hash => `"${toBase64(hash)}"`).join(',')
  const json =
    `{"entries":${printEntries(entries)},"index":${index},"path":[${hashes}],"region":"${region}",` +
    `"signature":"${toBase64(signature)}","size":${size},"time":"${time}","v":1,"within":${withinSeconds}}`
  return start + toBase64(utf8(json)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export function isPromise(text: string): boolean {
  return text.startsWith(start)
}

/** The promise, not yet verified, or what is wrong with its form. */
export function parsePromise(text: string): EntryPromise | string {
  const encoded = isPromise(text) ? text.slice(start.length) : ''
  const padded =
    encoded.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (encoded.length % 4)) % 4)
  const bytes = /^[\w-]+$/.test(encoded) ? fromBase64(padded) : null
  const value = bytes === null ? null : parseJson(bytes)
  if (!isRecord(value) || Object.keys(value).join() !== fields) return 'not a promise in its canonical form'
  const { v, region, time, within, index, size } = value
  const entries = parseEntries(value.entries)
  const path = parseHashes(value.path)
  const signature = typeof value.signature === 'string' ? fromBase64(value.signature) : null
  if (v !== 1) return 'the promise has another version than 1'
  if (typeof region !== 'string' || typeof time !== 'string' || parseIsoTime(time) === null)
    return 'the promise has no region and time'
  if (!isCount(within) || !isCount(index) || !isCount(size)) return 'the promise has numbers that are none'
  if (entries === null || path === null || signature === null || signature.length <= 4)
    return 'the promise has no entries, path and signature'
  return { region, time, withinSeconds: within, entries, index, size, path, signature }
}

export type PromiseVerdict =
  | { readonly verified: true; readonly promise: EntryPromise; readonly dueUnixMs: number }
  | Refused

/** Has the trusted region given this promise? Whether it kept it is for `promiseFault` and a statement to say. */
export function verifyPromise(text: string, trust: Trust | null, crypto: VerifyCrypto): PromiseVerdict {
  if (trust === null) return refused(notAnchored)
  const promise = parsePromise(text)
  if (typeof promise === 'string') return refused(promise)
  const region = trust.regions.get(promise.region)
  if (region === undefined) return refused(`${notAnchored} for region ${promise.region}`)
  const fault = signatureFault(promise, region, crypto)
  if (fault !== null) return refused(fault)
  return { verified: true, promise, dueUnixMs: parseIsoTime(promise.time)! + promise.withinSeconds * 1000 }
}

/** What is wrong with an entry as the one that was promised under its id, or `null`. */
export function promiseFault(
  promised: PromisedEntry,
  entry: EntryPayload,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): string | null {
  const digest = toHex(crypto.sha256(utf8(promisedText(entry))))
  return digest === promised.digest
    ? null
    : `entry ${entry.id} is not what was promised: it was changed before it was entered`
}

function signatureFault(promise: EntryPromise, { log }: TrustedRegion, crypto: VerifyCrypto): string | null {
  const { index, size, path, signature } = promise
  const leaf = promiseLeaf(promise.entries, crypto)
  const root = rootOfProof({ index, size, leafHash: leaf, proof: path }, crypto)
  if (root === null) return 'the path of the promise leads nowhere'
  const note: SignedNote = {
    text: promiseText(log.origin, promise, root),
    signatures: [{ name: log.origin, keyId: signature.subarray(0, 4), signature: signature.subarray(4) }],
  }
  const signers = knownSigners(
    note,
    log.spans.map(({ key }) => key),
    crypto,
  )
  return typeof signers === 'string' ? `the promise: ${signers}` : null
}

function printEntries(entries: readonly PromisedEntry[]): string {
  return `[${entries.map(({ id, digest }) => `["${id}","${digest}"]`).join(',')}]`
}

function parseEntries(value: Json | undefined): PromisedEntry[] | null {
  if (!Array.isArray(value) || value.length === 0) return null
  const entries: PromisedEntry[] = []
  for (const pair of value as Json[]) {
    const [id, digest, ...more] = Array.isArray(pair) ? (pair as Json[]) : []
    if (typeof id !== 'string' || !/^[0-9a-hjkmnp-tv-z]{26}$/.test(id) || more.length > 0) return null
    if (typeof digest !== 'string' || digest.length !== 64 || fromHex(digest) === null) return null
    entries.push({ id, digest })
  }
  return entries
}

function parseHashes(value: Json | undefined): Uint8Array[] | null {
  if (!Array.isArray(value)) return null
  const hashes = (value as Json[]).map(text => (typeof text === 'string' ? fromBase64(text) : null))
  return hashes.every(hash => hash !== null && hash.length === 32) ? (hashes as Uint8Array[]) : null
}

function parseJson(bytes: Uint8Array): Json | null {
  try {
    return parseCanonicalJson(fromUtf8(bytes))
  } catch {
    return null
  }
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && value >= 0
}

function isRecord(value: Json | null): value is { readonly [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
