import { canonicalAddress } from '../address.ts'
import { answerHoldsUntil } from './dns-validity.ts'
import { domainName } from './domain-name.ts'
import type { NameSink, NameSource } from './sighting.ts'

/** Who asked whom, as a row of a log says it. */
export type LoggedEnds = {
  readonly client: string | null
  readonly server: string | null
  readonly srcPort: number
  readonly dstPort: number
  readonly unixMs: number | null
}

/** A connection's name by a log. */
export function addLoggedName(
  sink: NameSink,
  { client, server, srcPort, dstPort, unixMs }: LoggedEnds,
  text: string,
  source: NameSource,
  protocol: number,
): void {
  const from = canonicalAddress(client ?? '')
  const dstAddr = canonicalAddress(server ?? '')
  if (from === null || dstAddr === null || unixMs === null) return
  const number = sink.serverAt(from, unixMs)
  if (number < 0) return
  const name = domainName(text)
  if (name === null) {
    sink.refuse()
    return
  }
  sink.add({
    ...{ server: number, dstAddr, socket: { protocol, srcPort, dstPort }, name, source, mayBeOuter: false },
    ...{ fromUnixMs: unixMs, untilUnixMs: unixMs },
  })
}

/** Addresses that a name server gave to a client, by a log; what is no address among them is passed over. */
export function addLoggedAnswers(
  sink: NameSink,
  client: string | null,
  unixMs: number | null,
  text: string,
  answers: readonly { readonly address: string; readonly ttlSeconds: number }[],
): void {
  const from = canonicalAddress(client ?? '')
  if (from === null || unixMs === null) return
  const server = sink.serverAt(from, unixMs)
  if (server < 0) return
  const name = domainName(text)
  if (name === null) {
    sink.refuse()
    return
  }
  for (const { address, ttlSeconds } of answers) {
    const dstAddr = canonicalAddress(address)
    if (dstAddr === null) continue
    sink.add({
      ...{ server, dstAddr, socket: null, name, source: 'dns-log', mayBeOuter: false, fromUnixMs: unixMs },
      untilUnixMs: answerHoldsUntil(unixMs, ttlSeconds),
    })
  }
}

/** Seconds as a log writes them; 0 for what is none. */
export function loggedTtl(value: unknown): number {
  const seconds = Number(value)
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0
}
