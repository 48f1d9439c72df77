import { fromBase64, fromUtf8, toBase64, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson, parseCanonicalJson } from '../core/canonical-json.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** The lines of a statement; `docs/formats/statement.md`. Printed by the region, parsed by the verifier. */
export interface StatementHeader {
  /** The signed note. */
  readonly checkpoint: string
  readonly count: number
  readonly region: string
  readonly tenant: string
}

export interface StatementRow {
  /** Hashes of the subtrees between the row before and this one. */
  readonly hashes: readonly Uint8Array[]
  readonly index: number
  readonly payload: string
  /** Hex. */
  readonly salt: string
}

export interface StatementEnd {
  /** Hashes of the subtrees after the last row. */
  readonly rest: readonly Uint8Array[]
  /** A signed note over `statementText`. */
  readonly signature: string
}

const format = 'holdfast/statement/v1'
const headerTail = ',"rows":['

export function printHeader(header: StatementHeader): string {
  const { checkpoint, count, region, tenant } = header
  return canonicalJson({ checkpoint, count, format, region, tenant }).slice(0, -1) + headerTail
}

export function parseHeader(line: string): StatementHeader | null {
  if (!line.endsWith(headerTail)) return null
  const value = parseFields(`${line.slice(0, -headerTail.length)}}`, 'checkpoint,count,format,region,tenant')
  if (value === null) return null
  const { checkpoint, count, region, tenant } = value
  if (value.format !== format || typeof checkpoint !== 'string' || typeof count !== 'number') return null
  return typeof region === 'string' && typeof tenant === 'string'
    ? { checkpoint, count, region, tenant }
    : null
}

/** Without the comma that follows all rows but the last. */
export function printRow({ hashes, index, payload, salt }: StatementRow): string {
  return canonicalJson({ h: hashes.map(toBase64), i: index, p: payload, s: salt })
}

export function parseRow(text: string): StatementRow | null {
  const value = parseFields(text, 'h,i,p,s')
  if (value === null) return null
  const { i, p, s } = value
  const hashes = parseHashes(value.h)
  if (hashes === null || typeof i !== 'number' || typeof p !== 'string' || typeof s !== 'string') return null
  return { hashes, index: i, payload: p, salt: s }
}

export function printEnd({ rest, signature }: StatementEnd): string {
  return `],${canonicalJson({ rest: rest.map(toBase64), signature }).slice(1)}`
}

export function parseEnd(line: string): StatementEnd | null {
  if (!line.startsWith('],')) return null
  const value = parseFields(`{${line.slice(2)}`, 'rest,signature')
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

export interface StatementLines {
  readonly header: string
  /** How many lines stand between the header and the last. */
  readonly rowCount: number
  readonly rows: () => Generator<string>
  readonly end: string
  /** Every byte before the last line. */
  readonly signed: Uint8Array
}

/** Cuts the document into its lines without decoding all of it at once; `null` when it cannot be one. */
export function splitStatement(bytes: Uint8Array): StatementLines | null {
  const newline = 10
  if (bytes.at(-1) !== newline) return null
  const endAt = bytes.lastIndexOf(newline, bytes.length - 2) + 1
  const headerEnd = bytes.indexOf(newline)
  if (endAt === 0) return null
  let rowCount = 0
  for (let at = headerEnd + 1; at < endAt; at = bytes.indexOf(newline, at) + 1) rowCount++
  const rows = function* (): Generator<string> {
    for (let at = headerEnd + 1; at < endAt; ) {
      const end = bytes.indexOf(newline, at)
      yield decodeLine(bytes.subarray(at, end))
      at = end + 1
    }
  }
  return {
    header: decodeLine(bytes.subarray(0, headerEnd)),
    rowCount,
    rows,
    end: decodeLine(bytes.subarray(endAt, -1)),
    signed: bytes.subarray(0, endAt),
  }
}

/** A line that is not UTF-8 becomes the empty line, which no part of a statement is. */
function decodeLine(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return ''
  }
}

function parseFields(text: string, names: string): Readonly<Record<string, unknown>> | null {
  const value = parseCanonicalJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return Object.keys(value).join() === names ? (value as Record<string, unknown>) : null
}

function parseHashes(value: unknown): Uint8Array[] | null {
  if (!Array.isArray(value)) return null
  const hashes: Uint8Array[] = []
  for (const text of value as unknown[]) {
    const hash = typeof text === 'string' ? fromBase64(text) : null
    if (hash?.length !== 32) return null
    hashes.push(hash)
  }
  return hashes
}
