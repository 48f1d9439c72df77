import { equalBytes, toHex } from '../core/bytes.ts'
import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint-text.ts'
import { chainKeyCommitment } from './leaf.ts'
import { MultiProofWalk } from './multi-proof.ts'
import { noteFault, parseNote } from './note.ts'
import { openEntry } from './open-entry.ts'
import { type EntryPayload, noPrevious } from './payload.ts'
import {
  parseEnd,
  parseHeader,
  parseRow,
  type StatementEnd,
  type StatementHeader,
  type StatementLines,
  splitStatement,
  statementText,
} from './statement-format.ts'
import type { Trust, TrustedRegion } from './trust.ts'
import { notAnchored, type Refused, refused } from './verdict.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export type StatementVerdict =
  | {
      readonly verified: true
      readonly tenant: string
      readonly region: string
      readonly checkpoint: OpenedCheckpoint
      readonly entries: readonly EntryPayload[]
    }
  | Refused

/** After so many the rest says nothing new: one dropped row makes every row behind it wrong. */
const maxFailures = 20

/**
 * Are these all of the trusted tenant's entries in one region, in order, unchanged, up to the last row?
 * `docs/formats/statement.md` has the checks in the same order. Rows are counted from 1 in what it reports.
 */
export function verifyStatement(
  bytes: Uint8Array,
  trust: Trust | null,
  crypto: VerifyCrypto,
): StatementVerdict {
  // Without an anchor anyone could have made log, key and rows alike.
  if (trust === null) return refused(notAnchored)

  const lines = splitStatement(bytes)
  if (lines === null) return refused('not a statement: it does not end in a whole line')
  const header = parseHeader(lines.header)
  if (header === null) return refused('the first line is not a statement header in its canonical form')
  const end = parseEnd(lines.end)
  if (end === null) return refused('the last line is not the end of a statement in its canonical form')

  // Whose it is comes from the customer's folder; the statement's word is only compared with it.
  if (header.tenant !== trust.tenant) return refused(`the statement is of tenant ${header.tenant}`)
  const region = trust.regions.get(header.region)
  if (region === undefined) return refused(`${notAnchored} for region ${header.region}`)

  const failures: string[] = []
  const signature = signatureFault(lines, end, region, crypto)
  if (signature !== null) failures.push(signature)
  const checkpoint = openCheckpoint(header.checkpoint, region.log, crypto)
  if (typeof checkpoint === 'string') return refused(...failures, checkpoint)
  if (header.count !== lines.rowCount)
    failures.push(`${header.count} rows announced, ${lines.rowCount} present`)

  const entries = verifyRows(lines, header, end, checkpoint, region, crypto, failures)
  if (failures.length > 0) return refused(...failures)
  return { verified: true, tenant: header.tenant, region: header.region, checkpoint, entries }
}

/**
 * The region signs the document as a whole, so that it cannot later say that a row was added or dropped by the
 * customer. Exactly one signature: a second line, though harmless in a note, would be a second spelling.
 */
function signatureFault(
  lines: StatementLines,
  end: StatementEnd,
  region: TrustedRegion,
  crypto: VerifyCrypto,
): string | null {
  const note = parseNote(end.signature)
  if (note === null || note.signatures.length !== 1) return 'the signature is not a note with one signature'
  const text = statementText(region.log.origin, crypto.sha256(lines.signed), end.rest, crypto)
  if (note.text !== text) return 'the signature is over another document'
  const fault = noteFault(note, region.log.current, crypto)
  return fault === null ? null : `the signature: ${fault}`
}

function verifyRows(
  lines: StatementLines,
  header: StatementHeader,
  end: StatementEnd,
  checkpoint: Checkpoint,
  region: TrustedRegion,
  crypto: VerifyCrypto,
  failures: string[],
): EntryPayload[] {
  const entries: EntryPayload[] = []
  const walk = new MultiProofWalk(checkpoint.size, crypto)
  let prev = noPrevious
  let number = 0
  const fail = (fault: string): void => {
    if (failures.length < maxFailures) failures.push(`row ${number}: ${fault}`)
  }

  for (const line of lines.rows()) {
    number++
    const last = number === lines.rowCount
    const row = line.endsWith(',') === !last ? parseRow(last ? line : line.slice(0, -1)) : null
    if (row === null) {
      fail('not in its canonical form')
      return entries
    }
    const entry = openEntry(row.payload, row.salt, region.chainKey, crypto)
    if (typeof entry === 'string') {
      fail(entry)
      return entries
    }
    const { payload } = entry

    // A hole or a second row of one number: the provider left something out, or shows two histories.
    if (payload.seq !== number - 1) fail(`sequence number ${payload.seq} where ${number - 1} belongs`)
    // A row swapped for another that was once true: the one after it commits to what stood here.
    if (payload.prev !== prev) fail('it does not follow the row before')
    if (payload.tenant !== header.tenant) fail(`an entry of tenant ${payload.tenant}`)
    if (payload.region !== header.region) fail(`an entry of region ${payload.region}`)
    if (number === 1) for (const fault of joinFaults(payload, region, crypto)) fail(fault)
    const misplaced = walk.leaf(row.index, entry.leafHash, row.hashes)
    if (misplaced !== null) {
      fail(misplaced)
      return entries
    }

    prev = toHex(entry.commitment)
    entries.push(payload)
  }

  // One comparison for all rows: what was changed, made up or moved in any of them gives another root.
  const root = walk.end(end.rest)
  if (root === null) failures.push('the hashes after the last row are not those of the walk')
  else if (!equalBytes(root, checkpoint.root)) {
    failures.push(`the rows are not in the tree of ${checkpoint.size} that the checkpoint names`)
  }
  return entries
}

/** The first entry fixes the chain key: a region that relabelled the chain under another key is caught here. */
function joinFaults(payload: EntryPayload, region: TrustedRegion, crypto: VerifyCrypto): string[] {
  if (payload.type !== 'tenant.joined') return [`${payload.type} where tenant.joined belongs`]
  const faults: string[] = []
  if (payload.body.genesis !== payload.tenant) faults.push('it names another genesis')
  const committed = toHex(chainKeyCommitment(region.chainKey, crypto))
  if (payload.body.chainKeyCommitment !== committed) faults.push('it commits to another chain key')
  return faults
}
