/**
 * Where a name was seen: in a TLS or QUIC handshake, in the answer of a name server, in the head of an HTTP request; in
 * packets, or as a log says that it was. Each is somebody's claim: clients can ask for one name and mean another.
 */
export const nameSources = [
  'sni',
  'quic',
  'http',
  'dns',
  'sni-log',
  'quic-log',
  'http-log',
  'dns-log',
] as const
export type NameSource = (typeof nameSources)[number]

/** A name for an address, as a server of the inventory used it. */
export type NameSighting = {
  /** Number of the server, in the inventory's list. */
  readonly server: number
  readonly dstAddr: string
  /** `null`: a name for the address, whatever the port; from name servers. */
  readonly socket: { readonly protocol: number; readonly srcPort: number; readonly dstPort: number } | null
  readonly name: string
  readonly source: NameSource
  /** The hello had an encrypted one within it, or pretended to: the name may stand for another. */
  readonly mayBeOuter: boolean
  readonly fromUnixMs: number
  /** The same for a connection's name; for a name server's answer, until when it holds. */
  readonly untilUnixMs: number
}

/** What readers of inputs hand names to. */
export type NameSink = {
  /** Number of the server that the address was at that time; -1: nobody asks for its names. */
  readonly serverAt: (address: string, unixMs: number) => number
  readonly add: (sighting: NameSighting) => void
  /** A name that is no domain name. */
  readonly refuse: () => void
}
