import { addressText } from '../address.ts'

const slots = 1 << 16

/**
 * Texts of addresses that come again and again: traffic is between few hosts, and making a string costs more than
 * finding one. Direct-mapped and of fixed size, so hostile input only makes it useless, not large.
 * Benchmark: `bench/decode.ts`.
 */
export class AddressTexts {
  readonly #ipv4Keys = new Uint32Array(slots)
  readonly #ipv4Texts: (string | undefined)[] = new Array<string | undefined>(slots)
  readonly #ipv6 = new Map<string, string>()

  /** The address of 4 or 16 bytes at an offset, as text. */
  address(bytes: Buffer, at: number, length: number): string {
    if (length === 4) {
      const key = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
      const slot = (Math.imul(key, 0x9e3779b1) >>> 16) & (slots - 1)
      const known = this.#ipv4Texts[slot]
      if (known !== undefined && this.#ipv4Keys[slot] === key) return known
      const text = addressText(bytes, at, 4)
      this.#ipv4Keys[slot] = key
      this.#ipv4Texts[slot] = text
      return text
    }
    const key = bytes.toString('latin1', at, at + 16)
    let text = this.#ipv6.get(key)
    if (text === undefined) {
      text = addressText(bytes, at, 16)
      if (this.#ipv6.size >= slots) this.#ipv6.clear()
      this.#ipv6.set(key, text)
    }
    return text
  }
}
