/**
 * One transfer between two regions whose disks fail, whose power is cut and whose network loses and repeats, while clients
 * write and an approver may revoke; and what must hold in the end. All in memory, with the code that both ends run.
 */
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import type { InstructionId, RegionId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { isoTime } from '../../src/core/time.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { hasOpenBatch } from '../../src/transfers/batches.ts'
import { createThrottle } from '../../src/transfers/pace.ts'
import type { Peers } from '../../src/transfers/peers.ts'
import { createMeter } from '../../src/transfers/progress.ts'
import { runTransfer } from '../../src/transfers/sender.ts'
import { verdictTypes } from '../../src/verify/verdict-document.ts'
import { createFaultyDisk, type FaultKind } from './faulty-disk.ts'
import { createChance } from './random.ts'
import { judgeTransfer, storedIn } from './transfer-judgement.ts'
import { makeObject, replace, type Stored } from './transfer-objects.ts'
import {
  type Id,
  ids,
  order,
  peerOf,
  sign,
  source,
  startUnixMs,
  type TransferParts,
} from './transfer-parts.ts'
import { doorTo, isForeseen, type Side, setUp, startSide } from './transfer-sides.ts'

/** What happens at the writes of these numbers, counted from 0, on each side's disk. */
export interface TransferPlan {
  readonly seed: number
  readonly mode: 'copy' | 'move'
  readonly objects: number
  readonly faults: Readonly<Record<Id, ReadonlyMap<number, FaultKind>>>
  /** Of a hundred calls to the other end, so many fail before or after, are made twice or are refused for now. */
  readonly badCalls: number
  /** At the call of this number the approver revokes; at those numbers a client overwrites or deletes. */
  readonly revokeAt: number | null
  readonly clientsAt: readonly number[]
  /** The destination's disk breaks its word: of what it acknowledged, so many commits are gone at the end. */
  readonly lostCommits?: number
}

export interface TransferOutcome {
  readonly faults: readonly string[]
  readonly state: string
  /** Calls to the other end, writes on each disk: what a plan of faults can be made from. */
  readonly calls: number
  readonly writes: Readonly<Record<Id, number>>
}

export async function runTransferOnce(parts: TransferParts, plan: TransferPlan): Promise<TransferOutcome> {
  const chance = createChance(plan.seed)
  const faults: string[] = []
  let now = startUnixMs
  let calls = 0
  const clock = () => now
  const randomBytes = (length: number): Uint8Array => chance.bytes(length)
  const peers: Peers = new Map(ids.map(id => [id as RegionId, peerOf(parts, id)]))
  const image = await setUp(parts, plan.objects, chance)
  const sides = {} as Record<Id, Side>
  for (const id of ids) {
    const disk = await createFaultyDisk(plan.faults[id], chance, image[id])
    sides[id] = startSide(parts, id, disk, clock, randomBytes)
  }
  const [from, to] = [sides['in-mumbai'], sides['de-frankfurt']]
  const envelope = order(parts, plan.mode, plan.seed)
  const id = documentId(envelope) as InstructionId
  /** Versions that a client took away itself: nobody owes them to anybody. */
  const given = new Set<string>()
  /** Versions whose write may have failed, and may be there all the same. */
  const tried: Stored[] = []
  let seen = await storedIn(from)

  /** An error says nothing: what was written may be there or not. */
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      if (!isForeseen(error)) faults.push(`unforeseen: ${messageOf(error)}`)
      return false
    }
  }
  const revive = async (): Promise<void> => {
    for (const side of [from, to])
      if (side.disk.isCut()) {
        await side.disk.restart()
        Object.assign(side, startSide(parts, side.id, side.disk, clock, randomBytes))
      }
  }
  let ticking: Promise<void> | null = null
  /** One at a time: each sequencer is one writer. */
  const tick = (): Promise<void> => {
    const round = async (): Promise<void> => {
      for (const side of [from, to]) if (!side.disk.isCut()) await attempt(() => side.sequencer.tick())
    }
    ticking ??= round().finally(() => {
      ticking = null
    })
    return ticking
  }
  const write = async (): Promise<void> => {
    if (from.disk.isCut()) return
    const all = await storedIn(from)
    const victim = all[chance.below(Math.max(1, all.length))]
    if (victim === undefined) return
    // Whatever becomes of the write, the version may be gone from here on.
    given.add(victim.originId)
    const fresh = chance.below(2) === 0 ? makeObject(parts.tenant, victim.key, chance, now) : null
    if (fresh !== null) tried.push(fresh)
    await attempt(() => from.disk.catalog.commit(replace(parts.tenant, from.drafts, victim, fresh)))
    if (!from.disk.isCut())
      for (const stored of await storedIn(from))
        if (!seen.some(({ originId }) => originId === stored.originId)) seen = [...seen, stored]
  }
  const revoke = async (): Promise<void> => {
    const verdict = sign(parts.key, verdictTypes.revoked, {
      instruction: id,
      tenant: parts.tenant,
      time: isoTime(now),
    })
    for (const side of [to, from]) if (!side.disk.isCut()) await attempt(() => side.region.book.say(verdict))
  }

  const door = doorTo(to, peers.get(source)!, {
    async before() {
      const number = calls++
      if (plan.revokeAt === number) await revoke()
      if (plan.clientsAt.includes(number)) await write()
    },
    isBad: () => chance.below(100) < plan.badCalls,
    onFault: fault => void faults.push(fault),
    chance,
  })
  const sleep = async (ms: number): Promise<void> => {
    now += ms
    await tick()
    if (from.disk.isCut()) throw new HoldfastError('shutting-down', 'injected: the power is cut')
    // Of this moment, or two steps that wait for each other would never meet.
    await new Promise(resolve => setImmediate(resolve))
  }
  const run = async (): Promise<void> => {
    const deps = {
      region: from.region,
      door,
      peers,
      knowledge: { demand: async () => {}, tellAll: async () => true },
      clock,
      randomBytes,
      log: silentLog,
      undoMs: 0,
      bytesPerSecond: 0,
      sleep,
    }
    await runTransfer(deps, id, {
      throttle: createThrottle(clock, sleep),
      meter: createMeter(clock),
      onAnswer: () => {},
    })
  }

  // The order is given and approved at both ends, as often as it takes.
  const approval = sign(parts.key, verdictTypes.approved, {
    instruction: id,
    tenant: parts.tenant,
    time: isoTime(now),
  })
  for (const side of [to, from])
    while (faults.length === 0) {
      if (
        await attempt(async () => {
          await side.region.book.draft(envelope)
          await side.region.book.say(approval)
        })
      )
        break
      await revive()
    }
  const ended = async (): Promise<boolean> => {
    const found = await from.region.book.find(id)
    if (found === null || !['completed', 'failed', 'revoked', 'expired'].includes(found.row.state))
      return false
    return !(await hasOpenBatch(from.disk.catalog, id))
  }
  let rounds = 0
  for (; rounds < 60; rounds++) {
    if (rounds === 30) for (const side of [from, to]) side.disk.heal()
    await revive()
    let isOver = false
    await attempt(async () => {
      isOver = await ended()
    })
    if (isOver) break
    await attempt(run)
    now += 1000
    await tick()
  }
  for (const side of [from, to]) side.disk.heal()
  await revive()
  for (let at = 0; at < 3; at++) await tick()
  if (rounds === 60) faults.push('it never came to an end')
  if (plan.lostCommits !== undefined) {
    await to.disk.restart({ lostCommits: plan.lostCommits })
    Object.assign(to, startSide(parts, to.id, to.disk, clock, randomBytes))
  }

  const state = (await from.region.book.find(id))?.row.state ?? 'unknown'
  const history = { seen, given, tried, state, mode: plan.mode, wereClientsThere: plan.clientsAt.length > 0 }
  if (plan.revokeAt === null && plan.clientsAt.length === 0 && state !== 'completed')
    faults.push(`it ended as ${state}`)
  faults.push(...(await judgeTransfer(parts, from, to, history)))
  return {
    faults,
    state,
    calls,
    writes: { 'in-mumbai': from.disk.writes(), 'de-frankfurt': to.disk.writes() },
  }
}
