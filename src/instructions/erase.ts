/**
 * Carries out an erasure: of each entry that the instruction names, salt and payload go and the leaf stays.
 *
 * Crash points: the blank rows, the entry `entries.erased` and the instruction's end are one transaction, conditional on
 * the instruction's row. So no row is ever blank without the entry that says on whose word, nothing is half erased, and
 * started again at any point it either finds everything to do or nothing.
 */

import { equalBytes, readU64be, utf8 } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import type { BucketName, InstructionId, OriginId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import {
  chainRowKey,
  decodeEntryRow,
  entryIdKey,
  entryKey,
  erasedKey,
  isErased,
  payloadOf,
} from '../ledger/tables.ts'
import { type Authorized, isRefusal } from '../policy/authorized.ts'
import { decideErase, type EraseStep, type EraseTerms } from '../policy/decide-erase.ts'
import { findBucket } from '../store/buckets.ts'
import type { Catalog, CatalogBatch } from '../store/catalog.ts'
import { findOrigin } from '../store/key-versions.ts'
import type { RegionPlace } from '../store/region.ts'
import { type EntryPayload, parsePayload } from '../verify/payload.ts'
import type { LinkJson } from './approver-chain.ts'
import { enoughApprovals } from './enough-approvals.ts'
import { endedBy, whyKept } from './erasable.ts'
import type { InstructionBook, KnownInstruction } from './instruction-book.ts'
import { runInRegion } from './run-in-region.ts'

export interface EraseDeps {
  readonly region: Pick<RegionPlace, 'id'> & {
    readonly catalog: Catalog
    readonly drafts: DraftBox
    readonly book: InstructionBook
    readonly logKey: { readonly name: string }
    readonly lawfulNow: Clock
  }
  readonly log: Log
}

/** What is to be done, and what speaks against it. */
interface Plan {
  readonly objections: readonly string[]
  readonly blanks: readonly { readonly index: number; readonly leaf: Uint8Array }[]
  readonly gone: readonly OriginId[]
}

/** Runs until the instruction has ended. */
export function runErasure(deps: EraseDeps, id: InstructionId): Promise<void> {
  const { region } = deps
  return runInRegion(deps, id, async current => {
    const { instruction } = current
    if (instruction.kind !== 'erase') return null
    const plan = await planOf(region.catalog, instruction)
    const otherLog =
      instruction.ledger === region.logKey.name
        ? []
        : [`The instruction is for the ledger ${instruction.ledger}, not for this one.`]
    const decision = decideErase(
      { action: 'erase', terms: instruction },
      {
        region: region.id,
        standing: current.standing,
        objections: [...otherLog, ...plan.objections],
        nowUnixMs: region.lawfulNow(),
      },
    )
    if (isRefusal(decision)) return decision
    const chain = await region.book.approvers.linksOf(instruction.tenant)
    return {
      batch: batchOf(region.drafts, decision, current, plan, chain),
      objects: instruction.entries.length,
    }
  })
}

function batchOf(
  drafts: DraftBox,
  { op: { terms } }: Authorized<EraseStep>,
  known: KnownInstruction,
  { blanks, gone }: Plan,
  chain: readonly LinkJson[],
): CatalogBatch {
  const { row } = known
  const approvals = enoughApprovals(known, { id: terms.region, countries: new Map() })
  const entry = drafts.draft({
    tenant: terms.tenant,
    type: 'entries.erased',
    body: {
      instruction: terms.id,
      envelope: row.envelope,
      approvals,
      ...(chain.length > 0 && { chain }),
      entries: terms.entries,
      gone,
    },
  })
  return {
    puts: [
      ...blanks.map(({ index, leaf }) => ({ table: 'entries' as const, key: entryKey(index), value: leaf })),
      { table: 'meta', key: erasedKey(terms.tenant), value: utf8(entry.entryId) },
      entry.put,
    ],
  }
}

async function planOf(catalog: Catalog, terms: EraseTerms): Promise<Plan> {
  const objections: string[] = []
  const blanks: { index: number; leaf: Uint8Array }[] = []
  const put = new Set<string>()
  const gone = new Set<string>()
  for (const [seq, id] of terms.entries) {
    const object = (what: string): void => void objections.push(`Entry ${id} (number ${seq}): ${what}.`)
    const position = await catalog.get('chains', chainRowKey(terms.tenant, seq))
    const named = await catalog.get('entryids', entryIdKey(id))
    const row = position === null ? null : await catalog.get('entries', position)
    if (position === null || named === null || row === null || !equalBytes(position, named)) {
      object('the tenant has no such entry here')
      continue
    }
    const entry = decodeEntryRow(row)
    // On an earlier instruction: what is wanted is so.
    if (isErased(entry)) continue
    const payload = parsePayload(payloadOf(entry))
    if (typeof payload === 'string' || payload.tenant !== terms.tenant || payload.id !== id) {
      object('the tenant has no such entry here')
      continue
    }
    const reason = whyKept(payload)
    if (reason !== null) object(`${payload.type} is not erased: ${reason}`)
    if (payload.type === 'object.put') {
      put.add(String(payload.body.originId))
      const fault = await stillStored(catalog, payload).catch(messageOf)
      if (fault !== null) object(fault)
    }
    for (const origin of endedBy(payload)) gone.add(origin)
    blanks.push({ index: readU64be(position), leaf: new Uint8Array(entry.leaf) })
  }
  // What is left without a beginning needs no end.
  return { objections, blanks, gone: [...gone].filter(origin => !put.has(origin)) as OriginId[] }
}

/** A version must not be stored without the entry that says how it came; and what names its key is there anyway. */
async function stillStored(catalog: Catalog, { body }: EntryPayload): Promise<string | null> {
  const bucket = await findBucket(catalog, body.bucket as BucketName)
  if (bucket === null) return null
  const found = await findOrigin(catalog, bucket.row, String(body.key), String(body.originId))
  return found === null ? null : 'its object is still stored; delete it first'
}
