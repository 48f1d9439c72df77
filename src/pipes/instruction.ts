/**
 * The life of an instruction, top to bottom:
 *
 *     instruct → approve → transfer → enter at both ends → answer
 *
 * A draft and every verdict are written into the books of all the regions of this process that it is for; each judges by
 * its own. A transfer is for its two ends, and is its source's to carry out; a change of the approvers is for every region
 * that the tenant has joined, and each carries it out by itself; all others are for one region.
 */
import { HoldfastError, hasCode } from '../core/errors.ts'
import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { Envelope } from '../crypto/dsse.ts'
import { type Instruction, openInstruction, placeOf } from '../instructions/instruction.ts'
import type { InstructionBook, InstructionRow, KnownInstruction } from '../instructions/instruction-book.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { lawOfPermission } from '../instructions/law-of-permission.ts'
import { askOfPermission } from '../instructions/own-policy.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Sums } from '../ledger/sums.ts'
import type { JudgedClass } from '../policy/packs/decide-within.ts'
import type { PackBook } from '../policy/packs/pack-book.ts'
import { toldStop } from '../policy/packs/verdict.ts'
import { findBucket } from '../store/buckets.ts'
import type { RegionStores } from '../store/region.ts'
import type { BucketRow } from '../store/rows.ts'
import { findTenant } from '../store/tenants.ts'
import type { FindDestination } from '../transfers/ask-destination.ts'
import { type Destination, type DryRun, dryRun } from '../transfers/dry-run.ts'
import { type DryRunEnd, destinationSays } from '../transfers/dry-run-end.ts'
import type { Executor } from '../transfers/executor.ts'
import { classLost, lawOf, type TransferPlaces } from '../transfers/law.ts'
import type { ApproverRules } from '../verify/approver-set.ts'

export interface InstructionRegion extends RegionStores {
  readonly book: InstructionBook
  readonly drafts: DraftBox
  readonly executor: Executor
  readonly logKey: { readonly name: string }
  readonly packs: PackBook
  readonly lawfulNow: Clock
  /** Of a dry run: destinations in other processes. */
  readonly findDestination: FindDestination
  readonly sums: Pick<Sums, 'refusal'>
}

export interface InstructionPipe {
  instruct(tenant: TenantId, envelope: Envelope): Promise<InstructionAnswer>
  /** What a transfer would move and under which rules; nothing is written down. */
  dryRun(tenant: TenantId, envelope: Envelope): Promise<DryRun>
  /** An approval, a rejection or a revocation. */
  say(tenant: TenantId, id: InstructionId, envelope: Envelope): Promise<InstructionAnswer>
  /** Takes a delegation back, in every region that the tenant has joined. */
  withdraw(tenant: TenantId, envelope: Envelope): Promise<{ delegation: string; entered: readonly Drafted[] }>
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
  /** Of the regions here those whose books it is written into; the one that carries it out comes last. */
  const regionsOf = async (instruction: Instruction): Promise<InstructionRegion[]> => {
    const place = placeOf(instruction)
    if (place === null) return joinedBy(instruction.tenant)
    return [destinationOf(instruction), regions.get(place)].filter(region => region !== undefined)
  }

  const joinedBy = async (tenant: TenantId): Promise<InstructionRegion[]> => {
    const joined: InstructionRegion[] = []
    for (const region of regions.values())
      if ((await findTenant(region.catalog, tenant)) !== null) joined.push(region)
    return joined
  }

  const destinationOf = (instruction: Instruction): InstructionRegion | undefined =>
    isTransfer(instruction) ? regions.get(instruction.to.region) : undefined

  const view = async (tenant: TenantId, id: InstructionId): Promise<InstructionView> => {
    const found: { region: InstructionRegion; known: KnownInstruction }[] = []
    for (const region of regions.values()) {
      const known = await region.book.look(id)
      // Another tenant's instruction is not there for this one.
      if (known !== null && known.row.tenant === tenant) found.push({ region, known })
    }
    const isPlace = ({ region, known }: (typeof found)[number]): boolean =>
      placeOf(known.instruction) === region.id
    const source = found.find(isPlace) ?? found[0]
    if (source === undefined) throw new HoldfastError('not-found', 'there is no such instruction')
    // The look settles what a crash left between a verdict and its state: what is approved by that must run too.
    for (const { region, known } of found) if (known.row.state === 'approved') region.executor.wake(id)
    const ends = found.map(({ region, known: { row } }) => ({
      region: region.id,
      state: row.state,
      objects: row.objects,
      bytes: row.bytes,
    }))
    return { known: source.known, ends }
  }

  /** The document, if it can be ordered here at all, and the region whose ledger it names. */
  const openDraft = async (
    tenant: TenantId,
    envelope: Envelope,
  ): Promise<{ instruction: Instruction; at: InstructionRegion }> => {
    const refuse = (what: string): never => {
      throw new HoldfastError('bad-input', `the instruction: ${what}`)
    }
    const instruction = openInstruction(envelope)
    if (typeof instruction === 'string') return refuse(instruction)
    if (instruction.tenant !== tenant) return refuse('it is of another tenant')
    const place = placeOf(instruction)
    const involved = await regionsOf(instruction)
    const at = place === null ? involved[0] : regions.get(place)
    if (at === undefined) return refuse(`${place ?? 'no region of the tenant’s'} is not a region here`)
    const isNamed = ({ logKey }: InstructionRegion): boolean => logKey.name === instruction.ledger
    if (place === null ? !involved.some(isNamed) : !isNamed(at))
      return refuse(`it names another ledger than ${place === null ? 'one of the tenant’s' : 'its source’s'}`)
    return { instruction, at }
  }

  return {
    async instruct(tenant, envelope) {
      const unread = { tenant, operation: 'instruct', resource: 'instruction/unread' }
      const { instruction, at } = await entering(await joinedBy(tenant), unread, () =>
        openDraft(tenant, envelope),
      )
      const involved = (await regionsOf(instruction)).reverse()
      return entering(
        involved,
        { tenant, operation: 'instruct', resource: `instruction/${instruction.id}` },
        async () => {
          await checkOrder(instruction, at, destinationOf(instruction), involved)
          const entered: Drafted[] = []
          const onEntered = (entry: Drafted): void => void entered.push(entry)
          for (const region of involved) await region.book.draft(envelope, onEntered)
          return { view: await view(tenant, instruction.id), entered }
        },
      )
    },

    async dryRun(tenant, envelope) {
      const { instruction, at } = await openDraft(tenant, envelope)
      if (!isTransfer(instruction))
        throw new HoldfastError('bad-input', 'the instruction: only a transfer can be tried out')
      const bucket = await bucketOf(at, instruction.from.bucket, tenant)
      const here = destinationOf(instruction)
      const destination =
        here === undefined
          ? at.findDestination(instruction, envelope, bucket)
          : destinationHere({ region: at, bucket }, instruction, {
              region: here,
              bucket: await bucketOf(here, instruction.to.bucket, tenant),
            })
      if (destination === null)
        throw new HoldfastError(
          'bad-input',
          `the instruction: ${instruction.to.region} is not a region here, nor a peer`,
        )
      return dryRun(instruction, { region: at, bucket }, destination)
    },

    async say(tenant, id, envelope) {
      const { known } = await view(tenant, id)
      const entered: Drafted[] = []
      const onEntered = (entry: Drafted): void => void entered.push(entry)
      const involved = await regionsOf(known.instruction)
      // The destination hears of it first: what stops a transfer must not reach the end that sends alone.
      await entering(involved, { tenant, operation: 'verdict', resource: `instruction/${id}` }, async () => {
        for (const [index, region] of involved.entries()) {
          const isLast = index === involved.length - 1
          if (!isLast && known.standing.ended) continue
          await region.book.say(envelope, onEntered).catch(error => {
            // One that was told before, when the other could not be: the last must hear of it all the more.
            if (isLast || !hasCode(error, 'conflict')) throw error
          })
        }
      })
      for (const { executor } of involved) executor.wake(id)
      return { view: await view(tenant, id), entered }
    },

    async withdraw(tenant, envelope) {
      const entered: Drafted[] = []
      let delegation: string | null = null
      for (const { book } of await joinedBy(tenant)) {
        delegation = await book.withdraw(tenant, envelope, entry => void entered.push(entry))
      }
      if (delegation === null) throw new HoldfastError('not-found', 'the tenant has joined no region here')
      return { delegation, entered }
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

/** What is not let through is in the books of every region that it was for, as whose it was and why. */
async function entering<Answer>(
  regions: readonly InstructionRegion[],
  { tenant, operation, resource }: { tenant: TenantId; operation: string; resource: string },
  run: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof HoldfastError && refusing.has(error.code)) {
      const refusal = { principal: 'api', rule: error.code, operation, resource }
      await Promise.all(regions.map(({ sums }) => sums.refusal(tenant, refusal)))
    }
    throw error
  }
}

const refusing: ReadonlySet<string> = new Set(['bad-input', 'law-refused', 'not-verified', 'policy-refused'])

function destinationHere(source: DryRunEnd, instruction: TransferInstruction, end: DryRunEnd): Destination {
  const { id, country } = end.region
  const from = { country: source.region.country, bucket: source.bucket }
  return {
    id,
    country,
    ask: async () => ({ answer: 'told', end: await destinationSays(end, instruction, from) }),
  }
}

function isTransfer(instruction: Instruction): instruction is TransferInstruction {
  return instruction.kind === 'transfer' || instruction.kind === 'standing-transfer'
}

/** What can be told of an order before anybody signs it. */
async function checkOrder(
  instruction: Instruction,
  at: InstructionRegion,
  destination: InstructionRegion | undefined,
  involved: readonly InstructionRegion[],
): Promise<void> {
  const { tenant } = instruction
  if (instruction.kind === 'approvers') checkPolicyText(instruction.change.set.rules, involved)
  else if (isTransfer(instruction)) {
    const from = await bucketOf(at, instruction.from.bucket, tenant)
    if (destination === undefined) return
    const to = await bucketOf(destination, instruction.to.bucket, tenant)
    const lost = classLost(from, to, instruction.prefix)
    if (lost !== null) throw new HoldfastError('law-refused', lost)
    const places = { from: at.country, to: destination.country }
    await checkLaw(instruction, places, at, from)
    await checkLaw(instruction, places, destination, to)
  } else if ('bucket' in instruction) {
    const bucket = await bucketOf(at, instruction.bucket, tenant)
    if (instruction.kind !== 'access' && instruction.kind !== 'disclose') return
    const set = await at.book.approvers.setOf(tenant)
    demandLawful(lawOfPermission(at.packs, instruction, { ...at, bucket }, at.lawfulNow()), bucket)
    const own = askOfPermission(at.packs.policies, set, instruction, { ...at, bucket }, at.lawfulNow())
    if (own !== null) throw new HoldfastError('policy-refused', own)
  }
}

/** In every region that would have to act on it: what one of them cannot ask lets nothing through there. */
function checkPolicyText({ policy }: ApproverRules, involved: readonly InstructionRegion[]): void {
  for (const { id, packs } of involved) {
    const fault = policy === null ? null : packs.policies.faultOf(policy)
    if (fault !== null)
      throw new HoldfastError('bad-input', `the tenant’s own policy, as ${id} reads it: ${fault}`)
  }
}

/** Told before anybody signs; what counts is what each end decides, of its own bucket, when it runs. */
async function checkLaw(
  instruction: TransferInstruction,
  places: Pick<TransferPlaces, 'from' | 'to'>,
  { id, packs, lawfulNow, book }: InstructionRegion,
  row: BucketRow,
): Promise<void> {
  const set = await book.approvers.setOf(instruction.tenant)
  const asked = { here: id, ...places, bucket: row, set }
  const { own, ...judged } = lawOf(packs, instruction, asked, lawfulNow())
  demandLawful(judged, row)
  if (own !== null && own.refusal !== null) throw new HoldfastError('policy-refused', own.refusal)
}

function demandLawful({ facts, verdict }: JudgedClass, { name }: BucketRow): void {
  if (verdict.outcome !== 'allowed')
    throw new HoldfastError('law-refused', `${name} holds ${facts.dataClass} data. ${toldStop(verdict)}`)
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
