/**
 * A provider that cheats: it has a region's data and keys and can show anything to anybody. Each attack is caught, by
 * the check that the title names; `unseen` is who does not see it, and why the check is needed.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { KeyUses } from '../../src/cli/journal-book.ts'
import type { Memory } from '../../src/cli/seen.ts'
import { settled, verifyFile } from '../../src/cli/verify-file.ts'
import { lookAtRegion } from '../../src/cli/watch/round.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { silentLog } from '../../src/core/log.ts'
import { createPromiser } from '../../src/ledger/promises.ts'
import { statementLines } from '../../src/ledger/statements.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeChainHead,
  encodeChainHead,
  entryKey,
  tenantRowKey,
} from '../../src/ledger/tables.ts'
import { createMemoryCatalog } from '../../src/store/memory-catalog.ts'
import { printCosignature } from '../../src/verify/cosignature.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import { followRotations, rotationText } from '../../src/verify/log-keys.ts'
import { parseNote, printNote } from '../../src/verify/note.ts'
import { PromiseBook } from '../../src/verify/promise-book.ts'
import { quorumVerdict } from '../../src/verify/quorum.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parsePolicy, type TlogPolicy } from '../../src/verify/tlog-policy.ts'
import { parseTypedVerifierKey, parseVerifierKey, printVerifierKey } from '../../src/verify/verifier-key.ts'
import { createWitness } from '../../src/witness/witness.ts'
import {
  createTestLedger,
  crypto,
  logOfSigner,
  makeSigner,
  region,
  type TestLedger,
  type TestTenant,
} from '../support/ledger.ts'
import { createProvider, createTestMonitor, makeLeaf, startMs, strangers } from '../support/monitor.ts'
import { makeCosigner, makeLog } from '../support/witness.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-cheating-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

/** What `holdfast verify` says, with what it remembers from call to call. `verified`, or the failures. */
function createReader({ trust }: TestTenant, policy: TlogPolicy | null = null) {
  let memory: Memory = { format: 'holdfast/seen/v2', roots: {}, chains: {} }
  const promises = new PromiseBook(crypto)
  return (...texts: (string | Uint8Array)[]): string => {
    const outcomes = texts.map(text => {
      const file = join(folder, `${files++}`)
      writeFileSync(file, text)
      const found = verifyFile(file, { trust, memory, policy, promises, uses: new KeyUses() })
      memory = found.memory
      return found.outcome
    })
    const failures = outcomes.map(each => settled(each, promises)).flatMap(each => each.failures)
    return failures.length === 0 ? 'verified' : failures.join('\n')
  }
}

interface World {
  readonly ledger: TestLedger
  readonly alice: TestTenant
  readonly bob: TestTenant
  readonly entered: () => Promise<void>
}

async function createWorld(): Promise<World> {
  const ledger = await createTestLedger()
  const alice = await ledger.join()
  const bob = await ledger.join()
  const sequencer = ledger.newSequencer()
  const entered = async () => {
    while ((await sequencer.tick()).entered > 0);
  }
  for (let i = 0; i < 12; i++) await ledger.draft(i % 4 === 0 ? bob : alice, `b${i}`)
  await entered()
  return { ledger, alice, bob, entered }
}

/** The same region once more, with the same keys: what follows in one is not in the other. */
async function cloneOf({ ledger }: World): Promise<{ ledger: TestLedger; entered: () => Promise<void> }> {
  const clone = await createTestLedger(ledger.signer)
  for (const table of ['tenants', 'drafts', 'entries', 'entryids', 'chains', 'meta'] as const) {
    const rows = await ledger.catalog.scan(table, { limit: 10_000 })
    await clone.catalog.commit({ puts: rows.map(row => ({ table, ...row })) })
  }
  for (const [path, bytes] of ledger.tiles.resources) clone.tiles.resources.set(path, bytes)
  const sequencer = clone.newSequencer()
  return {
    ledger: clone,
    entered: async () => {
      while ((await sequencer.tick()).entered > 0);
    },
  }
}

const sourceOf = ({ tiles }: TestLedger) => ({ name: 'the log', read: tiles.read })
const vkeyOf = ({ signer }: TestLedger): string => printVerifierKey(signer.name, signer.publicKey, crypto)
const monitorOf = (ledger: TestLedger, tenant?: TestTenant) =>
  createTestMonitor(vkeyOf(ledger), sourceOf(ledger), {
    chain: tenant === undefined ? null : { of: tenant.id, key: tenant.chainKey },
  })
const noteOf = ({ tiles }: TestLedger): string => Buffer.from(tiles.resources.get('checkpoint')!).toString()

function policyOf(vkey: string): TlogPolicy {
  const policy = parsePolicy(utf8(`witness w ${vkey}\nquorum w\n`), crypto)
  if (typeof policy === 'string') throw new Error(policy)
  return policy
}

const witnessOf = (cosigner: ReturnType<typeof makeCosigner>, ...vkeys: string[]) =>
  createWitness({
    catalog: createMemoryCatalog(),
    cosigner,
    logs: vkeys.map(vkey => parseTypedVerifierKey(vkey, crypto)!),
    crypto,
    clock: Date.now,
    log: silentLog,
  })

/** Lowers what the region says that a tenant has, and takes the last rows out of its sight. */
async function hideLast({ ledger, alice }: World, count: number): Promise<void> {
  const key = chainHeadKey(alice.id)
  const head = decodeChainHead((await ledger.catalog.get('chains', key))!)
  const value = encodeChainHead({ ...head, count: head.count - count })
  await ledger.catalog.commit({ puts: [{ table: 'chains', key, value }] })
}

interface Played {
  /** What the check said. */
  readonly caught: string
  /** What all said that did not run it. */
  readonly unseen?: readonly string[]
}

interface Attack {
  readonly attack: string
  readonly by: string
  readonly says: RegExp
  readonly play: () => Promise<Played>
}

const twoReaders = async () => {
  const world = await createWorld()
  const clone = await cloneOf(world)
  const { ledger, alice, entered } = world
  const toCustomer = await ledger.draft(alice, 'shown-to-the-customer')
  await entered()
  await clone.ledger.draft(alice, 'shown-to-the-auditor')
  await clone.entered()
  return { world, clone: clone.ledger, toCustomer }
}

const attacks: Attack[] = [
  {
    attack: 'two entries with one number, shown to two readers who meet',
    by: 'verify: the roots that it remembers',
    says: /two trees of \d+ entries.*\n.*history was rewritten/,
    async play() {
      const { world, clone } = await twoReaders()
      const { ledger, alice } = world
      const [one, other] = [await ledger.statement(alice), await clone.statement(alice)]
      const reader = createReader(alice)
      reader(one)
      return { caught: reader(other), unseen: [createReader(alice)(one), createReader(alice)(other)] }
    },
  },
  {
    attack: 'two entries with one number, shown to two readers who never meet',
    by: 'a monitor with the other’s checkpoint',
    says: /fork/,
    async play() {
      const { world, clone } = await twoReaders()
      const note = noteOf(clone)
      const peers = [{ name: 'an auditor', read: async () => note }]
      const kinds = await monitorOf(world.ledger).kinds(undefined, { peers })
      const alone = await Promise.all([monitorOf(world.ledger).kinds(), monitorOf(clone).kinds()])
      return { caught: kinds.join(), unseen: alone.map(each => each.join() || 'verified') }
    },
  },
  {
    attack: 'a statement that stops early, to who saw more',
    by: 'verify: the chain that it remembers',
    says: /rows were cut off/,
    async play() {
      const world = await createWorld()
      const { ledger, alice } = world
      const reader = createReader(alice)
      reader(await ledger.statement(alice))
      await hideLast(world, 2)
      const cut = await ledger.statement(alice)
      return { caught: reader(cut), unseen: [createReader(alice)(cut)] }
    },
  },
  {
    attack: 'a statement that stops early, to who never saw more',
    by: 'a monitor: the label of the next number is in the public log',
    says: /statement-cut/,
    async play() {
      const world = await createWorld()
      const { ledger, alice } = world
      await hideLast(world, 2)
      const cut = await ledger.statement(alice)
      const facts = verifyStatement(cut, alice.trust, crypto)
      if (!facts.verified) throw new Error(facts.failures.join())
      const kinds = await monitorOf(ledger, alice).kinds(undefined, { statements: [{ name: 's', facts }] })
      return { caught: kinds.join(), unseen: [createReader(alice)(cut)] }
    },
  },
  {
    attack: 'a cut tail: an old checkpoint shown as the newest',
    by: 'a monitor: the size that it saw',
    says: /^rollback/,
    async play() {
      const { ledger, alice, entered } = await createWorld()
      const old = new Map(ledger.tiles.resources)
      const monitor = monitorOf(ledger, alice)
      await ledger.draft(alice)
      await entered()
      await monitor.look()
      const shown = { name: 'the log', read: async (path: string) => old.get(path) ?? null }
      const stranger = createTestMonitor(vkeyOf(ledger), shown)
      const kinds = await monitor.kinds(undefined, { source: shown })
      return { caught: kinds.join(), unseen: [(await stranger.kinds()).join() || 'verified'] }
    },
  },
  {
    attack: 'a statement over the tree of before, dated today',
    by: 'the promise of what is missing',
    says: /was promised by .* and is not in the statement/,
    async play() {
      const world = await createWorld()
      const { ledger, alice } = world
      const promise = await promised(world, 'late')
      // The draft never becomes an entry; the region's clock, and so the statement's date, goes on.
      const statement = await later(ledger, alice)
      const alone = createReader(alice)(statement)
      return { caught: createReader(alice)(promise, statement), unseen: [alone] }
    },
  },
  {
    attack: 'a promise without an entry',
    by: 'verify of the promise beside the statement',
    says: /was promised by .* and is not in the statement/,
    async play() {
      const world = await createWorld()
      const { ledger, alice, entered } = world
      const promise = await promised(world, 'dropped')
      const drafts = await ledger.catalog.scan('drafts', { limit: 10 })
      await ledger.catalog.commit({ removes: drafts.map(({ key }) => ({ table: 'drafts' as const, key })) })
      await ledger.draft(alice, 'something else')
      await entered()
      const statement = await later(ledger, alice)
      const alone = [createReader(alice)(statement), createReader(alice)(promise)]
      return { caught: createReader(alice)(promise, statement), unseen: alone }
    },
  },
  {
    attack: 'an entry altered before it is integrated',
    by: 'verify of the promise: its digest',
    says: /is not what was promised/,
    async play() {
      const world = await createWorld()
      const { ledger, alice, entered } = world
      const promise = await promised(world, 'true-bucket')
      const [row] = await ledger.catalog.scan('drafts', { limit: 1 })
      const text = Buffer.from(row!.value).toString().replace('true-bucket', 'lied-bucket')
      await ledger.catalog.commit({ puts: [{ table: 'drafts', key: row!.key, value: utf8(text) }] })
      await entered()
      const statement = await ledger.statement(alice)
      return { caught: createReader(alice)(promise, statement), unseen: [createReader(alice)(statement)] }
    },
  },
  {
    attack: 'a second tree signed with the log’s key, to who saw the first',
    by: 'verify: the roots that it remembers',
    says: /has shown two trees of/,
    async play() {
      const { world, clone } = await twoReaders()
      const reader = createReader(world.alice)
      reader(noteOf(world.ledger))
      return { caught: reader(noteOf(clone)), unseen: [createReader(world.alice)(noteOf(clone))] }
    },
  },
  {
    attack: 'a second tree signed with the log’s key, to a stranger',
    by: 'verify --policy: no witness cosigns it',
    says: /the quorum “w” is not met/,
    async play() {
      const { world, clone } = await twoReaders()
      const { ledger, alice } = world
      const cosigner = makeCosigner()
      const witness = witnessOf(cosigner, vkeyOf(ledger))
      const shown = async (note: string): Promise<string> => {
        const answer = await witness.addCheckpoint(utf8(`old 0\n\n${note}`))
        return answer.status === 200 ? note + answer.text : note
      }
      const first = await shown(noteOf(ledger))
      const second = await shown(noteOf(clone))
      const policy = policyOf(cosigner.vkey)
      expect(createReader(alice, policy)(first)).toBe('verified')
      return { caught: createReader(alice, policy)(second), unseen: [createReader(alice)(second)] }
    },
  },
  {
    attack: 'a second tree signed with the log’s key, in public',
    by: 'a monitor: the tree that it computed',
    says: /^fork/,
    async play() {
      const { world, clone } = await twoReaders()
      const monitor = monitorOf(world.ledger)
      await monitor.look()
      const kinds = await monitor.kinds(undefined, { source: sourceOf(clone), samples: 0 })
      return { caught: kinds.join(), unseen: [(await monitorOf(clone).kinds()).join() || 'verified'] }
    },
  },
  {
    attack: 'a statement from a clone of the region with a key of its own',
    by: 'verify: the log key of trust.json',
    says: /no signature by/,
    async play() {
      const world = await createWorld()
      const impostor = await createTestLedger(makeSigner(world.ledger.signer.name))
      const { alice } = world
      await rejoin(impostor, alice, alice.chainKey)
      await impostor.newSequencer().tick()
      const statement = await impostor.statement(alice)
      const believer = { ...alice, trust: trusting(alice, impostor) }
      return { caught: createReader(alice)(statement), unseen: [createReader(believer)(statement)] }
    },
  },
  {
    attack: 'a chain begun anew under another chain key',
    by: 'verify: the commitment to the chain key in entry 0',
    says: /it commits to another chain key/,
    async play() {
      const { ledger, alice } = await createWorld()
      const anew = await createTestLedger(ledger.signer)
      await rejoin(anew, alice, randomBytes(32))
      await anew.newSequencer().tick()
      return { caught: createReader(alice)(await anew.statement(alice)) }
    },
  },
  {
    attack: 'a chain relabelled in the middle under another chain key',
    by: 'verify: the root, since labels are computed',
    says: /the rows are not in the tree/,
    async play() {
      const { ledger, alice, monitor } = await relabelled()
      expect(await monitor.kinds()).toEqual([])
      return { caught: createReader(alice)(await ledger.statement(alice)) }
    },
  },
  {
    attack: 'an entry of another tenant put into one’s chain',
    by: 'verify: the payload’s tenant',
    says: /an entry of tenant/,
    async play() {
      const { ledger, alice, bob } = await createWorld()
      const theirs = (await ledger.catalog.get('chains', chainRowKey(bob.id, 2)))!
      const puts = [{ table: 'chains' as const, key: chainRowKey(alice.id, 5), value: theirs }]
      await ledger.catalog.commit({ puts })
      return { caught: createReader(alice)(await ledger.statement(alice)) }
    },
  },
  {
    attack: 'an entry withheld from the log, its number skipped',
    by: 'a monitor with the chain key',
    says: /^label-missing$/,
    play: () => labels([0, 1, 3]),
  },
  {
    attack: 'two entries of one number in the log, of which each reader is shown one',
    by: 'a monitor with the chain key',
    says: /^label-duplicated$/,
    play: () => labels([0, 1, 2, 2]),
  },
  {
    attack: 'a published entry replaced',
    by: 'a monitor that reads old entries again',
    says: /^entry-changed$/,
    async play() {
      const provider = createProvider()
      provider.show(strangers(600))
      const monitor = createTestMonitor(provider.vkey, provider.source)
      await monitor.look()
      const bundle = Uint8Array.from(provider.resources.get('tile/entries/001')!)
      bundle[70]! ^= 1
      provider.resources.set('tile/entries/001', bundle)
      const kinds = await monitor.kinds(undefined, { samples: 20 })
      const careless = await monitor.kinds(undefined, { samples: 0 })
      return { caught: [...new Set(kinds)].join(), unseen: [careless.join() || 'verified'] }
    },
  },
  {
    attack: 'time turned back in an entry',
    by: 'a monitor: a witness’s time on a tree without it',
    says: /^time-turned-back$/,
    async play() {
      const provider = createProvider()
      const cosigner = makeCosigner()
      const now = startMs + 3600e3
      const first = strangers(3)
      const policy = policyOf(cosigner.vkey)
      const watched = createTestMonitor(provider.vkey, provider.source, { policy })
      const unwitnessed = createTestMonitor(provider.vkey, provider.source)
      provider.show(first, [[cosigner, now / 1000]])
      await watched.look(now)
      await unwitnessed.look(now)
      provider.show([...first, makeLeaf(null, 0, startMs + 60_000)], [[cosigner, now / 1000 + 5]])
      const alone = await unwitnessed.kinds(now + 10_000)
      return { caught: (await watched.kinds(now + 10_000)).join(), unseen: [alone.join() || 'verified'] }
    },
  },
  {
    attack: 'time turned ahead by a witness who is bribed',
    by: 'verify --policy: a cosignature from the future counts for nothing',
    says: /which is in the future/,
    async play() {
      const { ledger, alice } = await createWorld()
      const cosigner = makeCosigner()
      const note = noteOf(ledger)
      const ahead = Math.floor(Date.now() / 1000) + 3600
      const late = note + printCosignature(parseNote(note)!.text, ahead, cosigner)
      return {
        caught: createReader(alice, policyOf(cosigner.vkey))(late),
        unseen: [createReader(alice)(late)],
      }
    },
  },
  {
    attack: 'a statement dated back, so that a promise in it is not due',
    by: 'watch: the customer’s own clock',
    says: /^clock-differs: the region's clock is 60 minutes behind$/,
    async play() {
      const world = await createWorld()
      const { ledger, alice } = world
      const promise = await promised(world, 'never')
      const now = startMs + 3600e3
      const statement = await statedAt(ledger, alice, startMs)
      await using server = await serving(statement)
      const told: string[] = []
      await lookAtRegion(
        {
          trust: alice.trust,
          api: server.url,
          token: 'a token',
          archive: join(folder, 'archive'),
          promises: { all: () => [], add: async () => {}, drop: async () => {} } as never,
          alerts: {
            raise: ({ kind, what }) => told.push(`${kind}: ${what}`),
            count: () => 0,
            raised: () => 0,
          },
          clock: () => now,
          statementEveryMs: 86_400e3,
          lastClosed: new Map(),
          onRow: () => {},
        },
        region,
        { format: 'holdfast/seen/v2', roots: {}, chains: {} },
      )
      return { caught: told.join('\n'), unseen: [createReader(alice)(promise, statement)] }
    },
  },
  {
    attack: 'a witness of the provider’s own, presented as independent',
    by: 'verify --policy: one at the log’s host counts for nothing',
    says: /one operator runs both/,
    async play() {
      const { ledger, alice } = await createWorld()
      const own = makeCosigner('log.example/independent-witness')
      const elsewhere = makeCosigner('elsewhere.example/w')
      const note = noteOf(ledger)
      const cosigned = async (cosigner: typeof own) => {
        const answer = await witnessOf(cosigner, vkeyOf(ledger)).addCheckpoint(utf8(`old 0\n\n${note}`))
        return note + (answer as { text: string }).text
      }
      expect(createReader(alice, policyOf(elsewhere.vkey))(await cosigned(elsewhere))).toBe('verified')
      const claimed = await cosigned(own)
      return {
        caught: createReader(alice, policyOf(own.vkey))(claimed),
        unseen: [createReader(alice)(claimed)],
      }
    },
  },
  {
    attack: 'the log’s key itself as a witness',
    by: 'verify --policy: a witness with a log’s key counts for nothing',
    says: /its key is the key of a log/,
    async play() {
      const { ledger } = await createWorld()
      const { signer } = ledger
      const posing = printVerifierKey('w.example/w', signer.publicKey, crypto, 'cosignature-ed25519')
      const note = parseNote(noteOf(ledger))!
      const verdict = quorumVerdict(policyOf(posing), note, logOfSigner(signer), crypto, Date.now())
      return { caught: verdict.met ? 'met' : verdict.failures.join('\n') }
    },
  },
  {
    attack: 'an old backup restored, and gone on from',
    by: 'a witness: it has cosigned more',
    says: /^409 then 422$/,
    async play() {
      const signer = makeSigner()
      const log = makeLog(signer)
      const witness = witnessOf(makeCosigner(), log.vkey)
      await witness.addCheckpoint(utf8(log.request(0, 50)))
      const stale = await witness.addCheckpoint(utf8(log.request(0, 40)))
      const second = await witness.addCheckpoint(utf8(makeLog(signer, 'after').request(50, 60)))
      const fresh = witnessOf(makeCosigner(), log.vkey)
      const unasked = await fresh.addCheckpoint(utf8(makeLog(signer, 'after').request(0, 60)))
      return {
        caught: `${stale.status} then ${second.status}`,
        unseen: [unasked.status === 200 ? 'verified' : `${unasked.status}`],
      }
    },
  },
  {
    attack: 'an old backup restored, and gone on from, unwitnessed',
    by: 'a monitor: a smaller tree, then another',
    says: /^rollback .*fork/,
    async play() {
      const world = await createWorld()
      const { ledger, alice, entered } = world
      const backup = await cloneOf(world)
      for (let i = 0; i < 5; i++) await ledger.draft(alice)
      await entered()
      const monitor = monitorOf(ledger)
      await monitor.look()
      const source = sourceOf(backup.ledger)
      const first = await monitor.kinds(undefined, { source })
      for (let i = 0; i < 9; i++) await backup.ledger.draft(alice, `other${i}`)
      await backup.entered()
      const then = await monitor.kinds(undefined, { source, samples: 0 })
      const stranger = await monitorOf(backup.ledger).kinds()
      return { caught: `${first.join()} ${then.join()}`, unseen: [stranger.join() || 'verified'] }
    },
  },
  {
    attack: 'a row blanked without an instruction',
    by: 'verify: the erasure that the statement must hold',
    says: /blank/,
    async play() {
      const { ledger, alice } = await createWorld()
      const at = (await ledger.catalog.get('chains', chainRowKey(alice.id, 4)))!
      const key = entryKey(Number(Buffer.from(at).readBigUInt64BE()))
      const row = (await ledger.catalog.get('entries', key))!
      await ledger.catalog.commit({
        puts: [{ table: 'entries', key, value: new Uint8Array(row.subarray(0, 73)) }],
      })
      return { caught: createReader(alice)(await ledger.statement(alice)) }
    },
  },
  {
    attack: 'a rotation of the log’s key that the old key did not sign',
    by: 'trust update: each key is signed for by the one before',
    says: /the key before has not signed it/,
    async play() {
      const { ledger } = await createWorld()
      const thief = makeSigner(ledger.signer.name)
      const vkey = printVerifierKey(thief.name, thief.publicKey, crypto)
      const note = printNote(rotationText(thief.name, vkey, 14, randomBytes(32)), thief, crypto)
      const followed = followRotations(parseVerifierKey(vkeyOf(ledger), crypto)!, [note], crypto)
      return { caught: typeof followed === 'string' ? followed : 'followed' }
    },
  },
  {
    attack: 'a receipt moved to another index',
    by: 'verify: the inclusion proof',
    says: /the entry is not leaf \d+/,
    async play() {
      const { ledger, alice, entered } = await createWorld()
      const receipt = await (async () => {
        const id = await ledger.draft(alice)
        await entered()
        return ledger.receipt(alice, id)
      })()
      const moved = receipt.replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) - 1}`)
      expect(createReader(alice)(receipt)).toBe('verified')
      return { caught: createReader(alice)(moved) }
    },
  },
]

/** Drafts something and gives the promise that went with the answer. */
async function promised({ ledger, alice }: World, bucket: string): Promise<string> {
  const body = { bucket, by: { accessKeyId: 'AK' } }
  const drafted = ledger.drafts.draft({ tenant: alice.id, type: 'bucket.deleted', body })
  await ledger.catalog.commit({ puts: [drafted.put] })
  const clock = () => startMs
  const promise = await createPromiser({ region, signer: ledger.signer, clock, crypto }).promise([drafted])
  return `${promise}\n`
}

/** A statement made an hour after all promises. */
const later = (ledger: TestLedger, tenant: TestTenant) => statedAt(ledger, tenant, startMs + 3600e3)

async function statedAt(ledger: TestLedger, tenant: TestTenant, unixMs: number): Promise<Uint8Array> {
  const { catalog, tiles, signer, stores } = ledger
  // An honest region waits for what it promised; this one looks away from its drafts.
  const blind: typeof catalog = {
    ...catalog,
    scan: async (table, range) => (table === 'drafts' ? [] : catalog.scan(table, range)),
  }
  const deps = { catalog: blind, tiles, region, signer, log: stores.log, crypto, clock: () => unixMs }
  let text = ''
  for await (const line of statementLines(deps, tenant.id)) text += line
  return utf8(text)
}

/** Answers everything with these bytes. */
async function serving(bytes: Uint8Array): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_, response) => response.end(bytes))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** The tenant's first entry in a ledger that the provider began anew. */
async function rejoin(ledger: TestLedger, { id }: TestTenant, chainKey: Uint8Array): Promise<void> {
  const { put } = ledger.drafts.draft({
    tenant: id,
    type: 'tenant.joined',
    body: {
      genesis: id,
      home: region,
      chainKeyCommitment: toHex(chainKeyCommitment(chainKey, crypto)),
      country: 'IN',
    },
  })
  const value = utf8(JSON.stringify({ chainKey: toHex(chainKey) }))
  await ledger.catalog.commit({ puts: [put, { table: 'tenants', key: tenantRowKey(id), value }] })
}

/** What somebody would trust who took the log's key from the log itself. */
function trusting({ trust }: TestTenant, ledger: TestLedger): TestTenant['trust'] {
  const regions = new Map(trust.regions)
  regions.set(region, { ...trust.regions.get(region)!, log: logOfSigner(ledger.signer) })
  return { ...trust, regions }
}

async function relabelled() {
  const { ledger, alice } = await createWorld()
  const key = tenantRowKey(alice.id)
  const value = utf8(JSON.stringify({ chainKey: toHex(randomBytes(32)) }))
  await ledger.catalog.commit({ puts: [{ table: 'tenants', key, value }] })
  await ledger.draft(alice)
  // A sequencer that holds nothing in memory labels with what the catalog says.
  await ledger.newSequencer().tick()
  return { ledger, alice, monitor: monitorOf(ledger, alice) }
}

async function labels(seqs: readonly number[]): Promise<Played> {
  const chainKey = randomBytes(32)
  const provider = createProvider()
  provider.show([...strangers(2), ...seqs.map(seq => makeLeaf(chainKey, seq)), ...strangers(2)])
  const chain = { of: 't', key: chainKey }
  const caught = await createTestMonitor(provider.vkey, provider.source, { chain }).kinds()
  const without = await createTestMonitor(provider.vkey, provider.source).kinds()
  return { caught: caught.join(), unseen: [without.join() || 'verified'] }
}

describe('a cheating provider', () => {
  for (const { attack, by, says, play } of attacks) {
    it(`${attack}: caught by ${by}`, async () => {
      const { caught, unseen = [] } = await play()
      expect(caught).toMatch(says)
      for (const others of unseen) expect(others).toBe('verified')
    })
  }
})
