import { canonicalAddress } from '../address.ts'
import { directedKey } from '../attribute/observed.ts'
import { type BookEntry, countOf, fieldsOf, textOf, timeOf } from './books.ts'

/** What one region says of one connection in one direction. */
export type Word = {
  readonly region: string
  readonly tenant: string
  readonly connection: string
  readonly role: 's3' | 'transfer' | 'knowledge' | 'other'
  readonly instruction: string | null
  /** True when the region that speaks is the one that sent. */
  readonly isSender: boolean
  readonly entryIds: string[]
  readonly pair: string
  startUnixMs: number
  endUnixMs: number
  /** TCP payload. */
  bytes: number
  /** Its records, which add up to it: more than one where the connection lasted. */
  readonly parts: readonly WordPart[]
}

export type WordPart = { readonly startUnixMs: number; readonly endUnixMs: number; readonly bytes: number }

export type Words = {
  /** By directed 5-tuple. */
  readonly byTuple: ReadonlyMap<string, readonly Word[]>
  /** Other names that a translator gave: directed 5-tuple to the one above (`join-legs.ts`). */
  readonly aliases: ReadonlyMap<string, string>
  readonly unreadable: number
}

export function addressPair(from: string, to: string): string {
  return `${from} ${to}`
}

/** Reads `connection` entries. Records of one connection that lasted (`more`) are one word, summed. */
export function readWords(entries: readonly BookEntry[]): Words {
  const byTuple = new Map<string, Word[]>()
  const known = new Map<string, Word & { readonly parts: WordPart[] }>()
  let unreadable = 0
  for (const entry of entries) {
    if (entry.type !== 'connection') continue
    const body = fieldsOf(entry.body)
    const local = endOf(body.local)
    const remote = endOf(body.remote)
    const start = timeOf(body.start)
    const end = timeOf(body.end)
    const sent = countOf(body.bytesOut)
    const received = countOf(body.bytesIn)
    const connection = textOf(body.connection)
    if (
      local === null ||
      remote === null ||
      start === null ||
      end === null ||
      sent === null ||
      received === null ||
      connection === null
    ) {
      unreadable += 1
      continue
    }
    for (const isSender of [true, false]) {
      const [from, to] = isSender ? [local, remote] : [remote, local]
      const bytes = isSender ? sent : received
      const tuple = directedKey(from.address, from.port, to.address, to.port)
      const identity = `${entry.region} ${entry.tenant} ${connection} ${tuple} ${isSender}`
      const part = { startUnixMs: start, endUnixMs: Math.max(start, end), bytes }
      const before = known.get(identity)
      if (before !== undefined) {
        before.startUnixMs = Math.min(before.startUnixMs, start)
        before.endUnixMs = Math.max(before.endUnixMs, end)
        before.bytes += bytes
        before.parts.push(part)
        before.entryIds.push(entry.id)
        continue
      }
      const word = {
        region: entry.region,
        tenant: entry.tenant,
        connection,
        role: roleOf(body.role),
        instruction: textOf(body.instruction),
        isSender,
        entryIds: [entry.id],
        pair: addressPair(from.address, to.address),
        ...part,
        parts: [part],
      } satisfies Word
      known.set(identity, word)
      const ofTuple = byTuple.get(tuple)
      if (ofTuple === undefined) byTuple.set(tuple, [word])
      else ofTuple.push(word)
    }
  }
  return { byTuple, aliases: new Map(), unreadable }
}

function roleOf(role: unknown): Word['role'] {
  return role === 's3' || role === 'transfer' || role === 'knowledge' ? role : 'other'
}

function endOf(value: unknown): { address: string; port: number } | null {
  const { address, port } = fieldsOf(value)
  const canonical = typeof address === 'string' ? canonicalAddress(address) : null
  const number = countOf(port)
  return canonical === null || number === null ? null : { address: canonical, port: number }
}
