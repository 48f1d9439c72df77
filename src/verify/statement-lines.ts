import { concat, fromUtf8, utf8 } from '../core/bytes.ts'

/** A line without its newline, as text and as the bytes it came in. */
export type OnLine = (text: string, bytes: Uint8Array) => void

const newline = 10
/** Without its newline. A row holds a payload of at most a mebibyte and some hashes. */
const maxLineBytes = 2 << 20

/**
 * Cuts a document that arrives in pieces into its lines. Decodes many lines at once, because decoding each by itself
 * costs as much as its hash.
 */
export class LineCutter {
  readonly #onLine: OnLine
  readonly #onSettled: (bytes: Uint8Array) => void
  #rest: Uint8Array = new Uint8Array(0)
  /** With its newline. */
  #lastLine: Uint8Array = new Uint8Array(0)

  /** `onSettled` hears of all bytes before the line that is the last one so far: what that one is may matter. */
  constructor(onLine: OnLine, onSettled: (bytes: Uint8Array) => void) {
    this.#onLine = onLine
    this.#onSettled = onSettled
  }

  /** False once the bytes can be no lines of UTF-8. The caller may reuse `chunk` afterwards. */
  push(chunk: Uint8Array): boolean {
    const whole = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk)
    const end = whole.lastIndexOf(newline) + 1
    this.#rest = new Uint8Array(whole.subarray(end))
    return (end === 0 || this.#cut(whole.subarray(0, end))) && this.#rest.length <= maxLineBytes
  }

  /** Whether the last line was whole. */
  end(): boolean {
    return this.#rest.length === 0
  }

  #cut(block: Uint8Array): boolean {
    if (hasLongLine(block)) return false
    let text: string
    try {
      text = fromUtf8(block)
    } catch {
      return false
    }
    const lastStart = block.subarray(0, -1).lastIndexOf(newline) + 1
    this.#onSettled(this.#lastLine)
    this.#onSettled(block.subarray(0, lastStart))
    this.#lastLine = new Uint8Array(block.subarray(lastStart))
    // One byte a character: then positions in the text are positions in the bytes.
    const isAscii = text.length === block.length
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf('\n', at)
      const line = text.slice(at, end)
      this.#onLine(line, isAscii ? block.subarray(at, end) : utf8(line))
      at = end + 1
    }
    return true
  }
}

/** However the pieces fall: what is too long in one reading is too long in each. */
function hasLongLine(block: Uint8Array): boolean {
  for (let at = 0; block.length - at > maxLineBytes + 1; ) {
    // Backwards from the furthest end that a line may have, so that many short lines cost one look.
    const end = block.lastIndexOf(newline, at + maxLineBytes)
    if (end < at) return true
    at = end + 1
  }
  return false
}
