/** What a stream of bytes begins with is put together up to here; handshakes with large keys take about 2 KiB. */
export const mostHeadBytes = 16 * 1024
const mostRanges = 32
const firstRoom = 2048

/** The first bytes of a stream whose pieces come in any order, twice, or never. Bounded; the first of two words counts. */
export class StreamHead {
  #bytes = Buffer.alloc(firstRoom)
  /** Apart from each other and in order. */
  #ranges: { from: number; to: number }[] = []

  /** False when it lies beyond the bound, or leaves more gaps than are followed. */
  put(offset: number, piece: Buffer): boolean {
    if (piece.length === 0) return true
    const end = offset + piece.length
    if (offset < 0 || end > mostHeadBytes) return false
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.min(mostHeadBytes, Math.max(end, this.#bytes.length * 2)))
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    let at = offset
    const merged = { from: offset, to: end }
    const others: { from: number; to: number }[] = []
    for (const range of this.#ranges) {
      if (range.to < offset || range.from > end) {
        others.push(range)
        continue
      }
      if (range.from > at) piece.copy(this.#bytes, at, at - offset, range.from - offset)
      at = Math.max(at, range.to)
      merged.from = Math.min(merged.from, range.from)
      merged.to = Math.max(merged.to, range.to)
    }
    if (at < end) piece.copy(this.#bytes, at, at - offset)
    this.#ranges = [...others, merged].sort((a, b) => a.from - b.from)
    return this.#ranges.length <= mostRanges
  }

  /** From the beginning, as far as it is whole. */
  get whole(): Buffer {
    const [first] = this.#ranges
    return this.#bytes.subarray(0, first?.from === 0 ? first.to : 0)
  }
}
