import { isIPv6 } from 'node:net'

/** An address as numbers. IPv4-mapped IPv6 is IPv4, so one host has one value. */
export type Address =
  | { readonly family: 4; readonly value: number }
  | { readonly family: 6; readonly hi: bigint; readonly lo: bigint }

/** Text of an address of 4 or 16 bytes at `offset`, as RFC 5952 spells it. */
export function addressText(bytes: Uint8Array, offset: number, length: 4 | 16): string {
  if (length === 4) return ipv4Text(bytes, offset)
  if (isMapped(bytes, offset)) return ipv4Text(bytes, offset + 12)
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!)
  return ipv6Text(groups)
}

/** `null` for anything but a plain IPv4 or IPv6 address (a zone such as `%eth0` is cut off). */
export function parseAddress(text: string): Address | null {
  const value = ipv4Of(text)
  if (value >= 0) return { family: 4, value }
  const plain = text.split('%', 1)[0]!
  if (!isIPv6(plain)) return null
  const groups = ipv6Groups(plain)
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    return { family: 4, value: groups[6]! * 65536 + groups[7]! }
  }
  return { family: 6, hi: joinGroups(groups, 0), lo: joinGroups(groups, 4) }
}

/** The one spelling of an address, so that two inputs' strings can be compared; `null` when it is none. */
export function canonicalAddress(text: string): string | null {
  if (ipv4Of(text) >= 0) return text
  const address = parseAddress(text)
  return address === null ? null : formatAddress(address)
}

export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const value = address.value
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
  }
  const groups: number[] = []
  for (const half of [address.hi, address.lo]) {
    for (let shift = 48n; shift >= 0n; shift -= 16n) groups.push(Number((half >> shift) & 0xffffn))
  }
  return ipv6Text(groups)
}

function ipv4Text(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]!}.${bytes[offset + 1]!}.${bytes[offset + 2]!}.${bytes[offset + 3]!}`
}

/** The number of a dotted address, and -1 for every other text, without a string for each part: a hot path. */
function ipv4Of(text: string): number {
  let value = 0
  let octet = 0
  let digits = 0
  let dots = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 46) {
      if (digits === 0 || ++dots > 3) return -1
      value = value * 256 + octet
      octet = 0
      digits = 0
      continue
    }
    // A leading zero is octal to some readers, so it is no address to any (RFC 6943 section 3.1.1).
    if (code < 48 || code > 57 || (digits > 0 && octet === 0)) return -1
    octet = octet * 10 + code - 48
    if (octet > 255) return -1
    digits += 1
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : -1
}

function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff
}

function joinGroups(groups: readonly number[], from: number): bigint {
  let value = 0n
  for (let i = from; i < from + 4; i++) value = (value << 16n) | BigInt(groups[i]!)
  return value
}

function ipv6Groups(text: string): number[] {
  const [head = '', tail] = text.split('::') as [string, string?]
  const left = groupsOf(head)
  if (tail === undefined) return left
  const right = groupsOf(tail)
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(part => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const value = ipv4Of(part)
    return [Math.floor(value / 65536), value % 65536]
  })
}

/** RFC 5952: the longest run of at least two zero groups becomes `::`, the first of equals. */
function ipv6Text(groups: readonly number[]): string {
  let bestAt = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > bestLength) [bestAt, bestLength] = [i, length]
    if (length > 0) i += length - 1
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return bestAt < 0 ? hex(0, 8) : `${hex(0, bestAt)}::${hex(bestAt + bestLength, 8)}`
}
