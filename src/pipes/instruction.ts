/**
 * The life of an instruction, top to bottom:
 *
 *     instruct → approve → transfer → enter at both ends → answer
 *
 * A draft and every verdict are written into the books of both ends that this process runs; each judges by its own.
 * The transfer itself is the source's executor's, which is woken and otherwise left alone. One with
 * one end (an erasure, a class) is written into the book of the region that it is for, whose executor carries it out.
 */
import { HoldfastError, hasCode } from '../core/errors.ts'
import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { Envelope } from '../crypto/dsse.ts'
import {
  type Instruction,
  openInstruction,
  placeOf,
  type TransferInstruction,
} from '../instructions/instruction.ts'
import type { InstructionBook, InstructionRow, KnownInstruction } from '../instructions/instruction-book.ts'
import type { Drafted } from '../ledger/drafts.ts'
import type { PackBook } from '../policy/packs/pack-book.ts'
import { toldStop } from '../policy/packs/verdict.ts'
import { findBucket } from '../store/buckets.ts'
import type { RegionStores } from '../store/region.ts'
import type { BucketRow } from '../store/rows.ts'
import { type DryRun, dryRun } from '../transfers/dry-run.ts'
import type { Executor } from '../transfers/executor.ts'
import { classLost, lawOf, type TransferPlaces } from '../transfers/law.ts'

export interface InstructionRegion extends RegionStores {
  readonly book: InstructionBook
  readonly executor: Executor
  readonly logKey: { readonly name: string }
  readonly packs: PackBook
  readonly lawfulNow: Clock
}

export interface InstructionPipe {
  instruct(tenant: TenantId, envelope: Envelope): Promise<InstructionAnswer>
  /** What a transfer would move and under which rules; nothing is written down. */
  dryRun(tenant: TenantId, envelope: Envelope): Promise<DryRun>
  /** An approval, a rejection or a revocation. */
  say(tenant: TenantId, id: InstructionId, envelope: Envelope): Promise<InstructionAnswer>
  show(tenant: TenantId, id: InstructionId): Promise<InstructionView>
  list(tenant: TenantId): Promise<InstructionRow[]>
}

export interface InstructionAnswer {
  readonly view: InstructionView
  /** What was entered for it, at both ends. */
  readonly entered: readonly Drafted[]
}

/** An instruction as its source sees it: there the state is the transfer's. */
export interface InstructionView {
  readonly known: KnownInstruction
  readonly ends: readonly {
    readonly region: RegionId
    readonly state: string
    readonly objects: number
    readonly bytes: number
  }[]
}

export function createInstructionPipe(regions: ReadonlyMap<RegionId, InstructionRegion>): InstructionPipe {
  /** Only a transfer has two ends. */
  const endsOf = (instruction: Instruction) => ({
    source: regions.get(placeOf(instruction)),
    destination: instruction.kind === 'transfer' ? regions.get(instruction.to.region) : undefined,
  })

  const view = async (tenant: TenantId, id: InstructionId): Promise<InstructionView> => {
    const found: { region: InstructionRegion; known: KnownInstruction }[] = []
    for (const region of regions.values()) {
      const known = await region.book.look(id)
      // Another tenant's instruction is not there for this one.
      if (known !== null && known.row.tenant === tenant) found.push({ region, known })
    }
    const source = found.find(({ region, known }) => placeOf(known.instruction) === region.id) ?? found[0]
    if (source === undefined) throw new HoldfastError('not-found', 'there is no such instruction')
    // The look settles what a crash left between a verdict and its state: what is approved by that must run too.
    if (source.known.row.state === 'approved') source.region.executor.wake(id)
    const ends = found.map(({ region, known: { row } }) => ({
      region: region.id,
      state: row.state,
      objects: row.objects,
      bytes: row.bytes,
    }))
    return { known: source.known, ends }
  }

  /** The document, if it can be ordered here at all. */
  const openDraft = (
    tenant: TenantId,
    envelope: Envelope,
  ): { instruction: Instruction; source: InstructionRegion; destination: InstructionRegion | undefined } => {
    const instruction = openInstruction(envelope)
    if (typeof instruction === 'string')
      throw new HoldfastError('bad-input', `the instruction: ${instruction}`)
    if (instruction.tenant !== tenant)
      throw new HoldfastError('bad-input', 'the instruction: it is of another tenant')
    const { source, destination } = endsOf(instruction)
    if (source === undefined)
      throw new HoldfastError('bad-input', `the instruction: ${placeOf(instruction)} is not a region here`)
    if (instruction.ledger !== source.logKey.name)
      throw new HoldfastError('bad-input', 'the instruction: it names another ledger than its source’s')
    return { instruction, source, destination }
  }

  return {
    async instruct(tenant, envelope) {
      const { instruction, source, destination } = openDraft(tenant, envelope)
      if (instruction.kind === 'transfer') {
        const from = await bucketOf(source, instruction.from.bucket, tenant)
        if (destination !== undefined) {
          const to = await bucketOf(destination, instruction.to.bucket, tenant)
          const lost = classLost(from.dataClass, to)
          if (lost !== null) throw new HoldfastError('law-refused', lost)
          const places = { from: source.country, to: destination.country }
          checkLaw(instruction, places, source, from)
          checkLaw(instruction, places, destination, to)
        }
      }
      if (instruction.kind === 'class') await bucketOf(source, instruction.bucket, tenant)
      const entered: Drafted[] = []
      const onEntered = (entry: Drafted): void => void entered.push(entry)
      await source.book.draft(envelope, onEntered)
      await destination?.book.draft(envelope, onEntered)
      return { view: await view(tenant, instruction.id), entered }
    },

    async dryRun(tenant, envelope) {
      const { instruction, source, destination } = openDraft(tenant, envelope)
      if (instruction.kind !== 'transfer')
        throw new HoldfastError('bad-input', 'the instruction: only a transfer can be tried out')
      if (destination === undefined)
        throw new HoldfastError('bad-input', `the instruction: ${instruction.to.region} is not a region here`)
      return dryRun(
        instruction,
        { region: source, bucket: await bucketOf(source, instruction.from.bucket, tenant) },
        { region: destination, bucket: await bucketOf(destination, instruction.to.bucket, tenant) },
      )
    },

    async say(tenant, id, envelope) {
      const { known } = await view(tenant, id)
      const { source, destination } = endsOf(known.instruction)
      const entered: Drafted[] = []
      const onEntered = (entry: Drafted): void => void entered.push(entry)
      // The destination hears of it first: what stops a transfer must not reach the end that sends alone.
      if (!known.standing.ended) {
        await destination?.book.say(envelope, onEntered).catch(error => {
          // One that was told before, when the other could not be: the source must hear of it all the more.
          if (!hasCode(error, 'conflict')) throw error
        })
      }
      await source?.book.say(envelope, onEntered)
      source?.executor.wake(id)
      return { view: await view(tenant, id), entered }
    },

    show: view,

    async list(tenant) {
      const rows: InstructionRow[] = []
      for (const region of regions.values()) {
        for (const row of await region.book.list(tenant)) {
          const known = rows.findIndex(other => other.id === row.id)
          const isSource = openedSource(row) === region.id
          if (known < 0) rows.push(row)
          else if (isSource) rows[known] = row
        }
      }
      return rows.sort((a, b) => a.draftedUnixMs - b.draftedUnixMs)
    },
  }
}

/** Told before anybody signs; what counts is what each end decides, of its own bucket, when it runs. */
function checkLaw(
  instruction: TransferInstruction,
  places: Omit<TransferPlaces, 'dataClass'>,
  { packs, lawfulNow }: InstructionRegion,
  row: BucketRow,
): void {
  const { verdict } = lawOf(packs, instruction, { ...places, dataClass: row.dataClass }, lawfulNow())
  if (verdict.outcome !== 'allowed')
    throw new HoldfastError('law-refused', `${row.name} holds ${row.dataClass} data. ${toldStop(verdict)}`)
}

async function bucketOf(region: InstructionRegion, name: BucketName, tenant: TenantId): Promise<BucketRow> {
  const bucket = await findBucket(region.catalog, name)
  if (bucket?.row.tenant !== tenant)
    throw new HoldfastError(
      'bad-input',
      `the instruction: there is no bucket ${name} of yours in ${region.id}`,
    )
  return bucket.row
}

function openedSource(row: InstructionRow): string | null {
  const payload = JSON.parse(Buffer.from(row.envelope.payload, 'base64').toString('utf8')) as {
    from?: { region?: string }
    region?: string
  }
  return payload.from?.region ?? payload.region ?? null
}
