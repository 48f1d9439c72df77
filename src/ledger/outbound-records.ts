/**
 * The records of connections out that are no transfer and no webhook, which keep their own: to key holders, witnesses,
 * remote stores. Those that leave the country are entered, a key holder's in its tenant's books and the others in the
 * region's own.
 */
import type { Socket } from 'node:net'
import { type CountryCode, newSortableId, type RandomBytes, type TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { Outbound } from '../policy/operations.ts'
import {
  type ConnectionBook,
  connectionEnteredEveryMs,
  plainAddress,
  type TrackedConnection,
  trackConnection,
} from './connections.ts'

export interface OutboundRecordsDeps {
  readonly book: ConnectionBook
  readonly own: TenantId
  readonly placeOf: (address: string) => CountryCode | 'home' | null
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

export interface OutboundRecords extends AsyncDisposable {
  /** For each request, with the TCP socket that it goes over. */
  onSocket(op: Outbound, socket: Socket): void
}

const roles = { 'key-holder': 'key-holder', witness: 'witness', 'remote-store': 'remote-store' } as const

export function createOutboundRecords(deps: OutboundRecordsDeps): OutboundRecords {
  const { book, own, placeOf, clock, randomBytes, log } = deps
  const open = new Map<Socket, TrackedConnection>()
  const hourly = setInterval(() => {
    for (const tracked of open.values()) void tracked.enter(true)
  }, connectionEnteredEveryMs)
  hourly.unref()
  return {
    onSocket(op, socket) {
      if (!(op.purpose in roles)) return
      const role = roles[op.purpose as keyof typeof roles]
      let tracked = open.get(socket)
      if (tracked === undefined) {
        const place = placeOf(plainAddress(socket.remoteAddress))
        // Nothing leaves the country. What is not known to stay may have left it.
        if (place === 'home' || place === book.country) return
        const facts = {
          id: newSortableId(clock(), randomBytes),
          role,
          initiator: 'local',
          instruction: null,
          remoteCountry: place,
          openedUnixMs: clock(),
        } as const
        tracked = trackConnection(socket, facts, clock, log)
        open.set(socket, tracked)
        const made = tracked
        socket.once('close', () => {
          // At a stop the others are entered together, while the catalog is still open.
          if (open.delete(socket)) void made.enter(false)
        })
      }
      tracked.charge(book, op.tenant ?? own, [])
    },
    async [Symbol.asyncDispose]() {
      clearInterval(hourly)
      const all = [...open.values()]
      open.clear()
      await Promise.all(all.map(tracked => tracked.enter(false)))
    },
  }
}
