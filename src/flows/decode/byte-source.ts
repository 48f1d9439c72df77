/** Reads a stream of chunks as if it were one buffer, and never holds more than what one record needs. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  #ended = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Bytes at hand without waiting. */
  get available(): number {
    return this.#buffer.length - this.#at
  }

  /** True when at least `length` bytes are at hand; false when the stream ends before that. */
  async fill(length: number): Promise<boolean> {
    if (this.available >= length) return true
    const parts: Uint8Array[] = [this.#buffer.subarray(this.#at)]
    let have = this.available
    while (have < length && !this.#ended) {
      const next = await this.#chunks.next()
      if (next.done === true) this.#ended = true
      else {
        parts.push(next.value)
        have += next.value.length
      }
    }
    this.#buffer = parts.length === 1 ? Buffer.from(parts[0]!) : Buffer.concat(parts)
    this.#at = 0
    return have >= length
  }

  /** The next bytes, still there for the next reader. */
  peek(length: number): Buffer {
    return this.#buffer.subarray(this.#at, this.#at + length)
  }

  /** Valid until the next `fill`. The caller has made sure, with `fill`, that they are there. */
  take(length: number): Buffer {
    const bytes = this.#buffer.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  /** Everything at hand. */
  takeAll(): Buffer {
    return this.take(this.available)
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.available > 0) yield this.takeAll()
    while (!this.#ended) {
      const next = await this.#chunks.next()
      if (next.done === true) this.#ended = true
      else yield next.value
    }
  }
}
