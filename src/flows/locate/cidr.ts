import { type Address, parseAddress } from '../address.ts'

export type Cidr = { readonly address: Address; readonly prefixBits: number }

/** `10.0.0.0/8`, `2001:db8::/32`, or a bare address. Bits past the prefix are cut off. */
export function parseCidr(text: string): Cidr | null {
  const [addressText = '', prefixText, ...more] = text.trim().split('/')
  const address = parseAddress(addressText)
  if (address === null || more.length > 0) return null
  const most = address.family === 4 ? 32 : 128
  if (prefixText === undefined) return { address, prefixBits: most }
  if (!/^\d{1,3}$/.test(prefixText)) return null
  // `::ffff:10.0.0.0/104` is IPv4 in IPv6's clothes; its prefix counts from the 96 bits before.
  const bits = Number(prefixText) - (address.family === 4 && addressText.includes(':') ? 96 : 0)
  return bits < 0 || bits > most ? null : { address: masked(address, bits), prefixBits: bits }
}

/** Values by prefix; a look-up costs one map access for each prefix length in use. */
export class CidrTable<Value> {
  readonly #v4 = new Map<number, Map<number, Value[]>>()
  readonly #v6 = new Map<number, Map<string, Value[]>>()
  #v4Lengths: number[] = []
  #v6Lengths: number[] = []

  add(cidr: Cidr, value: Value): void {
    const { address, prefixBits } = cidr
    if (address.family === 4) {
      push(this.#v4, prefixBits, address.value, value)
      this.#v4Lengths = [...this.#v4.keys()].sort((a, b) => b - a)
    } else {
      push(this.#v6, prefixBits, keyOf(address.hi, address.lo), value)
      this.#v6Lengths = [...this.#v6.keys()].sort((a, b) => b - a)
    }
  }

  /** The values of this very prefix. */
  at({ address, prefixBits }: Cidr): readonly Value[] {
    const values =
      address.family === 4
        ? this.#v4.get(prefixBits)?.get(address.value)
        : this.#v6.get(prefixBits)?.get(keyOf(address.hi, address.lo))
    return values ?? []
  }

  /** Of the prefixes that hold the address the most specific one's values. */
  nearest(address: Address): readonly Value[] {
    if (address.family === 4) {
      for (const bits of this.#v4Lengths) {
        const values = this.#v4.get(bits)!.get(mask4(address.value, bits))
        if (values !== undefined) return values
      }
      return []
    }
    for (const bits of this.#v6Lengths) {
      const [hi, lo] = mask6(address.hi, address.lo, bits)
      const values = this.#v6.get(bits)!.get(keyOf(hi, lo))
      if (values !== undefined) return values
    }
    return []
  }

  /** Every value whose prefix holds the address, the most specific first. */
  find(address: Address): Value[] {
    const found: Value[] = []
    if (address.family === 4) {
      for (const bits of this.#v4Lengths) {
        const values = this.#v4.get(bits)!.get(mask4(address.value, bits))
        if (values !== undefined) found.push(...values)
      }
      return found
    }
    for (const bits of this.#v6Lengths) {
      const [hi, lo] = mask6(address.hi, address.lo, bits)
      const values = this.#v6.get(bits)!.get(keyOf(hi, lo))
      if (values !== undefined) found.push(...values)
    }
    return found
  }
}

function push<Key, Value>(map: Map<number, Map<Key, Value[]>>, bits: number, key: Key, value: Value): void {
  const ofLength = map.get(bits) ?? new Map<Key, Value[]>()
  map.set(bits, ofLength)
  const values = ofLength.get(key)
  if (values === undefined) ofLength.set(key, [value])
  else values.push(value)
}

function masked(address: Address, bits: number): Address {
  if (address.family === 4) return { family: 4, value: mask4(address.value, bits) }
  const [hi, lo] = mask6(address.hi, address.lo, bits)
  return { family: 6, hi, lo }
}

/** A shift by 32 is a shift by 0 in JavaScript, hence the case of no bits. */
function mask4(value: number, bits: number): number {
  return bits === 0 ? 0 : (value & (-1 << (32 - bits))) >>> 0
}

function mask6(hi: bigint, lo: bigint, bits: number): [bigint, bigint] {
  const all = (1n << 64n) - 1n
  const hiBits = BigInt(Math.min(bits, 64))
  const loBits = BigInt(Math.max(bits - 64, 0))
  return [hi & ((all << (64n - hiBits)) & all), lo & ((all << (64n - loBits)) & all)]
}

function keyOf(hi: bigint, lo: bigint): string {
  return `${hi.toString(36)}.${lo.toString(36)}`
}
