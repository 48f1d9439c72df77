import type { ByteSource } from './byte-source.ts'
import type { Notes } from './notes.ts'

/** A line longer than this is no line of a flow log; it is counted and skipped to its end. */
export const maxLineBytes = 64 * 1024
const newline = 10

/** Batches of lines without their ends, one batch a chunk of input. Bytes that are not UTF-8 become U+FFFD. */
export async function* readLines(
  source: ByteSource,
  notes: Notes,
  /** In a table an empty cell at an end of the line is a cell. */
  spaces: 'trimmed' | 'kept' = 'trimmed',
): AsyncGenerator<string[]> {
  const splitLines = spaces === 'trimmed' ? trimmedLines : wholeLines
  for await (const block of readLineBlocks(source, notes)) yield splitLines(block.toString('utf8'), notes)
}

/** Blocks of whole lines; the last line of a block is without its end. */
export async function* readLineBlocks(source: ByteSource, notes: Notes): AsyncGenerator<Buffer> {
  let carried: Buffer = Buffer.alloc(0)
  let skipping = false
  for await (const raw of source.rest()) {
    let chunk = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
    if (skipping) {
      const end = chunk.indexOf(newline)
      notes.unread('line too long', end < 0 ? chunk.length : end, 0)
      if (end < 0) continue
      chunk = chunk.subarray(end + 1)
      skipping = false
    }
    const bytes = carried.length === 0 ? chunk : Buffer.concat([carried, chunk])
    const lastEnd = bytes.lastIndexOf(newline)
    if (lastEnd >= 0) yield bytes.subarray(0, lastEnd)
    const rest = bytes.subarray(lastEnd + 1)
    if (rest.length > maxLineBytes) {
      notes.unread('line too long', rest.length)
      skipping = true
      carried = Buffer.alloc(0)
    } else {
      carried = Buffer.from(rest)
    }
  }
  if (carried.length > 0) yield carried
}

function trimmedLines(text: string, notes: Notes): string[] {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    const trimmed = line.trim()
    if (trimmed.length > maxLineBytes) notes.unread('line too long', trimmed.length)
    else if (trimmed !== '') lines.push(trimmed)
  }
  return lines
}

function wholeLines(text: string, notes: Notes): string[] {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.length > maxLineBytes) notes.unread('line too long', line.length)
    else if (line.trim() !== '') lines.push(line.endsWith('\r') ? line.slice(0, -1) : line)
  }
  return lines
}
