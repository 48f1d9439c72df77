/** Addresses and ranges as `IpAddress` conditions write them: IPv4 and IPv6, alone or as CIDR. */
export interface IpRange {
  readonly first: bigint
  readonly last: bigint
  readonly isV6: boolean
}

const v4Bits = 32
const v6Bits = 128

/** `null` for what is no range. Bits beyond the prefix are ignored, as AWS does. */
export function parseIpRange(text: string): IpRange | null {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === null) return null
  const bits = address.isV6 ? v6Bits : v4Bits
  const length = slash < 0 ? String(bits) : text.slice(slash + 1)
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return null
  const span = 1n << BigInt(bits - Number(length))
  const first = address.value - (address.value % span)
  return { first, last: first + span - 1n, isV6: address.isV6 }
}

export function isInRange(range: IpRange, text: string): boolean {
  const address = parseAddress(text)
  if (address === null || address.isV6 !== range.isV6) return false
  return address.value >= range.first && address.value <= range.last
}

function parseAddress(text: string): { value: bigint; isV6: boolean } | null {
  if (!text.includes(':')) {
    const value = parseV4(text)
    return value === null ? null : { value, isV6: false }
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  if (mapped !== null) return parseAddress(mapped[1]!)
  const value = parseV6(text)
  return value === null ? null : { value, isV6: true }
}

function parseV4(text: string): bigint | null {
  const fields = text.split('.')
  if (fields.length !== 4) return null
  let value = 0n
  for (const field of fields) {
    if (!/^\d{1,3}$/.test(field) || Number(field) > 255) return null
    value = value * 256n + BigInt(field)
  }
  return value
}

function parseV6(text: string): bigint | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map(half => (half === '' ? [] : half.split(':'))) as [string[], string[]?]
  const fields = [...head, ...(tail ?? [])]
  const last = fields.at(-1)
  if (last?.includes('.')) {
    const v4 = parseV4(last)
    if (v4 === null) return null
    const words = [(v4 >> 16n).toString(16), (v4 & 0xffffn).toString(16)]
    ;(tail !== undefined && tail.length > 0 ? tail : head).splice(-1, 1, ...words)
  }
  const missing = 8 - head.length - (tail?.length ?? 0)
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  let value = 0n
  for (const field of [...head, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail ?? [])]) {
    if (!/^[0-9a-f]{1,4}$/i.test(field)) return null
    value = (value << 16n) | BigInt(`0x${field}`)
  }
  return value
}
