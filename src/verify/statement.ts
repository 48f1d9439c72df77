import { equalBytes, toHex } from '../core/bytes.ts'
import { parseIsoTime } from '../core/time.ts'
import { ApproverBook } from './approver-book.ts'
import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
import { ErasureBook } from './erasure.ts'
import { chainKeyCommitment, commitmentOfBytes, hashOfLeaf, labelsOf, parseLeaf } from './leaf.ts'
import { logNoteFault } from './log-keys.ts'
import { MultiProofWalk } from './multi-proof.ts'
import { parseNote } from './note.ts'
import { checkPayload, type EntryPayload, maxPayloadBytes, noPrevious, payloadTooLong } from './payload.ts'
import {
  type BlankRow,
  type EntryRow,
  endStart,
  parseEnd,
  parseHeader,
  parseRow,
  type StatementEnd,
  type StatementHeader,
  statementText,
} from './statement-format.ts'
import { LineCutter } from './statement-lines.ts'
import type { Trust, TrustedRegion } from './trust.ts'
import { notAnchored, type Refused, refused } from './verdict.ts'
import type { Sha256Stream, VerifyCrypto } from './verify-crypto.ts'

export interface StatementFacts {
  readonly verified: true
  readonly tenant: string
  readonly region: string
  readonly checkpoint: OpenedCheckpoint
  /** Sequence number of the first row, and the commitment of the entry before it (hex). */
  readonly first: number
  readonly prev: string
  readonly count: number
  /** How many entries of the tenant the tree holds, by the region's word. */
  readonly entered: number
  /** When it was made, by the region's clock. */
  readonly time: string
  /** Rows whose payload was erased, each on the tenant's instruction. */
  readonly blank: number
}

/** One row, as it passes by. It is worth what the verdict at the end says. */
export interface CheckedRow {
  readonly seq: number
  readonly leafIndex: number
  /** Hex. */
  readonly commitment: string
  readonly timeUnixMs: number
  /** `null` where it was erased. */
  readonly payload: EntryPayload | null
}

/** Takes a statement piece by piece; needs little memory, however long it is. */
export interface StatementCheck {
  push(bytes: Uint8Array): void
  end(): StatementFacts | Refused
}

export type StatementVerdict =
  | (StatementFacts & {
      /** In order, without those that were erased. */
      readonly entries: readonly EntryPayload[]
    })
  | Refused

/** After so many the rest says nothing new: one dropped row makes every row behind it wrong. */
const maxFailures = 20
const pushBytes = 1 << 18

/** The whole statement at once. */
export function verifyStatement(
  bytes: Uint8Array,
  trust: Trust | null,
  crypto: VerifyCrypto,
): StatementVerdict {
  const entries: EntryPayload[] = []
  const check = checkStatement(trust, crypto, ({ payload }) => {
    if (payload !== null) entries.push(payload)
  })
  for (let at = 0; at < bytes.length; at += pushBytes) check.push(bytes.subarray(at, at + pushBytes))
  const verdict = check.end()
  return verdict.verified ? { ...verdict, entries } : verdict
}

/**
 * Are these the trusted tenant's entries in one region, from one sequence number to another, without a gap, in order
 * and unchanged? `docs/formats/statement.md` has the checks in the same order. Rows are counted from 1 in what it
 * reports.
 */
export function checkStatement(
  trust: Trust | null,
  crypto: VerifyCrypto,
  onRow: (row: CheckedRow) => void,
): StatementCheck {
  // Without an anchor anyone could have made log, key and rows alike.
  if (trust === null) return refusing(refused(notAnchored))
  const check = new Check(trust, crypto, onRow)
  const lines = new LineCutter(
    (text, bytes) => check.line(text, bytes),
    bytes => check.settled(bytes),
  )
  let isText = true
  return {
    push(bytes) {
      isText &&= lines.push(bytes)
    },
    end() {
      if (!isText || !lines.end()) check.fail('not a statement: it is not whole lines of UTF-8')
      return check.verdict()
    },
  }
}

function refusing(verdict: Refused): StatementCheck {
  return { push() {}, end: () => verdict }
}

/** What the header settles: whose log, which tree, where the chain begins. */
interface Opened {
  readonly header: StatementHeader
  readonly region: TrustedRegion
  readonly checkpoint: OpenedCheckpoint
  readonly walk: MultiProofWalk
  readonly erasures: ErasureBook
  readonly approvers: ApproverBook
  readonly labels: (seq: number) => Uint8Array
}

class Check {
  readonly #trust: Trust
  readonly #crypto: VerifyCrypto
  readonly #onRow: (row: CheckedRow) => void
  /** Over every byte before the last line. */
  readonly #digest: Sha256Stream
  /** Of the document as a whole, and of rows. */
  readonly #failures: string[] = []
  readonly #rowFailures: string[] = []
  #opened: Opened | null = null
  #end: StatementEnd | null = null
  /** What comes after cannot be judged. */
  #isOver = false
  #rows = 0
  /** Commitment of the row before, hex. */
  #prev = noPrevious

  constructor(trust: Trust, crypto: VerifyCrypto, onRow: (row: CheckedRow) => void) {
    this.#trust = trust
    this.#crypto = crypto
    this.#onRow = onRow
    this.#digest = crypto.sha256Stream()
  }

  line(text: string, bytes: Uint8Array): void {
    if (this.#end !== null) this.#stop('something stands behind the last line')
    if (this.#opened === null && this.#isOver) return
    if (this.#opened !== null && text.startsWith(endStart)) {
      this.#end = parseEnd(text)
      if (this.#end === null) this.#stop('the last line is not the end of a statement in its canonical form')
      return
    }
    if (this.#opened !== null) {
      this.#rows++
      if (!this.#isOver) this.#row(text, bytes, this.#opened)
      return
    }
    const opened = this.#open(text)
    if (typeof opened === 'string') this.#stop(opened)
    else this.#opened = opened
  }

  /** Every byte before the last line comes by once, before the end. */
  settled(bytes: Uint8Array): void {
    this.#digest.update(bytes)
  }

  fail(failure: string): void {
    this.#failures.push(failure)
  }

  verdict(): StatementFacts | Refused {
    const opened = this.#opened
    if (opened !== null) this.#close(opened)
    if (opened === null && this.#failures.length === 0) this.fail('not a statement: it has no header')
    const failures = [...this.#failures, ...this.#rowFailures]
    if (opened === null || failures.length > 0) return refused(...failures)
    const { header, checkpoint, erasures } = opened
    const { count, entered, first, prev, region, tenant, time } = header
    const { blank } = erasures
    return { verified: true, tenant, region, checkpoint, first, prev, count, entered, time, blank }
  }

  #stop(failure: string): void {
    if (!this.#isOver) this.fail(failure)
    this.#isOver = true
  }

  #open(text: string): Opened | string {
    const header = parseHeader(text)
    if (header === null) return 'the first line is not a statement header in its canonical form'
    // Whose it is comes from the customer's folder; the statement's word is only compared with it.
    if (header.tenant !== this.#trust.tenant) return `the statement is of tenant ${header.tenant}`
    const region = this.#trust.regions.get(header.region)
    if (region === undefined) return `${notAnchored} for region ${header.region}`
    const checkpoint = openCheckpoint(header.checkpoint, region.log, this.#crypto)
    if (typeof checkpoint === 'string') return checkpoint
    if (header.first === 0 && header.prev !== noPrevious) return 'something is said to stand before entry 0'
    this.#prev = header.prev
    const walk = new MultiProofWalk(checkpoint.size, this.#crypto)
    const approvers = new ApproverBook(this.#trust.genesis, header.first === 0, this.#crypto)
    const erasures = new ErasureBook(this.#trust, region.log, approvers, this.#crypto)
    const labels = labelsOf(region.chainKey, this.#crypto)
    return { header, region, checkpoint, walk, erasures, approvers, labels }
  }

  #row(line: string, bytes: Uint8Array, opened: Opened): void {
    const { header, walk } = opened
    const number = this.#rows
    const fail = (fault: string): void => {
      if (this.#rowFailures.length < maxFailures) this.#rowFailures.push(`row ${number}: ${fault}`)
    }
    const isLast = number === header.count
    const hasComma = line.endsWith(',')
    const end = hasComma ? -1 : line.length
    const row = hasComma === !isLast ? parseRow(line.slice(0, end), bytes.length - (hasComma ? 1 : 0)) : null
    if (row === null) {
      this.#stop(`row ${number}: not in its canonical form`)
      return
    }
    const seq = header.first + number - 1
    const checked =
      row.kind === 'entry' ? this.#entry(row, bytes, opened, seq, fail) : this.#blank(row, opened, seq, fail)
    if (checked === null) {
      this.#isOver = true
      return
    }
    const { hash, ...facts } = checked
    const misplaced = walk.leaf(row.index, hash, row.hashes)
    if (misplaced === null) this.#onRow({ ...facts, seq, leafIndex: row.index })
    else this.#stop(`row ${number}: ${misplaced}`)
  }

  #entry(
    row: EntryRow,
    bytes: Uint8Array,
    { header, region, erasures, approvers, labels }: Opened,
    seq: number,
    fail: (fault: string) => void,
  ) {
    const payload = checkPayload(row.payload, { tenant: header.tenant, prev: this.#prev })
    if (typeof payload === 'string') {
      fail(payload)
      return null
    }
    if (row.payloadEnd - row.payloadAt > maxPayloadBytes) fail(payloadTooLong)
    // A hole or a second row of one number: the provider left something out, or shows two histories.
    if (payload.seq !== seq) fail(`sequence number ${payload.seq} where ${seq} belongs`)
    // A row swapped for another that was once true: the one after it commits to what stood here.
    if (payload.prev !== this.#prev) fail('it does not follow the row before')
    if (payload.tenant !== header.tenant) fail(`an entry of tenant ${payload.tenant}`)
    if (payload.region !== header.region) fail(`an entry of region ${payload.region}`)
    if (seq === 0) for (const fault of joinFaults(payload, region, this.#crypto)) fail(fault)
    for (const fault of [approvers.read(payload), erasures.read(payload)]) if (fault !== null) fail(fault)
    const commitment = commitmentOfBytes(
      row.salt,
      bytes.subarray(row.payloadAt, row.payloadEnd),
      this.#crypto,
    )
    const label = labels(payload.seq)
    const timeUnixMs = parseIsoTime(payload.time)!
    this.#prev = toHex(commitment)
    const hash = hashOfLeaf({ timeUnixMs, label, commitment }, this.#crypto)
    return { hash, commitment: this.#prev, timeUnixMs, payload }
  }

  /** What was erased is not seen, but that it stood here is: its label is that of the number, the next row follows it. */
  #blank(row: BlankRow, { erasures, labels }: Opened, seq: number, fail: (fault: string) => void) {
    const leaf = parseLeaf(row.leaf)
    if (leaf === null) {
      fail('not a leaf')
      return null
    }
    const { commitment, label, timeUnixMs } = leaf
    if (!equalBytes(label, labels(seq))) fail(`the label of another number where ${seq} belongs`)
    // It commits to the chain key by which all labels are judged: that one is never erased.
    if (seq === 0) fail('entry 0 is blank where tenant.joined belongs')
    erasures.sawBlank(seq, this.#rows)
    this.#prev = toHex(commitment)
    return { hash: hashOfLeaf(leaf, this.#crypto), commitment: this.#prev, timeUnixMs, payload: null }
  }

  #close({ header, region, checkpoint, walk, erasures }: Opened): void {
    if (this.#end === null) {
      this.fail('not a statement: its last line is missing')
      return
    }
    const signature = this.#signatureFault(this.#end, region, checkpoint)
    if (signature !== null) this.fail(signature)
    if (header.count !== this.#rows) this.fail(`${header.count} rows announced, ${this.#rows} present`)
    for (const fault of erasures.faults(header.first, this.#rows)) this.fail(fault)
    if (this.#isOver) return
    // One comparison for all rows: what was changed, made up or moved in any of them gives another root.
    const root = walk.end(this.#end.rest)
    if (root === null) this.fail('the hashes after the last row are not those of the walk')
    else if (!equalBytes(root, checkpoint.root)) {
      this.fail(`the rows are not in the tree of ${checkpoint.size} that the checkpoint names`)
    }
  }

  /**
   * The region signs the document as a whole, so that it cannot later say that a row was added or dropped by the
   * customer. Exactly one signature: a second line, though harmless in a note, would be a second spelling.
   */
  #signatureFault(end: StatementEnd, { log }: TrustedRegion, { size }: OpenedCheckpoint): string | null {
    const note = parseNote(end.signature)
    if (note === null || note.signatures.length !== 1) return 'the signature is not a note with one signature'
    const text = statementText(log.origin, this.#digest.digest(), end.rest, this.#crypto)
    if (note.text !== text) return 'the signature is over another document'
    const fault = logNoteFault(note, size, log, this.#crypto)
    return fault === null ? null : `the signature: ${fault}`
  }
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
