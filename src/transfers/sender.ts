/**
 * The source's half: one instruction, from its approval to its end.
 *
 *     offer → (batch: depart → send → close → arrive) … → delete, for a move → end
 *
 * Crash points: a batch, its departure entry and the cursor behind it are one transaction, so a batch either has not
 * departed or is found again by its row; sending is asked for object by object (`wanted`), closing answers the same
 * twice, deleting names the version. Started again at any point, it goes on at the first step that is not done.
 */
import { HoldfastError } from '../core/errors.ts'
import { type InstructionId, newSortableId } from '../core/ids.ts'
import { connectionEnteredEveryMs, type TrackedConnection, trackConnection } from '../ledger/connections.ts'
import { openBatchOf } from './batches.ts'
import { deleteMoved } from './delete-moved.ts'
import { checkLimitsAhead, depart } from './departure.ts'
import { createPeerClient, type PeerClient } from './peer-client.ts'
import type { Peer } from './peers.ts'
import { TransferRefused } from './refused.ts'
import { sendBatch, settleBatch } from './send-batch.ts'
import { known, type SenderDeps, transferRow } from './sender-state.ts'

/** Runs until the instruction has ended or a step fails; `peer-unavailable` may be tried again. */
export async function runTransfer(deps: SenderDeps, id: InstructionId): Promise<void> {
  const { region, peers, clock, log } = deps
  const first = await known(deps, id)
  const peer = peers.get(first.instruction.to.region)
  if (peer === undefined)
    return fail(deps, id, null, `no region ${first.instruction.to.region} is known here`)
  const connections = new Map<unknown, TrackedConnection>()
  const client = createPeerClient(deps.door, peer, id, socket => {
    if (connections.has(socket) || peer.country === region.country) return
    const facts = {
      id: newSortableId(clock(), deps.randomBytes),
      role: 'transfer',
      initiator: 'local',
      instruction: id,
      remoteCountry: peer.country,
      openedUnixMs: clock(),
    } as const
    const tracked = trackConnection(socket, facts, clock, log)
    connections.set(socket, tracked)
    const book = {
      region: region.id,
      country: region.country,
      catalog: region.catalog,
      drafts: region.drafts,
    }
    tracked.charge(book, first.row.tenant, [])
    socket.once('close', () => {
      connections.delete(socket)
      void tracked.enter(false)
    })
  })
  const hourly = setInterval(() => {
    for (const tracked of connections.values()) void tracked.enter(true)
  }, connectionEnteredEveryMs)
  hourly.unref()
  try {
    await walk(deps, peer, client, id)
  } catch (error) {
    if (!(error instanceof TransferRefused)) throw error
    // Nobody has said no: it goes on once both ends know the same of the tenant's will.
    if (error.rule === 'approvers-differ' || error.rule === 'approvers-stale')
      throw new HoldfastError('peer-unavailable', error.message, {}, error)
    await stop(deps, client, id, error)
  } finally {
    clearInterval(hourly)
    // Closing them is what has them entered, at this end and at the other.
    deps.door.release(id)
  }
}

async function walk(deps: SenderDeps, peer: Peer, client: PeerClient, id: InstructionId): Promise<void> {
  const { region } = deps
  // Nothing is left to send: an expiry since then does not stop what was ordered, and done, in time.
  if (!(await isSent(deps, id))) {
    await checkLimitsAhead(deps, peer, id)
    const offered = await known(deps, id)
    await deps.knowledge.demand(peer, offered.row.tenant, id)
    await client.offer(offered.row.envelope, offered.envelopes)
  }
  while (!(await isSent(deps, id))) {
    const row = await transferRow(deps, id)
    const open = await openBatchOf(region.catalog, row)
    if (open === null) await deps.knowledge.demand(peer, (await known(deps, id)).row.tenant, id)
    if (open === null) await depart(deps, peer, id, row)
    else await sendBatch(deps, peer, client, id, open)
  }
  const { instruction } = await known(deps, id)
  if (instruction.mode === 'move') await deleteMoved(deps, peer, client, id)
  for (;;) {
    const current = await known(deps, id)
    if (current.standing.ended || (await region.book.move(current, { state: 'completed', reason: null })))
      break
  }
  await client.end('completed', null)
}

/** The walk has come to its end, and every batch of it has been answered for. */
async function isSent(deps: SenderDeps, id: InstructionId): Promise<boolean> {
  const row = await transferRow(deps, id)
  return row.walked && (await openBatchOf(deps.region.catalog, row)) === null
}

/** The instruction ends here: voids what is open, says why, and tells the other end. */
async function stop(
  deps: SenderDeps,
  client: PeerClient,
  id: InstructionId,
  refused: TransferRefused,
): Promise<void> {
  const row = await transferRow(deps, id)
  const open = await openBatchOf(deps.region.catalog, row)
  if (open !== null) {
    const missing = new Map(open.items.map(item => [item.originId as string, refused.message]))
    // The destination gives up what it has staged; a batch that it had published before says so again. When it cannot
    // be asked, nobody knows which: voided here and arrived there, the books would differ for ever.
    const closed = await client.close(open.batch).catch(error => {
      if (error instanceof TransferRefused) return null
      throw error
    })
    await settleBatch(deps, id, open, closed?.arrived ?? [], closed?.entry ?? null, missing)
  }
  await fail(deps, id, client, refused.message, refused.rule)
}

async function fail(
  deps: SenderDeps,
  id: InstructionId,
  client: PeerClient | null,
  reason: string,
  rule = '',
): Promise<void> {
  for (;;) {
    const current = await known(deps, id)
    if (current.standing.ended) break
    const state =
      rule === 'instruction-expired' ? 'expired' : rule === 'instruction-revoked' ? 'revoked' : 'failed'
    if (await deps.region.book.move(current, { state, reason })) break
  }
  deps.log('warn', 'transfer-ended', { instruction: id, reason, region: deps.region.id })
  await client?.end('failed', reason).catch(() => {})
}
