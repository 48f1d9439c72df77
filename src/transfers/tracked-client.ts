/** One call to a peer for an instruction, on a connection of its own, which is entered when it is closed. */
import type { Socket } from 'node:net'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { type InstructionId, newSortableId, type RandomBytes, type TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { trackConnection } from '../ledger/connections.ts'
import type { Door } from '../outbound/door.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideOutbound } from '../policy/decide.ts'
import type { Peer, TransferRegion } from './peers.ts'
import { refusalSchema } from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface PeerCall {
  readonly region: TransferRegion
  readonly door: Door
  readonly peer: Peer
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

const idleMs = 10_000

/** The answer's JSON. Rejects with `TransferRefused` when the peer said no, with `peer-unavailable` when it said nothing. */
export async function callPeer(call: PeerCall, path: string, body: unknown): Promise<unknown> {
  const { region, door, peer, id, tenant, clock, randomBytes, log } = call
  const { host, port, certificate } = peer
  const decision = decideOutbound({
    action: 'outbound',
    purpose: 'knowledge',
    host,
    port,
    certificate,
    registered: true,
    instruction: id,
  })
  if (isRefusal(decision)) throw TransferRefused.of(decision)
  const onSocket = (socket: Socket): void => {
    if (peer.country === region.country) return
    const facts = {
      id: newSortableId(clock(), randomBytes),
      role: 'knowledge',
      initiator: 'local',
      instruction: id,
      remoteCountry: peer.country,
      openedUnixMs: clock(),
    } as const
    const tracked = trackConnection(socket, facts, clock, log)
    tracked.charge(
      { region: region.id, country: region.country, catalog: region.catalog, drafts: region.drafts },
      tenant,
      [],
    )
    socket.once('close', () => void tracked.enter(false))
  }
  const answer = await door.send(decision, {
    method: 'POST',
    path,
    headers: {},
    body: utf8(JSON.stringify(body)),
    idleMs,
    isAlone: true,
    onSocket,
  })
  let value: unknown
  try {
    value = JSON.parse(answer.body.toString('utf8'))
  } catch (error) {
    throw new HoldfastError('peer-unavailable', `${peer.id} answered no JSON`, {}, error)
  }
  if (answer.status === 200) return value
  const refusal = refusalSchema.safeParse(value)
  if (answer.status < 500 && refusal.success)
    throw new TransferRefused(refusal.data.rule, `${peer.id}: ${refusal.data.message}`)
  throw new HoldfastError('peer-unavailable', `${peer.id} answered ${answer.status}`)
}
