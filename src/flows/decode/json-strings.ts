const quote = 34
const backslash = 92
/** A string longer than this is none that a reader looks for; its rest is passed over. */
const maxStringBytes = 64 * 1024
const maxDepth = 256

/** A value with the name it is under: its key, or for an element of an array the array's key. */
type Visit = (name: string, value: string) => void

/**
 * Walks JSON of any size as it streams and shows its string values with their names, holding no more than one string:
 * a document can be one object of a day's flows. It does not judge the document; what is no JSON shows no strings.
 */
export class JsonStrings {
  readonly #visit: Visit
  /** Names of the containers around, outermost first. */
  readonly #names: string[] = []
  readonly #isArray: boolean[] = []
  #key = ''
  /** A string that is a key if a colon follows it, else a value. */
  #last: string | null = null
  #parts: Buffer[] = []
  #partsBytes = 0
  #inString = false
  #isEscaped = false
  #hasEscapes = false

  constructor(visit: Visit) {
    this.#visit = visit
  }

  /** Every bracket closed: false after a document that was cut off. */
  get isClosed(): boolean {
    return this.#names.length === 0 && !this.#inString
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#inString ? this.#string(chunk, at) : this.#outside(chunk, at)
  }

  /** Up to the string's end or the chunk's; most strings are found with one search. */
  #string(chunk: Buffer, from: number): number {
    let at = from
    for (;;) {
      if (this.#isEscaped) {
        this.#isEscaped = false
        at += 1
      }
      while (at < chunk.length && chunk[at] !== quote && chunk[at] !== backslash) at += 1
      if (at >= chunk.length) {
        this.#keep(chunk.subarray(from))
        return chunk.length
      }
      if (chunk[at] === quote) break
      this.#hasEscapes = true
      this.#isEscaped = true
      at += 1
    }
    this.#inString = false
    this.#last = this.#text(chunk.subarray(from, at))
    return at + 1
  }

  #outside(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      switch (chunk[at]) {
        case quote:
          this.#inString = true
          this.#hasEscapes = false
          return at + 1
        case 58: // :
          this.#key = this.#last ?? ''
          this.#last = null
          break
        case 44: // ,
          this.#endValue()
          break
        case 123: // {
        case 91: // [
          if (this.#names.length < maxDepth) {
            // An array within an array goes by the name of the outer one.
            this.#names.push(this.#isArray.at(-1) === true ? this.#names.at(-1)! : this.#key)
            this.#isArray.push(chunk[at] === 91)
          }
          this.#key = ''
          break
        case 125: // }
        case 93: // ]
          this.#endValue()
          this.#names.pop()
          this.#isArray.pop()
          break
        default:
      }
    }
    return chunk.length
  }

  #endValue(): void {
    if (this.#last === null) return
    this.#visit(this.#isArray.at(-1) === true ? this.#names.at(-1)! : this.#key, this.#last)
    this.#last = null
  }

  #keep(bytes: Buffer): void {
    if (this.#partsBytes >= maxStringBytes) return
    // A copy: the chunk's buffer is used again by its owner.
    this.#parts.push(Buffer.from(bytes.subarray(0, maxStringBytes - this.#partsBytes)))
    this.#partsBytes += bytes.length
  }

  #text(end: Buffer): string {
    let text: string
    if (this.#parts.length === 0) text = end.toString('utf8', 0, Math.min(end.length, maxStringBytes))
    else {
      this.#keep(end)
      text = Buffer.concat(this.#parts).toString('utf8')
      this.#parts = []
      this.#partsBytes = 0
    }
    return this.#hasEscapes ? unescaped(text) : text
  }
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}
