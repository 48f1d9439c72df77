/**
 * What regions tell each other of a tenant's will: changes of its approvers, votes that were taken back, verdicts. Each
 * judges by its own copy; this is how a copy hears of what was said elsewhere. Between two that are not at the same
 * change of the approvers nothing goes abroad, and neither does anything when the tenant's home region, where such
 * things are said first, was not heard for too long. What stays in the country goes on.
 *
 * What comes from a peer is a claim like any other: signatures are judged here, and a change that was told waits its 72
 * hours here. A peer that lies can keep something back, which shows as silence, and can make nothing up.
 */
import { z } from 'zod'
import { hasCode, messageOf } from '../core/errors.ts'
import type { InstructionId, RandomBytes, RegionId, TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { type Envelope, parseEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { openInstruction } from '../instructions/instruction.ts'
import { endStates } from '../instructions/standing.ts'
import type { Door } from '../outbound/door.ts'
import { findTenant } from '../store/tenants.ts'
import { parseLinks } from '../verify/approver-chain.ts'
import { withdrawalPayloadType } from '../verify/delegation.ts'
import { openVerdict } from '../verify/verdict-document.ts'
import type { Peer, Peers, TransferRegion } from './peers.ts'
import { TransferRefused } from './refused.ts'
import { callPeer } from './tracked-client.ts'

const mostChanges = 1000
const envelopes = z.array(z.unknown()).max(1000)
export const knowledgeSchema = z.strictObject({
  /** Id of the document that the set in force is from. */
  head: z.string(),
  /** Changes of the approvers: those in force, and those that wait. */
  changes: z.array(z.strictObject({ instruction: z.unknown(), verdicts: envelopes })).max(mostChanges),
  withdrawals: envelopes,
  /** Of the instruction for which it is asked. */
  verdicts: envelopes,
})
export type Knowledge = z.infer<typeof knowledgeSchema>

export interface KnowledgeDeps {
  readonly region: TransferRegion
  readonly peers: Peers
  readonly door: Door
  /** The tenant's will may have changed where it was not heard for so long. */
  readonly staleMs: number
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  /** Something may run now that could not before. */
  readonly wake: (id: InstructionId) => void
}

export interface KnowledgeExchange {
  /** What this region answers to one that tells it what it knows. `null`: the tenant is not here. */
  hear(peer: Peer, tenant: TenantId, instruction: InstructionId, told: unknown): Promise<Knowledge | null>
  /**
   * Before anything goes to or comes from a peer for this instruction: rejects with `approvers-differ` or
   * `approvers-stale` where that must not be. Asks whom it has to, and does not ask again for a while.
   */
  demand(peer: Peer, tenant: TenantId, instruction: InstructionId): Promise<void>
  /** Tells every region that it knows; false when one could not be reached. It asks for itself when it matters. */
  tellAll(tenant: TenantId, instruction: InstructionId): Promise<boolean>
}

export function createKnowledgeExchange(deps: KnowledgeDeps): KnowledgeExchange {
  const { region, peers, staleMs, clock, log } = deps
  /** Asked anew before it is stale, so that a transfer that lasts is not stopped in between. */
  const askAgainMs = staleMs / 5
  const { book, catalog } = region
  /** When each was last heard of a tenant, and at which change it was. */
  const heard = new Map<string, { readonly atUnixMs: number; readonly head: string }>()
  const keyOf = (peer: RegionId, tenant: TenantId): string => `${peer} ${tenant}`

  const knowledge = async (tenant: TenantId, id: InstructionId): Promise<Knowledge> => {
    const links = await book.approvers.linksOf(tenant)
    // A draft that nobody has signed is nobody's word; whoever can draft could keep regions from agreeing by thousands.
    const waiting = (await book.waitingChanges(tenant))
      .filter(({ verdicts }) => verdicts.length > 0)
      .toSorted((a, b) => Number(b.row.state === 'approved') - Number(a.row.state === 'approved'))
      .slice(0, mostChanges - links.length)
    const known = await book.find(id)
    return {
      head: (await book.approvers.setOf(tenant)).id,
      changes: [
        ...links.map(({ envelope, approvals }) => ({ instruction: envelope, verdicts: [...approvals] })),
        ...waiting.map(({ row, envelopes }) => ({ instruction: row.envelope, verdicts: [...envelopes] })),
      ],
      withdrawals: await book.approvers.withdrawals(tenant),
      verdicts: known?.row.tenant === tenant ? [...known.envelopes] : [],
    }
  }

  /** Written down and judged as if the tenant had said it here; what does not hold is left out, and logged. */
  const take = async (from: Peer, tenant: TenantId, told: Knowledge): Promise<void> => {
    const skip = (what: string, error: unknown): void => {
      if (!hasCode(error, 'conflict'))
        log('warn', 'knowledge-not-taken', {
          region: region.id,
          from: from.id,
          what,
          error: messageOf(error),
        })
    }
    const say = async (verdict: Envelope): Promise<void> => {
      const { row } = await book.say(verdict)
      if (!endStates.includes(row.state)) deps.wake(row.id)
    }
    for (const { instruction, verdicts } of told.changes) {
      const envelope = parseEnvelope(instruction)
      const opened = envelope === null ? 'none' : openInstruction(envelope)
      if (typeof opened === 'string' || opened.kind !== 'approvers' || opened.tenant !== tenant) continue
      // In force here, or ended: it is known, and whatever was said of it.
      const state = (await book.find(opened.id))?.row.state
      if (state !== undefined && endStates.includes(state)) continue
      if (await isInForce(tenant, opened.id)) continue
      // A draft is nobody's word yet, and would be entered: a peer does not fill a tenant's books with those.
      const said = await saidOf(tenant, opened.id, verdicts)
      if (said.length === 0) continue
      try {
        await book.draft(envelope!)
        for (const verdict of said) await say(verdict).catch(error => skip('a verdict', error))
      } catch (error) {
        skip('a change of the approvers', error)
      }
    }
    for (const json of told.withdrawals) {
      const withdrawal = parseEnvelope(json)
      if (withdrawal?.payloadType === withdrawalPayloadType)
        await book.withdraw(tenant, withdrawal).catch(error => skip('a withdrawal', error))
    }
    for (const json of told.verdicts) {
      const verdict = parseEnvelope(json)
      if (verdict !== null) await say(verdict).catch(error => skip('a verdict', error))
    }
  }

  /** What somebody said who may. */
  const saidOf = async (
    tenant: TenantId,
    id: InstructionId,
    verdicts: readonly unknown[],
  ): Promise<Envelope[]> => {
    const set = await book.approvers.setOf(tenant)
    return verdicts.map(parseEnvelope).filter(envelope => {
      const opened = envelope === null ? 'none' : openVerdict(envelope, set, nodeVerifyCrypto)
      return typeof opened !== 'string' && opened.instruction === id
    }) as Envelope[]
  }

  const isInForce = async (tenant: TenantId, id: InstructionId): Promise<boolean> => {
    const links = parseLinks(await book.approvers.linksOf(tenant)) ?? []
    return links.some(({ envelope }) => {
      const opened = openInstruction(envelope)
      return typeof opened !== 'string' && opened.id === id
    })
  }

  const noteHeard = (peer: Peer, tenant: TenantId, { head }: Knowledge): void => {
    heard.set(keyOf(peer.id, tenant), { atUnixMs: clock(), head })
  }

  const ask = async (peer: Peer, tenant: TenantId, id: InstructionId): Promise<void> => {
    const body = await knowledge(tenant, id)
    const path = `/v1/tenants/${tenant}/knowledge/${id}`
    const answer = await callPeer({ ...deps, peer, id, tenant }, path, body)
    const told = knowledgeSchema.safeParse(answer)
    if (!told.success)
      throw new TransferRefused('approvers-stale', `${peer.id} tells what it knows in another form.`)
    await take(peer, tenant, told.data)
    noteHeard(peer, tenant, told.data)
  }

  /** Not again before its time is up: a transfer asks for every batch. */
  const refresh = async (peer: Peer, tenant: TenantId, id: InstructionId): Promise<void> => {
    const last = heard.get(keyOf(peer.id, tenant))
    if (last !== undefined && clock() - last.atUnixMs < askAgainMs) return
    try {
      await ask(peer, tenant, id)
    } catch (error) {
      // What was heard of it lately still counts.
      if (last === undefined || clock() - last.atUnixMs >= staleMs) throw error
      log('warn', 'knowledge-not-asked', { region: region.id, of: peer.id, error: messageOf(error) })
    }
  }

  return {
    async hear(peer, tenant, id, value) {
      if ((await findTenant(catalog, tenant)) === null) return null
      const told = knowledgeSchema.safeParse(value)
      if (!told.success) throw new TransferRefused('instruction-out-of-scope', z.prettifyError(told.error))
      await take(peer, tenant, told.data)
      noteHeard(peer, tenant, told.data)
      return knowledge(tenant, id)
    },

    async demand(peer, tenant, id) {
      if (peer.country === region.country) return
      const row = await findTenant(catalog, tenant)
      const home = row?.home
      if (home !== undefined && home !== region.id && home !== peer.id) {
        const there = peers.get(home)
        const stale = (why: string): TransferRefused =>
          new TransferRefused(
            'approvers-stale',
            `${region.id} has not heard for too long what the tenant said in ${home}, its home: ${why}. Nothing goes abroad until it has.`,
          )
        if (there === undefined) throw stale('it is not known here')
        await refresh(there, tenant, id).catch(error => {
          throw stale(messageOf(error))
        })
        await demandSame(there, tenant, id)
      }
      await refresh(peer, tenant, id).catch(error => {
        if (error instanceof TransferRefused) throw error
        throw new TransferRefused('approvers-stale', messageOf(error))
      })
      await demandSame(peer, tenant, id)
    },

    async tellAll(tenant, id) {
      let isTold = true
      for (const peer of peers.values()) {
        if (peer.id === region.id) continue
        await ask(peer, tenant, id).catch(error => {
          // It has no such tenant: nothing to tell.
          if (error instanceof TransferRefused) return
          isTold = false
          log('info', 'knowledge-not-told', { region: region.id, to: peer.id, error: messageOf(error) })
        })
      }
      return isTold
    },
  }

  async function demandSame(peer: Peer, tenant: TenantId, id: InstructionId): Promise<void> {
    const ours = (await book.approvers.setOf(tenant)).id
    if (heard.get(keyOf(peer.id, tenant))?.head === ours) return
    // It may have come into force there since.
    await ask(peer, tenant, id)
    if (heard.get(keyOf(peer.id, tenant))?.head === ours) return
    throw new TransferRefused(
      'approvers-differ',
      `${region.id} and ${peer.id} are not at the same change of the tenant’s approvers. Nothing goes between them until they are.`,
    )
  }
}
