import { fromBase64, fromHex, toBase64, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson, hasFields, type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { leafBytes } from './leaf.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** The lines of a statement; `docs/formats/statement.md`. Printed by the region, parsed by the verifier. */
export interface StatementHeader {
  /** The signed note. */
  readonly checkpoint: string
  /** Rows. */
  readonly count: number
  /** How many entries of the tenant the tree holds, by the region's word. */
  readonly entered: number
  /** Sequence number of the first row. */
  readonly first: number
  /** Commitment of the entry before the first row, hex; 64 zeros where there is none. */
  readonly prev: string
  readonly region: string
  readonly tenant: string
  /** When it was made, by the region's clock. */
  readonly time: string
}

interface AnyRow {
  /** Hashes of the subtrees between the row before and this one. */
  readonly hashes: readonly Uint8Array[]
  /** Of the leaf. */
  readonly index: number
}

export interface EntryRow extends AnyRow {
  readonly kind: 'entry'
  /** Parsed, and canonical. */
  readonly payload: Json
  readonly salt: Uint8Array
  /** Where the payload's bytes stand in the line. */
  readonly payloadAt: number
  readonly payloadEnd: number
}

/** What is left of an entry whose payload and salt were erased. */
export interface BlankRow extends AnyRow {
  readonly kind: 'blank'
  readonly leaf: Uint8Array
}

export type StatementRow = EntryRow | BlankRow

export interface StatementEnd {
  /** Hashes of the subtrees after the last row. */
  readonly rest: readonly Uint8Array[]
  /** A signed note over `statementText`. */
  readonly signature: string
}

const format = 'holdfast/statement/v2'
const headerTail = ',"rows":['
const headerFields = 'checkpoint,count,entered,first,format,prev,region,tenant,time'.split(',')
const rowFields = ['h', 'i', 'p', 's']
const blankFields = ['h', 'i', 'leaf']
const endFields = ['rest', 'signature']
/** `,"s":"`, the salt, `"}` */
const rowTailBytes = 6 + 64 + 2
const hash32 = /^[0-9a-f]{64}$/

export function printHeader(header: StatementHeader): string {
  const { checkpoint, count, entered, first, prev, region, tenant, time } = header
  const value = { checkpoint, count, entered, first, format, prev, region, tenant, time }
  return canonicalJson(value).slice(0, -1) + headerTail
}

export function parseHeader(line: string): StatementHeader | null {
  if (!line.endsWith(headerTail)) return null
  const value = fieldsOf(parseCanonicalJson(`${line.slice(0, -headerTail.length)}}`), headerFields)
  if (value === null || value.format !== format) return null
  const { checkpoint, count, entered, first, prev, region, tenant, time } = value
  if (typeof checkpoint !== 'string' || typeof region !== 'string' || typeof tenant !== 'string') return null
  if (!isCount(count) || !isCount(entered) || !isCount(first) || first + count > entered) return null
  if (typeof prev !== 'string' || !hash32.test(prev)) return null
  if (typeof time !== 'string' || parseIsoTime(time) === null) return null
  return { checkpoint, count, entered, first, prev, region, tenant, time }
}

/** Without the comma that follows all rows but the last. `payload` is canonical JSON, and stands there as it is. */
export function printRow(row: {
  readonly hashes: readonly Uint8Array[]
  readonly index: number
  readonly payload: string
  /** Hex. */
  readonly salt: string
}): string {
  return `${rowHead(row.hashes, row.index)}"p":${row.payload},"s":"${row.salt}"}`
}

export function printBlankRow({ hashes, index, leaf }: Omit<BlankRow, 'kind'>): string {
  return `${rowHead(hashes, index)}"leaf":"${toHex(leaf)}"}`
}

function rowHead(hashes: readonly Uint8Array[], index: number): string {
  return `{"h":[${hashes.map(hash => `"${toBase64(hash)}"`).join(',')}],"i":${index},`
}

/** Of a line of `bytes` bytes, without the comma behind it. */
export function parseRow(line: string, bytes: number): StatementRow | null {
  const value = parseCanonicalJson(line)
  const fields = fieldsOf(value, rowFields)
  if (fields === null) return parseBlankRow(value)
  const hashes = parseHashes(fields.h)
  const { i: index, p: payload, s } = fields
  const salt = typeof s === 'string' && s.length === 64 ? fromHex(s) : null
  if (hashes === null || !isCount(index) || salt === null) return null
  // What stands before the payload and behind it has one spelling and is ASCII, so its bytes can be counted.
  const head = 6 + (hashes.length === 0 ? 0 : 47 * hashes.length - 1) + 6 + decimalDigits(index) + 5
  const payloadEnd = bytes - rowTailBytes
  return { kind: 'entry', hashes, index, payload: payload!, salt, payloadAt: head, payloadEnd }
}

function parseBlankRow(value: Json | null): BlankRow | null {
  const fields = fieldsOf(value, blankFields)
  if (fields === null) return null
  const hashes = parseHashes(fields.h)
  const leaf = typeof fields.leaf === 'string' ? fromHex(fields.leaf) : null
  if (hashes === null || !isCount(fields.i) || leaf?.length !== leafBytes) return null
  return { kind: 'blank', hashes, index: fields.i, leaf }
}

export const endStart = '],'

export function printEnd({ rest, signature }: StatementEnd): string {
  return endStart + canonicalJson({ rest: rest.map(toBase64), signature }).slice(1)
}

export function parseEnd(line: string): StatementEnd | null {
  const value = fieldsOf(parseCanonicalJson(`{${line.slice(endStart.length)}`), endFields)
  const rest = value === null ? null : parseHashes(value.rest)
  return rest === null || typeof value?.signature !== 'string' ? null : { rest, signature: value.signature }
}

/** What the region signs: all lines but the last by one digest, and what else the last line says by another. */
export function statementText(
  origin: string,
  linesSha256: Uint8Array,
  rest: readonly Uint8Array[],
  crypto: Pick<VerifyCrypto, 'sha256'>,
): string {
  const restSha256 = crypto.sha256(utf8(canonicalJson(rest.map(toBase64))))
  return `${format}\n${origin}\n${toHex(linesSha256)}\n${toBase64(restSha256)}\n`
}

function fieldsOf(
  value: Json | null,
  names: readonly string[],
): { readonly [field: string]: Json | undefined } | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return hasFields(value, names) ? (value as { readonly [field: string]: Json | undefined }) : null
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && value >= 0
}

function decimalDigits(value: number): number {
  let digits = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++
  return digits
}

const none: readonly Uint8Array[] = []

function parseHashes(value: Json | undefined): readonly Uint8Array[] | null {
  if (!Array.isArray(value)) return null
  if (value.length === 0) return none
  const hashes: Uint8Array[] = []
  for (const text of value as Json[]) {
    const hash = typeof text === 'string' ? fromBase64(text) : null
    if (hash?.length !== 32) return null
    hashes.push(hash)
  }
  return hashes
}
