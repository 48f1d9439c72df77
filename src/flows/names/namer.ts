import { createNameBook, type FoundName, type NamedSocket, type NamePages, pairKey } from './name-book.ts'
import type { Service, ServiceLists } from './service-list.ts'

/** A connection's name, and what the operator's lists say of it. */
export type Named = FoundName & Service

export type Namer = (server: number, socket: NamedSocket) => Named | null

const mostRemembered = 100_000
const unlisted: Service = { service: null, tags: [] }

/** `null` when no input showed a name: then nothing is asked for any connection. */
export function createNamer(pages: NamePages, lists: ServiceLists | null): Namer | null {
  const book = createNameBook()
  book.addPages(pages)
  if (book.isEmpty()) return null
  const pairs = book.pairs()
  // Connections come by server and destination: nearly all of them are of the pair of the one before.
  let last = { server: -1, dstAddr: '', isKnown: false }
  const services = new Map<string, Service>()
  const serviceOf = (name: string): Service => {
    const known = services.get(name)
    if (known !== undefined) return known
    if (services.size >= mostRemembered) services.clear()
    const service = lists?.find(name) ?? unlisted
    services.set(name, service)
    return service
  }
  return (server, socket) => {
    const { dstAddr } = socket
    if (server !== last.server || dstAddr !== last.dstAddr)
      last = { server, dstAddr, isKnown: pairs.has(pairKey(server, dstAddr)) }
    if (!last.isKnown) return null
    const found = book.find(server, socket)
    return found === null ? null : { ...found, ...serviceOf(found.name) }
  }
}
