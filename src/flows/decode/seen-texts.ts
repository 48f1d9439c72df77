/** Texts of one generation, and the bits that they share: one text in six is taken for another when it is full. */
const mostTexts = 2 ** 23
const bits = 2 ** 25
const hashes = 4

/**
 * Whether a text was here before, in memory of one size (a Bloom filter): it may take a new text for a known one, and
 * never one of the last eight million for new.
 */
export class SeenTexts {
  #now = new Uint8Array(bits / 8)
  #before: Uint8Array | null = null
  #count = 0

  /** Notes the text; answers whether it may have been noted before. */
  note(text: string): boolean {
    if (this.#count === mostTexts) {
      this.#before = this.#now
      this.#now = new Uint8Array(bits / 8)
      this.#count = 0
    }
    let a = 0x811c9dc5
    let b = 0x9747b28c
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      a = Math.imul(a ^ code, 0x01000193)
      b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13)
    }
    let isInNow = true
    let isBefore = this.#before !== null
    for (let i = 0; i < hashes; i++) {
      const at = (a + Math.imul(i, b | 1)) & (bits - 1)
      const bit = 1 << (at & 7)
      isInNow &&= (this.#now[at >>> 3]! & bit) !== 0
      isBefore &&= (this.#before![at >>> 3]! & bit) !== 0
      this.#now[at >>> 3]! |= bit
    }
    if (!isInNow) this.#count += 1
    return isInNow || isBefore
  }
}
