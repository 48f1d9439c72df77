/** What every step of the source's half needs: its parts, its rows, its own judgement. */
import { HoldfastError } from '../core/errors.ts'
import type { InstructionId, RandomBytes } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
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
import type { Peer, Peers, TransferRegion } from './peers.ts'
import type { PeerProof } from './protocol.ts'
import { TransferRefused } from './refused.ts'

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
  readonly sleep: (ms: number) => Promise<void>
  /** Whether the region's ledger has stopped: what cannot be entered is not erased. Left out: it has not. */
  readonly isHalted?: () => boolean
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

/** The source's own judgement, with what would move next. */
export async function authorize(
  deps: SenderDeps,
  peer: Peer,
  id: InstructionId,
  objects: TransferStep['objects'],
  phase: TransferFacts['phase'] = 'send',
): Promise<{
  current: KnownTransfer
  bucket: KnownBucket
  authorized: Authorized<TransferStep>
  law: TransferLaw
}> {
  const { region } = deps
  const current = await known(deps, id)
  const bucket = await findBucket(region.catalog, current.instruction.from.bucket)
  const nowUnixMs = region.lawfulNow()
  const places = { from: region.country, to: peer.country, dataClass: bucket?.row.dataClass ?? '' }
  const law = lawOf(region.packs, current.instruction, places, nowUnixMs)
  const decision = decideTransfer(
    { action: 'transfer', terms: current.instruction, objects },
    {
      end: { role: 'source', region: region.id, peer: peer.id },
      bucket: bucket === null ? null : bucket.row,
      standing: current.standing,
      moved: current.row,
      phase,
      law: law.verdict,
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
