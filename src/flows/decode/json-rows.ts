import type { ByteSource } from './byte-source.ts'
import type { Notes } from './notes.ts'
import { readLines } from './text-lines.ts'

export type JsonRow = { readonly [name: string]: unknown }

/** A row larger than this is no row of a log; it is counted and passed over. */
const maxRowBytes = 1024 * 1024

/** Rows of a log in JSON: one object a line, or one array (or objects end to end, on as many lines as they like). */
export async function* readJsonRows(
  source: ByteSource,
  what: string,
  notes: Notes,
): AsyncGenerator<JsonRow[]> {
  await source.fill(maxRowBytes)
  if (!isLines(source.peek(maxRowBytes))) {
    yield* readElements(source, what, notes)
    return
  }
  for await (const lines of readLines(source, notes)) {
    const rows: JsonRow[] = []
    for (const line of lines) {
      const row = parseRow(line)
      if (row === null) notes.unread(`${what}: line that is not JSON`, line.length)
      else rows.push(row)
    }
    yield rows
  }
}

export function parseRow(text: string): JsonRow | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRow) : null
  } catch {
    return null
  }
}

/** The object under a name; `null` when there is none. */
export function objectAt(row: JsonRow, name: string): JsonRow | null {
  const value = row[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRow) : null
}

/** Lines are known by the first one that is not empty: it ends where its object does. */
function isLines(head: Buffer): boolean {
  const text = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart()
  if (!text.startsWith('{')) return false
  const end = text.indexOf('\n')
  const line = end < 0 ? text : text.slice(0, end)
  // A first line that is damaged is still one of many when the second is whole.
  const second = end < 0 ? '' : text.slice(end + 1).split('\n', 1)[0]!
  return parseRow(line) !== null || parseRow(second) !== null
}

async function* readElements(source: ByteSource, what: string, notes: Notes): AsyncGenerator<JsonRow[]> {
  const elements = new JsonElements()
  for await (const chunk of source.rest()) {
    const rows: JsonRow[] = []
    for (const element of elements.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))) {
      const row = element === null ? null : parseRow(element.toString('utf8'))
      if (row === null) notes.unread(`${what}: element that is too long or not JSON`)
      else rows.push(row)
    }
    yield rows
  }
  if (elements.isOpen) notes.unread(`${what}: cut off within its last element`)
}

/** Finds whole objects in a stream of bytes, outside of everything but arrays, without parsing them. */
class JsonElements {
  #depth = 0
  #inString = false
  #isEscaped = false
  #parts: Buffer[] = []
  #bytes = 0

  get isOpen(): boolean {
    return this.#depth > 0
  }

  /** `null` stands for an element that was longer than the bound. */
  push(chunk: Buffer): (Buffer | null)[] {
    const found: (Buffer | null)[] = []
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (byte === 92) this.#isEscaped = true
        else if (byte === 34) this.#inString = false
      } else if (byte === 34) this.#inString = this.#depth > 0
      else if (byte === 123) {
        if (this.#depth === 0) from = at
        this.#depth += 1
      } else if (byte === 125 && this.#depth > 0) {
        this.#depth -= 1
        if (this.#depth === 0) found.push(this.#end(chunk.subarray(from, at + 1)))
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(from))
    return found
  }

  #keep(bytes: Buffer): void {
    // A copy: the chunk's buffer is used again by its owner. Past the bound only the length is kept.
    if (this.#bytes <= maxRowBytes) this.#parts.push(Buffer.from(bytes))
    this.#bytes += bytes.length
  }

  #end(last: Buffer): Buffer | null {
    if (this.#parts.length === 0) return last.length > maxRowBytes ? null : last
    this.#keep(last)
    const whole = this.#bytes > maxRowBytes ? null : Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    return whole
  }
}
