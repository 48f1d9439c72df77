import { addressText } from '../address.ts'

/** What a name server answered: the name that was asked for, and the addresses that it leads to. */
export type DnsAnswer = {
  readonly name: string
  readonly addresses: readonly { readonly address: string; readonly ttlSeconds: number }[]
}

const headerBytes = 12
const mostRecords = 256
const mostAliases = 16
const mostNameBytes = 255
const classInternet = 1
const types = { a: 1, cname: 5, aaaa: 28 } as const

/** An answer to one question about addresses (RFC 1035 section 4); `null` for every other message, and for damage. */
export function readDnsAnswer(message: Buffer): DnsAnswer | null {
  if (message.length < headerBytes) return null
  const flags = message.readUInt16BE(2)
  // A response, to a plain query, without an error.
  if ((flags & 0x8000) === 0 || (flags & 0x7800) !== 0 || (flags & 0x000f) !== 0) return null
  if (message.readUInt16BE(4) !== 1) return null
  const question = readName(message, headerBytes)
  if (question?.name == null || message.length < question.next + 4) return null
  const type = message.readUInt16BE(question.next)
  if ((type !== types.a && type !== types.aaaa) || message.readUInt16BE(question.next + 2) !== classInternet)
    return null

  const aliases = new Map<string, { target: string; ttlSeconds: number }>()
  const found: { owner: string; address: string; ttlSeconds: number }[] = []
  let at = question.next + 4
  for (let left = Math.min(message.readUInt16BE(6), mostRecords); left > 0; left--) {
    const owner = readName(message, at)
    if (owner === null || message.length < owner.next + 10) break
    const recordType = message.readUInt16BE(owner.next)
    const isInternet = message.readUInt16BE(owner.next + 2) === classInternet
    const ttlSeconds = ttlOf(message.readUInt32BE(owner.next + 4))
    const dataAt = owner.next + 10
    const length = message.readUInt16BE(owner.next + 8)
    if (message.length < dataAt + length) break
    at = dataAt + length
    if (!isInternet || owner.name === null) continue
    if (recordType === types.cname) {
      const target = readName(message, dataAt)?.name
      if (target != null) aliases.set(owner.name, { target, ttlSeconds })
    } else if ((recordType === types.a && length === 4) || (recordType === types.aaaa && length === 16)) {
      found.push({ owner: owner.name, address: addressText(message, dataAt, length), ttlSeconds })
    }
  }
  return { name: question.name, addresses: reached(question.name, aliases, found) }
}

/** RFC 2181 section 8: one with its highest bit set is zero. */
function ttlOf(seconds: number): number {
  return seconds > 0x7fff_ffff ? 0 : seconds
}

/** The addresses that the name leads to by its aliases; each holds as long as the shortest on its way. */
function reached(
  name: string,
  aliases: ReadonlyMap<string, { readonly target: string; readonly ttlSeconds: number }>,
  found: readonly { readonly owner: string; readonly address: string; readonly ttlSeconds: number }[],
): DnsAnswer['addresses'] {
  const bounds = new Map([[name, Number.POSITIVE_INFINITY]])
  let current = name
  let bound = Number.POSITIVE_INFINITY
  for (let step = 0; step < mostAliases; step++) {
    const alias = aliases.get(current)
    if (alias === undefined || bounds.has(alias.target)) break
    bound = Math.min(bound, alias.ttlSeconds)
    current = alias.target
    bounds.set(current, bound)
  }
  return found.flatMap(({ owner, address, ttlSeconds }) => {
    const most = bounds.get(owner)
    return most === undefined ? [] : [{ address, ttlSeconds: Math.min(most, ttlSeconds) }]
  })
}

/**
 * A name in lower case, and where the record goes on after it. `name` is `null` when its labels are no host's; the whole is
 * `null` when it runs past the end. Each pointer must lead further to the front, so a loop ends (RFC 1035 section 4.1.4).
 */
function readName(message: Buffer, from: number): { name: string | null; next: number } | null {
  const labels: string[] = []
  let isPlain = true
  let bytes = 0
  let at = from
  let next = -1
  let before = from
  for (;;) {
    if (at >= message.length) return null
    const length = message[at]!
    if (length === 0) {
      const name = isPlain && labels.length > 0 ? labels.join('.') : null
      return { name, next: next < 0 ? at + 1 : next }
    }
    if (length >= 0xc0) {
      if (at + 2 > message.length) return null
      const target = message.readUInt16BE(at) & 0x3fff
      if (next < 0) next = at + 2
      if (target >= before) return null
      before = target
      at = target
      continue
    }
    if (length > 63 || at + 1 + length > message.length) return null
    bytes += length + 1
    if (bytes > mostNameBytes) return null
    const label = message.toString('latin1', at + 1, at + 1 + length).toLowerCase()
    if (!/^[a-z0-9_-]+$/.test(label)) isPlain = false
    labels.push(label)
    at += 1 + length
  }
}
