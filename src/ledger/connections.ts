/**
 * The record of each connection over which bytes left the country: what an audit matches flow records against.
 *
 * A client's connection can serve several regions and tenants one request after the other; each gets the bytes that
 * were counted while its requests ran. Byte counts are the socket's own: TCP payload, TLS included.
 */
import { messageOf } from '../core/errors.ts'
import type { CountryCode, EntryId, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { type Clock, isoTime } from '../core/time.ts'
import type { Catalog, Put } from '../store/catalog.ts'
import type { DraftBox } from './drafts.ts'

export interface CountedSocket {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly bytesWritten: number
  readonly bytesRead: number
}

export interface ConnectionBook {
  readonly region: RegionId
  readonly country: CountryCode
  readonly catalog: Catalog
  readonly drafts: DraftBox
}

export interface TrackedConnection {
  readonly id: string
  /** Bytes counted since the last call belong to this tenant in this region. */
  charge(book: ConnectionBook, tenant: TenantId, entries: readonly EntryId[]): void
  /** Enters what was charged; `more` while the connection goes on. */
  enter(more: boolean): Promise<void>
}

export interface ConnectionFacts {
  readonly id: string
  readonly role: 's3' | 'transfer' | 'knowledge' | 'webhook' | 'key-holder' | 'witness' | 'remote-store'
  readonly initiator: 'local' | 'remote'
  readonly instruction: InstructionId | null
  readonly remoteCountry: CountryCode | null
  readonly openedUnixMs: number
}

interface Account {
  readonly book: ConnectionBook
  readonly tenant: TenantId
  bytesOut: number
  bytesIn: number
  fromUnixMs: number
  entries: EntryId[]
  left: boolean
}

const maxEntries = 500
/** A connection that lasts is entered so often (docs/formats/entry.md). */
export const connectionEnteredEveryMs = 3600e3

export function trackConnection(
  socket: CountedSocket,
  facts: ConnectionFacts,
  clock: Clock,
  log: Log,
): TrackedConnection {
  const accounts = new Map<string, Account>()
  // A closed socket has lost its addresses; they are read while it lives.
  const local = { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }
  const remote = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 }
  let out = 0
  let read = 0
  let last: Account | null = null
  // The first account's time begins with the connection: its bytes do, handshake included.
  let openedUnixMs: number | null = facts.openedUnixMs

  const count = (account: Account): void => {
    account.bytesOut += socket.bytesWritten - out
    account.bytesIn += socket.bytesRead - read
    out = socket.bytesWritten
    read = socket.bytesRead
  }

  return {
    id: facts.id,

    charge(book, tenant, entries) {
      const key = `${book.region}/${tenant}`
      let account = accounts.get(key)
      if (account === undefined) {
        account = {
          book,
          tenant,
          bytesOut: 0,
          bytesIn: 0,
          fromUnixMs: openedUnixMs ?? clock(),
          entries: [],
          left: false,
        }
        openedUnixMs = null
        accounts.set(key, account)
      }
      count(account)
      for (const entry of entries) {
        if (account.entries.length < maxEntries) account.entries.push(entry)
        else account.left = true
      }
      last = account
    },

    async enter(more) {
      if (last !== null) count(last)
      const now = clock()
      for (const account of accounts.values()) {
        if (account.bytesOut === 0 && account.bytesIn === 0) continue
        const { book, tenant, bytesOut, bytesIn, entries, fromUnixMs, left } = account
        const body = {
          connection: facts.id,
          role: facts.role,
          local: { ...local, country: book.country },
          remote: { ...remote, country: facts.remoteCountry },
          start: isoTime(fromUnixMs),
          end: isoTime(now),
          bytesOut,
          bytesIn,
          entries,
          more: more || left,
          instruction: facts.instruction,
          initiator: facts.initiator,
        }
        const put: Put = book.drafts.draft({ tenant, type: 'connection', body }).put
        Object.assign(account, { bytesOut: 0, bytesIn: 0, entries: [], left: false, fromUnixMs: now })
        try {
          await book.catalog.commit({ puts: [put] })
        } catch (error) {
          log('error', 'connection-not-entered', { connection: facts.id, error: messageOf(error) })
        }
      }
    },
  }
}

/** IPv4 addresses of dual-stack sockets come as `::ffff:1.2.3.4`; flow records never show them so. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}
