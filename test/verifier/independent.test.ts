/** `test/independent` has a verifier in Python, written from the documents alone. Both must say the same of everything. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { KeyUses } from '../../src/cli/journal-book.ts'
import { verifyFile } from '../../src/cli/verify-file.ts'
import { equalBytes, fromUtf8, toBase64, toHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { createPromiser } from '../../src/ledger/promises.ts'
import { createTreeReader } from '../../src/ledger/tree-reader.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { rotationText } from '../../src/verify/log-keys.ts'
import { leafHash, rootOfProof } from '../../src/verify/merkle.ts'
import { type NoteSigner, printNote, signatureLine } from '../../src/verify/note.ts'
import { verifyPromise } from '../../src/verify/promise.ts'
import { PromiseBook } from '../../src/verify/promise-book.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { checkStatement, verifyStatement } from '../../src/verify/statement.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { run } from '../support/child.ts'
import { damaged } from '../support/damage.ts'
import { forgeReceipt, forgeStatement, stranger } from '../support/forge.ts'
import { createTestLedger, crypto, logOfSigner, makeSigner, region } from '../support/ledger.ts'
import {
  honestOrders,
  nearlyRight,
  orderChecks,
  orderParts,
  orderValues,
  withField,
} from '../support/order-attacks.ts'
import { describeWith } from '../support/program.ts'
import { type Attack, checks, erased, victim } from '../support/verifier-attacks.ts'

/** `HOLDFAST_FUZZ=100` has a hundred times as many; `HOLDFAST_SEED` others. */
const times = Number(process.env.HOLDFAST_FUZZ ?? 1)
const seed = Number(process.env.HOLDFAST_SEED ?? 1)
const program = join(import.meta.dirname, '..', 'independent', 'holdfast_verify.py')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-independent-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Case {
  readonly name: string
  readonly document: Uint8Array | string
  readonly trust: string
  /** Of the same tenant, beside a promise. */
  readonly beside?: Uint8Array
}

interface Answer {
  readonly verified: boolean
  readonly faults?: readonly string[]
  readonly size?: number
  readonly indices?: readonly number[]
}

async function ask(questions: readonly object[]): Promise<Answer[]> {
  const input = questions.map(question => `${JSON.stringify(question)}\n`).join('')
  const { code, stdout, stderr } = await run('python3', ['-B', program, '--json-lines'], { input })
  if (code !== 0) throw new Error(stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Answer)
}

const bytesOf = (document: Uint8Array | string): Uint8Array =>
  typeof document === 'string' ? utf8(document) : document

function theirs(cases: readonly Case[]): Promise<Answer[]> {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return ask(
    cases.map(({ document, beside, trust }) => ({
      trust,
      files: [
        ['document', base64(bytesOf(document))],
        ...(beside === undefined ? [] : [['statement', base64(beside)]]),
      ],
    })),
  )
}

function ours({ document, beside, trust: text }: Case): Answer {
  const trust = parseTrust(text, crypto)
  if (typeof trust === 'string') return { verified: false, faults: [trust] }
  const bytes = bytesOf(document)
  const asText = (): string | null => {
    try {
      return fromUtf8(bytes)
    } catch {
      return null
    }
  }
  const start = Buffer.from(bytes.subarray(0, 23)).toString('latin1')
  const plain = (verdict: { verified: boolean; failures?: readonly string[] }): Answer => ({
    verified: verdict.verified,
    faults: verdict.failures ?? [],
  })
  if (start.startsWith('{')) return plain(verifyStatement(bytes, trust, crypto))
  const words = asText()
  if (words === null) return { verified: false, faults: ['not UTF-8'] }
  if (start === 'c2sp.org/tlog-proof@v1\n') return plain(verifyReceipt(words, trust, crypto))
  if (!start.startsWith('hfp1.')) {
    const opened = [...trust.regions.values()].map(({ log }) => openCheckpoint(words, log, crypto))
    return { verified: opened.some(each => typeof each !== 'string'), faults: opened.map(String) }
  }
  const book = new PromiseBook(crypto)
  const entries: { region: string; id: string }[] = []
  for (const line of words.split(/[\n,]/).filter(each => each !== '')) {
    const verdict = verifyPromise(line, trust, crypto)
    if (!verdict.verified) return plain(verdict)
    book.add(verdict.promise)
    for (const { id } of verdict.promise.entries) entries.push({ region: verdict.promise.region, id })
  }
  if (beside !== undefined) {
    const follow = book.follow()
    const check = checkStatement(trust, crypto, row => follow.saw(row))
    check.push(beside)
    const facts = check.end()
    if (!facts.verified) return plain(facts)
    follow.close(facts, facts.first === 0)
  }
  const broken = entries.filter(({ region: where, id }) => book.stateOf(where, id).state === 'broken')
  return { verified: broken.length === 0, faults: broken.map(({ id }) => `broken ${id}`) }
}

/** Both verifiers on each; what they do not agree on, with what each said. */
async function disagreements(cases: readonly Case[]): Promise<{ accepted: number; differing: object[] }> {
  const answers = await theirs(cases)
  const said = cases.map(ours)
  const differing = cases.flatMap((each, at) => {
    const [one, other] = [said[at]!, answers[at]!]
    return one.verified === other.verified
      ? []
      : [
          {
            name: each.name,
            ours: one,
            theirs: other,
            document: Buffer.from(bytesOf(each.document)).toString(),
          },
        ]
  })
  return { accepted: said.filter(({ verified }) => verified).length, differing }
}

const ledger = await createTestLedger()
const alice = await ledger.join()
const bob = await ledger.join()
for (let i = 0; i < 12; i++)
  await ledger.draft(i % 3 === 0 ? bob : alice, `bücket \u{1f5c4} "\\\u0001\u007f ${i}`)
const last = await ledger.draft(alice)
await ledger.newSequencer().tick()
const promiserAt = (unixMs: number) =>
  createPromiser({ region, signer: ledger.signer, clock: () => unixMs, crypto })
const promiser = promiserAt(Date.UTC(2026, 0, 2))
const promisedDrafts = Array.from({ length: 5 }, (_, i) =>
  ledger.drafts.draft({
    tenant: alice.id,
    type: 'bucket.deleted',
    body: { bucket: `ü${i}`, by: { accessKeyId: 'AK' } },
  }),
)
// Asked for at once, so that they are signed together.
const promises = (await Promise.all(
  promisedDrafts.map((draft, at) =>
    promiser.promise(at === 0 ? [draft, ...promisedDrafts.slice(3)] : [draft]),
  ),
)) as string[]
const before = await ledger.statement(alice)
await ledger.catalog.commit({ puts: promisedDrafts.map(({ put }) => put) })
await ledger.newSequencer().tick()
const after = await ledger.statement(alice)
const never = (await promiserAt(Date.UTC(2025, 0, 2)).promise([
  ledger.drafts.draft({
    tenant: alice.id,
    type: 'bucket.deleted',
    body: { bucket: 'never', by: { accessKeyId: 'AK' } },
  }),
]))!

const [, promised] = promisedDrafts
const other = { ...promised!, stored: { ...promised!.stored, body: '{}' } }
const twice = (await promiser.promise([other]))!

/** Promised by the victim's region as each of these bodies; with a statement in which the tenant had it erased. */
async function promisedAndErased(name: string, bodies: readonly string[]): Promise<Case> {
  const { signer } = victim
  const late = createPromiser({ region, signer, clock: () => Date.UTC(2025, 0, 2), crypto })
  const made = bodies.map(body => late.promise([{ ...other, stored: { ...other.stored, body } }]))
  const document = (await Promise.all(made)).join('\n')
  const order = { scope: { entries: [[1, other.stored.entryId]] } }
  return { name, document, trust: victim.trust(), beside: bytesOf(erased({ order }).document) }
}

/** A statement of a log whose key was replaced before, at or after its tree. */
function rotatedAt(size: number, by: 'old' | 'new' | 'both'): Case {
  const { origin, signer } = victim
  const next: NoteSigner = stranger(origin)
  const text = rotationText(
    origin,
    printVerifierKey(origin, next.publicKey, crypto),
    size,
    new Uint8Array(32),
  )
  const rotation = printNote(text, signer, crypto) + signatureLine(text, next, crypto)
  const first = by === 'new' ? next : signer
  const document = forgeStatement(victim, {
    rows: [{}, {}, {}],
    checkpoint: right => {
      const said = printCheckpoint({ origin, size: right.size, root: right.root })
      return printNote(said, first, crypto) + (by === 'both' ? signatureLine(said, next, crypto) : '')
    },
    signature: said => printNote(said, first, crypto),
  })
  return {
    name: `rotated at ${size}, signed by ${by}`,
    document,
    trust: victim.trust({ rotations: [rotation] }),
  }
}

const attack = (name: string, { document, trust }: Attack): Case => ({
  name,
  document,
  trust: trust ?? victim.trust(),
})
const forged = (
  name: string,
  forgery: Parameters<typeof forgeStatement>[1],
  trust = victim.trust(),
): Case => ({
  name,
  document: forgeStatement(victim, forgery),
  trust,
})

async function honest(): Promise<Case[]> {
  const trust = alice.trustText
  const strange = {
    text: 'ü\u{1f5c4}\u2028\ufeff\u007f\u0000\b\t"\\/',
    '\u{1f5c4}': -1,
    '\uffee': null,
    '': [[], {}, true],
  }
  const cases: Case[] = [
    { name: 'dense', document: await ledger.statement(alice), trust },
    { name: 'sparse', document: await ledger.statement(bob), trust: bob.trustText },
    { name: 'none of a tree', document: forgeStatement(victim, { rows: [] }), trust: victim.trust() },
    forged('later ones', { rows: [{}, {}], first: 4 }),
    forged('non-ASCII', { rows: [{}, { payload: { body: strange, type: 'ünknown' } }, {}] }),
    attack('erased', erased({})),
    ...honestOrders.map(([name, made]) => attack(name, made())),
    rotatedAt(8, 'old'),
    rotatedAt(8, 'new'),
    rotatedAt(8, 'both'),
    rotatedAt(3, 'new'),
    rotatedAt(9, 'old'),
    { name: 'a checkpoint', document: fromUtf8((await ledger.tiles.read('checkpoint'))!), trust },
  ]
  for (let first = 0; first <= 14; first++)
    for (const end of [first, first + 1, 9, 14])
      if (end >= first && end <= 14)
        cases.push({
          name: `${first} to ${end}`,
          document: await ledger.statement(alice, { first, end }),
          trust,
        })
  cases.push({ name: 'a receipt', document: await ledger.receipt(alice, last), trust })
  for (let rows = 1; rows < 12; rows++) {
    const document = forgeReceipt(victim, { rows: Array.from({ length: rows }, () => ({})) })
    cases.push({ name: `receipt ${rows}`, document, trust: victim.trust() })
  }
  for (const [at, promise] of promises.entries()) {
    cases.push({ name: `promise ${at}`, document: promise, trust })
    cases.push({ name: `promise ${at}, open`, document: promise, trust, beside: before })
    cases.push({ name: `promise ${at}, kept`, document: promise, trust, beside: after })
  }
  cases.push({ name: 'promises in a file', document: `${promises.join('\n')}\n`, trust, beside: after })
  cases.push({ name: 'promises in a header', document: promises.join(','), trust })
  return cases
}

/** With the signature that the region would give for it. */
function signedPromise(name: string, change: { readonly [field: string]: Json }): Case {
  const { origin, signer } = victim
  const right: { readonly [field: string]: Json } = {
    entries: [[other.stored.entryId, 'a'.repeat(64)]],
    index: 0,
    path: [],
    region: victim.region,
    size: 1,
    time: '2026-01-02T00:00:00.000Z',
    v: 1,
    within: 300,
    ...change,
  }
  const { entries, index, path, size, time, within } = right
  const hashed = leafHash(utf8(canonicalJson(entries!)), crypto)
  const hashes = Array.isArray(path)
    ? path.map(each => new Uint8Array(Buffer.from(typeof each === 'string' ? each : '', 'base64')))
    : []
  const numbers = [index, size].map(each => (Number.isSafeInteger(each) ? (each as number) : 0))
  const root = rootOfProof({ index: numbers[0]!, size: numbers[1]!, leafHash: hashed, proof: hashes }, crypto)
  const [said, seconds, many] = [time, within, size].map(each =>
    typeof each === 'string' ? each : canonicalJson(each!),
  )
  const text = `holdfast/promise/v1\n${origin}\n${said}\n${seconds}\n${many}\n${toBase64(root ?? hashed)}\n`
  const signature = signatureLine(text, signer, crypto).trimEnd().split(' ')[2]!
  const json = canonicalJson({ ...right, signature })
  return { name, document: `hfp1.${Buffer.from(json).toString('base64url')}`, trust: victim.trust() }
}

/** What a provider can sign: damage in what it says, with all signatures and proofs made anew. */
function signedDamage(count: number): Case[] {
  const of = (text: string, at: number): string =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(
      fc.sample(damaged(utf8(text)), { numRuns: 1, seed: seed * 1_000_003 + at })[0]!,
    )
  const value = (at: number): Json =>
    fc.sample(
      fc.oneof(
        fc.constantFrom<Json>(null, true, 0, 1, -1, 2 ** 53 - 1, '', '0', 'x', [], {}, [1], '0'.repeat(64)),
        fc.constantFrom<Json>(
          '2026-01-02T03:04:05.678Z',
          '1969-12-31T23:59:59.999Z',
          '0000-02-29T00:00:00.000Z',
        ),
        fc.constantFrom<Json>(
          '2026-02-29T00:00:00.000Z',
          '2026-01-02T24:00:00.000Z',
          '9999-12-31T23:59:59.999Z',
        ),
        fc.nat(9),
        fc.string({ unit: 'grapheme' }).filter(each => each.isWellFormed()),
      ),
      { numRuns: 1, seed: seed * 1_000_003 + at },
    )[0]!
  const json = (at: number): Json =>
    fc.sample(
      fc.oneof(
        fc.constant(value(at)),
        fc.jsonValue({ maxDepth: 3 }).map(each => JSON.parse(JSON.stringify(each), whole) as Json),
        fc.array(fc.tuple(fc.nat(3), fc.constantFrom<Json>('x', 'y', other.stored.entryId, 1)), {
          maxLength: 3,
        }),
      ),
      { numRuns: 1, seed: seed * 1_000_003 + at },
    )[0] as Json
  const whole = (_: string, each: unknown) =>
    typeof each === 'number'
      ? Math.trunc(each % 2 ** 40)
      : typeof each === 'string'
        ? each.toWellFormed()
        : each
  const promiseFields = 'entries,index,path,region,size,time,v,within,extra'.split(',')
  const orders = 'expires,kind,ledger,scope,tenant,notBefore,v,drafter,purpose,nonce,region,extra'.split(',')
  const approvals = 'instruction,tenant,time,reason,v,delegation,extra'.split(',')
  const rows = (row: object) => [{}, row, {}]
  const headers = 'count,entered,first,format,prev,region,tenant,time,checkpoint,extra'.split(',')
  const payloads = 'body,id,prev,region,seq,tenant,time,type,v,extra'.split(',')
  return Array.from({ length: count }, (_, at): Case => {
    const pick = Math.floor(at / 15)
    switch (at % 15) {
      case 13:
      case 14: {
        const parts = Object.keys(orderParts) as (keyof typeof orderParts)[]
        const part = parts[pick % parts.length]!
        const names = orderParts[part].split(',')
        const field = names[Math.floor(pick / parts.length) % names.length]!
        const known = orderValues[(at * 7919 + seed) % orderValues.length]!
        return attack(`${part} ${field} ${at}`, withField(part, field, at % 15 === 13 ? json(at) : known))
      }
      case 8:
        return signedPromise(`promise ${at}`, { [promiseFields[pick % 9]!]: json(at) })
      case 9: {
        const path = Array.from({ length: pick % 4 }, (_, i) => toBase64(crypto.sha256(Uint8Array.of(i))))
        return signedPromise(`path ${at}`, { index: pick % 5, path, size: pick % 7 })
      }
      case 10: {
        const field = orders[pick % orders.length]!
        const changed = field === 'scope' ? { entries: json(at) } : json(at)
        return attack(
          `order ${at}`,
          erased({ order: { [field]: changed }, ...(field !== 'scope' && { listed: [[1, 'x']] }) }),
        )
      }
      case 11:
        return pick % 2 === 0
          ? attack(
              `approval ${at}`,
              erased({ approval: { [approvals[pick % approvals.length]!]: json(at) } }),
            )
          : attack(`list ${at}`, erased({ listed: json(at) ?? [] }))
      case 12: {
        const blank = (leaf: Uint8Array): Uint8Array => {
          const changed = new Uint8Array(leaf)
          changed[pick % 73]! ^= 1 << (pick % 8)
          return changed
        }
        return attack(`leaf ${at}`, erased({ blank: { blank } }))
      }
      case 0:
        return forged(`row ${at}`, { rows: rows({ text: (right: string) => of(right, at) }) })
      case 1:
        return forged(`header ${at}`, { rows: rows({}), header: { [headers[pick % 10]!]: value(at) } })
      case 2:
        return forged(`payload ${at}`, { rows: rows({ payload: { [payloads[pick % 10]!]: value(at) } }) })
      case 3:
        return forged(`lines ${at}`, {
          rows: rows({}),
          lines: lines => lines.with(pick % lines.length, of(lines[pick % lines.length]!, at)),
        })
      case 4:
        return forged(`checkpoint ${at}`, {
          rows: rows({}),
          checkpoint: right =>
            printNote(of(printCheckpoint({ origin: victim.origin, ...right }), at), victim.signer, crypto),
        })
      case 5: {
        const document = forgeReceipt(victim, {
          rows: rows({ text: (right: string) => of(right, at) }).slice(0, 2),
        })
        return { name: `receipt ${at}`, document, trust: victim.trust() }
      }
      case 6:
        return forged(`signed ${at}`, {
          rows: rows({}),
          signature: text => of(printNote(text, victim.signer, crypto), at),
        })
      default:
        return forged(`noted ${at}`, {
          rows: rows({}),
          checkpoint: right =>
            of(printNote(printCheckpoint({ origin: victim.origin, ...right }), victim.signer, crypto), at),
        })
    }
  })
}

/** What anybody can do to an honest document. */
async function plainDamage(count: number): Promise<Case[]> {
  const trust = alice.trustText
  const whole: (readonly [string, Uint8Array, Uint8Array?])[] = [
    ['statement', after],
    ['receipt', utf8(await ledger.receipt(alice, last))],
    ['promise', utf8(promises[0]!)],
    ['checkpoint', (await ledger.tiles.read('checkpoint'))!],
  ]
  const cases = whole.flatMap(([name, document]) =>
    fc
      .sample(damaged(document), { numRuns: Math.ceil(count / 5), seed })
      .map((changed, at): Case => ({ name: `${name} ${at}`, document: changed, trust })),
  )
  const trusts = fc.sample(damaged(utf8(trust)), { numRuns: Math.ceil(count / 5), seed })
  return [
    ...cases,
    ...trusts.map((changed, at): Case => {
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(changed)
      return { name: `trust ${at}`, document: utf8(promises[1]!), trust: text }
    }),
  ]
}

/** Each shows a rule of the documents that one of the two verifiers once did not keep. */
function corners(): Case[] {
  const deep = (depth: number): Json => (depth === 0 ? 1 : [deep(depth - 1)])
  const body = (value: Json) => ({ rows: [{}, { payload: { body: { value } } }, {}] })
  const named = (name: string): Case =>
    forged(`a line by U+${name.charCodeAt(1).toString(16)}`, {
      rows: [{}],
      checkpoint: right => {
        const text = printCheckpoint({ origin: victim.origin, ...right })
        return printNote(text, victim.signer, crypto) + signatureLine(text, stranger(name), crypto)
      },
    })
  const lines = (count: number): Case =>
    forged(`${count} signatures`, {
      rows: [{}],
      checkpoint: right => {
        const text = printCheckpoint({ origin: victim.origin, ...right })
        const more = Array.from({ length: count - 1 }, (_, at) =>
          signatureLine(text, stranger(`w${at}`), crypto),
        )
        return printNote(text, victim.signer, crypto) + more.join('')
      },
    })
  return [
    // The row, the payload and the body are three levels.
    forged('64 deep', body(deep(61))),
    forged('65 deep', body(deep(62))),
    forged('very deep', {
      rows: [{}, { text: right => right.replace('"b1"', '['.repeat(100_000) + ']'.repeat(100_000)) }, {}],
    }),
    forged('before 1970', { rows: [{}, { payload: { time: '1969-12-31T23:59:59.999Z' } }, {}] }),
    forged('at 1970', { rows: [{}, { payload: { time: '1970-01-01T00:00:00.000Z' } }, {}] }),
    forged('a payload of a mebibyte and more', body('x'.repeat(1 << 20))),
    forged('a payload of nearly a mebibyte', body('ü'.repeat((1 << 19) - 400))),
    forged('a line of more than two', body('x'.repeat(2 << 20))),
    ...['w\u0085x', 'w\ufeffx', 'w\u00a0x', 'w\u3000x', 'w\u200bx', 'wü', 'w\u007f'].map(named),
    ...[16, 64, 65].map(lines),
    forged('extension lines', {
      rows: [{}],
      checkpoint: right =>
        printNote(`${printCheckpoint({ origin: victim.origin, ...right })}more\n`, victim.signer, crypto),
    }),
    attack('entry 0 erased', erasedFirst()),
    attack(
      'a list of other pairs',
      erased({
        order: { scope: { entries: [[1, 'x 2,y']] } },
        listed: [
          [1, 'x'],
          [2, 'y'],
        ],
      }),
    ),
    attack('a pair of three', erased({ order: { scope: { entries: [[1, 'x', 3]] } } })),
    attack(
      'a scope of many',
      erased({
        order: {
          scope: {
            entries: [
              [1, 'x'],
              [99, 'y'],
            ],
          },
        },
      }),
    ),
    rotatedAt(7, 'old'),
    rotatedAt(9, 'new'),
    rotatedAt(9, 'both'),
    ...['\ud83d\udcc1', '\uffee', '__proto__', '10', '9'].map((key, at) =>
      forged(`a field ${at}`, body({ [key]: 1, '\uffed': 2, '9': 3 })),
    ),
    forged('a field out of order', {
      rows: [{}, { text: right => right.replace('{"bucket":"b1"}', '{"9":1,"10":2}') }, {}],
    }),
    forged('a field of the prototype', {
      rows: [{}, { text: right => right.replace('{"bucket"', '{"__proto__":1,"bucket"') }, {}],
    }),
    { name: 'broken', document: never, trust: alice.trustText, beside: after },
    {
      name: 'promised as two things',
      document: `${promises[1]}\n${twice}`,
      trust: alice.trustText,
      beside: after,
    },
  ]
}

/** Both its blank row 0 and the order for it, which an approver signed. */
function erasedFirst(): Attack {
  return erased({ order: { scope: { entries: [[0, 'x']] } }, kept: true, first: { blank: leaf => leaf } })
}

describeWith('python3', 'a verifier written from the documents alone', () => {
  it('accepts what is honest, as ours does', async () => {
    const cases = await honest()
    const { accepted, differing } = await disagreements(cases)
    expect(differing).toEqual([])
    expect(cases.filter(each => !ours(each).verified).map(({ name }) => name)).toEqual([])
    expect(accepted).toBe(cases.length)
  })

  it('refuses every attack that ours refuses', async () => {
    const { accepted, differing } = await disagreements(
      [...checks, ...orderChecks].map(({ attack: made, check }) => attack(check, made())),
    )
    expect(differing).toEqual([])
    expect(accepted).toBe(0)
  })

  it('draws the same line where documents are nearly right', async () => {
    const cases = [
      ...corners(),
      ...nearlyRight.map(([name, made]) => attack(name, made())),
      await promisedAndErased('promised and erased', ['{}']),
      await promisedAndErased('promised as two things and erased', ['{}', '{"a":1}']),
    ]
    expect((await disagreements(cases)).differing).toEqual([])
    expect(cases.filter(each => ours(each).verified).map(({ name }) => name)).toEqual([
      '64 deep',
      'at 1970',
      'a payload of nearly a mebibyte',
      'a line by U+feff',
      'a line by U+200b',
      'a line by U+fc',
      'a line by U+7f',
      '16 signatures',
      '64 signatures',
      'extension lines',
      'a scope of many',
      'rotated at 9, signed by both',
      'a field 0',
      'a field 1',
      'a field 2',
      'a field 3',
      'a field 4',
      'a field of the prototype',
      'a reason of 500 pairs',
      'an empty chain',
      'a drafter who has not signed, where nobody asks',
      'a drafter that is no key',
      'a link with a field more',
      'an approval that is none, in a chain',
      'a delegation for kinds twice',
      'a delegation to a recovery key',
      'a delegation to a clerk',
      'a taking back that names nothing',
      'approved, stopped and changed by others',
      'a second joining',
      'promised and erased',
    ])
  })

  it('reads no file that is not UTF-8, as the command does', async () => {
    const line = Buffer.concat([utf8('\u2014 w'), Uint8Array.of(0xff), utf8(` ${'A'.repeat(92)}\n`)])
    const checkpoint = (await ledger.tiles.read('checkpoint'))!
    for (const document of [utf8(await ledger.receipt(alice, last)), checkpoint]) {
      const file = join(folder, 'not-text')
      const [good, bad] = [document, Buffer.concat([document, line])]
      const verdicts = [good, bad].map(bytes => {
        writeFileSync(file, bytes)
        const context = {
          trust: alice.trust,
          memory: { format: 'holdfast/seen/v2' as const, roots: {}, chains: {} },
          policy: null,
          promises: new PromiseBook(crypto),
          uses: new KeyUses(),
        }
        return verifyFile(file, context).outcome.verified
      })
      expect(verdicts).toEqual([true, false])
      const answers = await theirs(
        [good, bad].map(each => ({ name: '', document: each, trust: alice.trustText })),
      )
      expect(answers.map(({ verified }) => verified)).toEqual([true, false])
    }
  })

  it('says the same of what a provider damaged and signed', async () => {
    const { accepted, differing } = await disagreements(signedDamage(900 * times))
    expect(differing).toEqual([])
    // Damage that leaves a document right, such as other letters in a name: else nothing was compared.
    expect(accepted).toBeGreaterThan(20)
  })

  it('says the same of what anybody damaged', async () => {
    expect((await disagreements(await plainDamage(300 * times))).differing).toEqual([])
  })

  it('reads a copy of the public log', async () => {
    const signer = makeSigner()
    const log = await createTestLedger(signer)
    const vkey = printVerifierKey(signer.name, signer.publicKey, crypto)
    const sequencer = log.newSequencer()
    const copies: object[] = []
    const sizes = [0, 1, 255, 256, 257, 600]
    let tenant: Awaited<ReturnType<typeof log.join>> | null = null
    let entered = 0
    for (const size of sizes) {
      while (entered < size) {
        if (tenant === null) tenant = await log.join()
        else await log.draft(tenant)
        entered++
      }
      await sequencer.tick()
      const copy = join(folder, `${size}`)
      for (const [path, bytes] of log.tiles.resources) {
        mkdirSync(dirname(join(copy, path)), { recursive: true })
        writeFileSync(join(copy, path), bytes)
      }
      const checkpoint = openCheckpoint(
        fromUtf8((await log.tiles.read('checkpoint'))!),
        logOfSigner(signer),
        crypto,
      )
      if (typeof checkpoint === 'string') throw new Error(checkpoint)
      const root = await createTreeReader(log.tiles, size, crypto).root()
      expect([checkpoint.size, equalBytes(checkpoint.root, root)]).toEqual([size, true])
      copies.push({ log: copy, vkey, chainKey: toHex(tenant?.chainKey ?? new Uint8Array(32)) })
    }
    const answers = await ask(copies)
    expect(answers.map(({ verified, size }) => [verified, size])).toEqual(sizes.map(size => [true, size]))
    expect(answers.map(({ indices }) => indices!.length)).toEqual(sizes)

    // One bit of a leaf, of a tile, of the checkpoint; a tile that is gone.
    const damage = ['tile/entries/001', 'tile/0/002.p/88', 'tile/1/000.p/2', 'checkpoint'].map((path, at) => {
      const copy = join(folder, `damaged ${at}`)
      for (const [each, bytes] of log.tiles.resources) {
        const changed = new Uint8Array(bytes)
        if (each === path) changed[60]! ^= 1
        mkdirSync(dirname(join(copy, each)), { recursive: true })
        writeFileSync(join(copy, each), changed)
      }
      return { log: copy, vkey }
    })
    rmSync(join(folder, '600', 'tile/entries/002.p/88'))
    const refused = await ask([...damage, copies.at(-1)!])
    expect(refused.map(({ verified }) => verified)).toEqual([false, false, false, false, false])
  })

  it('is a command', async () => {
    const [trust, statement] = [join(folder, 'trust.json'), join(folder, 's.json')]
    writeFileSync(trust, alice.trustText)
    writeFileSync(statement, after)
    const good = await run('python3', ['-B', program, '--trust', trust, statement])
    expect([good.code, good.stdout]).toEqual([0, 'verified\n'])
    writeFileSync(statement, before.subarray(1))
    const bad = await run('python3', ['-B', program, '--trust', trust, statement])
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain('s.json')
  })
})
