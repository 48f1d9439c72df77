/**
 * A region's own copy of its tenants' instructions and of what the approvers said to them. Every change is one
 * transaction with its entry, and what an instruction's state is follows from the rows alone.
 */
import { concat, fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { CountryCode, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { type Envelope, type EnvelopeJson, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { documentId } from '../crypto/signed-document.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Standing } from '../policy/decide-transfer.ts'
import { type Catalog, type CatalogBatch, prefixEnd, type Row } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import type { ApproverSet } from '../verify/approver-set.ts'
import { openWithdrawal } from '../verify/delegation.ts'
import { isApproved } from '../verify/judge.ts'
import { openVerdict, type Verdict } from '../verify/verdict-document.ts'
import { type ApproverChain, createApproverChain } from './approver-chain.ts'
import { putElsewhere } from './elsewhere.ts'
import { type Instruction, openInstruction } from './instruction.ts'
import type { TransferInstruction } from './kinds/transfer.ts'
import { checkDrafter, checkSeat, checkTime, endStates, orderOf, standingOf } from './standing.ts'

/** The states that a region enters; `drafted` is having the row and nothing else. */
export type InstructionState =
  | 'drafted'
  | 'approved'
  | 'running'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'revoked'
  | 'rejected'

export interface InstructionRow {
  readonly v: 1
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly envelope: EnvelopeJson
  readonly state: InstructionState
  readonly reason: string | null
  readonly draftedUnixMs: number
  /** Since when it is in this state, by the lawful clock. Left out by rows of before, and while it is drafted. */
  readonly sinceUnixMs?: number
  /** Moved so far, as this region counts: objects and ciphertext bytes. */
  readonly objects: number
  readonly bytes: number
  /** How many verdicts have been said of it; left out by rows of before, and while there is none. */
  readonly said?: number
}

export interface KnownInstruction {
  readonly row: InstructionRow
  readonly bytes: Uint8Array
  readonly instruction: Instruction
  readonly verdicts: readonly Verdict[]
  readonly envelopes: readonly EnvelopeJson[]
  readonly standing: Standing
  /** Delegations of these that were taken back. */
  readonly withdrawn: ReadonlySet<string>
  /** The set that it was judged by: also its policy is the one that holds. */
  readonly set: ApproverSet
}

export interface KnownTransfer extends KnownInstruction {
  readonly instruction: TransferInstruction
}

/** `null` for an instruction of another kind, which moves nothing. */
export function asTransfer(known: KnownInstruction): KnownTransfer | null {
  const { instruction } = known
  return instruction.kind === 'transfer' || instruction.kind === 'standing-transfer'
    ? { ...known, instruction }
    : null
}

export interface BookDeps {
  readonly id: RegionId
  readonly catalog: Catalog
  readonly drafts: DraftBox
  /** Where the regions are that this one knows, itself included. */
  readonly countries: ReadonlyMap<RegionId, CountryCode>
  readonly clock: Clock
  /** By which an expiry is judged; left out, the clock. */
  readonly lawfulNow?: Clock
}

/** Hears of each entry that a call made, once it is durable. */
export type OnEntered = (entry: Drafted) => void

export interface InstructionBook {
  /** By whom its verdicts are judged. */
  readonly approvers: ApproverChain
  /** Writes a draft down and enters it; does nothing when it is known. */
  draft(envelope: Envelope, onEntered?: OnEntered): Promise<KnownInstruction>
  /**
   * Writes a verdict down and enters it; does nothing when the approver said so before. After the end it throws
   * `conflict` and enters nothing.
   */
  say(envelope: Envelope, onEntered?: OnEntered): Promise<KnownInstruction>
  /** Writes down that a delegation is taken back, and enters it once; answers its id. */
  withdraw(tenant: TenantId, envelope: Envelope, onEntered?: OnEntered): Promise<string>
  find(id: InstructionId): Promise<KnownInstruction | null>
  /** As `find`, for somebody who looks at it: a draft that has expired is entered as such. */
  look(id: InstructionId): Promise<KnownInstruction | null>
  list(tenant: TenantId): Promise<InstructionRow[]>
  /** Changes of the tenant's approvers that have been drafted and have not ended. */
  waitingChanges(tenant: TenantId): Promise<KnownInstruction[]>
  /** Every instruction that is approved or running: what an executor goes on with after a start. */
  active(): Promise<InstructionId[]>
  /**
   * Moves to a state with what else belongs to the same transaction. False when the row has changed meanwhile or has
   * ended: the caller looks again.
   */
  move(known: KnownInstruction, change: StateChange, also?: CatalogBatch): Promise<boolean>
}

export interface StateChange {
  readonly state: InstructionState
  readonly reason?: string | null
  /** Entered with the state: how many versions have answered for their bytes at the end of a transfer. */
  readonly verified?: number
  readonly objects?: number
  readonly bytes?: number
}

const rowKey = (id: InstructionId): Uint8Array => utf8(id)
/** Index by tenant: `00` ‖ tenant id ‖ instruction id. Ids are hexadecimal, so that the rows come after it. */
const tenantPrefix = (tenant: TenantId): Uint8Array => concat(Uint8Array.of(0), utf8(tenant))
/** Index of the changes of a tenant's approvers, few among thousands of instructions. */
const changesPrefix = (tenant: TenantId): Uint8Array => utf8(`changes/${tenant}/`)
/** Index of what waits for somebody: drafts, and changes of the approvers until their time. */
export const waitingPrefix: Uint8Array = utf8('waiting/')
const waitingKey = (id: InstructionId): Uint8Array => concat(waitingPrefix, utf8(id))
const firstRow = utf8('0')
const verdictKey = (id: InstructionId, { kind, approver, signer }: Verdict): Uint8Array =>
  utf8(`${id}${kind}/${approver}${signer === approver ? '' : `/${signer}`}`)

/** A reason of a thousand characters, a passkey's assertion and a delegation take half of it. */
const maxSignedBytes = 16 * 1024
/** Who would vote by more deputies on one instruction has something else in mind. */
const mostDeputies = 20
const mostWithdrawals = 1000

/** What is not signed in an envelope can be of any length, and is kept and entered with it. */
function demandShort(what: string, envelope: Envelope): void {
  if (JSON.stringify(printEnvelope(envelope)).length > maxSignedBytes)
    throw new HoldfastError('bad-input', `${what}: it is longer than ${maxSignedBytes} bytes`)
}

export function createInstructionBook(deps: BookDeps): InstructionBook {
  const { catalog, drafts, clock, lawfulNow = clock } = deps
  const approvers = createApproverChain(deps.id, catalog)

  const demandFewDeputies = async (id: InstructionId, { kind, approver }: Verdict): Promise<void> => {
    const from = utf8(`${id}${kind}/${approver}/`)
    const said = await catalog.scan('verdicts', { from, to: prefixEnd(from)!, limit: mostDeputies })
    if (said.length >= mostDeputies)
      throw new HoldfastError(
        'conflict',
        `the verdict: ${mostDeputies} deputies of this approver have said so`,
      )
  }

  const find = async (id: InstructionId): Promise<KnownInstruction | null> => {
    const bytes = await catalog.get('instructions', rowKey(id))
    if (bytes === null) return null
    const row = decodeRow<InstructionRow>(bytes)
    const instruction = openStored(row)
    const set = await approvers.setOf(row.tenant)
    const prefix = utf8(id)
    // Each kind by itself: however many approve, whoever stops it is heard.
    const rows: Row[] = []
    for (const kind of ['approved', 'rejected', 'revoked']) {
      const from = concat(prefix, utf8(`${kind}/`))
      rows.push(...(await catalog.scan('verdicts', { from, to: prefixEnd(from)!, limit: 1000 })))
    }
    const envelopes = rows.map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as EnvelopeJson)
    const verdicts: Verdict[] = []
    const withdrawn = new Set<string>()
    for (const json of envelopes) {
      // Opened anew each time: what counts is what verifies against the set that is in force, not what a row says.
      const verdict = openVerdict(parseEnvelope(json)!, set, nodeVerifyCrypto)
      if (typeof verdict === 'string' || verdict.instruction !== id) continue
      verdicts.push(verdict)
      const { delegation } = verdict
      if (delegation !== null && (await approvers.isWithdrawn(row.tenant, delegation.id)))
        withdrawn.add(delegation.id)
    }
    return {
      row,
      bytes,
      instruction,
      verdicts,
      envelopes,
      set,
      withdrawn,
      standing: standingOf(
        orderOf(instruction, parseEnvelope(row.envelope)!, set, deps),
        row,
        verdicts,
        set,
        withdrawn,
      ),
    }
  }

  const known = async (id: InstructionId): Promise<KnownInstruction> => {
    const found = await find(id)
    if (found === null) throw new HoldfastError('not-found', `there is no instruction ${id} in ${deps.id}`)
    return found
  }

  const move = async (
    current: KnownInstruction,
    { verified, ...change }: StateChange,
    also: CatalogBatch = {},
    onEntered: OnEntered = () => {},
  ): Promise<boolean> => {
    if (endStates.includes(current.row.state)) return false
    const row: InstructionRow = {
      ...current.row,
      ...change,
      reason: change.reason === undefined ? current.row.reason : change.reason,
      ...(change.state !== current.row.state && { sinceUnixMs: lawfulNow() }),
    }
    const entry = drafts.draft({
      tenant: row.tenant,
      type: 'instruction.state',
      body: {
        instruction: row.id,
        state: row.state as Exclude<InstructionState, 'drafted'>,
        reason: row.reason,
        objects: row.objects,
        bytes: row.bytes,
        ...(verified !== undefined && { verified }),
      },
    })
    const stillWaits = current.instruction.kind === 'approvers' && row.state === 'approved'
    const waited = stillWaits ? [] : [{ table: 'approvers' as const, key: waitingKey(row.id) }]
    // Progress inside a state is in the batches' own entries.
    const entries = row.state === current.row.state ? [] : [entry]
    const transfer = entries.length > 0 && row.state === 'running' ? asTransfer(current) : null
    const held = await catalog.commit({
      checks: [
        { table: 'instructions', key: rowKey(row.id), expected: current.bytes },
        ...(also.checks ?? []),
      ],
      removes: [...waited, ...(also.removes ?? [])],
      puts: [
        { table: 'instructions', key: rowKey(row.id), value: encodeRow(row) },
        ...entries.map(({ put }) => put),
        // Both ends have taken it by now.
        ...(transfer === null ? [] : [putElsewhere(deps.id, transfer.instruction)]),
        ...(also.puts ?? []),
      ],
    })
    if (held) entries.forEach(onEntered)
    return held
  }

  /** What follows from the verdicts at hand, entered as the state it is. */
  const settle = async (id: InstructionId, onEntered?: OnEntered): Promise<KnownInstruction> => {
    for (;;) {
      const current = await known(id)
      const { row, standing, verdicts } = current
      if (endStates.includes(row.state)) return current
      const said = (kind: Verdict['kind']): string | null =>
        verdicts.find(verdict => verdict.kind === kind)?.reason ?? null
      let change: StateChange | null = null
      if (standing.revoked) change = { state: 'revoked', reason: said('revoked') }
      else if (standing.rejected && row.state === 'drafted')
        change = { state: 'rejected', reason: said('rejected') }
      else if (row.state === 'drafted' && isApproved(standing)) change = { state: 'approved' }
      else if (row.state === 'drafted' && lawfulNow() >= current.instruction.expiresUnixMs)
        change = { state: 'expired', reason: 'It expired before enough approvers had approved it.' }
      if (change === null) return current
      await move(current, change, {}, onEntered)
    }
  }

  return {
    async draft(envelope, onEntered = () => {}) {
      const instruction = openInstruction(envelope)
      if (typeof instruction === 'string')
        throw new HoldfastError('bad-input', `the instruction: ${instruction}`)
      const { id, tenant, drafter } = instruction
      const set = await approvers.setOf(tenant)
      checkDrafter(instruction, envelope, set)
      const json = printEnvelope({ ...envelope, signatures: drafter === null ? [] : envelope.signatures })
      const row: InstructionRow = {
        v: 1,
        id,
        tenant,
        envelope: json,
        state: 'drafted',
        reason: null,
        draftedUnixMs: clock(),
        objects: 0,
        bytes: 0,
      }
      const entry = drafts.draft({
        tenant,
        type: 'instruction.drafted',
        body: { instruction: id, envelope: json },
      })
      const held = await catalog.commit({
        checks: [{ table: 'instructions', key: rowKey(id), expected: null }],
        puts: [
          { table: 'instructions', key: rowKey(id), value: encodeRow(row) },
          { table: 'instructions', key: concat(tenantPrefix(tenant), utf8(id)), value: utf8(id) },
          { table: 'approvers', key: waitingKey(id), value: utf8(id) },
          ...(instruction.kind === 'approvers'
            ? [{ table: 'approvers' as const, key: concat(changesPrefix(tenant), utf8(id)), value: utf8(id) }]
            : []),
          entry.put,
        ],
      })
      if (held) onEntered(entry)
      return known(id)
    },

    async say(envelope, onEntered = () => {}) {
      demandShort('the verdict', envelope)
      const claimed = await tenantOfVerdict(envelope, catalog)
      const verdict = openVerdict(envelope, await approvers.setOf(claimed.tenant), nodeVerifyCrypto)
      if (typeof verdict === 'string') throw new HoldfastError('not-verified', `the verdict: ${verdict}`)
      const id = verdict.instruction as InstructionId
      const key = verdictKey(id, verdict)
      const body = {
        instruction: id,
        approver: verdict.approver,
        envelope: printEnvelope(envelope),
      }
      const type = `instruction.${verdict.kind}` as const
      for (;;) {
        const current = await settle(id, onEntered)
        if (current.row.tenant !== verdict.tenant)
          throw new HoldfastError('not-verified', 'the verdict: it is of another tenant')
        if ((await catalog.get('verdicts', key)) !== null) return current
        if (current.standing.ended) throw ended(current)
        checkTime(verdict, current, clock())
        checkSeat(verdict, current)
        if (verdict.delegation !== null) {
          if (await approvers.isWithdrawn(verdict.tenant as TenantId, verdict.delegation.id))
            throw new HoldfastError('not-verified', 'the verdict: the delegation was withdrawn')
          await demandFewDeputies(id, verdict)
        }
        const entry = drafts.draft({ tenant: claimed.tenant, type, body })
        // Another row than before: what was decided without this verdict is not carried out after it.
        const said: InstructionRow = { ...current.row, said: (current.row.said ?? 0) + 1 }
        const held = await catalog.commit({
          checks: [
            { table: 'verdicts', key, expected: null },
            // As long as the row is the same, it has not ended.
            { table: 'instructions', key: rowKey(id), expected: current.bytes },
          ],
          puts: [
            { table: 'verdicts', key, value: utf8(JSON.stringify(body.envelope)) },
            { table: 'instructions', key: rowKey(id), value: encodeRow(said) },
            entry.put,
          ],
        })
        if (!held) continue
        onEntered(entry)
        return settle(id, onEntered)
      }
    },

    async withdraw(tenant, envelope, onEntered = () => {}) {
      demandShort('the withdrawal', envelope)
      if ((await approvers.withdrawals(tenant)).length >= mostWithdrawals)
        throw new HoldfastError('conflict', `no more than ${mostWithdrawals} delegations can be withdrawn`)
      const opened = openWithdrawal(envelope, await approvers.setOf(tenant), nodeVerifyCrypto)
      if (typeof opened === 'string') throw new HoldfastError('not-verified', `the withdrawal: ${opened}`)
      const { delegation, approver } = opened
      const json = printEnvelope(envelope)
      const { check, puts } = approvers.withdraw(tenant, delegation, json)
      const body = { delegation, approver, envelope: json }
      const entry = drafts.draft({ tenant, type: 'delegation.withdrawn', body })
      const held = await catalog.commit({
        checks: [check],
        puts: [...puts, entry.put],
      })
      if (held) onEntered(entry)
      return delegation
    },

    approvers,
    find,
    move: (current, change, also) => move(current, change, also),

    async look(id) {
      return (await catalog.get('instructions', rowKey(id))) === null ? null : settle(id)
    },

    async list(tenant) {
      const rows: InstructionRow[] = []
      for await (const { value } of rowsOf(catalog, 'instructions', { prefix: tenantPrefix(tenant) })) {
        const id = fromUtf8(value) as InstructionId
        const row = decodeRow<InstructionRow>((await catalog.get('instructions', rowKey(id)))!)
        rows.push(row.state === 'drafted' ? (await settle(id)).row : row)
      }
      return rows
    },

    async waitingChanges(tenant) {
      const waiting: KnownInstruction[] = []
      for await (const { value } of rowsOf(catalog, 'approvers', { prefix: changesPrefix(tenant) })) {
        const known = await settle(fromUtf8(value) as InstructionId)
        if (!endStates.includes(known.row.state)) waiting.push(known)
      }
      return waiting
    },

    async active() {
      const ids: InstructionId[] = []
      for await (const { value } of rowsOf(catalog, 'instructions', { from: firstRow })) {
        const { id, state } = decodeRow<InstructionRow>(value)
        if (state === 'approved' || state === 'running') ids.push(id)
      }
      return ids
    },
  }

  function openStored(row: InstructionRow): Instruction {
    const envelope = parseEnvelope(row.envelope)
    const instruction = envelope === null ? 'no envelope' : openInstruction(envelope)
    if (typeof instruction === 'string' || instruction.id !== row.id || documentId(envelope!) !== row.id) {
      throw new HoldfastError('store-damaged', `the stored instruction ${row.id} is not the one of that id`)
    }
    return instruction
  }
}

function ended({ row }: KnownInstruction): HoldfastError {
  return new HoldfastError(
    'conflict',
    `the instruction has ended (${row.state}); no verdict changes it any more`,
  )
}

async function tenantOfVerdict(envelope: Envelope, catalog: Catalog): Promise<{ tenant: TenantId }> {
  let id: unknown
  try {
    id = (JSON.parse(Buffer.from(envelope.payload).toString('utf8')) as { instruction?: unknown }).instruction
  } catch {
    id = null
  }
  const bytes = typeof id === 'string' ? await catalog.get('instructions', utf8(id)) : null
  if (bytes === null) throw new HoldfastError('not-found', 'there is no such instruction here')
  return { tenant: decodeRow<InstructionRow>(bytes).tenant }
}
