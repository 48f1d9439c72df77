/** The ports on which the regions of a process hear their peers. */
import type { Server } from 'node:http'
import type { RandomBytes } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Clock } from './core/time.ts'
import type { TlsIdentity } from './crypto/tls-identity.ts'
import { closeServer, listenOn } from './listen.ts'
import type { KnowledgeExchange } from './transfers/knowledge.ts'
import { createPeerServer } from './transfers/peer-server.ts'
import type { Peer, Peers, TransferRegion } from './transfers/peers.ts'
import { createReceiver } from './transfers/receiver.ts'

export interface HearingRegion {
  readonly region: TransferRegion
  readonly identity: TlsIdentity
  readonly listensOn: Pick<Peer, 'host' | 'port'>
  readonly knowledge: KnowledgeExchange
}

export interface PeerFaceDeps {
  readonly peers: Peers
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

/** Closing it enters the connections that were open. */
export async function startPeerFace(
  regions: Iterable<HearingRegion>,
  { peers, clock, randomBytes, log }: PeerFaceDeps,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  for (const { region, identity, listensOn, knowledge } of regions) {
    const receiver = createReceiver(region, knowledge, clock, randomBytes)
    const { server, settle } = createPeerServer({
      region,
      identity,
      peers,
      receiver,
      knowledge,
      clock,
      randomBytes,
      log,
    })
    await listenOn(server as unknown as Server, listensOn.host, listensOn.port)
    stack.defer(async () => {
      await closeServer(server as unknown as Server)
      await settle()
    })
  }
  return stack.move()
}
