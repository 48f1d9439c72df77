import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { createPromiser } from '../../src/ledger/promises.ts'
import { createTreeReader } from '../../src/ledger/tree-reader.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../../src/verify/checkpoint.ts'
import { parseCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { parseLeaf } from '../../src/verify/leaf.ts'
import { consistencyHolds, inclusionHolds } from '../../src/verify/merkle.ts'
import { parseNote } from '../../src/verify/note.ts'
import { parsePayload } from '../../src/verify/payload.ts'
import { parsePromise, verifyPromise } from '../../src/verify/promise.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { parseReceipt } from '../../src/verify/receipt-format.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parsePolicy } from '../../src/verify/tlog-policy.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { parseTypedVerifierKey } from '../../src/verify/verifier-key.ts'
import { damaged } from '../support/damage.ts'
import { createTestLedger, crypto, logOfSigner, region } from '../support/ledger.ts'

/** `HOLDFAST_FUZZ=100` runs a hundred times as many. */
const times = Number(process.env.HOLDFAST_FUZZ ?? 1)

const ledger = await createTestLedger()
const alice = await ledger.join()
const bob = await ledger.join()
for (let i = 0; i < 12; i++) await ledger.draft(i % 3 === 0 ? bob : alice, `bücket ${i}`)
const last = await ledger.draft(alice)
await ledger.newSequencer().tick()
const statement = await ledger.statement(alice)
const receipt = await ledger.receipt(alice, last)
const checkpoint = fromUtf8((await ledger.tiles.read('checkpoint'))!)
const drafted = ledger.drafts.draft({
  tenant: alice.id,
  type: 'bucket.deleted',
  body: { bucket: 'b', by: { accessKeyId: 'AK' } },
})
const promise = (await createPromiser({ region, signer: ledger.signer, clock: Date.now, crypto }).promise([
  drafted,
]))!
const log = logOfSigner(ledger.signer)

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/**
 * Lines that other keys have signed may be added to a note: they say nothing, and are passed over. So may a line that
 * is there already.
 */
function withoutStrangers(document: string): string {
  return document
    .split('\n')
    .filter((line, at, lines) => {
      if (!line.startsWith('\u2014 ')) return true
      return line.startsWith(`\u2014 ${ledger.signer.name} `) && lines.indexOf(line) === at
    })
    .join('\n')
}

interface Target {
  readonly name: string
  readonly document: Uint8Array
  /** True when it was taken for good. */
  readonly takes: (bytes: Uint8Array) => boolean
  /** What an honest document may be changed into without saying anything else. */
  readonly meaning?: (bytes: Uint8Array) => string
}

const targets: readonly Target[] = [
  {
    name: 'a statement',
    document: statement,
    takes: bytes => verifyStatement(bytes, alice.trust, crypto).verified,
    meaning: bytes => withoutStrangers(text(bytes)),
  },
  {
    name: 'a receipt',
    document: utf8(receipt),
    takes: bytes => verifyReceipt(text(bytes), alice.trust, crypto).verified,
    meaning: bytes => withoutStrangers(text(bytes)),
  },
  {
    name: 'a promise',
    document: utf8(promise),
    takes: bytes => verifyPromise(text(bytes), alice.trust, crypto).verified,
  },
  {
    name: 'a checkpoint',
    document: utf8(checkpoint),
    takes: bytes => typeof openCheckpoint(text(bytes), log, crypto) !== 'string',
    meaning: bytes => withoutStrangers(text(bytes)),
  },
]

describe('damaged documents', () => {
  it.each(targets.map(target => [target.name, target] as const))(
    '%s is refused, and nothing throws',
    (_, { document, takes, meaning = text }) => {
      expect(takes(document)).toBe(true)
      const whole = meaning(document)
      fc.assert(
        fc.property(damaged(document), changed => {
          if (takes(changed)) expect(meaning(changed)).toBe(whole)
        }),
        { numRuns: 3000 * times },
      )
    },
  )

  it('of two kinds in one are refused', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...targets),
        fc.constantFrom(...targets),
        fc.nat(),
        fc.nat(),
        (a, b, x, y) => {
          const cut = new Uint8Array([
            ...a.document.subarray(0, x % a.document.length),
            ...b.document.subarray(y % b.document.length),
          ])
          for (const { document, takes, meaning = text } of targets)
            if (takes(cut)) expect(meaning(cut)).toBe(meaning(document))
        },
      ),
      { numRuns: 1000 * times },
    )
  })

  it('trust files, policies, keys and payloads never throw, and keep their meaning', () => {
    const trustText = utf8(alice.trustText)
    const policy = utf8(
      `log ${JSON.parse(alice.trustText).regions[region].vkey}\n# one\nwitness w w.example+00000000+BAAA\ngroup g 1 w\nquorum none\n`,
    )
    const vkey = utf8(JSON.parse(alice.trustText).regions[region].vkey as string)
    fc.assert(
      fc.property(
        damaged(trustText),
        damaged(policy),
        damaged(vkey),
        (changedTrust, changedPolicy, changedKey) => {
          const trust: Trust | string = parseTrust(text(changedTrust), crypto)
          // A genesis is named by its content, so no damage makes another tenant of it; nor another approver.
          if (typeof trust !== 'string')
            expect([trust.tenant, trust.genesis]).toEqual([alice.trust.tenant, alice.trust.genesis])
          parsePolicy(changedPolicy, crypto)
          const key = parseTypedVerifierKey(text(changedKey), crypto)
          if (key !== null) expect(text(changedKey).startsWith(key.name)).toBe(true)
        },
      ),
      { numRuns: 1500 * times },
    )
  })
})

describe('anything at all', () => {
  it('is never taken, and never throws', () => {
    const any = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.base64String(),
      fc.constantFrom('', '\n', '\n\n', '{}\n', ']},\n'),
    )
    fc.assert(
      fc.property(any, anything => {
        for (const { takes } of targets)
          expect(takes(utf8(anything.isWellFormed() ? anything : ''))).toBe(false)
        for (const parse of [parseNote, parseCheckpoint, parseReceipt, parsePayload, parsePromise])
          parse(anything)
        parseLeaf(new TextEncoder().encode(anything))
        parsePolicy(new TextEncoder().encode(anything), crypto)
      }),
      { numRuns: 3000 * times },
    )
  })

  it('proofs of any hashes, indices and sizes hold for nothing', () => {
    const hash = fc.uint8Array({ minLength: 0, maxLength: 40 })
    const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }))
    fc.assert(
      fc.property(number, number, hash, hash, fc.array(hash, { maxLength: 70 }), (a, b, one, two, proof) => {
        expect(
          inclusionHolds({ index: a, size: b, leafHash: one, proof, root: two }, crypto) && proof.length > 0,
        ).toBe(false)
        const holds = consistencyHolds({ oldSize: a, newSize: b, oldRoot: one, newRoot: two, proof }, crypto)
        expect(holds && proof.length > 0).toBe(false)
      }),
      { numRuns: 2000 * times },
    )
  })

  it('tiles that are short, long or not there give an error and no hash that stands for a tree', async () => {
    const { size } = openCheckpoint(checkpoint, log, crypto) as OpenedCheckpoint
    const whole = (await ledger.tiles.read(`tile/0/000.p/${size}`))!
    const root = await createTreeReader(ledger.tiles, size, crypto).root()
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged(whole), fc.constant(null)), async tile => {
        const tiles = { read: async (path: string) => (path.startsWith('tile/0/') ? tile : null) }
        const found = await createTreeReader(tiles, size, crypto)
          .root()
          .catch(() => null)
        const same = tile !== null && Buffer.compare(tile.subarray(0, whole.length), whole) === 0
        if (found !== null && !same) expect(Buffer.compare(found, root)).not.toBe(0)
      }),
      { numRuns: 500 * times },
    )
  })
})
