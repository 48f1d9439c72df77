import type { NameSighting, NameSource } from './sighting.ts'

/** What a book holds under one key: a name, and the time of connections that it can be of. */
export type NameClaim = {
  readonly name: string
  readonly source: NameSource
  readonly mayBeOuter: boolean
  fromUnixMs: number
  untilUnixMs: number
}

/** As data, to hand from thread to thread. Keys are texts that only a book reads. */
export type NamePages = {
  /** Of one connection. */
  readonly connections: ReadonlyMap<string, readonly NameClaim[]>
  /** Of a server and a port of an address. */
  readonly ports: ReadonlyMap<string, readonly NameClaim[]>
  /** Of a server and an address, by name servers. */
  readonly addresses: ReadonlyMap<string, readonly NameClaim[]>
  /** Claims that gave way to newer ones. */
  readonly forgotten: number
  /** Names that are no domain names. */
  readonly refused: number
}

export type FoundName = {
  readonly name: string
  readonly source: NameSource
  readonly mayBeOuter: boolean
  /** The handshake of this very connection was seen; else another one's of the same port, or a name server's answer. */
  readonly isExact: boolean
  /** Another name had as good a claim. */
  readonly isShared: boolean
}

/** A connection, as the book is asked for its name. */
export type NamedSocket = {
  readonly protocol: number
  readonly srcPort: number
  readonly dstAddr: string
  readonly dstPort: number
  readonly fromUnixMs: number
  readonly untilUnixMs: number
}

const mostClaims = 100_000
/** Names of one key at a time: a front of a thousand sites has a thousand names on one address. */
const mostOfKey = 16
/** Clocks of exporters and captures differ, and flow logs round. */
const slackMs = 60_000
/** Two sightings of a name within this are one claim. */
const gapMs = 10 * 60_000

/**
 * Which name a server used for which address, and when. Bounded: the claims that were made first give way, and are counted.
 */
export function createNameBook(most = mostClaims) {
  const connections = createPage(most)
  const ports = createPage(most)
  const addresses = createPage(most)
  let refused = 0
  let forgottenElsewhere = 0

  const book = {
    add({ server, dstAddr, socket, ...claim }: NameSighting): void {
      if (socket === null) {
        addresses.add(pairKey(server, dstAddr), claim)
        return
      }
      const { protocol, srcPort, dstPort } = socket
      connections.add(`${server} ${protocol} ${srcPort} ${dstAddr} ${dstPort}`, claim)
      ports.add(`${server} ${protocol} ${dstAddr} ${dstPort}`, claim)
    },
    refuse(): void {
      refused += 1
    },
    isEmpty: (): boolean => addresses.claims() + ports.claims() === 0,
    /** Servers and addresses that have a claim, as `pairKey` writes them. */
    pairs(): Set<string> {
      const pairs = new Set(addresses.entries().keys())
      for (const key of ports.entries().keys()) {
        const [server, , dstAddr] = key.split(' ')
        pairs.add(`${server} ${dstAddr}`)
      }
      return pairs
    },
    /** The best claim to be the name of a server's connection; `null`: there is none. */
    find(server: number, socket: NamedSocket): FoundName | null {
      const { protocol, srcPort, dstAddr, dstPort, fromUnixMs } = socket
      // The answer of a name server is for connections that begin while it holds.
      const beginning = { fromUnixMs, untilUnixMs: fromUnixMs }
      return (
        best(connections.of(`${server} ${protocol} ${srcPort} ${dstAddr} ${dstPort}`), socket, true) ??
        best(ports.of(`${server} ${protocol} ${dstAddr} ${dstPort}`), socket, false) ??
        best(addresses.of(pairKey(server, dstAddr)), beginning, false)
      )
    },
    pages: (): NamePages => ({
      connections: connections.entries(),
      ports: ports.entries(),
      addresses: addresses.entries(),
      forgotten: connections.forgotten() + ports.forgotten() + addresses.forgotten() + forgottenElsewhere,
      refused,
    }),
    /** What another thread's book holds. */
    addPages(pages: NamePages): void {
      for (const [page, from] of [
        [connections, pages.connections],
        [ports, pages.ports],
        [addresses, pages.addresses],
      ] as const)
        for (const [key, claims] of from) for (const claim of claims) page.add(key, claim)
      refused += pages.refused
      forgottenElsewhere += pages.forgotten
    },
  }
  return book
}

export function pairKey(server: number, dstAddr: string): string {
  return `${server} ${dstAddr}`
}

/** Of the claims that can be of this time, the last that was made before it began. */
function best(
  claims: readonly NameClaim[],
  { fromUnixMs, untilUnixMs }: { readonly fromUnixMs: number; readonly untilUnixMs: number },
  isExact: boolean,
): FoundName | null {
  let found: NameClaim | null = null
  let isShared = false
  for (const claim of claims) {
    if (claim.fromUnixMs - slackMs > untilUnixMs || claim.untilUnixMs + slackMs < fromUnixMs) continue
    if (found !== null && found.name !== claim.name) isShared = true
    if (found === null || isBetter(claim, found, fromUnixMs)) found = claim
  }
  if (found === null) return null
  const { name, source, mayBeOuter } = found
  return { name, source, mayBeOuter, isExact, isShared }
}

function isBetter(a: NameClaim, b: NameClaim, unixMs: number): boolean {
  const aBefore = a.fromUnixMs <= unixMs + slackMs
  const bBefore = b.fromUnixMs <= unixMs + slackMs
  if (aBefore !== bBefore) return aBefore
  if (a.fromUnixMs !== b.fromUnixMs) return aBefore === a.fromUnixMs > b.fromUnixMs
  return a.name < b.name
}

function createPage(most: number) {
  const entries = new Map<string, NameClaim[]>()
  let claims = 0
  let forgotten = 0
  return {
    claims: () => claims,
    forgotten: () => forgotten,
    entries: () => entries,
    of: (key: string): readonly NameClaim[] => entries.get(key) ?? [],
    add(key: string, claim: NameClaim): void {
      const known = entries.get(key)
      const same = known?.find(
        ({ name, source, mayBeOuter, fromUnixMs, untilUnixMs }) =>
          name === claim.name &&
          source === claim.source &&
          mayBeOuter === claim.mayBeOuter &&
          claim.fromUnixMs <= untilUnixMs + gapMs &&
          claim.untilUnixMs >= fromUnixMs - gapMs,
      )
      if (same !== undefined) {
        same.fromUnixMs = Math.min(same.fromUnixMs, claim.fromUnixMs)
        same.untilUnixMs = Math.max(same.untilUnixMs, claim.untilUnixMs)
        return
      }
      const { name, source, mayBeOuter, fromUnixMs, untilUnixMs } = claim
      const made = { name, source, mayBeOuter, fromUnixMs, untilUnixMs }
      claims += 1
      if (known === undefined) entries.set(key, [made])
      else known.push(made)
      if (known !== undefined && known.length > mostOfKey) {
        known.shift()
        claims -= 1
        forgotten += 1
      }
      while (claims > most) {
        const [oldest, its] = entries.entries().next().value!
        entries.delete(oldest)
        claims -= its.length
        forgotten += its.length
      }
    },
  }
}
