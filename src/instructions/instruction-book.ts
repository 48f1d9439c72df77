/**
 * A region's own copy of its tenants' instructions and of what the approvers said to them. Every change is one
 * transaction with its entry, and what an instruction's state is follows from the rows alone.
 */
import { concat, fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { type Envelope, type EnvelopeJson, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { documentId } from '../crypto/signed-document.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Standing } from '../policy/decide-transfer.ts'
import { type Catalog, type CatalogBatch, prefixEnd } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import { findTenant } from '../store/tenants.ts'
import { type Genesis, openGenesis } from '../verify/genesis.ts'
import {
  type Instruction,
  openInstruction,
  openVerdict,
  type TransferInstruction,
  type Verdict,
} from './instruction.ts'

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
  /** Moved so far, as this region counts: objects and ciphertext bytes. */
  readonly objects: number
  readonly bytes: number
}

export interface KnownInstruction {
  readonly row: InstructionRow
  readonly bytes: Uint8Array
  readonly instruction: Instruction
  readonly verdicts: readonly Verdict[]
  readonly envelopes: readonly EnvelopeJson[]
  readonly standing: Standing
}

export interface KnownTransfer extends KnownInstruction {
  readonly instruction: TransferInstruction
}

/** `null` for an instruction of another kind, which moves nothing. */
export function asTransfer(known: KnownInstruction): KnownTransfer | null {
  return known.instruction.kind === 'transfer' ? { ...known, instruction: known.instruction } : null
}

export interface BookDeps {
  readonly id: RegionId
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly clock: Clock
  /** By which an expiry is judged; left out, the clock. */
  readonly lawfulNow?: Clock
}

/** Hears of each entry that a call made, once it is durable. */
export type OnEntered = (entry: Drafted) => void

export interface InstructionBook {
  /** Writes a draft down and enters it; does nothing when it is known. */
  draft(envelope: Envelope, onEntered?: OnEntered): Promise<KnownInstruction>
  /**
   * Writes a verdict down and enters it; does nothing when the approver said so before. After the end it throws
   * `conflict` and enters nothing.
   */
  say(envelope: Envelope, onEntered?: OnEntered): Promise<KnownInstruction>
  find(id: InstructionId): Promise<KnownInstruction | null>
  /** As `find`, for somebody who looks at it: a draft that has expired is entered as such. */
  look(id: InstructionId): Promise<KnownInstruction | null>
  list(tenant: TenantId): Promise<InstructionRow[]>
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
  readonly objects?: number
  readonly bytes?: number
}

const rowKey = (id: InstructionId): Uint8Array => utf8(id)
/** Index by tenant: `00` ‖ tenant id ‖ instruction id. Ids are hexadecimal, so that the rows come after it. */
const tenantPrefix = (tenant: TenantId): Uint8Array => concat(Uint8Array.of(0), utf8(tenant))
const firstRow = utf8('0')
const verdictKey = (id: InstructionId, verdict: string): Uint8Array => concat(utf8(id), utf8(verdict))
const maxAheadMs = 15 * 60e3
const endStates: readonly InstructionState[] = ['completed', 'failed', 'expired', 'revoked', 'rejected']

export function createInstructionBook(deps: BookDeps): InstructionBook {
  const { catalog, drafts, clock, lawfulNow = clock } = deps

  const genesisOf = async (tenant: TenantId): Promise<Genesis> => {
    const row = await findTenant(catalog, tenant)
    const envelope = row === null ? null : parseEnvelope(JSON.parse(row.genesis))
    const genesis = envelope === null ? 'unknown' : openGenesis(envelope, nodeVerifyCrypto)
    if (typeof genesis === 'string')
      throw new HoldfastError('not-found', `the tenant has not joined ${deps.id}`)
    return genesis
  }

  const find = async (id: InstructionId): Promise<KnownInstruction | null> => {
    const bytes = await catalog.get('instructions', rowKey(id))
    if (bytes === null) return null
    const row = decodeRow<InstructionRow>(bytes)
    const instruction = openStored(row)
    const genesis = await genesisOf(row.tenant)
    const prefix = utf8(id)
    const rows = await catalog.scan('verdicts', { from: prefix, to: prefixEnd(prefix)!, limit: 1000 })
    const envelopes = rows.map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as EnvelopeJson)
    const verdicts: Verdict[] = []
    for (const json of envelopes) {
      // Opened anew each time: what counts is what verifies against the approver set, not what a row says.
      const verdict = openVerdict(parseEnvelope(json)!, genesis)
      if (typeof verdict !== 'string' && verdict.instruction === id) verdicts.push(verdict)
    }
    return {
      row,
      bytes,
      instruction,
      verdicts,
      envelopes,
      standing: standingOf(instruction, row, verdicts, genesis),
    }
  }

  const known = async (id: InstructionId): Promise<KnownInstruction> => {
    const found = await find(id)
    if (found === null) throw new HoldfastError('not-found', `there is no instruction ${id} in ${deps.id}`)
    return found
  }

  const move = async (
    current: KnownInstruction,
    change: StateChange,
    also: CatalogBatch = {},
    onEntered: OnEntered = () => {},
  ): Promise<boolean> => {
    if (endStates.includes(current.row.state)) return false
    const row: InstructionRow = {
      ...current.row,
      ...change,
      reason: change.reason === undefined ? current.row.reason : change.reason,
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
      },
    })
    // Progress inside a state is in the batches' own entries.
    const entries = row.state === current.row.state ? [] : [entry]
    const held = await catalog.commit({
      checks: [
        { table: 'instructions', key: rowKey(row.id), expected: current.bytes },
        ...(also.checks ?? []),
      ],
      removes: also.removes ?? [],
      puts: [
        { table: 'instructions', key: rowKey(row.id), value: encodeRow(row) },
        ...entries.map(({ put }) => put),
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
      else if (row.state === 'drafted' && standing.approvals >= standing.quorum)
        change = { state: 'approved' }
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
      await genesisOf(instruction.tenant)
      const { id, tenant } = instruction
      const json = printEnvelope({ ...envelope, signatures: [] })
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
          entry.put,
        ],
      })
      if (held) onEntered(entry)
      return known(id)
    },

    async say(envelope, onEntered = () => {}) {
      const claimed = await tenantOfVerdict(envelope, catalog)
      const verdict = openVerdict(envelope, await genesisOf(claimed.tenant))
      if (typeof verdict === 'string') throw new HoldfastError('not-verified', `the verdict: ${verdict}`)
      const key = verdictKey(verdict.instruction, `${verdict.kind}/${verdict.approver}`)
      const body = {
        instruction: verdict.instruction,
        approver: verdict.approver,
        envelope: printEnvelope(envelope),
      }
      const type = `instruction.${verdict.kind}` as const
      for (;;) {
        const current = await settle(verdict.instruction, onEntered)
        if (current.row.tenant !== verdict.tenant)
          throw new HoldfastError('not-verified', 'the verdict: it is of another tenant')
        if ((await catalog.get('verdicts', key)) !== null) return current
        if (current.standing.ended) throw ended(current)
        checkTime(verdict, current, clock())
        const entry = drafts.draft({ tenant: verdict.tenant, type, body })
        const held = await catalog.commit({
          checks: [
            { table: 'verdicts', key, expected: null },
            // As long as the row is the same, it has not ended.
            { table: 'instructions', key: rowKey(verdict.instruction), expected: current.bytes },
          ],
          puts: [{ table: 'verdicts', key, value: utf8(JSON.stringify(body.envelope)) }, entry.put],
        })
        if (!held) continue
        onEntered(entry)
        return settle(verdict.instruction, onEntered)
      }
    },

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

/**
 * An approval may come in advance of the instruction's life and not after it; one from the future was dated by a
 * clock that is wrong, or by somebody who saves it up. A revocation counts at any time.
 */
function checkTime(verdict: Verdict, { instruction }: KnownInstruction, nowUnixMs: number): void {
  if (verdict.kind === 'revoked') return
  if (verdict.timeUnixMs > nowUnixMs + maxAheadMs)
    throw new HoldfastError(
      'not-verified',
      'the verdict: its time is more than 15 minutes ahead of this region’s',
    )
  if (verdict.timeUnixMs >= instruction.expiresUnixMs)
    throw new HoldfastError('not-verified', 'the verdict: the instruction has expired')
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

/** A quorum counts keys and not signatures: one approver who approves twice is one. */
function standingOf(
  instruction: Instruction,
  row: InstructionRow,
  verdicts: readonly Verdict[],
  genesis: Genesis,
): Standing {
  const approvers = new Set(
    verdicts
      .filter(verdict => verdict.kind === 'approved' && verdict.timeUnixMs < instruction.expiresUnixMs)
      .map(verdict => verdict.approver),
  )
  return {
    approvals: approvers.size,
    quorum: genesis.quorum,
    rejected:
      row.state === 'rejected' ||
      (row.state === 'drafted' && verdicts.some(verdict => verdict.kind === 'rejected')),
    revoked: verdicts.some(verdict => verdict.kind === 'revoked'),
    ended: endStates.includes(row.state),
  }
}
