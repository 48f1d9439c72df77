/**
 * The source's half: one instruction, from its approval to its end.
 *
 *     offer → (batches, several on their way: depart → send → close → arrive) … → verify → delete, for a move → end
 *
 * Crash points: a batch, its departure entry and the cursor behind it are one transaction, so a batch either has not
 * departed or is found again by its mark; objects are asked for (`wanted`), closing answers the same twice, a batch
 * that is not verified is verified again, deleting names the version. Started again at any point, it goes on at the
 * first step that is not done.
 */
import type { Socket } from 'node:net'
import { HoldfastError } from '../core/errors.ts'
import { type InstructionId, newSortableId } from '../core/ids.ts'
import { createSlots } from '../core/slots.ts'
import { connectionEnteredEveryMs, type TrackedConnection, trackConnection } from '../ledger/connections.ts'
import { findBatch, forgetItems, itemsOf, openBatchesOf } from './batches.ts'
import { deleteArrived, waitForUndo } from './delete-moved.ts'
import { countAhead } from './departure.ts'
import { demandVersions } from './keeping.ts'
import { createThrottle, type Throttle } from './pace.ts'
import { createPeerClient } from './peer-client.ts'
import type { Peer } from './peers.ts'
import { forgetPlan, planned } from './plan.ts'
import { type Meter, progressOf } from './progress.ts'
import type { Keeping } from './protocol.ts'
import { isPassing, TransferRefused } from './refused.ts'
import { sendAll } from './send-all.ts'
import { settleBatch } from './send-batch.ts'
import { authorize, known, type Run, type SenderDeps, sendersStanding, transferRow } from './sender-state.ts'
import { challengeItems, demandVerified, markVerified } from './verify-arrived.ts'

/** Half of the connections that there can be to a peer. */
const requestsAtOnce = 4
const keepsAll: Keeping = { versions: true, locks: true, acls: true, publicAcls: true }

export interface TransferPace {
  readonly throttle: Throttle
  readonly meter: Meter
  /** The other end has done what it was asked. */
  readonly onAnswer: () => void
}

/** Runs until the instruction has ended or a step fails; `peer-unavailable` may be tried again. */
export async function runTransfer(
  deps: SenderDeps,
  id: InstructionId,
  { throttle, meter, onAnswer }: TransferPace,
): Promise<void> {
  const { peers, clock } = deps
  const first = await known(deps, id)
  const peer = peers.get(first.instruction.to.region)
  if (peer === undefined) return fail(deps, id, `no region ${first.instruction.to.region} is known here`, '')
  const connections = trackConnections(deps, peer, id, first.row.tenant)
  const client = createPeerClient(deps.door, peer, id, { onSocket: connections.onSocket, onAnswer })
  let keeping = keepsAll
  const run: Run = {
    ...{ deps, peer, client, id, throttle, meter },
    own: createThrottle(clock, deps.sleep),
    requests: createSlots(requestsAtOnce),
    keeping: () => keeping,
    ...sendersStanding(deps, peer, first.instruction),
    stopping: new AbortController(),
  }
  try {
    // Nothing is left to send: an expiry since then does not stop what was ordered, and done, in time.
    if (!(await isSent(run))) {
      keeping = await offer(run)
      await sendAll(run)
    }
    await finish(run)
  } catch (error) {
    if (!(error instanceof TransferRefused) || isPassing(error)) throw again(error)
    await stop(run, error)
  } finally {
    connections[Symbol.dispose]()
    // Closing them is what has them entered, at this end and at the other.
    deps.door.release(id)
  }
}

/** For the executor, which tries again what is `peer-unavailable`. */
function again(error: unknown): unknown {
  const passes = error instanceof TransferRefused && isPassing(error)
  return passes ? new HoldfastError('peer-unavailable', error.message, {}, error) : error
}

/** Counts what is to go, plans it if it is bound to a list, and shows the order to the destination. */
async function offer({ deps, peer, client, id }: Run): Promise<Keeping> {
  const allowed = await authorize(deps, peer, id, [])
  const { limits, list, versions, to } = allowed.current.instruction
  const isLimited = limits.objects !== null || limits.bytes !== null
  const pages = list === null ? null : await planned(deps, allowed)
  if (isLimited) await countAhead(deps, peer, id)
  else if (list === null)
    countAhead(deps, peer, id).catch(error => {
      deps.log('info', 'not-counted', { instruction: id, error: String(error) })
    })
  const offered = await known(deps, id)
  await deps.knowledge.demand(peer, offered.row.tenant, id)
  const keeping = await client.offer(offered.row.envelope, offered.envelopes, pages)
  demandVersions({ versions }, keeping, to.bucket)
  return keeping
}

const verifiedAtOnce = 3

/** The walk has come to its end, and every batch of it has been answered for. */
async function isSent({ deps, id }: Run): Promise<boolean> {
  const row = await transferRow(deps, id)
  return row.walked && (await openBatchesOf(deps.region.catalog, id)).length === 0
}

/** Verifies what arrived and, for a move, deletes it here; then the instruction has ended. */
async function finish(run: Run): Promise<void> {
  const { deps, client, id, peer } = run
  const { catalog } = deps.region
  const { batches } = await transferRow(deps, id)
  const { instruction } = await known(deps, id)
  const isMove = instruction.mode === 'move'
  const wrong: string[] = []
  let next = 0
  const verify = async (): Promise<void> => {
    for (let number = next++; number < batches; number = next++) {
      const batch = (await findBatch(catalog, id, number))?.row
      if (batch?.state !== 'arrived') continue
      if (isMove) await waitForUndo(run, batch)
      const { bucket } = await run.deleting()
      const arrived = new Set(batch.arrived)
      const items = (await itemsOf(catalog, id, number)).filter(({ originId }) => arrived.has(originId))
      const answered = await challengeItems(run, number, bucket.row, items)
      wrong.push(...answered.wrong)
      if (isMove) {
        // One object that is not there is reason enough to keep all the others.
        demandVerified(wrong, peer.id)
        const verified = await markVerified(run, batch, answered.verified, 'arrived')
        await deleteArrived(run, items)
        await markVerified(run, verified, 0, 'done')
      } else if (answered.wrong.length === 0) await markVerified(run, batch, answered.verified, 'done')
    }
  }
  // While one waits for its answer, the next is asked; not where the answer decides whether the next may be deleted.
  const verifying = Array.from({ length: isMove ? 1 : verifiedAtOnce }, () =>
    verify().catch((error: unknown) => {
      next = batches
      throw error
    }),
  )
  // All have stopped before it fails: one that went on would count what the next run counts too.
  for (const ended of await Promise.allSettled(verifying)) if (ended.status === 'rejected') throw ended.reason
  demandVerified(wrong, peer.id)
  const { verified } = await progressOf(catalog, id)
  for (;;) {
    const current = await known(deps, id)
    if (
      current.standing.ended ||
      (await deps.region.book.move(current, { state: 'completed', reason: null, verified }))
    )
      break
  }
  await forget(run)
  await client.end('completed', null)
}

async function forget({ deps, id }: Run): Promise<void> {
  await forgetPlan(deps.region.catalog, id)
  await forgetItems(deps.region.catalog, id)
}

/** The instruction ends here: voids what is open, says why, and tells the other end. */
async function stop(run: Run, refused: TransferRefused): Promise<void> {
  const { deps, client, id } = run
  const { catalog } = deps.region
  for (const open of await openBatchesOf(catalog, id)) {
    const items = await itemsOf(catalog, id, open.batch)
    const missing = new Map(items.map(item => [item.originId as string, refused.message]))
    // The destination gives up what it has staged; a batch that it had published before says so again. When it cannot
    // be asked, nobody knows which: voided here and arrived there, the books would differ for ever.
    const closed = await client.close(open.batch).catch(error => {
      if (error instanceof TransferRefused && !isPassing(error)) return null
      throw again(error)
    })
    await settleBatch(run, open, items, closed?.arrived ?? [], closed?.entry ?? null, missing)
  }
  await fail(deps, id, refused.message, refused.rule)
  await forget(run)
  await client.end('failed', refused.message).catch(() => {})
}

async function fail(deps: SenderDeps, id: InstructionId, reason: string, rule: string): Promise<void> {
  for (;;) {
    const current = await known(deps, id)
    if (current.standing.ended) break
    const state =
      rule === 'instruction-expired' ? 'expired' : rule === 'instruction-revoked' ? 'revoked' : 'failed'
    const { verified } = await progressOf(deps.region.catalog, id)
    if (await deps.region.book.move(current, { state, reason, verified })) break
  }
  deps.log('warn', 'transfer-ended', { instruction: id, reason, region: deps.region.id })
}

interface Connections extends Disposable {
  readonly onSocket: (socket: Socket) => void
}

/** Enters what went over each connection, hourly and when it closes. Between regions of one country none is entered. */
function trackConnections(
  { region, clock, randomBytes, log }: SenderDeps,
  peer: Peer,
  id: InstructionId,
  tenant: Parameters<TrackedConnection['charge']>[1],
): Connections {
  const connections = new Map<unknown, TrackedConnection>()
  const hourly = setInterval(() => {
    for (const tracked of connections.values()) void tracked.enter(true)
  }, connectionEnteredEveryMs)
  hourly.unref()
  return {
    onSocket(socket) {
      if (connections.has(socket) || peer.country === region.country) return
      const facts = {
        id: newSortableId(clock(), randomBytes),
        role: 'transfer',
        initiator: 'local',
        instruction: id,
        remoteCountry: peer.country,
        openedUnixMs: clock(),
      } as const
      const tracked = trackConnection(socket, facts, clock, log)
      connections.set(socket, tracked)
      const { id: at, country, catalog, drafts } = region
      tracked.charge({ region: at, country, catalog, drafts }, tenant, [])
      socket.once('close', () => {
        connections.delete(socket)
        void tracked.enter(false)
      })
    },
    [Symbol.dispose]: () => clearInterval(hourly),
  }
}
