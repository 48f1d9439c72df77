/**
 * What could be tried on the way of an instruction, from its draft to its end at both sides, and the check that is in
 * the way of it. An attack resolves when it went through, and rejects with what it was refused for.
 */
import { randomBytes } from 'node:crypto'
import { utf8 } from '../../src/core/bytes.ts'
import type { InstructionId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../../src/crypto/dsse.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { encodeRow } from '../../src/store/rows.ts'
import { frameHead } from '../../src/transfers/frame.ts'
import { listDigest, pageDigest } from '../../src/transfers/list.ts'
import { withdrawalPayloadType } from '../../src/verify/delegation.ts'
import {
  asJson,
  changeFields,
  delegationBy,
  type Fields,
  newKeys,
  order,
  type SetTerms,
  setFields,
} from './approvers.ts'
import {
  bucketKeyOf,
  commonFields,
  type Id,
  refusedFor,
  startUnixMs,
  type World,
} from './attacked-regions.ts'

export interface HonestPath {
  readonly check: string
  readonly terms?: Partial<SetTerms>
  readonly home?: Id
  readonly attack: (world: World) => Promise<unknown>
}

export interface PathAttack extends HonestPath {
  /** In `src/`. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** What it is refused for: rule or code, and what is said of it. */
  readonly says: string
  /** What must stand in whose books then. */
  readonly entered?: string
  /** Another check refuses it all the same. */
  readonly secondLine?: true
}

const [a, b, c, spare, deputy, stranger] = newKeys(6) as [
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
]
const three = { approvers: [a, b, c], quorum: 2 }
const withSpare = { ...three, recovery: { approvers: [spare], quorum: 1 } }
const hour = 3600e3
const at = (ms: number): string => isoTime(startUnixMs + ms)

const idOf = (of: Envelope): InstructionId => documentId(of) as InstructionId
const kinds: Readonly<Record<string, (tenant: string) => Fields>> = {
  erase: () => ({
    kind: 'erase',
    region: 'in-mumbai',
    scope: { entries: [[1, '01m7y7rbx2r30bgbd4fg8yw364']] },
  }),
  class: () => ({ kind: 'class', bucket: 'source', class: 'payment', region: 'in-mumbai', was: 'personal' }),
  key: () => ({ kind: 'key', act: 'shred', bucket: 'source', region: 'in-mumbai' }),
  residency: () => ({
    kind: 'residency',
    bucket: 'source',
    region: 'in-mumbai',
    regions: ['in-mumbai'],
    was: null,
  }),
  access: () => ({
    ...{
      kind: 'access',
      actions: ['object.list'],
      bucket: 'source',
      region: 'in-mumbai',
      scope: { prefix: '' },
    },
    ...{ operator: { country: 'IN', name: 'one' }, ticket: '1', expires: at(20 * hour) },
  }),
  disclose: () => ({
    ...{
      kind: 'disclose',
      basis: 'x',
      bucket: 'source',
      case: null,
      form: 'ciphertext',
      region: 'in-mumbai',
    },
    ...{ limits: { bytes: 1, objects: 1 }, recipient: { country: 'IN', name: 'one' }, scope: { prefix: '' } },
  }),
}
const ofKind = ({ acme }: World, kind: string, change: Fields = {}): Envelope =>
  order({ ...commonFields(acme.id), ...kinds[kind]!(acme.id), ...change })
const change = (
  { acme }: World,
  more: Fields = {},
  set: Fields = setFields({ approvers: [c], quorum: 1 }),
): Envelope =>
  order({
    ...changeFields(acme.id, 1, acme.id, set),
    ...{ expires: at(300 * hour), notBefore: at(-hour), ledger: 'log.example/log/in-mumbai' },
    ...more,
  })
const drafting =
  (fields: Fields): ((w: World) => Promise<unknown>) =>
  w =>
    w.source.book.draft(w.instruction(fields))
const draftingOf = (kind: string, fields: Fields) => (w: World) =>
  w.source.book.draft(ofKind(w, kind, fields))

const lent = (w: World, of: Envelope, given: Fields = {}, said: Fields = {}): Envelope => {
  const delegation = delegationBy(b, deputy, w.acme.id, {
    expires: at(9 * hour),
    notBefore: at(-hour),
    ...given,
  })
  return w.verdict('approved', deputy, of, { delegation: asJson(delegation), ...said })
}

/** A policy of the tenant's own. */
const forbidding = (what: 'in' | 'out' | 'transfer'): string =>
  `@id("nothing-${what}") @reason("nobody may")\nforbid (principal, action in Action::"${what}", resource);\n`

/** Throws unless it is in this state. */
async function demand(w: World, of: Envelope, state: string, where = w.source): Promise<void> {
  const row = (await where.book.look(idOf(of)))?.row
  if (row?.state !== state) throw refusedFor(row?.state ?? 'unknown', row?.reason ?? 'it is not approved')
}
async function completes(w: World, of: Envelope): Promise<void> {
  const { state, reason } = await w.run(of)
  if (state !== 'completed') throw refusedFor(state, reason ?? '')
}
/** Carries out what has one end. */
async function carriedOut(
  w: World,
  of: Envelope,
  by: 'erase' | 'class' | 'residency' | 'key' | 'approvers',
): Promise<void> {
  const { region } = w.source
  const deps = { region, log: silentLog }
  if (by === 'erase')
    await (
      await w.load<typeof import('../../src/instructions/erase.ts')>('instructions/erase.ts')
    ).runErasure(deps, idOf(of))
  if (by === 'class')
    await (
      await w.load<typeof import('../../src/instructions/classify.ts')>('instructions/classify.ts')
    ).runClassification(deps, idOf(of))
  if (by === 'residency')
    await (
      await w.load<typeof import('../../src/instructions/reside.ts')>('instructions/reside.ts')
    ).runResidency(deps, idOf(of))
  if (by === 'key')
    await (
      await w.load<typeof import('../../src/instructions/rekey.ts')>('instructions/rekey.ts')
    ).runRekeying({ ...deps, newBucketKey: async () => bucketKeyOf(w.acme.id) as never }, idOf(of))
  if (by === 'approvers')
    await (
      await w.load<typeof import('../../src/instructions/change-approvers.ts')>(
        'instructions/change-approvers.ts',
      )
    ).runChangeOfApprovers(deps, idOf(of))
  await demand(w, of, 'completed')
}
const carries =
  (kind: 'erase' | 'class' | 'residency' | 'key', fields: Fields = {}) =>
  async (w: World) => {
    const of = ofKind(w, kind, fields)
    await w.ordered(of)
    await carriedOut(w, of, kind)
  }

/** Who is let see, as the region looks at it from time to time. */
async function stands(w: World, of: Envelope): Promise<void> {
  await w.ordered(of)
  const { runPermission } = await w.load<typeof import('../../src/instructions/permission.ts')>(
    'instructions/permission.ts',
  )
  await runPermission({ region: w.source.region, log: silentLog }, idOf(of))
  await demand(w, of, 'approved')
}

/** Offered and approved at the destination, which a dishonest source speaks to. */
async function offered(w: World, fields: Fields = {}): Promise<Envelope> {
  const of = w.instruction(fields)
  await w.offer(of, w.approvals(of, 0, 1))
  return of
}
const offering = (fields: Fields) => (w: World) => offered(w, fields)
/** Announced as one thing and sent as another. */
const sending =
  (fields: object, departs: 'as it is sent' | 'as it is' = 'as it is', more: object = {}) =>
  async (w: World): Promise<void> => {
    const of = await offered(w)
    const right = w.object('in/one')
    const row = { ...right.head.row, ...fields }
    const { rowDigest } = await import('../../src/transfers/protocol.ts')
    const item = departs === 'as it is' ? right.item : { ...right.item, rowSha256: rowDigest(row) }
    await w.announce(of, 0, { ...right, item })
    await w.send(of, 0, { ...right, head: { ...right.head, row, ...more } })
    const { arrived } = await w.client(of).close(0)
    if (arrived.length !== 1) throw new Error('it did not arrive')
  }
/** The departure says something else than what is announced. */
const departing =
  (says: Fields, by: Parameters<World['departure']>[3] = {}, fields: Fields = {}) =>
  async (w: World): Promise<void> => {
    const of = await offered(w, fields)
    const items = [w.object('in/one').item]
    await w.client(of).openBatch(0, items, await w.departure(of, items, says, by))
  }
/** The other end is not honest: what it answers instead. */
const answering =
  (path: RegExp, lie: (honest: any, w: World) => unknown, fields: Fields = {}) =>
  async (w: World) => {
    await w.stored('in/one')
    const of = w.instruction(fields)
    await w.ordered(of)
    w.answers((asked, honest) => (path.test(asked) ? lie(honest, w) : honest))
    await completes(w, of)
  }
/** The arrival that the other end has entered says something else. */
const arriving = (says: (right: Fields) => Fields, type = 'transfer.arrived') =>
  answering(/arrival$/, async (honest, w) => {
    if (honest.state === 'pending') return honest
    const right = JSON.parse(
      /\{.*\}/s.exec(Buffer.from(/extra (\S+)/.exec(honest.receipt)![1]!, 'base64').toString())![0],
    )
    const { body } = JSON.parse(right.payload) as { body: Fields }
    const { region, catalog, tick } = w.target
    const entry = region.drafts.draft({
      tenant: w.acme.id,
      type: type as 'transfer.arrived',
      body: says(body) as never,
    })
    await catalog.commit({ puts: [entry.put] })
    await tick()
    const { peerProofOf } = await import('../../src/transfers/peers.ts')
    return peerProofOf(region, w.acme.id, entry.entryId)
  })

const inBooks =
  'transfer-needs-an-instruction: de-frankfurt: The departure of batch 0 is not in the books of in-mumbai: '
const anotherEntry = `${inBooks}it is another entry`
const saysElse = `${inBooks}it says something else`
const refusedThere = (rule: string): string => `de-frankfurt refused ${rule}`

const instructionFile = 'instructions/instruction.ts'
const fieldsFile = 'instructions/fields.ts'
const standing = 'instructions/standing.ts'
const book = 'instructions/instruction-book.ts'
const policy = 'policy/decide-transfer.ts'
const receiver = 'transfers/receiver.ts'
const check = 'transfers/check-source.ts'
const batch = 'transfers/send-batch.ts'

export const honestPaths: readonly HonestPath[] = [
  {
    check: 'a copy',
    attack: async w => {
      for (const key of ['in/one', 'in/two', 'out']) await w.stored(key)
      const of = w.instruction({ scope: { prefix: 'in/' } })
      await w.ordered(of)
      const { state, objects } = await w.run(of)
      if (state !== 'completed' || objects !== 2) throw new Error(`${state} ${objects}`)
    },
  },
  {
    check: 'a move',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction({ mode: 'move' })
      await w.ordered(of)
      await completes(w, of)
      const left = await w.source.catalog.scan('objects', { limit: 10 })
      if (left.length > 0) throw new Error('it is still here')
    },
  },
  { check: 'what a source sends', attack: sending({}) },
  { check: 'a dry run', attack: w => tryingOut({})(w) },
  { check: 'a class', attack: carries('class') },
  { check: 'a residency', attack: carries('residency') },
  { check: 'keys that are destroyed', attack: carries('key') },
  {
    check: 'a change of the approvers',
    terms: three,
    attack: async w => {
      const of = change(w)
      await w.ordered(of)
      w.later(72 * hour)
      await carriedOut(w, of, 'approvers')
    },
  },
  {
    check: 'a transfer that the tenant’s own policy says nothing against',
    terms: { rules: { policy: forbidding('transfer').replace(';', ' when { context.purpose == "x" };') } },
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
      const entries = [...(await w.source.entries()), ...(await w.target.entries())]
      const laws = entries.filter(({ type }) => /^transfer\.(departed|arrived)$/.test(type))
      if (laws.length !== 2 || laws.some(({ body }) => (body.law as any).ownPolicy?.sha256.length !== 64))
        throw new Error('the books do not say by which policy')
    },
  },
  {
    check: 'a policy that was taken away',
    terms: { ...three, rules: { policy: forbidding('transfer') } },
    attack: async w => {
      await w.stored('in/one')
      const off = change(w, {}, setFields(three))
      for (const place of Object.values(w.places)) await w.ordered(off, w.approvals(off, 0, 1), place)
      w.later(72 * hour)
      const { runChangeOfApprovers } = await w.load<
        typeof import('../../src/instructions/change-approvers.ts')
      >('instructions/change-approvers.ts')
      for (const { region } of Object.values(w.places))
        await runChangeOfApprovers({ region, log: silentLog }, idOf(off))
      const of = w.instruction({ expires: at(200 * hour), notBefore: at(71 * hour) })
      await w.ordered(of)
      await completes(w, of)
    },
  },
  {
    check: 'a vote that is lent, whatever another tenant withdraws',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const said = lent(w, of)
      const { delegation } = JSON.parse(Buffer.from(said.payload).toString())
      const fields = {
        delegation: documentId(parseEnvelope(delegation)!),
        reason: '',
        tenant: w.rival.id,
        time: at(0),
        v: 1,
      }
      const rival = signDocument(createDocument(withdrawalPayloadType, fields), w.rival.keys[0]!)
      await w.source.book.withdraw(w.rival.id, rival)
      await w.ordered(of, [...w.approvals(of, 0), said])
      await demand(w, of, 'approved')
    },
  },
  {
    check: 'who is let see',
    attack: async w => {
      await stands(w, ofKind(w, 'access'))
      await stands(w, ofKind(w, 'disclose'))
    },
  },
  {
    check: 'a vote that is lent',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [...w.approvals(of, 0), lent(w, of)])
      await demand(w, of, 'approved')
    },
  },
]

/** What a draft must be. */
const drafts: readonly PathAttack[] = [
  {
    check: 'that a draft is an instruction',
    file: instructionFile,
    find: "if (envelope.payloadType !== instructionPayloadType) return 'it is no instruction'",
    replace: '',
    attack: w => w.source.book.draft({ ...w.instruction(), payloadType: 'application/json' }),
    says: 'bad-input: the instruction: it is no instruction',
  },
  {
    check: 'that a draft can be read in one way only',
    file: instructionFile,
    find: 'parseCanonicalJson(fromUtf8(envelope.payload))',
    replace: 'JSON.parse(fromUtf8(envelope.payload))',
    attack: w => {
      const of = w.instruction()
      return w.source.book.draft({ ...of, payload: utf8(` ${Buffer.from(of.payload).toString()}`) })
    },
    says: 'bad-input: the instruction: its payload is not canonical JSON',
  },
  {
    check: 'that a draft begins before it ends',
    file: instructionFile,
    find: "if (data.expires <= data.notBefore) return 'it expires before it is valid'",
    replace: '',
    attack: drafting({ notBefore: at(200 * hour) }),
    says: 'bad-input: the instruction: it expires before it is valid',
  },
  {
    check: 'that no order stands for years',
    file: instructionFile,
    find: "if (data.expires - data.notBefore > maxLifeMs) return 'it is valid for more than 366 days'",
    replace: '',
    attack: drafting({ expires: at(367 * 24 * hour) }),
    says: 'bad-input: the instruction: it is valid for more than 366 days',
  },
  {
    check: 'that a draft has the fields of its kind',
    file: 'instructions/kinds/transfer.ts',
    find: 'export const transferSchema = z.strictObject({',
    replace: 'export const transferSchema = z.object({',
    attack: drafting({ also: { bucket: 'other' } }),
    says: 'Unrecognized key: "also"',
  },
  ...(
    [
      ['v: z.literal(1)', 'v: z.any()', { v: 2 }, 'Invalid input: expected 1'],
      ['nonce: z.string().regex(/^[0-9a-f]{32}$/)', 'nonce: z.any()', { nonce: '' }, 'nonce'],
      ['purpose: z.string().min(1).max(1000)', 'purpose: z.string()', { purpose: '' }, 'purpose'],
      [
        'limit = z.int().min(0).nullable()',
        'limit = z.any()',
        { limits: { bytes: -1, objects: null } },
        'bytes',
      ],
      [
        'end = z.strictObject({ bucket, region })',
        'end = z.object({ bucket, region })',
        { to: { bucket: 'target', region: 'de-frankfurt', prefix: '' } },
        'Unrecognized key: "prefix"',
      ],
      ['drafter: sha256.optional()', 'drafter: z.any()', { drafter: null }, 'drafter'],
    ] as const
  ).map(
    ([find, replace, fields, says]): PathAttack => ({
      check: `of a field: ${find}`,
      file: fieldsFile,
      find,
      replace,
      attack: drafting(fields as Fields),
      says,
    }),
  ),
  {
    check: 'that a transfer goes somewhere else',
    file: 'instructions/kinds/transfer.ts',
    find: "if (data.from.region === data.to.region) return 'a transfer goes from one region to another'",
    replace: '',
    attack: drafting({ to: { bucket: 'target', region: 'in-mumbai' } }),
    says: 'a transfer goes from one region to another',
  },
  {
    check: 'what a transfer may do',
    file: 'instructions/kinds/transfer.ts',
    find: "mode: z.enum(['copy', 'move'])",
    replace: 'mode: z.any()',
    attack: drafting({ mode: 'erase' }),
    says: 'mode',
  },
  {
    check: 'which versions there are',
    file: 'instructions/kinds/transfer.ts',
    find: "versions: z.enum(['current', 'all']).optional()",
    replace: 'versions: z.any()',
    attack: drafting({ scope: { prefix: '', versions: 'every' } }),
    says: 'versions',
  },
  {
    check: 'that an erasure names each entry once',
    file: 'instructions/kinds/erase.ts',
    find: 'entries.some(([seq], at) => at > 0 && seq <= entries[at - 1]![0])',
    replace: 'false',
    attack: draftingOf('erase', {
      scope: {
        entries: [
          [1, '01m7y7rbx2r30bgbd4fg8yw364'],
          [1, '01m7y7rbx2r30bgbd4fg8yw364'],
        ],
      },
    }),
    says: 'do not ascend',
  },
  {
    check: 'that a residency keeps the bucket’s own region',
    file: 'instructions/kinds/bucket.ts',
    find: "if (!list.includes(data.region)) return 'a bucket’s bytes rest in its own region in any case'",
    replace: '',
    attack: draftingOf('residency', { regions: ['de-frankfurt'] }),
    says: 'rest in its own region in any case',
  },
  {
    check: 'that a residency is written in one way',
    file: 'instructions/kinds/bucket.ts',
    find: "if (list.some((id, at) => at > 0 && id <= list[at - 1]!)) return 'its regions do not ascend'",
    replace: '',
    attack: draftingOf('residency', { regions: ['in-mumbai', 'de-frankfurt'] }),
    says: 'its regions do not ascend',
  },
  {
    check: 'for how long an operator may be let in',
    file: 'instructions/kinds/people.ts',
    find: "if (terms.expiresUnixMs - terms.notBeforeUnixMs > maxAccessMs) return 'access is for 24 hours at most'",
    replace: '',
    attack: draftingOf('access', { expires: at(24 * hour) }),
    says: 'access is for 24 hours at most',
  },
  {
    check: 'that actions are written in one way',
    file: 'instructions/kinds/people.ts',
    find: "if (actions.some((action, at) => at > 0 && action <= actions[at - 1]!)) return 'its actions do not ascend'",
    replace: '',
    attack: draftingOf('access', { actions: ['object.read', 'object.list'] }),
    says: 'its actions do not ascend',
  },
  {
    check: 'that a disclosure is made within a month',
    file: 'instructions/kinds/people.ts',
    find: "if (terms.expiresUnixMs - terms.notBeforeUnixMs > maxDisclosureMs) return 'a disclosure is made within 30 days'",
    replace: '',
    attack: draftingOf('disclose', { expires: at(31 * 24 * hour) }),
    says: 'a disclosure is made within 30 days',
  },
  {
    check: 'that what a person signs is one line',
    file: fieldsFile,
    find: ".regex(/^[^\\p{Cc}\\u2028\\u2029]+$/u, 'not one line of text')",
    replace: '',
    attack: draftingOf('access', { ticket: '1\nbucket: another' }),
    says: 'not one line of text',
  },
  {
    check: 'that a change of the approvers is one that a verifier reads',
    file: 'instructions/kinds/approvers.ts',
    find: "return typeof change === 'string' ? change : { ...terms, kind: data.kind, change }",
    replace: 'return { ...terms, kind: data.kind, change } as never',
    attack: w =>
      w.source.book.draft(change(w, {}, { ...setFields({ approvers: [c], quorum: 1 }), quorum: 2 })),
    says: 'a quorum must be from 1',
  },
  {
    check: 'that a drafter has signed',
    file: standing,
    find: 'drafter !== null && checkedDrafter(envelope, drafter, set, nodeVerifyCrypto) === null',
    replace: 'false',
    terms: three,
    attack: w => w.source.book.draft({ ...w.instruction({}, a), signatures: [] }),
    says: 'not-verified: the instruction: it is not signed by the drafter',
  },
  {
    check: 'that a drafter may draft',
    file: standing,
    find: 'drafter !== null && checkedDrafter(envelope, drafter, set, nodeVerifyCrypto) === null',
    replace: 'false',
    terms: three,
    attack: w => w.source.book.draft(w.instruction({}, stranger)),
    says: 'not-verified: the instruction: it is not signed by the drafter',
  },
  {
    check: 'that somebody drafted, where duties are separate',
    file: standing,
    find: 'drafter === null && set.rules.separateDuties && !isRecovery',
    replace: 'false',
    terms: { ...three, rules: { separateDuties: true } },
    attack: w => w.source.book.draft(w.instruction()),
    says: 'bad-input: the instruction: the tenant’s rules want its drafter named',
  },
]

/** What a verdict must be. */
const verdicts: readonly PathAttack[] = [
  {
    check: 'that approvals are an approver’s',
    file: 'verify/verdict-document.ts',
    find: 'approverSigned(approver, message, signature, crypto)',
    replace: 'true',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [w.verdict('approved', stranger, of)])
    },
    says: 'not-verified: the verdict: no approver of the tenant signed it',
  },
  {
    check: 'that an approval is of one instruction',
    file: 'verify/judge.ts',
    find: 'verdicts.filter(({ instruction }) => instruction === order.id)',
    replace: 'verdicts',
    terms: three,
    // Written under another's key: whoever runs the region has its catalog.
    attack: async w => {
      const [one, two] = [w.instruction(), w.instruction()]
      await w.ordered(one)
      await w.source.book.draft(two)
      for (const [n, each] of w.approvals(one, 0, 1).entries())
        await w.source.catalog.commit({
          puts: [
            {
              table: 'verdicts',
              key: utf8(`${idOf(two)}approved/${n}`),
              value: utf8(JSON.stringify(printEnvelope(each))),
            },
          ],
        })
      await demand(w, two, 'approved')
    },
    says: 'drafted: it is not approved',
    secondLine: true,
  },
  {
    check: 'that a verdict in the catalog is of its instruction',
    file: book,
    find: "typeof verdict === 'string' || verdict.instruction !== id",
    replace: "typeof verdict === 'string'",
    terms: three,
    attack: async w => {
      const [one, two] = [w.instruction(), w.instruction()]
      await w.ordered(one)
      await w.source.book.draft(two)
      for (const [n, each] of w.approvals(one, 0, 1).entries())
        await w.source.catalog.commit({
          puts: [
            {
              table: 'verdicts',
              key: utf8(`${idOf(two)}approved/${n}`),
              value: utf8(JSON.stringify(printEnvelope(each))),
            },
          ],
        })
      await demand(w, two, 'approved')
    },
    says: 'drafted: it is not approved',
    secondLine: true,
  },
  {
    check: 'that one key is one vote',
    file: 'verify/judge.ts',
    find: 'return [...speakers.keys()].filter(approver => find(approver, new Set())).length',
    replace: 'return approvals.length',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const once = lent(w, of)
      await w.ordered(of, [w.verdict('approved', b, of), once])
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that it takes more abroad',
    file: standing,
    find: 'return from === undefined || from !== countries.get(instruction.to.region)',
    replace: 'return false',
    terms: { ...three, rules: { abroad: 3 } },
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of)
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that what is not known is abroad',
    file: standing,
    find: 'from === undefined || from !==',
    replace: 'from !==',
    terms: { ...three, rules: { abroad: 3 } },
    attack: async w => {
      const of = w.instruction({
        from: { bucket: 'source', region: 'xx-one' },
        to: { bucket: 'target', region: 'xx-two' },
      })
      await w.ordered(of)
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that an operator can be abroad',
    file: standing,
    find: 'return instruction.operator.country !== home',
    replace: 'return false',
    terms: { ...three, rules: { abroad: 3 } },
    attack: async w => {
      const of = ofKind(w, 'access', { operator: { country: 'US', name: 'one' } })
      await w.ordered(of)
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that a recipient can be abroad',
    file: standing,
    find: 'return instruction.recipient.country !== home',
    replace: 'return false',
    terms: { ...three, rules: { abroad: 3 } },
    attack: async w => {
      const of = ofKind(w, 'disclose', { recipient: { country: 'US', name: 'one' } })
      await w.ordered(of)
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that a recovery key says nothing of a transfer',
    file: standing,
    find: "seat === 'recovery' && !byRecovery && (instruction.kind !== 'approvers' || kind !== 'revoked')",
    replace: 'false',
    terms: withSpare,
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [w.verdict('approved', spare, of)])
    },
    says: 'not-verified: the verdict: a recovery key changes the approvers',
  },
  {
    check: 'that approvers say nothing of a recovery',
    file: standing,
    find: "if (seat === 'approver' && byRecovery) refuse('only recovery keys speak of a recovery')",
    replace: '',
    terms: withSpare,
    attack: async w => {
      const of = change(w, { by: 'recovery' })
      await w.ordered(of, [w.verdict('revoked', a, of)])
    },
    says: 'not-verified: the verdict: only recovery keys speak of a recovery',
  },
  {
    check: 'that nobody passes on who may sign',
    file: standing,
    find: "if (instruction.kind === 'approvers') refuse('nobody can pass on who may change the approvers')",
    replace: '',
    terms: three,
    attack: async w => {
      const of = change(w)
      await w.ordered(of, [lent(w, of)])
    },
    says: 'not-verified: the verdict: nobody can pass on',
  },
  {
    check: 'for which kinds a vote is lent',
    file: standing,
    find: 'delegation.kinds !== null && !delegation.kinds.includes(instruction.kind)',
    replace: 'false',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [lent(w, of, { kinds: ['erase'] })])
    },
    says: 'not-verified: the verdict: the delegation is not for instructions of kind transfer',
  },
  {
    check: 'that a deputy’s time is over when it is, whatever it dates',
    file: standing,
    find: 'delegation !== null && nowUnixMs >= delegation.expiresUnixMs',
    replace: 'false',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      w.later(10 * hour)
      await w.ordered(of, [lent(w, of, {}, { time: at(hour) })])
    },
    says: 'not-verified: the verdict: the delegation has expired',
  },
  {
    check: 'that nobody approves from the future',
    file: standing,
    find: 'verdict.timeUnixMs > nowUnixMs + maxAheadMs',
    replace: 'false',
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [w.verdict('approved', w.acme.keys[0]!, of, { time: at(16 * 60e3) })])
    },
    says: 'not-verified: the verdict: its time is more than 15 minutes ahead',
  },
  {
    check: 'that nobody approves what is over',
    file: standing,
    find: 'verdict.timeUnixMs >= instruction.expiresUnixMs',
    replace: 'false',
    attack: async w => {
      const of = w.instruction({ expires: at(10 * 60e3) })
      await w.ordered(of, [w.verdict('approved', w.acme.keys[0]!, of, { time: at(10 * 60e3) })])
    },
    says: 'not-verified: the verdict: the instruction has expired',
  },
  {
    check: 'that a vote that was taken back is none',
    file: book,
    find: "if (await approvers.isWithdrawn(verdict.tenant as TenantId, verdict.delegation.id)) throw new HoldfastError('not-verified', 'the verdict: the delegation was withdrawn')",
    replace: '',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const said = lent(w, of)
      await w.source.book.withdraw(w.acme.id, withdrawal(w, said))
      await w.ordered(of, [said])
    },
    says: 'not-verified: the verdict: the delegation was withdrawn',
  },
  {
    check: 'that a vote that is taken back afterwards is none',
    file: 'verify/judge.ts',
    find: ' || isWithdrawn(delegation.id)',
    replace: '',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const said = lent(w, of)
      await w.ordered(of, [said])
      await w.source.book.withdraw(w.acme.id, withdrawal(w, said))
      await w.source.book.say(w.verdict('approved', a, of))
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  {
    check: 'that only approvers take back',
    file: 'verify/delegation.ts',
    find: "if (found === undefined) return 'no approver of the tenant signed it'",
    replace: '',
    terms: three,
    attack: async w => w.source.book.withdraw(w.acme.id, withdrawal(w, lent(w, w.instruction()), stranger)),
    says: 'not-verified: the withdrawal: no approver of the tenant signed it',
    secondLine: true,
  },
  {
    check: 'that nothing is said of what has ended',
    file: book,
    find: 'if (current.standing.ended) throw ended(current)',
    replace: '',
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [w.verdict('rejected', w.acme.keys[0]!, of)])
      await w.source.book.say(w.verdict('approved', w.acme.keys[1]!, of))
    },
    says: 'conflict: the instruction has ended (rejected)',
  },
  {
    check: 'that an instruction in the catalog is the one of its id',
    file: book,
    find: "typeof instruction === 'string' || instruction.id !== row.id || documentId(envelope!) !== row.id",
    replace: "typeof instruction === 'string'",
    attack: async w => {
      const [of, other] = [w.instruction(), w.instruction({ scope: { prefix: '' }, purpose: 'another' })]
      await w.ordered(of)
      const { row } = (await w.source.book.find(idOf(of)))!
      const swapped = { ...row, envelope: printEnvelope(other) }
      await w.source.catalog.commit({
        puts: [{ table: 'instructions', key: utf8(row.id), value: encodeRow(swapped) }],
      })
      const found = await w.source.book.find(idOf(of))
      if (found!.standing.approvals < 2) throw new Error('no approvals')
    },
    says: 'store-damaged: the stored instruction',
    secondLine: true,
  },
  {
    check: 'that the approvers are those of the genesis',
    file: 'instructions/approver-chain.ts',
    find: "typeof genesis === 'string' || genesis.tenant !== tenant",
    replace: "typeof genesis === 'string'",
    // Whoever runs the region puts another tenant's genesis into its row.
    attack: async w => {
      const { catalog } = w.source
      const row = JSON.parse(Buffer.from((await catalog.get('tenants', utf8(w.acme.id)))!).toString())
      const forged = { ...row, genesis: JSON.stringify(printEnvelope(w.rival.genesis)) }
      await catalog.commit({
        puts: [{ table: 'tenants', key: utf8(w.acme.id), value: utf8(JSON.stringify(forged)) }],
      })
      const { approvers } = await w.source.book.approvers.setOf(w.acme.id)
      if (approvers.length !== 1) throw new Error('the right ones')
    },
    says: 'store-damaged: the approvers of tenant',
  },
  {
    check: 'that a chain in the catalog is followed',
    file: 'instructions/approver-chain.ts',
    find: "if (typeof set === 'string') throw damaged(tenant, set)",
    replace: '',
    terms: three,
    // A set that nobody ordered, written into the table of approvers.
    attack: async w => {
      const { approvers } = w.source.book
      const of = change(w)
      const link = { envelope: printEnvelope(of), approvals: [printEnvelope(w.verdict('approved', c, of))] }
      await w.source.catalog.commit({ puts: [approvers.append(w.acme.id, 1, idOf(of), link).put] })
      await approvers.setOf(w.acme.id)
    },
    says: 'change 1 of the approvers: 1 of 2 approvers',
  },
]

function withdrawal(w: World, said: Envelope, by = a): Envelope {
  const { delegation } = JSON.parse(Buffer.from(said.payload).toString())
  const id = documentId({
    payloadType: delegation.payloadType,
    payload: Buffer.from(delegation.payload, 'base64'),
    signatures: [],
  })
  const fields = { delegation: id, reason: '', tenant: w.acme.id, time: at(0), v: 1 }
  return signDocument(createDocument(withdrawalPayloadType, fields), by)
}

/** What must hold where an instruction is carried out that has one end. */
const ends: readonly PathAttack[] = [
  {
    check: 'that a change waits',
    file: 'policy/decide-approvers.ts',
    find: 'facts.nowUnixMs < from',
    replace: 'false',
    terms: three,
    attack: async w => {
      const of = change(w)
      await w.ordered(of)
      w.later(72 * hour - 1)
      await carriedOut(w, of, 'approvers')
    },
    says: 'failed: The change comes into force at',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that of two changes at once one comes into force',
    file: 'policy/decide-approvers.ts',
    find: 'facts.notNext !== null',
    replace: 'false',
    terms: { ...three, quorum: 1 },
    attack: async w => {
      const [one, two] = [change(w, {}, setFields({ approvers: [a, c], quorum: 1 })), change(w)]
      await w.ordered(one)
      await w.ordered(two)
      w.later(73 * hour)
      await carriedOut(w, one, 'approvers')
      await carriedOut(w, two, 'approvers')
      await w.source.book.approvers.setOf(w.acme.id)
    },
    says: 'failed: The change does not follow: it takes the place of',
    entered: 'in-mumbai failed',
    secondLine: true,
  },
  {
    check: 'that who is gone approves nothing more',
    file: 'instructions/approver-chain.ts',
    find: 'known.set.number === rows.length && equalBytes(known.last, last)',
    replace: 'true',
    terms: three,
    attack: async w => {
      const of = w.instruction({ expires: at(300 * hour) })
      await w.ordered(of, w.approvals(of, 0))
      const gone = change(w, {}, setFields({ approvers: [b, c], quorum: 2 }))
      await w.ordered(gone)
      w.later(73 * hour)
      await carriedOut(w, gone, 'approvers')
      await w.source.book.say(w.verdict('approved', b, of))
      await demand(w, of, 'approved')
    },
    says: 'drafted: it is not approved',
  },
  ...(
    [
      [
        'class',
        'decide-class.ts',
        { region: 'de-frankfurt' },
        'terms.region !== region',
        'for de-frankfurt, not for in-mumbai',
      ],
      [
        'class',
        'decide-class.ts',
        { ledger: 'log.example/log/de-frankfurt' },
        'terms.ledger !== ledger',
        'is for the ledger',
      ],
      ['class', 'decide-class.ts', { was: 'health' }, 'is !== terms.was', 'as the approvers were shown'],
      [
        'residency',
        'decide-residency.ts',
        { region: 'de-frankfurt', regions: ['de-frankfurt'] },
        'terms.region !== region',
        'for de-frankfurt, not for in-mumbai',
      ],
      [
        'residency',
        'decide-residency.ts',
        { ledger: 'log.example/log/de-frankfurt' },
        'terms.ledger !== ledger',
        'is for the ledger',
      ],
      [
        'key',
        'decide-key.ts',
        { region: 'de-frankfurt' },
        'terms.region !== region',
        'for de-frankfurt, not for in-mumbai',
      ],
      [
        'key',
        'decide-key.ts',
        { ledger: 'log.example/log/de-frankfurt' },
        'terms.ledger !== ledger',
        'is for the ledger',
      ],
      [
        'residency',
        'decide-residency.ts',
        { was: ['de-frankfurt', 'in-mumbai'] },
        'JSON.stringify(bucket.residency ?? null) !== JSON.stringify(terms.was)',
        'than the approvers were shown',
      ],
    ] as const
  ).map(
    ([kind, file, fields, find, says]): PathAttack => ({
      check: `of a ${kind}: ${says}`,
      file: `policy/${file}`,
      find,
      replace: 'false',
      attack: carries(kind, fields as unknown as Fields),
      says: 'failed: ',
      entered: 'in-mumbai failed',
    }),
  ),
  ...(['class', 'residency', 'key'] as const).map(
    (kind): PathAttack => ({
      check: `whose bucket it is, of a ${kind}`,
      file: `policy/decide-${kind}.ts`,
      find: ' || bucket.tenant !== terms.tenant',
      replace: '',
      attack: async w => {
        await w.bucket('in-mumbai', 'source', { tenant: w.rival.id })
        await carries(kind)(w)
      },
      says: 'failed: The tenant has no bucket source in in-mumbai',
      entered: 'in-mumbai failed',
    }),
  ),
  {
    check: 'the law of who is let see, while it stands',
    file: 'instructions/permission.ts',
    find: 'if (unlawful !== null) return unlawful',
    replace: '',
    attack: async w => {
      await w.bucket('in-mumbai', 'source', { dataClass: 'payment' })
      await stands(w, ofKind(w, 'access', { operator: { country: 'US', name: 'one' } }))
    },
    says: 'failed: in-rbi-psd',
    entered: 'in-mumbai failed',
  },
  {
    check: 'the tenant’s own policy on who is let see, while it stands',
    terms: {
      rules: {
        policy: '@id("none") @reason("no") forbid (principal, action == Action::"disclose", resource);',
      },
    },
    file: 'instructions/permission.ts',
    find: "return own === null ? null : { refused: true, rule: 'tenant-policy-refuses', message: own }",
    replace: 'return null',
    attack: w => stands(w, ofKind(w, 'disclose')),
    says: 'failed: The tenant’s own policy “none” forbids it',
    entered: 'in-mumbai failed',
  },
  {
    check: 'for how long somebody is let see',
    file: 'instructions/permission.ts',
    find: 'if (refusal !== null) return refusal',
    replace: '',
    attack: async w => {
      const of = ofKind(w, 'access')
      await w.ordered(of)
      w.later(21 * hour)
      await stands(w, of)
    },
    says: 'expired: ',
    entered: 'in-mumbai expired',
  },
  {
    check: 'that what is called shredded cannot be read',
    file: 'policy/decide-key.ts',
    find: "terms.act === 'shred' && foreign !== null",
    replace: 'false',
    attack: async w => {
      await w.stored('in/one', { bucketKeyId: 'another bucket’s' })
      await carries('key')(w)
    },
    says: 'failed: source holds versions that came by a transfer',
    entered: 'in-mumbai failed',
  },
  {
    check: 'in which region entries are erased',
    file: 'policy/decide-erase.ts',
    find: 'terms.region !== facts.region',
    replace: 'false',
    attack: w => erasing(w, { region: 'de-frankfurt' }),
    says: 'failed: The instruction is for de-frankfurt',
    entered: 'in-mumbai failed',
  },
  {
    check: 'in which ledger entries are erased',
    file: 'instructions/erase.ts',
    find: 'instruction.ledger === region.logKey.name',
    replace: 'true',
    attack: w => erasing(w, { ledger: 'log.example/log/de-frankfurt' }),
    says: 'failed: The instruction is for the ledger',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that what all is judged by stays',
    file: 'instructions/erase.ts',
    find: 'if (reason !== null) object(',
    replace: 'if (false) object(',
    attack: w => erasing(w, {}, 'tenant.joined'),
    says: 'tenant.joined is not erased: the chain begins with it',
    entered: 'in-mumbai failed',
  },
  {
    check: 'whose entries are erased',
    file: 'instructions/erase.ts',
    find: 'position === null || named === null || row === null || !equalBytes(position, named)',
    replace: 'position === null || row === null',
    attack: w => erasing(w, {}, 'bucket.deleted', 7),
    says: 'the tenant has no such entry here',
    entered: 'in-mumbai failed',
    secondLine: true,
  },
]

/** Orders one of acme's entries of this type to be erased; `off`: under another's number. */
async function erasing(w: World, fields: Fields, type = 'bucket.deleted', off = 0): Promise<void> {
  const { region, catalog, tick } = w.source
  const body = { bucket: 'b', by: { accessKeyId: 'AK' } }
  await catalog.commit({
    puts: [region.drafts.draft({ tenant: w.acme.id, type: 'bucket.deleted', body }).put],
  })
  await tick()
  const mine = (await w.source.entries()).filter(({ tenant }) => tenant === w.acme.id)
  const found = mine.find(each => each.type === type)!
  await carries('erase', { scope: { entries: [[off === 0 ? found.seq : 0, found.id]] }, ...fields })(w)
}

/** What a destination asks of an offer. */
const offers: readonly PathAttack[] = [
  ...(
    [
      [
        'standing.approvals < standing.quorum',
        'the quorum',
        'instruction-not-approved',
        async (w: World) => {
          const of = w.instruction()
          await w.offer(of, w.approvals(of, 0))
        },
      ],
      [
        'if (standing.revoked)',
        'a revocation',
        'instruction-revoked',
        async (w: World) => {
          const of = w.instruction()
          await w.offer(of, [...w.approvals(of, 0, 1), w.verdict('revoked', w.acme.keys[2]!, of)])
        },
      ],
      [
        "phase === 'send' && nowUnixMs >= terms.expiresUnixMs",
        'the expiry',
        'instruction-expired',
        async (w: World) => {
          const of = w.instruction({ expires: at(hour) })
          const approvals = w.approvals(of, 0, 1)
          w.later(hour)
          await w.offer(of, approvals)
        },
      ],
      [
        'nowUnixMs < terms.notBeforeUnixMs',
        'the time it is valid from',
        'instruction-not-yet-valid',
        offering({ notBefore: at(hour) }),
      ],
      [
        'here.region !== end.region || there.region !== end.peer',
        'between which regions it is',
        'instruction-out-of-scope',
        offering({ to: { bucket: 'target', region: 'sg-singapore' } }),
      ],
    ] as const
  ).map(
    ([find, what, rule, attack]): PathAttack => ({
      check: `at the destination, ${what}`,
      file: policy,
      find,
      replace: find.startsWith('if ') ? 'if (false)' : 'false',
      attack,
      says: `${rule}: de-frankfurt: `,
      entered: refusedThere(rule),
      // What has been revoked, or has run out, has ended in the book as well; what is not between these is no offer.
      ...(['instruction-revoked', 'instruction-expired', 'instruction-out-of-scope'].includes(rule) && {
        secondLine: true as const,
      }),
    }),
  ),
  {
    check: 'from which region it is',
    file: receiver,
    find: 'found.instruction.from.region !== peer.id',
    replace: 'false',
    // The region heard of it otherwise: a peer that is no end of it says nothing of its batches.
    attack: async w => {
      const of = w.instruction({ from: { bucket: 'source', region: 'sg-singapore' } })
      await w.ordered(of, w.approvals(of, 0, 1), w.target)
      await w.client(of).close(0)
    },
    says: 'instruction-out-of-scope: de-frankfurt: in-mumbai is not the source',
    entered: refusedThere('instruction-out-of-scope'),
    secondLine: true,
  },
  {
    check: 'into whose bucket it goes',
    file: policy,
    find: ' || bucket.tenant !== terms.tenant',
    replace: '',
    attack: async w => {
      await w.bucket('de-frankfurt', 'target', { tenant: w.rival.id })
      await offered(w)
    },
    says: 'instruction-out-of-scope: de-frankfurt: The tenant has no bucket target',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'the law at the destination',
    file: policy,
    find: 'refuseLaw(facts) ??',
    replace: '',
    attack: async w => {
      await w.bucket('de-frankfurt', 'target', { dataClass: 'payment' })
      await offered(w)
    },
    says: 'law-refuses: de-frankfurt: ',
    entered: refusedThere('law-refuses'),
  },
  {
    check: 'the tenant’s own policy at the destination',
    terms: { rules: { policy: forbidding('in') } },
    file: policy,
    find: 'refuseOwnPolicy(facts) ??',
    replace: '',
    attack: w => offered(w),
    says: 'tenant-policy-refuses: de-frankfurt: The tenant’s own policy “nothing-in” forbids it: nobody may',
    entered: refusedThere('tenant-policy-refuses'),
  },
  {
    check: 'a policy that nobody can ask, at the destination',
    terms: { rules: { policy: 'permit (principal, action, resource);' } },
    file: policy,
    find: 'refuseOwnPolicy(facts) ??',
    replace: '',
    attack: w => offered(w),
    says: 'tenant-policy-refuses: de-frankfurt: The tenant’s own policy could not be asked: policy 1 is a permit',
    entered: refusedThere('tenant-policy-refuses'),
  },
  {
    check: 'that what is said of an instruction verifies',
    file: book,
    find: "if (typeof verdict === 'string') throw new HoldfastError('not-verified', `the verdict: ${verdict}`)",
    replace: 'if (typeof verdict === "string") return known(claimedId(envelope))',
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of, [w.verdict('approved', stranger, of)])
      await demand(w, of, 'approved')
    },
    says: 'not-verified: the verdict: no approver of the tenant signed it',
    secondLine: true,
  },
  {
    check: 'that a peer offers what it is the source of, before it is in anybody’s books',
    file: 'transfers/receiver.ts',
    find: "((opened.kind !== 'transfer' && opened.kind !== 'standing-transfer') || opened.from.region !== peer.id || opened.to.region !== region.id)",
    replace: 'false',
    attack: async w => {
      const of = change(w)
      await w.offer(of, []).catch(() => {})
      if ((await w.target.book.look(idOf(of))) === null)
        throw refusedFor('instruction-out-of-scope', 'it is in nobody’s books')
    },
    says: 'instruction-out-of-scope: it is in nobody’s books',
  },
  {
    check: 'how long the descriptions of a batch may be',
    file: 'transfers/receiver.ts',
    find: 'heads.bytes > maxHeadsBytes',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      const made = Array.from({ length: 33 }, (_, at) => w.object(`in/${at}`))
      await w.announce(of, 0, ...made)
      const manifest = Buffer.alloc(1.5 * 2 ** 20).toString('base64')
      async function* frames(): AsyncGenerator<Uint8Array> {
        for (const { head, ciphertext } of made) {
          yield frameHead({ ...head, manifest } as never)
          yield ciphertext
        }
      }
      await w.client(of).sendObjects(0, frames())
    },
    says: 'instruction-out-of-scope: de-frankfurt: The descriptions of batch 0 are longer than',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'that a version is in a batch once',
    file: 'transfers/receiver.ts',
    find: 'new Set(items.map(({ originId }) => originId)).size !== items.length',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      const { item } = w.object('in/one')
      const items = [item, { ...item, key: 'in/two' }]
      await w.client(of).openBatch(0, items, await w.departure(of, items))
    },
    says: 'instruction-out-of-scope: de-frankfurt: Batch 0 names a version twice',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'how long a verdict may be with what nobody signed of it',
    file: book,
    find: 'JSON.stringify(printEnvelope(envelope)).length > maxSignedBytes',
    replace: 'false',
    attack: async w => {
      const of = w.instruction()
      const said = w.verdict('approved', w.acme.keys[0]!, of)
      const [signature] = said.signatures
      await w.ordered(of, [{ ...said, signatures: [{ ...signature!, keyid: 'k'.repeat(20_000) }] }])
    },
    says: 'bad-input: the verdict: it is longer than',
  },
  {
    check: 'by how many deputies an approver speaks',
    file: book,
    find: 'said.length >= mostDeputies',
    replace: 'false',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const said = newKeys(21).map(key => {
        const delegation = delegationBy(b, key, w.acme.id, { expires: at(9 * hour), notBefore: at(-hour) })
        return w.verdict('approved', key, of, { delegation: asJson(delegation) })
      })
      await w.ordered(of, said)
    },
    says: 'conflict: the verdict: 20 deputies of this approver have said so',
  },
  {
    check: 'that all versions go where all stay',
    file: 'transfers/keeping.ts',
    find: "if (versions === 'all' && !keeping.versions)",
    replace: 'if (false)',
    attack: offering({ scope: { prefix: '', versions: 'all' } }),
    says: 'versions-would-be-lost: de-frankfurt: ',
    entered: refusedThere('versions-would-be-lost'),
  },
  {
    check: 'that a list is the one that was approved',
    file: 'transfers/listed-pages.ts',
    find: 'pages === null || listDigest(pages) !== bound.list',
    replace: 'pages === null',
    attack: async w => {
      const of = w.instruction({
        scope: { prefix: '', list: listDigest([pageDigest([w.object('a').item])]) },
      })
      await w.offer(of, w.approvals(of, 0, 1), [pageDigest([w.object('b').item])])
    },
    says: 'list-changed: de-frankfurt: ',
    entered: refusedThere('list-changed'),
  },
]

/** What else an offer meets: who asks, and what was said of the instruction before. */
const callers: readonly PathAttack[] = [
  {
    check: 'who asks',
    file: 'transfers/peer-server.ts',
    find: "if (peer === undefined) throw new TransferRefused('outbound-not-registered', 'This certificate is not a peer’s.')",
    replace: '',
    attack: async w => {
      const of = w.instruction()
      const verdicts = w.approvals(of, 0, 1).map(printEnvelope)
      await w.client(of, w.outsider).offer(printEnvelope(of), verdicts, null)
    },
    says: 'outbound-not-registered: de-frankfurt: This certificate is not a peer’s',
    secondLine: true,
  },
  {
    check: 'that duties are separate at the destination too',
    file: policy,
    find: 'if (!standing.separate)',
    replace: 'if (false)',
    terms: { approvers: [a, b], quorum: 1, rules: { separateDuties: true } },
    attack: async w => {
      const of = w.instruction({}, a)
      await w.offer(of, w.approvals(of, 0))
    },
    says: 'duties-not-separate: de-frankfurt: ',
    entered: refusedThere('duties-not-separate'),
  },
  {
    check: 'that an instruction that has ended is not run again',
    file: policy,
    find: 'if (standing.ended)',
    replace: 'if (false)',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
      await w.offer(of, w.approvals(of, 0, 1))
    },
    says: 'transfer-needs-an-instruction: de-frankfurt: The instruction has ended',
    entered: refusedThere('transfer-needs-an-instruction'),
  },
  {
    check: 'that an instruction that was rejected is none',
    file: policy,
    find: 'if (standing.rejected)',
    replace: 'if (false)',
    attack: async w => {
      const of = w.instruction()
      await w.offer(of, [w.verdict('rejected', w.acme.keys[2]!, of), ...w.approvals(of, 0, 1)])
    },
    says: 'instruction-not-approved: de-frankfurt: The instruction was rejected',
    entered: refusedThere('instruction-not-approved'),
    secondLine: true,
  },
  {
    check: 'that another region changes nothing of it',
    file: receiver,
    find: 'found.instruction.from.region !== peer.id',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      await w.client(of, w.places['sg-singapore']).end('failed', 'because')
      await demand(w, of, 'failed', w.target)
    },
    says: 'instruction-out-of-scope: de-frankfurt: sg-singapore is not the source',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'that another region asks nothing of it',
    file: receiver,
    find: 'found.instruction.from.region !== peer.id',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.client(of, w.places['sg-singapore']).challenge(0, [[object.item.originId, 0, 10]])
    },
    says: 'instruction-out-of-scope: de-frankfurt: sg-singapore is not the source',
    entered: refusedThere('instruction-out-of-scope'),
  },
]

/** What a destination is asked before anybody orders anything. */
const tryingOut =
  (
    fields: Fields,
    from: (w: World) => Pick<World['source'], 'door' | 'region'> = w => w.source,
    asked?: (w: World) => string,
  ) =>
  async (w: World): Promise<void> => {
    const { callPeer } = await w.load<typeof import('../../src/transfers/tracked-client.ts')>(
      'transfers/tracked-client.ts',
    )
    const of = w.instruction(fields)
    const call = { region: from(w).region, door: from(w).door, peer: w.target.peer, log: silentLog }
    const id = (asked?.(w) ?? documentId(of)) as InstructionId
    const more = { id, tenant: w.acme.id, clock: w.now, randomBytes }
    const body = { instruction: printEnvelope(of), from: { dataClass: 'personal', classes: [] } }
    const { law } = (await callPeer({ ...call, ...more }, `/v2/dry-runs/${id}`, body)) as any
    if (law.region !== w.target.id) throw new Error('it is no answer')
  }
const asking = 'transfers/ask-destination.ts'
const tried: readonly PathAttack[] = [
  {
    check: 'that only the source asks for a dry run',
    file: asking,
    find: 'instruction.from.region !== peer.id ||',
    replace: '',
    attack: tryingOut({}, w => w.places['sg-singapore']),
    says: 'instruction-out-of-scope: de-frankfurt: The transfer is not from sg-singapore to de-frankfurt',
  },
  {
    check: 'that a dry run is asked where it would go',
    file: asking,
    find: '|| instruction.to.region !== here',
    replace: '',
    attack: tryingOut({ to: { bucket: 'target', region: 'sg-singapore' } }),
    says: 'instruction-out-of-scope: de-frankfurt: The transfer is not from in-mumbai to de-frankfurt',
  },
  {
    check: 'that a dry run is of the instruction that it says',
    file: asking,
    find: "if (instruction.id !== id) return refuse('It is another instruction.')",
    replace: '',
    attack: tryingOut(
      {},
      w => w.source,
      () => 'ab'.repeat(32),
    ),
    says: 'instruction-out-of-scope: de-frankfurt: It is another instruction',
  },
  {
    check: 'that a dry run tells nothing of another tenant’s bucket',
    file: asking,
    find: '|| row.tenant !== instruction.tenant',
    replace: '',
    attack: async w => {
      await w.bucket('de-frankfurt', 'target', { tenant: w.rival.id })
      await tryingOut({})(w)
    },
    says: 'instruction-out-of-scope: de-frankfurt: The tenant has no bucket target in de-frankfurt',
    entered: refusedThere('instruction-out-of-scope'),
  },
]

/** What a destination asks of a departure, and of each object. */
const arrivals: readonly PathAttack[] = [
  {
    check: 'that a departure is in the books of the source that the instruction names',
    file: check,
    find: "if (instruction.ledger !== peer.log.origin) throw refusal('the instruction names another ledger')",
    replace: '',
    attack: departing({}, {}, { ledger: 'log.example/log/sg-singapore' }),
    says: `${inBooks}the instruction names another ledger`,
    entered: refusedThere('transfer-needs-an-instruction'),
  },
  {
    check: 'that a departure is in a log',
    file: check,
    find: "if (typeof opened === 'string') throw refusal(opened)",
    replace: "if (typeof opened === 'string') return { law: { dataClass: 'personal' } }",
    attack: async w => {
      const of = await offered(w)
      const items = [w.object('in/one').item]
      const proof = await w.departure(of, items)
      await w.client(of).openBatch(0, items, { ...proof, receipt: `${proof.receipt}x` })
    },
    says: inBooks,
    entered: refusedThere('transfer-needs-an-instruction'),
  },
  ...(
    [
      ["entry.type !== 'transfer.departed' || ", {}, { type: 'transfer.arrived' }],
      [' || entry.tenant !== row.tenant', {}, { tenant: 'rival' }],
    ] as const
  ).map(
    ([find, says, by]): PathAttack => ({
      check: `what a departure is: ${find}`,
      file: check,
      find,
      replace: find.startsWith(' ') ? '' : '',
      attack: async w => {
        const who = 'tenant' in by ? { tenant: w.rival.id } : by
        await departing(says, who as never)(w)
      },
      says: anotherEntry,
      entered: refusedThere('transfer-needs-an-instruction'),
    }),
  ),
  ...(
    [
      ['body.instruction, ', 'row.id, ', { instruction: 'ab'.repeat(32) }],
      ['body.batch, ', 'batch, ', { batch: 1 }],
      ['body.peer, ', 'here, ', { peer: 'sg-singapore' }],
      ['body.bucket, ', 'instruction.from.bucket, ', { bucket: 'other' }],
      ['body.toBucket, ', 'instruction.to.bucket, ', { toBucket: 'other' }],
      ['body.manifestSha256', 'itemsSha256', { manifestSha256: 'ab'.repeat(32) }],
    ] as const
  ).map(([find, same, says]): PathAttack => {
    const rest = [
      'row.id, ',
      'batch, ',
      'here, ',
      'instruction.from.bucket, ',
      'instruction.to.bucket, ',
      'itemsSha256',
    ]
    return {
      check: `what a departure says: ${Object.keys(says)[0]}`,
      file: check,
      find: `const wanted = [${rest.join('')}]`,
      replace: `const wanted = [${rest.map(each => (each === same ? `${find.replace(', ', '')} as never, ` : each)).join('')}]`,
      attack: departing(says as Fields),
      says: saysElse,
      entered: refusedThere('transfer-needs-an-instruction'),
    }
  }),
  {
    check: 'that no class of data is lost',
    file: check,
    find: "if (lost !== null) throw new TransferRefused('class-would-be-lost', lost)",
    replace: '',
    attack: departing({ law: { dataClass: 'payment' } }),
    says: 'class-would-be-lost: de-frankfurt: ',
    entered: refusedThere('class-would-be-lost'),
  },
  {
    check: 'the scope',
    file: policy,
    find: '!object.key.startsWith(terms.prefix)',
    replace: 'false',
    attack: async w => {
      const of = await offered(w, { scope: { prefix: 'in/' } })
      await w.announce(of, 0, w.object('in/one'), w.object('in'))
    },
    says: 'instruction-out-of-scope: de-frankfurt: “in” does not start with “in/”',
    entered: refusedThere('instruction-out-of-scope'),
  },
  ...(
    [
      ['IN/one', 'in/'],
      ['/in/one', 'in/'],
      ['./in/one', 'in/'],
      ['in\u2215one', 'in/'],
      ['e\u0301t\u00e9/one', '\u00e9t\u00e9/'],
      [' in/one', 'in/'],
      ['\u0000in/one', 'in/'],
      ['in%2fone', 'in/'],
    ] as const
  ).map(
    ([key, prefix]): PathAttack => ({
      check: `the scope, against ${JSON.stringify(key)}`,
      file: policy,
      find: '!object.key.startsWith(terms.prefix)',
      replace: 'false',
      attack: async w => w.announce(await offered(w, { scope: { prefix } }), 0, w.object(key)),
      says: 'does not start with',
      entered: refusedThere('instruction-out-of-scope'),
    }),
  ),
  {
    check: 'how many objects',
    file: policy,
    find: 'limits.objects !== null && count > limits.objects',
    replace: 'false',
    attack: async w =>
      w.announce(await offered(w, { limits: { bytes: null, objects: 1 } }), 0, w.object('a'), w.object('b')),
    says: 'instruction-over-limit: de-frankfurt: 2 objects are more than the 1',
    entered: refusedThere('instruction-over-limit'),
  },
  {
    check: 'how many bytes',
    file: policy,
    find: 'limits.bytes !== null && bytes > limits.bytes',
    replace: 'false',
    attack: async w =>
      w.announce(
        await offered(w, { limits: { bytes: 399, objects: null } }),
        0,
        w.object('a'),
        w.object('b'),
      ),
    says: 'instruction-over-limit: de-frankfurt: 400 bytes are more than the 399',
    entered: refusedThere('instruction-over-limit'),
  },
  {
    check: 'that what was let through before counts',
    file: policy,
    find: 'let { objects: count, bytes } = moved',
    replace: 'let { objects: count, bytes } = { objects: 0, bytes: 0 * moved.bytes }',
    attack: async w => {
      const of = await offered(w, { limits: { bytes: null, objects: 1 } })
      for (const batch of [0, 1]) {
        const object = w.object(`${batch}`)
        await w.announce(of, batch, object)
        await w.send(of, batch, object)
        await w.client(of).close(batch)
      }
    },
    says: 'instruction-over-limit: de-frankfurt: 2 objects are more than the 1',
    entered: refusedThere('instruction-over-limit'),
  },
  {
    check: 'that batches side by side are within the limits together',
    file: receiver,
    find: 'allowed = await authorize(peer, id, arrived)',
    replace: 'allowed = await authorize(peer, id, [])',
    attack: async w => {
      const of = await offered(w, { limits: { bytes: null, objects: 1 } })
      const objects = [w.object('0'), w.object('1')]
      for (const [batch, object] of objects.entries()) await w.announce(of, batch, object)
      for (const [batch, object] of objects.entries()) await w.send(of, batch, object)
      for (const batch of objects.keys()) await w.client(of).close(batch)
    },
    says: 'instruction-over-limit: de-frankfurt: 2 objects are more than the 1',
    entered: refusedThere('instruction-over-limit'),
  },
  {
    check: 'that a batch is announced once',
    file: receiver,
    find: 'before !== null && before.row.itemsSha256 !== itemsSha256',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      await w.announce(of, 0, w.object('a'))
      await w.announce(of, 0, w.object('b'))
    },
    says: 'instruction-out-of-scope: de-frankfurt: Batch 0 was announced with other objects before',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'that a batch was announced',
    file: receiver,
    find: "if (found === null) throw new TransferRefused('instruction-out-of-scope', `Batch ${batch} was not announced.`)",
    replace: '',
    attack: async w => w.client(await offered(w)).close(3),
    says: 'instruction-out-of-scope: de-frankfurt: Batch 3 was not announced',
    entered: refusedThere('instruction-out-of-scope'),
    secondLine: true,
  },
  {
    check: 'that a batch that is closed takes nothing',
    file: receiver,
    find: "if (opened.row.state !== 'departed') throw new TransferRefused('instruction-out-of-scope', `The batch is closed: ${batch}.`)",
    replace: '',
    attack: async w => {
      const of = await offered(w)
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.client(of).close(0)
      await w.send(of, 0, object)
    },
    says: 'instruction-out-of-scope: de-frankfurt: The batch is closed',
    entered: refusedThere('instruction-out-of-scope'),
  },
  {
    check: 'that a batch is the page of its number',
    file: 'transfers/listed-pages.ts',
    find: 'pages[batch] !== pageDigest(items)',
    replace: 'false',
    attack: async w => {
      const pages = [pageDigest([w.object('a').item])]
      const of = w.instruction({ scope: { prefix: '', list: listDigest(pages) } })
      await w.offer(of, w.approvals(of, 0, 1), pages)
      await w.announce(of, 0, w.object('a'))
    },
    says: 'list-changed: de-frankfurt: Batch 0 is not the page of that number',
    entered: refusedThere('list-changed'),
  },
  {
    check: 'that a revocation stops the next object',
    file: 'transfers/take-objects.ts',
    find: 'const { current, keeping } = await standing()',
    replace:
      'const { current, keeping } = { current: { row: { tenant: (head as any).bucketKey.tenant } } as any, keeping: { acls: true, locks: true, publicAcls: true, versions: true } }',
    attack: async w => {
      const of = await offered(w)
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.target.book.say(w.verdict('revoked', w.acme.keys[2]!, of))
      await w.send(of, 0, object)
    },
    says: 'instruction-revoked: de-frankfurt: ',
    entered: refusedThere('instruction-revoked'),
  },
  {
    check: 'that what comes has departed',
    file: 'transfers/take-objects.ts',
    find: 'if (item === undefined) throw notOpen(originId)',
    replace: '',
    attack: async w => {
      const of = await offered(w)
      await w.announce(of, 0, w.object('a'))
      await w.send(of, 0, w.object('b'))
    },
    says: 'did not depart in this batch',
    entered: refusedThere('instruction-out-of-scope'),
    secondLine: true,
  },
  {
    check: 'that the bytes are those that departed',
    file: 'transfers/take-objects.ts',
    find: 'sha256Hex(content) !== toHex(only.sha256)',
    replace: 'false',
    attack: async w => {
      const of = await offered(w)
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.send(of, 0, { ...object, ciphertext: randomBytes(200) })
    },
    says: 'instruction-out-of-scope: The bytes are not those that departed',
  },
  {
    check: 'that a key keeps its id',
    file: 'transfers/take-objects.ts',
    find: 'known !== null && !equalBytes(known, bytes)',
    replace: 'false',
    attack: w =>
      sending({}, 'as it is', { bucketKey: { ...bucketKeyOf(w.acme.id), checkValue: 'another' } })(w),
    says: 'Another bucket key is known by this id',
  },
  ...(
    [
      [
        'sha256Hex(bytes) !== item.manifestSha256',
        'another manifest',
        async (w: World) => {
          const of = await offered(w)
          const [right, other] = [w.object('a'), w.object('a')]
          // All of another object but its name: what its bytes hash to is its own manifest's word.
          const item = { ...other.item, manifestSha256: right.item.manifestSha256 }
          await w.announce(of, 0, { ...other, item })
          await w.send(of, 0, { ...other, item })
        },
      ],
      [
        'head.key !== item.key || ',
        'another version',
        async (w: World) => {
          const of = await offered(w)
          const object = w.object('a')
          await w.announce(of, 0, object)
          await w.send(of, 0, { ...object, head: { ...object.head, key: 'b' } })
        },
      ],
      [
        'manifest.tenant !== row.tenant || ',
        'another tenant',
        async (w: World) => {
          const of = await offered(w)
          const object = w.object('a', {}, w.rival.id)
          await w.announce(of, 0, object)
          await w.send(of, 0, object)
        },
      ],
      [
        ' || head.bucketKey.tenant !== row.tenant',
        'another tenant',
        (w: World) =>
          sending({ bucketKeyId: 'k2' }, 'as it is sent', {
            bucketKey: { ...bucketKeyOf(w.rival.id), bucketKeyId: 'k2' },
          })(w),
      ],
      [
        'head.row.bucketKeyId !== head.bucketKey.bucketKeyId',
        'another bucket key',
        sending({ bucketKeyId: 'k2' }, 'as it is sent'),
      ],
      [
        ' || head.row.ciphertextBytes !== cipherBytes',
        'another length',
        sending({ ciphertextBytes: 199 }, 'as it is sent'),
      ],
      ['head.row.sizeBytes !== plainBytes', 'another size', sending({ sizeBytes: 9 }, 'as it is sent')],
      ['rowDigest(head.row) !== item.rowSha256', 'another description', sending({ etag: 'f' })],
      [
        'head.row.partCount !== manifest.parts.length',
        'another number of parts',
        sending({ partCount: 2 }, 'as it is sent'),
      ],
      [
        'ciphertextSha256(manifest.parts) !== item.ciphertextSha256',
        'another digest',
        async (w: World) => {
          const of = await offered(w)
          const object = w.object('a')
          const item = { ...object.item, ciphertextSha256: 'ab'.repeat(32) }
          await w.announce(of, 0, { ...object, item })
          await w.send(of, 0, { ...object, item })
        },
      ],
    ] as const
  ).map(
    ([find, says, attack]): PathAttack => ({
      check: `of an object: ${says} (${find.slice(0, 40)})`,
      file: check,
      find,
      replace: /\|\| $|^ \|\|/.test(find) ? '' : 'false',
      attack,
      says: `is not what departed: ${says}`,
    }),
  ),
  ...(
    [
      [
        'legalHold',
        { legalHold: 'ON' },
        { objectLock: undefined },
        "!keeping.locks && (legalHold === 'ON' || (retention?.untilUnixMs ?? 0) > nowUnixMs)",
        'lock-would-be-lost',
      ],
    ] as const
  ).map(
    ([what, fields, , find, rule]): PathAttack => ({
      check: `that no lock is lost: ${what}`,
      file: 'transfers/keeping.ts',
      find,
      replace: 'false',
      attack: sending(fields, 'as it is sent'),
      says: rule,
    }),
  ),
]

/** What a source asks of itself and of the other end. */
const departures: readonly PathAttack[] = [
  ...([['wanted', 'type', {}, 'transfer.voided']] as const).map(
    ([, what, , type]): PathAttack => ({
      check: `what an arrival is: ${what}`,
      file: batch,
      find: "['transfer.arrived', row.tenant, peer.id]",
      replace: '[opened.entry.type, row.tenant, peer.id]',
      attack: arriving(right => right, type),
      says: 'failed: The arrival of batch 0 is not in the books of de-frankfurt: it says something else',
      entered: 'in-mumbai failed',
    }),
  ),
  ...(
    [
      ['instruction', 'row.id, ', { instruction: 'ab'.repeat(32) }],
      ['batch', 'batch.batch, ', { batch: 7 }],
      ['peer', 'deps.region.id, ', { peer: 'sg-singapore' }],
      ['manifestSha256', 'batch.itemsSha256', { manifestSha256: 'ab'.repeat(32) }],
    ] as const
  ).map(([field, same, says]): PathAttack => {
    const rest = ['row.id, ', 'batch.batch, ', 'deps.region.id, ', 'batch.itemsSha256']
    return {
      check: `what an arrival says: ${field}`,
      file: batch,
      find: `...[${rest.join('')}]`,
      replace: `...[${rest.map(each => (each === same ? `body.${field} as never, ` : each)).join('')}]`,
      attack: arriving(right => ({ ...right, ...says })),
      says: 'failed: The arrival of batch 0 is not in the books of de-frankfurt: it says something else',
      entered: 'in-mumbai failed',
    }
  }),
  {
    check: 'which objects have arrived',
    file: batch,
    find: "if (JSON.stringify(body.objects) !== JSON.stringify(expected)) throw refusal('it has other objects')",
    replace: '',
    attack: arriving(right => ({ ...right, objects: [] })),
    says: 'failed: The arrival of batch 0 is not in the books of de-frankfurt: it has other objects',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that an arrival is in a log',
    file: batch,
    find: "if (typeof opened === 'string') throw refusal(opened)",
    replace: "if (typeof opened === 'string') return",
    attack: answering(/arrival$/, honest =>
      honest.state === 'pending' ? honest : { ...honest, leaf: '00' },
    ),
    says: 'failed: The arrival of batch 0 is not in the books of de-frankfurt: the leaf is no leaf',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that what arrived is there',
    file: 'transfers/sender.ts',
    find: 'demandVerified(wrong, peer.id) const { verified }',
    replace: 'const { verified }',
    attack: answering(/challenge$/, ({ digests }) => ({ digests: digests.map(() => 'ab'.repeat(32)) })),
    says: 'failed: de-frankfurt entered the arrival of what it does not have',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that nothing is deleted here that is not there',
    file: 'transfers/sender.ts',
    find: 'if (isMove) { // One object that is not there is reason enough to keep all the others. demandVerified(wrong, peer.id)',
    replace: 'wrong.length = 0\n      if (isMove) {',
    attack: answering(/challenge$/, ({ digests }) => ({ digests: digests.map(() => null) }), {
      mode: 'move',
    }),
    says: 'failed: de-frankfurt entered the arrival of what it does not have',
    entered: 'in-mumbai failed',
  },
  {
    check: 'the ledger at the source',
    file: 'transfers/sender-state.ts',
    find: 'current.instruction.ledger !== region.logKey.name',
    replace: 'false',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction({ ledger: 'log.example/log/sg-singapore' })
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: The instruction is for the ledger',
    entered: 'in-mumbai failed',
    // The other end looks as well.
    secondLine: true,
  },
  {
    check: 'where the bytes may rest',
    file: policy,
    find: "end.role === 'source' && bucket.residency !== undefined && !bucket.residency.includes(terms.to.region)",
    replace: 'false',
    attack: async w => {
      await w.bucket('in-mumbai', 'source', { residency: ['in-mumbai'] })
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: Bytes of source may rest in in-mumbai only',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that a scope over the limits moves nothing',
    file: 'transfers/departure.ts',
    find: 'if (isRefusal(decision)) throw TransferRefused.of(decision)',
    replace: '',
    attack: async w => {
      for (const key of ['a', 'b']) await w.stored(key)
      const of = w.instruction({ limits: { bytes: null, objects: 1 } })
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: 2 objects are more than the 1',
    entered: 'in-mumbai failed',
    secondLine: true,
  },
  {
    check: 'that what goes is what was listed',
    file: 'transfers/plan.ts',
    find: 'if (listDigest(pages) !== list)',
    replace: 'if (false)',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction({ scope: { prefix: '', list: 'ab'.repeat(32) } })
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: What is there is not what was listed',
    entered: 'in-mumbai failed',
    // The other end looks as well.
    secondLine: true,
  },
  {
    check: 'the tenant’s own policy at the source',
    terms: { rules: { policy: forbidding('out') } },
    file: policy,
    find: 'refuseOwnPolicy(facts) ??',
    replace: '',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: The tenant’s own policy “nothing-out” forbids it: nobody may.',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that a policy is taken away by those who may sign, 72 hours later',
    terms: { ...three, rules: { policy: forbidding('transfer') } },
    file: 'policy/decide-approvers.ts',
    find: 'facts.nowUnixMs < from',
    replace: 'false',
    attack: async w => {
      const off = change(w, {}, setFields(three))
      await w.ordered(off)
      w.later(71 * hour)
      await carriedOut(w, off, 'approvers')
    },
    says: 'failed: The change comes into force at 2026-01-05',
  },
  {
    check: 'the law at the source',
    file: policy,
    find: 'refuseLaw(facts) ??',
    replace: '',
    attack: async w => {
      await w.bucket('in-mumbai', 'source', { dataClass: 'payment' })
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: ',
    entered: 'in-mumbai failed',
    secondLine: true,
  },
  {
    check: 'the quorum at the source',
    file: policy,
    find: 'standing.approvals < standing.quorum',
    replace: 'false',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of, w.approvals(of, 0))
      await completes(w, of)
    },
    says: 'failed: 1 of the 2 approvals',
    entered: 'in-mumbai failed',
  },
  {
    check: 'whose bucket it goes out of',
    file: policy,
    find: ' || bucket.tenant !== terms.tenant',
    replace: '',
    attack: async w => {
      await w.stored('in/one')
      await w.bucket('in-mumbai', 'source', { tenant: w.rival.id })
      const of = w.instruction()
      await w.ordered(of)
      await completes(w, of)
    },
    says: 'failed: The tenant has no bucket source in in-mumbai',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that limits hold over batches',
    file: 'transfers/departure.ts',
    find: "authorize(deps, peer, id, items, 'send', ahead)",
    replace: "authorize(deps, peer, id, [], 'send', ahead)",
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction({ limits: { bytes: null, objects: 1 } })
      await w.ordered(of)
      // Written between the count and the walk.
      w.beforeEach(async path => {
        if (path.endsWith('/offers')) await w.stored('in/two')
      })
      await completes(w, of)
    },
    says: 'failed: 2 objects are more than the 1',
    entered: 'in-mumbai failed',
    secondLine: true,
  },
  {
    check: 'that a revocation stops what is under way',
    file: policy,
    find: 'if (standing.revoked)',
    replace: 'if (false)',
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      await w.ordered(of)
      let isSaid = false
      w.beforeEach(async path => {
        if (!path.includes('batches') || isSaid) return
        isSaid = true
        await w.source.book.say(w.verdict('revoked', w.acme.keys[2]!, of))
      })
      await completes(w, of)
    },
    says: 'revoked: ',
    entered: 'in-mumbai revoked',
    secondLine: true,
  },
]

/** What regions believe of each other. */
const knowledge = 'transfers/knowledge.ts'
const knowing: readonly PathAttack[] = [
  {
    check: 'that both ends are at the same change',
    file: knowledge,
    find: "throw new TransferRefused( 'approvers-differ',",
    replace: "if (false) throw new TransferRefused( 'approvers-differ',",
    terms: three,
    attack: async w => {
      const of = w.instruction()
      await w.ordered(of)
      const gone = change(w, {}, setFields({ approvers: [a, b], quorum: 2 }))
      await w.ordered(gone)
      w.later(73 * hour)
      await carriedOut(w, gone, 'approvers')
      await w.stored('in/one')
      await completes(w, of)
    },
    says: 'peer-unavailable: in-mumbai and de-frankfurt are not at the same change',
  },
  {
    check: 'that the home was heard',
    file: knowledge,
    find: 'await refresh(there, tenant, id).catch(error => { throw stale(messageOf(error)) }) await demandSame(there, tenant, id)',
    replace: '',
    home: 'sg-singapore',
    attack: async w => {
      w.beforeEach(async (_path, to) => {
        if (to === 'sg-singapore') throw new Error('nobody answers')
      })
      await offered(w)
    },
    says: 'approvers-stale: de-frankfurt: de-frankfurt has not heard for too long',
    entered: refusedThere('approvers-stale'),
  },
  {
    check: 'that a peer tells of changes of its tenant only',
    file: knowledge,
    find: " || opened.kind !== 'approvers' || opened.tenant !== tenant",
    replace: '',
    attack: async w => {
      // It is not a change of the approvers: where it is to go to, its source offers it.
      const of = w.instruction()
      const told = {
        head: w.acme.id,
        changes: [{ instruction: printEnvelope(of), verdicts: w.approvals(of, 0).map(printEnvelope) }],
        withdrawals: [],
        verdicts: [],
      }
      await w.target.knowledge.hear(w.source.peer, w.acme.id, idOf(of), told)
      if ((await w.target.book.find(idOf(of))) === null) throw refusedFor('passed-over', 'it is not taken')
    },
    says: 'passed-over: it is not taken',
  },
  {
    check: 'that a change that is told waits here',
    file: 'policy/decide-approvers.ts',
    find: 'facts.nowUnixMs < from',
    replace: 'false',
    terms: three,
    attack: async w => {
      const of = change(w)
      const approvals = w.approvals(of, 0, 1).map(printEnvelope)
      const told = {
        head: idOf(of),
        changes: [{ instruction: printEnvelope(of), verdicts: approvals }],
        withdrawals: [],
        verdicts: [],
      }
      w.later(100 * hour)
      await w.source.knowledge.hear(w.target.peer, w.acme.id, idOf(of), told)
      await carriedOut(w, of, 'approvers')
    },
    says: 'failed: The change comes into force at',
  },
  {
    check: 'that a set is not another region’s word',
    file: 'verify/verdict-document.ts',
    find: 'approverSigned(approver, message, signature, crypto)',
    replace: 'true',
    terms: three,
    attack: async w => {
      const of = change(w, {}, setFields({ approvers: [stranger], quorum: 1 }))
      const forged = [stranger, deputy].map(key => printEnvelope(w.verdict('approved', key, of)))
      const told = {
        head: idOf(of),
        changes: [{ instruction: printEnvelope(of), verdicts: forged }],
        withdrawals: [],
        verdicts: [],
      }
      await w.source.knowledge.hear(w.target.peer, w.acme.id, idOf(of), told)
      const found = await w.source.book.find(idOf(of))
      if (found === null || found.verdicts.length === 0)
        throw refusedFor('passed-over', 'nobody has approved it')
    },
    says: 'passed-over: nobody has approved it',
  },
  {
    check: 'that what is told has its form',
    file: knowledge,
    find: "if (!told.success) throw new TransferRefused('instruction-out-of-scope', z.prettifyError(told.error))",
    replace: '',
    attack: w => w.target.knowledge.hear(w.source.peer, w.acme.id, idOf(w.instruction()), { head: 1 }),
    says: 'instruction-out-of-scope: ',
    secondLine: true,
  },
]

const approversFile = 'instructions/approver-chain.ts'
const stillLink =
  "{ table: 'approvers', key: linkKey(tenant, (await rowsOf(tenant)).length + 1), expected: null },"
/** Said while something else happens. */
const races: readonly PathAttack[] = [
  {
    check: 'that nothing arrives over a revocation that came in between',
    file: receiver,
    find: "{ table: 'instructions', key: utf8(id), expected: current.bytes }",
    replace: '',
    attack: async w => {
      const of = await offered(w)
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.send(of, 0, object)
      const revoked = w.verdict('revoked', w.acme.keys[2]!, of)
      await doneMeanwhile(w, 'transfer.arrived', () => w.target.book.say(revoked), w.target)
      await w.client(of).close(0)
    },
    says: 'instruction-revoked: de-frankfurt: ',
    entered: refusedThere('instruction-revoked'),
  },
  {
    check: 'that nothing arrives by a vote that was taken back in between',
    file: receiver,
    find: 'checks: [check, ...still,',
    replace: 'checks: [check,',
    terms: three,
    attack: async w => {
      const of = w.instruction()
      const said = lent(w, of)
      await w.offer(of, [...w.approvals(of, 0), said])
      const object = w.object('a')
      await w.announce(of, 0, object)
      await w.send(of, 0, object)
      const taken = withdrawal(w, said)
      await doneMeanwhile(w, 'transfer.arrived', () => w.target.book.withdraw(w.acme.id, taken), w.target)
      await w.client(of).close(0)
    },
    says: 'instruction-not-approved: de-frankfurt: 1 of the 2 approvals',
    entered: refusedThere('instruction-not-approved'),
  },
  {
    check: 'that nothing departs by a vote that was taken back in between',
    file: 'transfers/departure.ts',
    find: 'checks: [check, ...still]',
    replace: 'checks: [check]',
    terms: three,
    attack: async w => {
      await w.stored('in/one')
      const of = w.instruction()
      const said = lent(w, of)
      await w.ordered(of, [...w.approvals(of, 0), said])
      const taken = withdrawal(w, said)
      await doneMeanwhile(w, 'transfer.departed', () => w.source.book.withdraw(w.acme.id, taken))
      await w.run(of)
      const departed = (await w.source.entries()).filter(({ type }) => type === 'transfer.departed')
      if (departed.length === 0) await demand(w, of, 'completed')
    },
    says: 'failed: 1 of the 2 approvals',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that nothing is carried out by a vote that was taken back in between',
    file: approversFile,
    find: "{ table: 'approvers', key, expected: await catalog.get('approvers', key) },",
    replace: '',
    terms: three,
    attack: async w => {
      const of = ofKind(w, 'class')
      const said = lent(w, of)
      await w.ordered(of, [...w.approvals(of, 0), said])
      await doneMeanwhile(w, 'bucket.classified', () =>
        w.source.book.withdraw(w.acme.id, withdrawal(w, said)),
      )
      await carriedOut(w, of, 'class')
    },
    says: 'failed: 1 of the 2 approvals',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that nothing is carried out by approvers who were replaced in between',
    file: approversFile,
    find: stillLink,
    replace: '',
    terms: three,
    attack: async w => {
      const of = ofKind(w, 'class')
      const gone = change(w, {}, setFields({ approvers: [c], quorum: 1 }))
      await w.ordered(gone)
      w.later(73 * hour)
      await w.ordered(of)
      await doneMeanwhile(w, 'bucket.classified', () => carriedOut(w, gone, 'approvers'))
      await carriedOut(w, of, 'class')
    },
    says: 'failed: 0 of the 1 approvals',
    entered: 'in-mumbai failed',
  },
  {
    check: 'that nothing is carried out over a revocation that came in between',
    file: book,
    find: 'value: encodeRow(said)',
    replace: 'value: current.bytes',
    terms: three,
    attack: async w => {
      const of = ofKind(w, 'class')
      await w.ordered(of)
      await saidMeanwhile(w, 'bucket.classified', () => w.source.book.say(w.verdict('revoked', c, of)))
      await carriedOut(w, of, 'class')
    },
    says: 'revoked: ',
    entered: 'in-mumbai revoked',
  },
]

/** Something is done right before the transaction that would enter this. */
async function doneMeanwhile(
  w: World,
  type: string,
  work: () => Promise<unknown>,
  where = w.source,
): Promise<void> {
  const { catalog } = where
  const commit = catalog.commit.bind(catalog)
  let isDone = false
  catalog.commit = async batch => {
    if (!isDone && batch.puts?.some(({ value }) => Buffer.from(value).includes(type))) {
      isDone = true
      await work()
    }
    return commit(batch)
  }
}

/**
 * Something is said, and entered, right before the transaction that would enter this; what follows from it is entered
 * only after that one.
 */
async function saidMeanwhile(w: World, type: string, say: () => Promise<unknown>): Promise<void> {
  const { catalog } = w.source
  const commit = catalog.commit.bind(catalog)
  const entered = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  let saying: Promise<unknown> | null = null
  catalog.commit = async batch => {
    const enters = (text: string): boolean =>
      batch.puts?.some(({ value }) => Buffer.from(value).includes(text)) === true
    if (enters('"state":"revoked"')) await over.promise
    if (enters(type) && saying === null) {
      saying = say()
      await entered.promise
      const held = await commit(batch)
      over.resolve()
      await saying
      return held
    }
    const held = await commit(batch)
    if (enters('instruction.revoked')) entered.resolve()
    return held
  }
}

export const pathAttacks: readonly PathAttack[] = [
  ...drafts,
  ...verdicts,
  ...ends,
  ...offers,
  ...callers,
  ...tried,
  ...arrivals,
  ...departures,
  ...knowing,
  ...races,
]
