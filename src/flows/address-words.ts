import { type Address, addressText, parseAddress } from './address.ts'

/** Four 32-bit words, lowest first; IPv4 is mapped into IPv6. */
export type AddressWords = readonly [number, number, number, number]

const all32 = 0xffff_ffffn

/** `null` for what is no address. */
export function wordsOf(text: string): AddressWords | null {
  const address = parseAddress(text)
  if (address === null) return null
  if (address.family === 4) return [address.value, 0xffff, 0, 0]
  const { hi, lo } = address
  return [Number(lo & all32), Number(lo >> 32n), Number(hi & all32), Number(hi >> 32n)]
}

/** The address of row `row`, as RFC 5952 spells it. */
export function textOfWords(words: Uint32Array, row: number): string {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setUint32(12 - i * 4, words[row * 4 + i]!)
  return addressText(bytes, 0, 16)
}

export function addressOfWords(a: number, b: number, c: number, d: number): Address {
  if (b === 0xffff && c === 0 && d === 0) return { family: 4, value: a }
  return { family: 6, hi: (BigInt(d) << 32n) | BigInt(c), lo: (BigInt(b) << 32n) | BigInt(a) }
}
