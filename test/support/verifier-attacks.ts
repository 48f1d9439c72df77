/** What a provider could try with its own keys against each check of the verifier, and what must be said of it. */
import { fromUtf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import type { Envelope } from '../../src/crypto/dsse.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { rotationText } from '../../src/verify/log-keys.ts'
import { printNote, signatureLine } from '../../src/verify/note.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { asJson, order, verdictBy } from './approvers.ts'
import {
  createVictim,
  type ForgedRow,
  type Forgery,
  forgeReceipt,
  forgeStatement,
  joinedBody,
  stranger,
  type Victim,
} from './forge.ts'
import type { JudgeCase } from './judge.ts'
import { crypto } from './ledger.ts'

export const victim = createVictim()
const plain: readonly ForgedRow[] = [{}, {}, {}]

/** A document that a verifier must not take, unless it says so. */
export interface Attack {
  readonly kind: JudgeCase['kind']
  readonly document: string | Uint8Array
  readonly trust?: string
}

export const statement = (forgery: Partial<Forgery>, trust?: string): Attack => ({
  kind: 'statement',
  document: forgeStatement(victim, { rows: plain, ...forgery }),
  ...(trust !== undefined && { trust }),
})
export const receipt = (
  forgery: Parameters<typeof forgeReceipt>[1] | Omit<Parameters<typeof forgeReceipt>[1], 'rows'>,
  trust?: string,
): Attack => ({
  kind: 'receipt',
  document: forgeReceipt(victim, { rows: plain, ...forgery }),
  ...(trust !== undefined && { trust }),
})
/** The second row, whatever the entry is. */
const row = (payload: ForgedRow['payload']): Partial<Forgery> => ({ rows: [{}, { payload: payload! }, {}] })

const fake = stranger(victim.origin)
const checkpointBy =
  (signer: typeof fake, origin = victim.origin) =>
  (right: { size: number; root: Uint8Array }) =>
    printNote(printCheckpoint({ origin, ...right }), signer, crypto)

/** A log whose key was replaced at a tree of 2: the first key signs nothing larger. */
function rotated({ signer, origin }: Victim): string {
  const next = stranger(origin)
  const text = rotationText(origin, printVerifierKey(origin, next.publicKey, crypto), 2, new Uint8Array(32))
  return victim.trust({ rotations: [printNote(text, signer, crypto) + signatureLine(text, next, crypto)] })
}

/** What an attack makes of an erasure that is right in all else. */
export interface Erasure {
  readonly victim?: Victim
  /** Merged into the instruction. */
  readonly order?: object
  readonly drafter?: PrivateKey
  /** In place of the instruction's envelope: what is approved. */
  readonly ordered?: (right: Envelope) => Envelope
  /** Merged into the first approver's approval. */
  readonly approval?: object
  readonly key?: PrivateKey
  /** In place of that one approval. */
  readonly approvals?: (order: Envelope) => readonly (Envelope | Json)[]
  readonly chain?: Json
  readonly listed?: Json
  /** Row 0. */
  readonly first?: ForgedRow
  readonly blank?: ForgedRow
  readonly kept?: boolean
  readonly silent?: boolean
  /** Merged into the body of the row that tells of it. */
  readonly told?: object
  /** Between the row that was erased and the one that tells of it. */
  readonly between?: readonly ForgedRow[]
}

export const day = (number: number): string => isoTime(Date.UTC(2026, 0, number))

/** A statement whose row 1 was erased; a later row tells of it as `change` has it. */
export function erased(change: Erasure): Attack {
  const { victim: whose = victim, between = [] } = change
  const right = order(
    {
      expires: day(32),
      kind: 'erase',
      ledger: whose.origin,
      nonce: 'a'.repeat(32),
      notBefore: day(1),
      purpose: 'a test',
      region: whose.region,
      scope: { entries: [[1, 'x']] },
      tenant: whose.tenant,
      v: 1,
      ...change.order,
    },
    change.drafter,
  )
  const ordered = change.ordered?.(right) ?? right
  const approvals = change.approvals?.(ordered) ?? [
    verdictBy(change.key ?? whose.approvers[0]!, ordered, whose.tenant, 'approved', {
      time: day(2),
      ...change.approval,
    }),
  ]
  const body = {
    approvals: approvals.map(each =>
      typeof each === 'object' && each !== null && 'payloadType' in each ? asJson(each as Envelope) : each,
    ),
    entries:
      change.listed ?? (JSON.parse(fromUtf8(right.payload)) as { scope: { entries: Json } }).scope.entries,
    envelope: asJson(ordered),
    instruction: documentId(ordered),
    ...(change.chain !== undefined && { chain: change.chain }),
    ...change.told,
  }
  const told = change.silent ? {} : { payload: { type: 'entries.erased', body: body as Json } }
  const rows = [
    change.first ?? {},
    change.kept ? {} : (change.blank ?? { blank: (leaf: Uint8Array) => leaf }),
    ...between,
    told,
  ]
  return { kind: 'statement', document: forgeStatement(whose, { rows }), trust: whose.trust() }
}

export interface Check {
  readonly check: string
  readonly file: string
  /** The line of the check, and what stands there once it is gone. */
  readonly find: string
  readonly replace: string
  readonly attack: () => Attack
  /** What the whole verifier says of the attack. */
  readonly says: string
  /** Another check would still refuse it; without this one it says something else, or nothing that helps. */
  readonly secondLine?: true
}

const s = 'statement.ts'
export const checks: readonly Check[] = [
  {
    check: 'whose statement it is',
    file: s,
    find: 'header.tenant !== this.#trust.tenant',
    replace: 'false',
    attack: () => {
      const tenant = 'b'.repeat(64)
      return statement({
        header: { tenant },
        rows: [
          { payload: { tenant, body: joinedBody(victim, { genesis: tenant }) as Json } },
          { payload: { tenant } },
          { payload: { tenant } },
        ],
      })
    },
    says: 'of tenant bbbb',
  },
  {
    check: 'the checkpoint’s signature',
    file: 'checkpoint.ts',
    find: 'if (fault !== null) return `the checkpoint: ${fault}`',
    replace: '',
    attack: () => statement({ checkpoint: checkpointBy(fake) }),
    says: 'the checkpoint: no signature by',
  },
  {
    check: 'the checkpoint’s origin',
    file: 'checkpoint.ts',
    find: 'checkpoint.origin !== log.origin',
    replace: 'false',
    attack: () => statement({ checkpoint: checkpointBy(victim.signer, 'log.example/other') }),
    says: 'is of log.example/other',
  },
  {
    check: 'which key signs a tree of that size',
    file: 'log-keys.ts',
    find: 'from <= size && size <= until && signers.includes(key)',
    replace: 'signers.includes(key)',
    attack: () => statement({}, rotated(victim)),
    says: 'does not sign for a tree of',
  },
  {
    check: 'that a rotation is signed by the key before',
    file: 'log-keys.ts',
    find: "if (!signers.includes(before)) return 'the key before has not signed it'",
    replace: '',
    attack: () => {
      const text = rotationText(
        victim.origin,
        printVerifierKey(victim.origin, fake.publicKey, crypto),
        0,
        new Uint8Array(32),
      )
      return statement(
        { checkpoint: checkpointBy(fake), signature: said => printNote(said, fake, crypto) },
        victim.trust({ rotations: [printNote(text, fake, crypto)] }),
      )
    },
    says: 'trust: region in-mumbai: rotation 1: the key before has not signed it',
  },
  {
    check: 'that a bad signature of a known key rejects a note',
    file: 'note.ts',
    find: 'return `a signature by ${key.name} does not hold`',
    replace: 'continue',
    attack: () =>
      statement({
        checkpoint: right => {
          const text = printCheckpoint({ origin: victim.origin, ...right })
          return printNote(text, victim.signer, crypto) + signatureLine(`${text}x`, victim.signer, crypto)
        },
      }),
    says: 'does not hold',
  },
  {
    check: 'that nothing stands before entry 0',
    file: s,
    find: 'header.first === 0 && header.prev !== noPrevious',
    replace: 'false',
    attack: () => {
      const prev = 'a'.repeat(64)
      return statement({ header: { prev }, rows: [{ payload: { prev } }, {}, {}] })
    },
    says: 'before entry 0',
  },
  {
    check: 'that a statement fits into what was entered',
    file: 'statement-format.ts',
    find: 'first + count > entered',
    replace: 'false',
    attack: () => statement({ header: { entered: 2 } }),
    says: 'not a statement header',
  },
  {
    check: 'the canonical form of a row',
    file: '../core/canonical-json.ts',
    find: 'return isCanonical(value, text) ? value : null',
    replace: 'return value',
    attack: () => statement({ rows: [{}, { text: right => right.replace('"v":1}', '"v":1 }') }, {}] }),
    says: 'not in its canonical form',
  },
  {
    check: 'that keys are in order',
    file: '../core/canonical-json.ts',
    find: 'if (!isFirst && key <= before) return false',
    replace: '',
    attack: () =>
      statement({ rows: [{}, { text: right => right.replace('{"bucket":"b1"}', '{"z":1,"a":2}') }, {}] }),
    says: 'not in its canonical form',
  },
  {
    check: 'that numbers are integers',
    file: '../core/canonical-json.ts',
    find: "if (typeof value === 'number') return Number.isSafeInteger(value)",
    replace: "if (typeof value === 'number') return true",
    attack: () => statement({ rows: [{}, { text: right => right.replace('"b1"', '1.5') }, {}] }),
    says: 'not in its canonical form',
  },
  {
    check: 'that a lone surrogate is no text',
    file: '../core/canonical-json.ts',
    find: "!text.includes('\\\\ud') && ",
    replace: '',
    attack: () => statement({ rows: [{}, { text: right => right.replace('"b1"', '"\\ud800"') }, {}] }),
    says: 'not in its canonical form',
  },
  {
    check: 'the comma behind each row but the last',
    file: s,
    find: 'hasComma === !isLast',
    replace: 'true',
    attack: () => statement({ lines: lines => lines.with(-1, `${lines.at(-1)},`) }),
    says: 'row 3: not in its canonical form',
  },
  {
    check: 'the fields of a payload',
    file: 'payload.ts',
    find: "if (!hasFields(value, fields)) return 'the payload has other fields than the format'",
    replace: '',
    attack: () => statement(row({ extra: 1 })),
    says: 'other fields',
  },
  {
    check: 'the version of a payload',
    file: 'payload.ts',
    find: "if (v !== 1) return 'the payload has another version than 1'",
    replace: '',
    attack: () => statement(row({ v: 2 })),
    says: 'another version',
  },
  {
    check: 'the entry id',
    file: 'payload.ts',
    find: "if (typeof id !== 'string' || !/^[0-9a-hjkmnp-tv-z]{26}$/.test(id)) return 'the payload has no entry id'",
    replace: '',
    attack: () => statement(row({ id: 'x' })),
    says: 'no entry id',
  },
  {
    check: 'the type',
    file: 'payload.ts',
    find: "if (typeof type !== 'string' || type === '') return 'the payload has no type'",
    replace: '',
    attack: () => statement(row({ type: '' })),
    says: 'no type',
  },
  {
    check: 'the form of a time',
    file: '../core/time.ts',
    find: 'if (Number.isNaN(unixMs) || isoTime(unixMs) !== text) return null',
    replace: '',
    attack: () => statement(row({ time: '2026-02-30T00:00:00.000Z' })),
    says: 'no valid time',
  },
  {
    check: 'that a body is an object',
    file: 'payload.ts',
    find: "if (!isRecord(body)) return 'the payload has no body'",
    replace: '',
    attack: () => statement(row({ body: 'text' })),
    says: 'no body',
  },
  {
    check: 'a hole, or a number shown twice',
    file: s,
    find: 'payload.seq !== seq',
    replace: 'false',
    attack: () => statement(row({ seq: 7 })),
    says: 'sequence number 7 where 1 belongs',
  },
  {
    check: 'that a row follows the one before',
    file: s,
    find: 'payload.prev !== this.#prev',
    replace: 'false',
    attack: () => statement(row({ prev: 'c'.repeat(64) })),
    says: 'does not follow the row before',
  },
  {
    check: 'an entry of another tenant',
    file: s,
    find: 'payload.tenant !== header.tenant',
    replace: 'false',
    attack: () => statement(row({ tenant: 'd'.repeat(64) })),
    says: 'an entry of tenant dddd',
  },
  {
    check: 'an entry of another region',
    file: s,
    find: 'payload.region !== header.region',
    replace: 'false',
    attack: () => statement(row({ region: 'de-frankfurt' })),
    says: 'an entry of region de-frankfurt',
  },
  {
    check: 'that entry 0 is the joining',
    file: s,
    find: "if (payload.type !== 'tenant.joined') return [`${payload.type} where tenant.joined belongs`]",
    replace: '',
    attack: () => statement({ rows: [{ payload: { type: 'bucket.created' } }, {}, {}] }),
    says: 'where tenant.joined belongs',
  },
  {
    check: 'that entry 0 names the genesis',
    file: s,
    find: 'payload.body.genesis !== payload.tenant',
    replace: 'false',
    attack: () =>
      statement({
        rows: [
          {
            payload: { body: joinedBody(victim, { genesis: 'e'.repeat(64) }) as Json },
          },
          {},
          {},
        ],
      }),
    says: 'another genesis',
  },
  {
    check: 'that entry 0 commits to the chain key',
    file: s,
    find: 'payload.body.chainKeyCommitment !== committed',
    replace: 'false',
    attack: () =>
      statement({
        rows: [
          {
            payload: { body: joinedBody(victim, { chainKeyCommitment: 'f'.repeat(64) }) as Json },
          },
          {},
          {},
        ],
      }),
    says: 'another chain key',
  },
  {
    check: 'that the rows are in the tree',
    file: s,
    find: '!equalBytes(root, checkpoint.root)',
    replace: 'false',
    attack: () =>
      statement({
        checkpoint: right =>
          printNote(
            printCheckpoint({ origin: victim.origin, size: right.size, root: new Uint8Array(32) }),
            victim.signer,
            crypto,
          ),
      }),
    says: 'the rows are not in the tree',
  },
  {
    check: 'that a row has the label of its number',
    file: s,
    find: 'const label = labels(payload.seq)',
    replace: 'const label = labels(7)',
    attack: () => statement({ rows: [{ labelFor: 7 }, { labelFor: 7 }, { labelFor: 7 }] }),
    says: 'the rows are not in the tree',
  },
  {
    check: 'the number of rows',
    file: s,
    find: 'header.count !== this.#rows',
    replace: 'false',
    attack: () =>
      statement({ header: { count: 4, entered: 4 }, lines: lines => lines.with(-1, `${lines.at(-1)},`) }),
    says: '4 rows announced, 3 present',
  },
  {
    check: 'that nothing stands behind the last line',
    file: s,
    find: "if (this.#end !== null) this.#stop('something stands behind the last line')",
    replace: 'if (this.#end !== null) return',
    attack: () => statement({ document: right => `${right}more\n` }),
    says: 'behind the last line',
    secondLine: true,
  },
  {
    check: 'that the last line is whole',
    file: s,
    find: '!isText || !lines.end()',
    replace: '!isText',
    attack: () => statement({ document: right => `${right}half a line` }),
    says: 'not whole lines',
  },
  {
    check: 'that a statement has one signature',
    file: s,
    find: 'note === null || note.signatures.length !== 1',
    replace: 'note === null',
    attack: () =>
      statement({
        signature: text =>
          printNote(text, victim.signer, crypto) + signatureLine(text, stranger('someone'), crypto),
      }),
    says: 'not a note with one signature',
  },
  {
    check: 'that the signature is over this document',
    file: s,
    find: "if (note.text !== text) return 'the signature is over another document'",
    replace: '',
    attack: () =>
      statement({
        signature: text =>
          printNote(text.replace(/\n[0-9a-f]{64}\n/, `\n${'0'.repeat(64)}\n`), victim.signer, crypto),
      }),
    says: 'over another document',
  },
  {
    check: 'who signed the statement',
    file: s,
    find: 'return fault === null ? null : `the signature: ${fault}`',
    replace: 'return null',
    attack: () => statement({ signature: text => printNote(text, fake, crypto) }),
    says: 'the signature: no signature by',
  },
  {
    check: 'hashes too many',
    file: 'multi-proof.ts',
    find: 'this.#fold.size === limit && used === hashes.length',
    replace: 'this.#fold.size === limit',
    attack: () => statement({ rest: right => [...right, right[0]!] }),
    says: 'not those of the walk',
  },
  {
    check: 'that a blank row was ordered',
    file: s,
    find: 'for (const fault of erasures.faults(header.first, this.#rows)) this.fail(fault)',
    replace: '',
    attack: () => erased({ silent: true }),
    says: 'row 2: it is blank',
  },
  {
    check: 'that a blank row has the label of its number',
    file: s,
    find: '!equalBytes(label, labels(seq))',
    replace: 'false',
    attack: () => erased({ blank: { blank: leaf => leaf, labelFor: 9 } }),
    says: 'row 2: the label of another number',
  },
  {
    check: 'that what is said to be erased is gone',
    file: 'erasure.ts',
    find: '.filter(seq => seq >= first && seq < first + rows && !this.#blank.has(seq))',
    replace: '.filter(() => false)',
    attack: () => erased({ kept: true }),
    says: 'row 2: it is said to be erased, and is still here',
  },
  {
    check: 'that an erasure lists what was ordered',
    file: 'erasure.ts',
    find: 'canonicalJson(body.entries) !== canonicalJson(scope)',
    replace: 'false',
    attack: () => erased({ listed: [[1, 'y']] }),
    says: 'lists other entries',
  },
  {
    check: 'for which log the order is',
    file: 'erasure.ts',
    find: 'fields.ledger !== origin',
    replace: 'false',
    attack: () => erased({ order: { ledger: 'log.example/other' } }),
    says: 'another ledger',
  },
  {
    check: 'that the order names the entry',
    file: 'erasure.ts',
    find: '.filter(([seq]) => !this.#erased.has(seq))',
    replace: '.filter(() => this.#erased.size === 0)',
    attack: () => erased({ order: { scope: { entries: [[99, 'x']] } } }),
    says: 'row 2: it is blank',
  },
  {
    check: 'whose receipt it is',
    file: 'receipt.ts',
    find: 'claimed.tenant !== trust.tenant',
    replace: 'false',
    attack: () => receipt({ rows: [{}, {}, { payload: { tenant: 'b'.repeat(64) } }] }),
    says: 'of tenant bbbb',
  },
  {
    check: 'that the entry is in the tree',
    file: 'merkle.ts',
    find: 'return root !== null && equalBytes(root, claim.root)',
    replace: 'return root !== null',
    attack: () => receipt({ proof: right => right.with(0, new Uint8Array(32)) }),
    says: 'is not leaf',
  },
  {
    check: 'that a proof has no hash too few',
    file: 'merkle.ts',
    find: 'return last === 0n ? root : null',
    replace: 'return root',
    attack: () =>
      receipt({
        proof: right => right.slice(0, -1),
        // The root of the half that the shortened path leads to.
        checkpoint: ({ size, rootOf }) =>
          printNote(
            printCheckpoint({ origin: victim.origin, size, root: rootOf(4, 8) }),
            victim.signer,
            crypto,
          ),
      }),
    says: 'is not leaf',
  },
  {
    check: 'who signed a receipt’s checkpoint',
    file: 'checkpoint.ts',
    find: 'if (fault !== null) return `the checkpoint: ${fault}`',
    replace: '',
    attack: () => receipt({ checkpoint: checkpointBy(fake) }),
    says: 'the checkpoint: no signature by',
  },
  {
    check: 'that a receipt’s payload is canonical',
    file: '../core/canonical-json.ts',
    find: 'return isCanonical(value, text) ? value : null',
    replace: 'return value',
    attack: () => receipt({ rows: [{}, {}, { text: right => right.replace('"v":1}', '"v":1 }') }] }),
    says: 'not canonical JSON',
  },
  {
    check: 'that the genesis is signed by each approver',
    file: 'genesis.ts',
    find: 'if (!signed) return `the genesis is not signed by its approver ${at + 1}`',
    replace: '',
    attack: () => {
      const trust = JSON.parse(victim.trust())
      trust.genesis.signatures = trust.genesis.signatures.slice(0, 1)
      return statement({}, JSON.stringify(trust))
    },
    says: 'trust: the genesis is not signed by its approver',
  },
  {
    check: 'that the tenant is its genesis',
    file: 'trust.ts',
    find: "if (file.tenant !== genesis.tenant) return 'the tenant id is not the id of the genesis'",
    replace: '',
    attack: () => statement({}, JSON.stringify({ ...JSON.parse(victim.trust()), tenant: 'a'.repeat(64) })),
    says: 'trust: the tenant id is not the id of the genesis',
  },
  {
    check: 'that a vkey’s id is of its name and key',
    file: 'verifier-key.ts',
    find: 'equalBytes(',
    replace: '((..._: unknown[]) => true)(',
    attack: () => {
      const vkey = printVerifierKey(victim.origin, victim.signer.publicKey, crypto)
      return statement({}, victim.trust({ vkey: vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+') }))
    },
    says: 'trust: region in-mumbai: the vkey',
    secondLine: true,
  },
]
