/** What every step of the source's half needs: its parts, its rows, its own judgement. */
import { HoldfastError } from '../core/errors.ts'
import type { InstructionId, RandomBytes } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Slots } from '../core/slots.ts'
import type { Clock } from '../core/time.ts'
import { asTransfer, type KnownTransfer } from '../instructions/instruction-book.ts'
import type { Door } from '../outbound/door.ts'
import { type Authorized, isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferFacts, type TransferStep } from '../policy/decide-transfer.ts'
import { findBucket } from '../store/buckets.ts'
import type { KnownBucket } from '../store/objects.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { type TransferRow, transferKey } from './batches.ts'
import type { KnowledgeExchange } from './knowledge.ts'
import { lawOf, type TransferLaw } from './law.ts'
import type { Throttle } from './pace.ts'
import type { PeerClient } from './peer-client.ts'
import type { Peer, Peers, TransferRegion } from './peers.ts'
import type { Extent, Meter } from './progress.ts'
import type { Keeping, PeerProof } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { createStanding } from './standing.ts'

const pollMs = 50
const proofMs = 60_000

export interface SenderDeps {
  readonly region: TransferRegion
  readonly door: Door
  readonly peers: Peers
  readonly knowledge: Pick<KnowledgeExchange, 'demand' | 'tellAll'>
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  /** How long a moved object stays at its source after it has arrived. */
  readonly undoMs: number
  /** Of all transfers out of the region together; 0: without limit. */
  readonly bytesPerSecond: number
  readonly sleep: (ms: number) => Promise<void>
  /** Whether the process is about to end: a long object on its way is cut, and sent again by the next. */
  readonly isStopped?: () => boolean
  /** Whether the region's ledger has stopped: what cannot be entered is not erased. Left out: it has not. */
  readonly isHalted?: () => boolean
}

/** A transfer that is being run. */
export interface Run {
  readonly deps: SenderDeps
  readonly peer: Peer
  readonly client: PeerClient
  readonly id: InstructionId
  /** Of the region, and of this transfer. */
  readonly throttle: Throttle
  readonly own: Throttle
  /** Requests with objects, of all batches together: what batches ask beside them must not wait for a connection. */
  readonly requests: Slots
  readonly meter: Meter
  /** What the bucket at the other end can keep, by the other end's word; it judges by itself as well. */
  readonly keeping: () => Keeping
  /** Whether it stands, at little cost: asked at every object. */
  readonly standing: () => Promise<Allowed>
  /** Whether it stands for deleting what has arrived. */
  readonly deleting: () => Promise<Allowed>
  /** Aborted when a step has failed: the others stop at their next object. */
  readonly stopping: AbortController
}

export interface Allowed {
  readonly current: KnownTransfer
  readonly bucket: KnownBucket
  readonly authorized: Authorized<TransferStep>
  readonly law: TransferLaw
}

export async function known({ region }: SenderDeps, id: InstructionId): Promise<KnownTransfer> {
  const instruction = await region.book.find(id)
  const found = instruction === null ? null : asTransfer(instruction)
  if (found === null) throw new HoldfastError('not-found', `there is no transfer ${id} in ${region.id}`)
  return found
}

export async function transferRow({ region }: SenderDeps, id: InstructionId): Promise<TransferRow> {
  const bytes = await region.catalog.get('transfers', transferKey(id))
  if (bytes !== null) return decodeRow<TransferRow>(bytes)
  const row: TransferRow = { v: 1, id, cursor: '', batches: 0, walked: false }
  await region.catalog.commit({
    checks: [{ table: 'transfers', key: transferKey(id), expected: null }],
    puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(row) }],
  })
  return row
}

const nothing: Extent = { objects: 0, bytes: 0 }

/** The source's own judgement, with what would move next. `ahead`: what is on its way and not counted yet. */
export async function authorize(
  deps: SenderDeps,
  peer: Peer,
  id: InstructionId,
  objects: TransferStep['objects'],
  phase: TransferFacts['phase'] = 'send',
  ahead: Extent = nothing,
): Promise<Allowed> {
  const { region } = deps
  const current = await known(deps, id)
  const bucket = await findBucket(region.catalog, current.instruction.from.bucket)
  const nowUnixMs = region.lawfulNow()
  const places = {
    ...{ here: region.id, from: region.country, to: peer.country },
    ...{ bucket: bucket?.row ?? null, set: current.set },
  }
  const law = lawOf(region.packs, current.instruction, places, nowUnixMs)
  const { row } = current
  const decision = decideTransfer(
    { action: 'transfer', terms: current.instruction, objects },
    {
      end: { role: 'source', region: region.id, peer: peer.id },
      bucket: bucket === null ? null : bucket.row,
      standing: current.standing,
      moved: { objects: row.objects + ahead.objects, bytes: row.bytes + ahead.bytes },
      phase,
      law: law.verdict,
      ownPolicy: law.own?.refusal ?? null,
      nowUnixMs,
    },
  )
  if (isRefusal(decision)) throw TransferRefused.of(decision)
  if (current.instruction.ledger !== region.logKey.name) {
    throw new TransferRefused(
      'instruction-out-of-scope',
      `The instruction is for the ledger ${current.instruction.ledger}, not for this one.`,
    )
  }
  return { current, bucket: bucket!, authorized: decision, law }
}

export function sendersStanding(
  deps: SenderDeps,
  peer: Peer,
  { id, from, expiresUnixMs }: KnownTransfer['instruction'],
): Pick<Run, 'standing' | 'deleting'> {
  const { catalog, lawfulNow } = deps.region
  const of = { catalog, id, bucket: from.bucket, lawfulNow }
  return {
    standing: createStanding({ ...of, expiresUnixMs }, () => authorize(deps, peer, id, [])),
    // Carried out what was ordered, and sent, in time: no expiry ends it.
    deleting: createStanding({ ...of, expiresUnixMs: Number.POSITIVE_INFINITY }, () =>
      authorize(deps, peer, id, [], 'delete'),
    ),
  }
}

/** Throws once a step of this run has failed. */
export function demandGoing({ stopping }: Run): void {
  if (stopping.signal.aborted) throw new HoldfastError('shutting-down', 'another step of the transfer failed')
}

export async function waitForProof(
  deps: SenderDeps,
  ask: () => Promise<PeerProof | null>,
): Promise<PeerProof> {
  const deadline = deps.clock() + proofMs
  for (;;) {
    const proof = await ask()
    if (proof !== null) return proof
    if (deps.clock() > deadline)
      throw new HoldfastError('peer-unavailable', 'an entry was not published in time')
    await deps.sleep(pollMs)
  }
}
