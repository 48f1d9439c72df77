/**
 * What a provider could enter as its tenant's order, with what approvers of the tenant signed for something else, or
 * with keys of people who may not: against each check of chain, set, judge, delegation and verdict.
 */
import { utf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import type { Envelope } from '../../src/crypto/dsse.ts'
import { keyIdOf, type PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { printApprover } from '../../src/verify/approvers.ts'
import { withdrawalPayloadType } from '../../src/verify/delegation.ts'
import type { VerdictKind } from '../../src/verify/verdict-document.ts'
import {
  asJson,
  changeFields,
  delegationBy,
  type Fields,
  newKeys,
  order,
  setFields,
  verdictBy,
} from './approvers.ts'
import { createVictim, type ForgedRow, forgeStatement, joinedBody, type Victim } from './forge.ts'
import { type Attack, type Check, day, type Erasure, erased } from './verifier-attacks.ts'

const [a, b, c, spare, clerk, deputy, other, stranger] = newKeys(8) as [
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
]

const terms = {
  approvers: [a, b, c],
  quorum: 2,
  recovery: { approvers: [spare], quorum: 1 },
  rules: { drafters: [clerk] },
}
/** Two of three. */
const acme = createVictim(terms)
/** One of three, but never only the one who drafted. */
const careful = createVictim({ ...terms, quorum: 1, rules: { drafters: [clerk], separateDuties: true } })
/** All three, for erasures. */
const strict = createVictim({ ...terms, rules: { quorums: new Map([['erase', 3]]) } })
const ownPolicy = '@id("none") @reason("none")\nforbid (principal, action, resource);\n'
/** With a policy of its own. */
const ruled = createVictim({ ...terms, rules: { policy: ownPolicy } })
/** Without a recovery set. */
const bare = createVictim({ approvers: [a, b], quorum: 2 })

const said =
  (whose: Victim, kind: VerdictKind = 'approved') =>
  (key: PrivateKey, ordered: Envelope, change: Fields = {}): Envelope =>
    verdictBy(key, ordered, whose.tenant, kind, { time: day(2), ...change })
const approval = said(acme)

/** An erasure of acme's, with the approvals that are made of it. */
const eraseWith = (approvals: Erasure['approvals'], more: Erasure = {}): Attack =>
  erased({ victim: acme, approvals: approvals!, ...more })
const byTwo = (ordered: Envelope): Envelope[] => [approval(a, ordered), approval(b, ordered)]
/** Approved by a, and by an envelope that must not count. */
const second = (made: (ordered: Envelope) => Envelope | Json, more: Erasure = {}): Attack =>
  eraseWith(ordered => [approval(a, ordered), made(ordered)], more)
const oneOfTwo = '1 of 2 approvers'

const lend = (change: Fields = {}, from = b, to = deputy, tenant = acme.tenant): Envelope =>
  delegationBy(from, to, tenant, { expires: day(9), notBefore: day(1), ...change })
const lent = (delegation: Envelope, ordered: Envelope, change: Fields = {}, key = deputy): Envelope =>
  approval(key, ordered, { delegation: asJson(delegation), ...change })
/** By a, and by a deputy whose delegation is wrong in one thing. */
const secondLent = (change: Fields, from = b, to = deputy): Attack =>
  second(ordered => lent(lend(change, from, to), ordered, {}, to))

interface ChangeTerms {
  readonly whose?: Victim
  /** Merged into the instruction. */
  readonly fields?: Fields
  readonly set?: Json
  /** Merged into the set, and into its rules. */
  readonly with?: Fields
  readonly rules?: Fields
  readonly approvals?: (ordered: Envelope) => readonly Envelope[]
}
interface Link {
  readonly id: string
  readonly json: Json
}

const rightSet = setFields({ approvers: [c, other], quorum: 1 })
function change(number: number, after: string, change: ChangeTerms = {}): Link {
  const { whose = acme } = change
  const rules = { ...(rightSet.rules as Fields), ...change.rules }
  const set = change.set ?? { ...rightSet, rules, ...change.with }
  const fields = changeFields(whose.tenant, number, after, set as Fields)
  const dated = { ledger: whose.origin, expires: day(60), notBefore: day(1) }
  const ordered = order({ ...fields, ...dated, ...change.fields })
  const approvals = change.approvals?.(ordered) ?? [a, b].map(key => said(whose)(key, ordered))
  return { id: documentId(ordered), json: { approvals: approvals.map(asJson), envelope: asJson(ordered) } }
}

const entry = (type: string, body: Fields, dayOf?: number): ForgedRow => ({
  payload: { type, body, ...(dayOf !== undefined && { time: day(dayOf) }) },
})
const approvedAt = ({ id }: Link, dayOf = 3): ForgedRow =>
  entry('instruction.state', { instruction: id, state: 'approved' }, dayOf)
const changed = (links: readonly Link[], body: Fields = {}, dayOf = 6): ForgedRow =>
  entry(
    'approvers.changed',
    {
      chain: links.map(({ json }) => json),
      instruction: links.at(-1)?.id ?? '0'.repeat(64),
      number: links.length,
      ...body,
    },
    dayOf,
  )
const books = (rows: readonly ForgedRow[], whose = acme, first = 0): Attack => ({
  kind: 'statement',
  document: forgeStatement(whose, { rows: first === 0 ? [{}, ...rows] : rows, first }),
  trust: whose.trust(),
})
/** A region that was joined when there had been changes. */
const joinedWith = (chain: Json, whose = acme): ForgedRow => ({
  payload: { body: joinedBody(whose, { chain }) as Json },
})
const joined = (...links: readonly Link[]): Attack => ({
  kind: 'statement',
  document: forgeStatement(acme, { rows: [joinedWith(links.map(({ json }) => json)), {}] }),
  trust: acme.trust(),
})
const firstChange = (terms: ChangeTerms = {}): Link => change(1, (terms.whose ?? acme).tenant, terms)
/** The first change, wrong in one thing, as the region that made it tells of it. */
const wrong = (terms: ChangeTerms): Attack => {
  const link = firstChange(terms)
  return books([approvedAt(link), changed([link])], terms.whose)
}
const set = (find: string, replace: string, terms: ChangeTerms, says: string, more: object = {}): Check => ({
  check: `of a set: ${says}`,
  file: 'approver-set.ts',
  find,
  replace,
  attack: () => wrong(terms),
  says,
  ...more,
})

const withdrawn = (delegation: Envelope): ForgedRow => {
  const fields = { delegation: documentId(delegation), reason: '', tenant: acme.tenant, time: day(2), v: 1 }
  const envelope = signDocument(createDocument(withdrawalPayloadType, fields), c)
  return entry('delegation.withdrawn', {
    approver: keyIdOf(c),
    delegation: documentId(delegation),
    envelope: asJson(envelope),
  })
}

const approver = printApprover

/** Orders that are right, each in a way of its own. */
export const honestOrders: readonly (readonly [name: string, attack: () => Attack])[] = [
  ['two of three', () => eraseWith(byTwo)],
  ['by a drafter', () => eraseWith(byTwo, { drafter: clerk })],
  ['a third that counts for nothing', () => eraseWith(o => [...byTwo(o), approval(stranger, o), 'x', null])],
  ['a deputy', () => secondLent({})],
  ['a deputy for this kind', () => secondLent({ kinds: ['class', 'erase'] })],
  ['a deputy for 31 days', () => secondLent({ notBefore: day(1), expires: day(32) })],
  ['a deputy at the first moment', () => secondLent({ notBefore: day(2) })],
  [
    // Counted in the order in which they stand here, it would be two.
    'two deputies, one of them of two',
    () =>
      erased({
        victim: strict,
        approvals: o => {
          const by = said(strict)
          const of = (from: PrivateKey, to: PrivateKey) =>
            by(to, o, { delegation: asJson(lend({}, from, to, strict.tenant)) })
          return [of(b, deputy), of(b, other), of(c, deputy), by(a, o)]
        },
      }),
  ],
  [
    'a delegation that is taken back afterwards',
    () => {
      const delegation = lend()
      const { document } = second(o => lent(delegation, o))
      return { kind: 'statement', document, trust: acme.trust() }
    },
  ],
  [
    'another’s delegation is taken back',
    () => second(o => lent(lend(), o), { between: [withdrawn(lend())] }),
  ],
  [
    'three of three',
    () => erased({ victim: strict, approvals: o => [a, b, c].map(key => said(strict)(key, o)) }),
  ],
  [
    'another than who drafted',
    () => erased({ victim: careful, drafter: a, approvals: o => [a, b].map(key => said(careful)(key, o)) }),
  ],
  [
    'another approves what a clerk drafted',
    () => erased({ victim: careful, drafter: clerk, approvals: o => [said(careful)(a, o)] }),
  ],
  [
    'another’s deputy approves',
    () =>
      erased({
        victim: careful,
        drafter: a,
        approvals: o => [
          said(careful)(deputy, o, { delegation: asJson(lend({}, b, deputy, careful.tenant)) }),
        ],
      }),
  ],
  ['a change', () => wrong({})],
  [
    'two changes, and an erasure by the last',
    () => {
      const one = firstChange()
      const two = change(2, one.id, {
        set: setFields({ approvers: [a], quorum: 1 }),
        approvals: o => [approval(other, o)],
      })
      return eraseWith(o => [approval(a, o)], {
        chain: [one.json, two.json],
        between: [approvedAt(one), changed([one]), approvedAt(two, 7), changed([one, two], {}, 10)],
      })
    },
  ],
  [
    'a change after exactly 72 hours',
    () => {
      const link = firstChange()
      return books([approvedAt(link, 3), changed([link], {}, 6)])
    },
  ],
  ['a recovery', () => wrong({ fields: { by: 'recovery' }, approvals: o => [approval(spare, o)] })],
  [
    'a recovery that nobody drafted, where duties are separate',
    () => wrong({ whose: careful, fields: { by: 'recovery' }, approvals: o => [said(careful)(spare, o)] }),
  ],
  [
    'a region that was joined after a change, and has another',
    () => {
      const one = firstChange()
      const two = change(2, one.id, { approvals: o => [approval(c, o)] })
      const { document } = {
        document: forgeStatement(acme, {
          rows: [joinedWith([one.json]), approvedAt(two), changed([one, two])],
        }),
      }
      return { kind: 'statement', document, trust: acme.trust() }
    },
  ],
  [
    'a statement that begins later',
    () => {
      const one = firstChange()
      return books([changed([one])], acme, 4)
    },
  ],
  [
    'a set with all that it can have',
    () =>
      wrong({
        set: setFields({
          approvers: [a, b, c],
          quorum: 2,
          recovery: { approvers: [spare, a], quorum: 2 },
          rules: {
            abroad: 3,
            drafters: [clerk, deputy],
            quorums: new Map([
              ['approvers', 2],
              ['erase', 1],
              ['standing-transfer', 3],
            ]),
            separateDuties: true,
            policy: ownPolicy,
          },
        }),
      }),
  ],
  [
    'a policy in the genesis, kept, replaced and taken away',
    () => {
      const rules = (policy?: string | null): Fields => (policy === undefined ? {} : { policy })
      const links: Link[] = []
      for (const policy of [null, 'x'.repeat(16_384), undefined]) {
        const by = links.length === 0 ? undefined : (o: Envelope) => [said(ruled)(c, o)]
        links.push(
          change(links.length + 1, links.at(-1)?.id ?? ruled.tenant, {
            ...{ whose: ruled, rules: rules(policy) },
            ...(by && { approvals: by }),
          }),
        )
      }
      const rows = links.flatMap((link, at) => [
        approvedAt(link, 3 + 4 * at),
        changed(links.slice(0, at + 1), {}, 6 + 4 * at),
      ])
      return books(rows, ruled)
    },
  ],
]

/** Neither honest nor an attack: where two readers of one document could see two things. */
export const nearlyRight: readonly (readonly [name: string, attack: () => Attack])[] = [
  [
    'a reason of 500 pairs',
    () => second(ordered => approval(b, ordered, { reason: '\u{1f5c4}'.repeat(500) })),
  ],
  [
    'a reason of 501 pairs',
    () => second(ordered => approval(b, ordered, { reason: '\u{1f5c4}'.repeat(501) })),
  ],
  ['approvals that are no list', () => eraseWith(() => [], { told: { approvals: 'two' } })],
  ['approvals by their index', () => eraseWith(() => [], { told: { approvals: {} } })],
  ['an empty chain', () => eraseWith(byTwo, { chain: [] })],
  ['no list of entries', () => eraseWith(byTwo, { told: { entries: null } })],
  [
    'a drafter who has not signed, where nobody asks',
    () => eraseWith(byTwo, { order: { drafter: keyIdOf(a) } }),
  ],
  ['a drafter that is no key', () => eraseWith(byTwo, { order: { drafter: null } })],
  [
    'a link with a field more',
    () => {
      const link = firstChange()
      const more = { ...link, json: { ...(link.json as Fields), note: 'first' } }
      return books([approvedAt(link), changed([more])])
    },
  ],
  [
    'a link whose envelope has a field more, and another later',
    () => {
      const one = firstChange()
      const two = change(2, one.id, { approvals: ordered => [approval(c, ordered)] })
      const more = { ...one, json: { ...(one.json as Fields), note: 'first' } }
      return books([approvedAt(one), approvedAt(two), changed([more]), changed([one, two], {}, 7)])
    },
  ],
  [
    'an approval that is none, in a chain',
    () => wrong({ approvals: ordered => [...byTwo(ordered), lend()] }),
  ],
  ['a change whose number is true', () => wrong({ fields: { number: true } })],
  ['rules that are true', () => wrong({ rules: { abroad: true } })],
  ['a quorum by a kind of the prototype', () => wrong({ rules: { quorums: { constructor: 1 } } })],
  ['a delegation for kinds twice', () => secondLent({ kinds: ['erase', 'erase'] })],
  ['a delegation to a recovery key', () => secondLent({}, b, spare)],
  ['a delegation to a clerk', () => secondLent({}, b, clerk)],
  ['a delegation within a delegation', () => secondLent({ delegation: asJson(lend()) })],
  [
    'a taking back that names nothing',
    () =>
      second(ordered => lent(lend(), ordered), {
        between: [entry('delegation.withdrawn', { delegation: null })],
      }),
  ],
  [
    'a change in a statement that begins later, too soon',
    () => {
      const link = firstChange()
      return books([approvedAt(link, 5), changed([link])], acme, 4)
    },
  ],
  [
    'approved, stopped and changed by others',
    () => {
      const [one, again] = [firstChange(), firstChange()]
      return books([
        approvedAt(one),
        approvedAt(again),
        entry('instruction.revoked', { instruction: again.id }),
        changed([one]),
      ])
    },
  ],
  [
    'approved a second time',
    () => {
      const link = firstChange()
      return books([approvedAt(link, 3), approvedAt(link, 5), changed([link])])
    },
  ],
  [
    'a second joining',
    () => {
      const { payload } = joinedWith([firstChange().json])
      return eraseWith(byTwo, { between: [entry('tenant.joined', payload!.body as Fields)] })
    },
  ],
]

/** What of an order or of a change a provider could write something else into. */
export const orderParts = {
  change: 'after,by,expires,kind,ledger,notBefore,number,set,v,drafter',
  set: 'approvers,quorum,recovery,rules,extra',
  rules: 'abroad,drafters,policy,quorums,separateDuties,extra',
  changed: 'chain,instruction,number,extra',
  delegation: 'approver,delegate,expires,kinds,nonce,notBefore,reason,tenant,v,extra',
  verdict: 'instruction,reason,tenant,time,v,delegation,extra',
  joined: 'chain',
  withdrawn: 'delegation',
} as const

export function withField(part: keyof typeof orderParts, field: string, value: Json): Attack {
  const fields = { [field]: value }
  switch (part) {
    case 'change':
      return wrong({ fields })
    case 'set':
      return wrong({ with: fields })
    case 'rules':
      return wrong({ rules: fields })
    case 'delegation':
      return secondLent(fields)
    case 'verdict':
      return second(ordered => lent(lend(), ordered, fields))
    case 'joined':
      return {
        kind: 'statement',
        document: forgeStatement(acme, { rows: [joinedWith(value)] }),
        trust: acme.trust(),
      }
    case 'withdrawn':
      return second(ordered => lent(lend(), ordered), { between: [entry('delegation.withdrawn', fields)] })
    case 'changed': {
      const link = firstChange()
      return books([approvedAt(link), changed([link], fields)])
    }
  }
}

/** Values that are right somewhere. */
export const orderValues: readonly Json[] = [
  ...[1, 2, 3, 32, 33, 366, 367, 368].map(day),
  ...[0, 1, 2, 3, true, false, null],
  ...[[], ['erase'], ['approvers'], ['erase', 'lunch'], { erase: 1 }, { approvers: 1 }, { erase: 3 }, {}],
  ...['approvers', 'recovery', 'erase', acme.tenant, '', 'x'.repeat(1000), 'a'.repeat(32)],
  ...[a, b, c, spare, deputy].flatMap(key => [keyIdOf(key), approver(key), [approver(key)]]),
  ...[{ approvers: [], quorum: 0 }, { approvers: [approver(spare)], quorum: 1 }, rightSet],
]

const o = 'order-document.ts'
const v = 'verdict-document.ts'
const d = 'delegation.ts'
const j = 'judge.ts'
const book = 'approver-book.ts'

export const orderChecks: readonly Check[] = [
  // --- the instruction --------------------------------------------------------------------------------
  {
    check: 'that an order is an instruction',
    file: o,
    find: "if (envelope.payloadType !== instructionType) return 'it is no instruction'",
    replace: '',
    attack: () => eraseWith(byTwo, { ordered: right => ({ ...right, payloadType: 'application/json' }) }),
    says: 'it is no instruction',
  },
  {
    check: 'that signed documents are canonical',
    file: 'approver-set.ts',
    find: 'parseCanonicalJson(fromUtf8(payload))',
    replace: 'JSON.parse(fromUtf8(payload))',
    attack: () =>
      eraseWith(byTwo, {
        ordered: right => ({ ...right, payload: utf8(` ${Buffer.from(right.payload).toString()}`) }),
      }),
    says: 'its payload is not canonical JSON',
  },
  {
    check: 'of what kind an order is',
    file: o,
    find: "if (fields.kind !== kind) return 'it is of another kind'",
    replace: '',
    attack: () => eraseWith(byTwo, { order: { kind: 'class' } }),
    says: 'it is of another kind',
  },
  {
    check: 'the fields of an order',
    file: o,
    find: "if (Object.keys(others).join() !== fieldsOf[kind]) return 'it has other fields than the format'",
    replace: '',
    attack: () => eraseWith(byTwo, { order: { unless: 'the case is open' } }),
    says: 'the instruction: it has other fields',
  },
  {
    check: 'the version of an order',
    file: o,
    find: "if (fields.v !== 1) return 'it has another version than 1'",
    replace: '',
    attack: () => eraseWith(byTwo, { order: { v: 2 } }),
    says: 'the instruction: it has another version',
  },
  {
    check: 'whose order it is',
    file: o,
    find: "if (fields.tenant !== tenant) return 'it is of another tenant'",
    replace: '',
    attack: () => eraseWith(byTwo, { order: { tenant: strict.tenant } }),
    says: 'the instruction: it is of another tenant',
  },
  {
    check: 'that an order says from when until when',
    file: o,
    find: "typeof notBefore !== 'number' || typeof expires !== 'number'",
    replace: 'false',
    attack: () =>
      eraseWith(o => [a, b].map(key => approval(key, o, { time: '1970-01-02T00:00:00.000Z' })), {
        order: { notBefore: 'always', expires: '1970-06-01T00:00:00.000Z' },
      }),
    says: 'it does not say from when until when',
  },
  {
    check: 'that an order begins before it ends',
    file: o,
    find: 'expires <= notBefore || ',
    replace: '',
    attack: () => eraseWith(byTwo, { order: { notBefore: day(32) } }),
    says: 'valid for no time',
  },
  {
    check: 'that no order stands for years',
    file: o,
    find: ' || expires - notBefore > maxLifeMs',
    replace: '',
    attack: () => eraseWith(byTwo, { order: { expires: day(368) } }),
    says: 'valid for no time, or for too long',
  },
  {
    check: 'what an erasure is of',
    file: 'erasure.ts',
    find: "typeof seq !== 'number' || typeof id !== 'string' || more.length > 0",
    replace: 'false',
    attack: () =>
      eraseWith(byTwo, { order: { scope: { entries: [[1, 'x', 'and more']] } }, listed: [[1, 'x']] }),
    says: 'does not say what',
  },
  // --- the verdict --------------------------------------------------------------------------------------
  {
    check: 'that approvals are by approvers',
    file: v,
    find: 'approverSigned(approver, message, signature, crypto)',
    replace: 'true',
    attack: () => eraseWith(o => [approval(stranger, o), lent(lend(), o)]),
    says: oneOfTwo,
  },
  {
    check: 'that a document is a verdict',
    file: v,
    find: '(Object.keys(verdictTypes) as VerdictKind[]).find( name => verdictTypes[name] === envelope.payloadType, )',
    replace: "'approved' as VerdictKind",
    attack: () =>
      second(({ payload }) => {
        const instruction = documentId({ payload, payloadType: instructionPayloadType, signatures: [] })
        const fields = { instruction, reason: '', tenant: acme.tenant, time: day(2), v: 1 }
        return signDocument(createDocument('application/vnd.example.doubt+json', fields), b)
      }),
    says: oneOfTwo,
  },
  {
    check: 'that a verdict is an approval',
    file: j,
    find: "verdict.kind === 'approved' && ",
    replace: '',
    attack: () => second(o => said(acme, 'rejected')(b, o)),
    says: oneOfTwo,
  },
  {
    check: 'the fields of a verdict',
    file: v,
    find: "!isDelegated && names !== 'instruction,reason,tenant,time,v'",
    replace: 'false',
    attack: () => second(o => approval(b, o, { if: 'a does too' })),
    says: oneOfTwo,
  },
  {
    check: 'the version of a verdict',
    file: v,
    find: "if (v !== 1) return 'it has another version than 1'",
    replace: '',
    attack: () => second(o => approval(b, o, { v: 2 })),
    says: oneOfTwo,
  },
  {
    check: 'what a verdict is of',
    file: j,
    find: 'verdicts.filter(({ instruction }) => instruction === order.id)',
    replace: 'verdicts',
    attack: () => second(o => approval(b, o, { instruction: 'a'.repeat(64) })),
    says: oneOfTwo,
  },
  {
    check: 'that a verdict has a reason',
    file: v,
    find: "typeof reason !== 'string' || reason.length > 1000",
    replace: 'false',
    attack: () => second(o => approval(b, o, { reason: null })),
    says: oneOfTwo,
  },
  {
    check: 'how long a reason may be',
    file: v,
    find: ' || reason.length > 1000',
    replace: '',
    attack: () => second(o => approval(b, o, { reason: 'x'.repeat(1001) })),
    says: oneOfTwo,
  },
  {
    check: 'that a verdict has a time',
    file: v,
    find: "if (timeUnixMs === null) return 'it has no valid time'",
    replace: '',
    attack: () => second(o => approval(b, o, { time: 'soon' })),
    says: oneOfTwo,
  },
  {
    check: 'that a verdict is in time',
    file: j,
    find: ' && verdict.timeUnixMs < order.expiresUnixMs',
    replace: '',
    attack: () => second(o => approval(b, o, { time: day(32) })),
    says: oneOfTwo,
  },
  {
    check: 'whose verdict it is',
    file: v,
    find: "if (tenant !== set.tenant) return 'it is of another tenant'",
    replace: '',
    attack: () => second(o => approval(b, o, { tenant: strict.tenant })),
    says: oneOfTwo,
  },
  {
    check: 'that a verdict has one signature',
    file: v,
    find: "if (envelope.signatures.length !== 1) return 'it must carry exactly one signature'",
    replace: '',
    attack: () =>
      second(o => {
        const { signatures, ...document } = approval(b, o)
        return { ...document, signatures: [...signatures, ...signatures] }
      }),
    says: oneOfTwo,
  },
  // --- the judge ------------------------------------------------------------------------------------------
  {
    check: 'that it is enough',
    file: 'erasure.ts',
    find: 'if (isApproved(judgement)) return scope',
    replace: 'return scope',
    attack: () => eraseWith(o => [approval(a, o)]),
    says: oneOfTwo,
  },
  {
    check: 'that one approver is one vote',
    file: j,
    find: 'return [...speakers.keys()].filter(approver => find(approver, new Set())).length',
    replace: 'return approvals.length',
    attack: () => second(o => approval(a, o, { reason: 'once more' })),
    says: oneOfTwo,
  },
  {
    check: 'that one key is one vote',
    file: j,
    find: 'if (other !== undefined && !find(other, tried)) return false',
    replace: '',
    attack: () => eraseWith(o => [lent(lend({}, a), o), lent(lend({}, b), o)]),
    says: oneOfTwo,
  },
  {
    check: 'that recovery keys order no erasure',
    file: j,
    find: 'if (verdict.seat !== seat) return false',
    replace: '',
    attack: () => second(o => approval(spare, o)),
    says: oneOfTwo,
  },
  {
    check: 'what the tenant asks for this kind',
    file: 'approver-set.ts',
    find: 'rules.quorums.get(kind) ?? quorum',
    replace: 'quorum',
    attack: () => erased({ victim: strict, approvals: o => [a, b].map(key => said(strict)(key, o)) }),
    says: '2 of 3 approvers',
  },
  {
    check: 'that somebody has approved a recovery',
    file: j,
    find: 'Math.max(1, quorum)',
    replace: 'quorum',
    attack: () => wrong({ whose: bare, fields: { by: 'recovery' }, approvals: () => [] }),
    says: '0 of 1 recovery keys',
  },
  {
    check: 'that duties are separate',
    file: j,
    find: 'return approvals >= quorum && separate',
    replace: 'return approvals >= quorum',
    attack: () => erased({ victim: careful, drafter: a, approvals: o => [said(careful)(a, o)] }),
    says: 'nobody but who drafted it',
  },
  {
    check: 'that somebody says who drafted',
    file: j,
    find: 'order.drafter !== null && ',
    replace: '',
    attack: () => erased({ victim: careful, approvals: o => [said(careful)(a, o)] }),
    says: 'nobody but who drafted it',
  },
  {
    check: 'that a deputy of who drafted is no other',
    file: j,
    find: 'approverKey !== order.drafter && ',
    replace: '',
    attack: () =>
      erased({
        victim: careful,
        drafter: a,
        approvals: o => [
          said(careful)(deputy, o, { delegation: asJson(lend({}, a, deputy, careful.tenant)) }),
        ],
      }),
    says: 'nobody but who drafted it',
  },
  {
    check: 'that who drafted is no other as a deputy',
    file: j,
    find: ' && signerKey !== order.drafter',
    replace: '',
    attack: () =>
      erased({
        victim: careful,
        drafter: clerk,
        approvals: o => [said(careful)(clerk, o, { delegation: asJson(lend({}, b, clerk, careful.tenant)) })],
      }),
    says: 'nobody but who drafted it',
  },
  {
    check: 'that who is named as the drafter has signed',
    file: 'approver-chain.ts',
    find: 'return isTheirs ?',
    replace: 'return true ?',
    attack: () =>
      erased({
        victim: careful,
        order: { drafter: keyIdOf(clerk) },
        ordered: right => signDocument(right, a),
        approvals: o => [said(careful)(a, o)],
      }),
    says: 'nobody but who drafted it',
  },
  {
    check: 'that one drafts',
    file: 'approver-chain.ts',
    find: ' || more.length > 0',
    replace: '',
    attack: () =>
      erased({
        victim: careful,
        drafter: clerk,
        ordered: right => signDocument(right, a),
        approvals: o => [said(careful)(a, o)],
      }),
    says: 'nobody but who drafted it',
  },
  // --- delegations ---------------------------------------------------------------------------------------
  {
    check: 'that a delegation is one',
    file: d,
    find: "if (envelope.payloadType !== delegationPayloadType) return 'it has another payload type'",
    replace: '',
    attack: () =>
      second(o => {
        const { payload } = lend()
        const type = 'application/vnd.example.greeting+json'
        return lent(signDocument({ payload, payloadType: type, signatures: [] }, b), o)
      }),
    says: oneOfTwo,
  },
  {
    check: 'the fields of a delegation',
    file: d,
    find: "Object.keys(fields).join() !== 'approver,delegate,expires,kinds,nonce,notBefore,reason,tenant,v'",
    replace: 'false',
    attack: () => secondLent({ but: 'not on Sundays' }),
    says: oneOfTwo,
  },
  {
    check: 'the version of a delegation',
    file: d,
    find: 'v' + "' || fields.v !== 1 ) return 'it has other fields than the format' const { approver,",
    replace: "v' ) return 'it has other fields than the format'\n  const { approver,",
    attack: () => secondLent({ v: 2 }),
    says: oneOfTwo,
  },
  {
    check: 'whose delegation it is',
    file: d,
    find: "if (tenant !== set.tenant) return 'it is of another tenant' if (typeof nonce",
    replace: 'if (typeof nonce',
    attack: () => secondLent({ tenant: strict.tenant }),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation has a nonce',
    file: d,
    find: "if (typeof nonce !== 'string' || !/^[0-9a-f]{32}$/.test(nonce)) return 'it has no nonce'",
    replace: '',
    attack: () => secondLent({ nonce: '' }),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation has a reason',
    file: d,
    find: "if (typeof reason !== 'string' || reason.length > 1000) return 'its reason is none, or too long' const notBefore",
    replace: 'const notBefore',
    attack: () => secondLent({ reason: 7 }),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation says from when until when',
    file: d,
    find: 'notBefore === null || expires === null || ',
    replace: '',
    // Nothing is before the year 1970 that it then begins in.
    attack: () =>
      second(o =>
        lent(lend({ notBefore: 'always', expires: '1970-01-09T00:00:00.000Z' }), o, {
          time: '1970-01-02T00:00:00.000Z',
        }),
      ),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation is for a month at most',
    file: d,
    find: "if (expires - notBefore > maxDelegationMs) return 'it is valid for more than 31 days'",
    replace: '',
    attack: () => secondLent({ expires: day(33) }),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation names kinds that there are',
    file: d,
    find: "!kinds.every(kind => typeof kind === 'string' && known.includes(kind))",
    replace: 'false',
    attack: () => secondLent({ kinds: ['approvers', 'erase'] }),
    says: oneOfTwo,
  },
  {
    check: 'for which kinds a delegation is',
    file: j,
    find: 'return delegation.kinds === null || delegation.kinds.includes(order.kind)',
    replace: 'return true',
    attack: () => secondLent({ kinds: ['class'] }),
    says: oneOfTwo,
  },
  {
    check: 'that an approver is nobody’s deputy',
    file: d,
    find: 'set.approvers.some(known => equalBytes(known.publicKey, delegate.publicKey))',
    replace: 'false',
    attack: () => secondLent({}, b, c),
    says: oneOfTwo,
  },
  {
    check: 'that an approver gives it',
    file: d,
    find: 'const giver = set.approvers.find(',
    replace: 'const giver = [...set.approvers, ...set.recovery.approvers].find(',
    attack: () => secondLent({}, spare),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation has one signature',
    file: d,
    find: 'signature === undefined || more.length > 0',
    replace: 'signature === undefined',
    attack: () => second(o => lent(signDocument(lend(), stranger), o)),
    says: oneOfTwo,
  },
  {
    check: 'that who gives it has signed',
    file: d,
    find: "if (!approverSigned(giver, message, signature.signature, crypto)) return 'not signed by who gives it'",
    replace: '',
    attack: () => secondLent({ approver: keyIdOf(b) }, stranger),
    says: oneOfTwo,
  },
  {
    check: 'that a deputy speaks after it was let',
    file: v,
    find: 'timeUnixMs < delegation.notBeforeUnixMs || ',
    replace: '',
    attack: () => secondLent({ notBefore: day(3) }),
    says: oneOfTwo,
  },
  {
    check: 'that a deputy speaks before its time is over',
    file: v,
    find: ' || timeUnixMs >= delegation.expiresUnixMs',
    replace: '',
    attack: () => secondLent({ expires: day(2) }),
    says: oneOfTwo,
  },
  {
    check: 'that a deputy is the one who was named',
    file: v,
    find: "if (signed === null) return 'not signed by whom the delegation names'",
    replace: '',
    attack: () => second(o => lent(lend(), o, {}, stranger)),
    says: oneOfTwo,
  },
  {
    check: 'that a delegation was not taken back',
    file: j,
    find: ' || isWithdrawn(delegation.id)',
    replace: '',
    attack: () => {
      const delegation = lend()
      return second(o => lent(delegation, o), { between: [withdrawn(delegation)] })
    },
    says: oneOfTwo,
  },
  {
    check: 'that nobody passes on who may sign',
    file: j,
    find: "order.kind === 'approvers' || isWithdrawn",
    replace: 'isWithdrawn',
    attack: () => wrong({ approvals: o => [approval(a, o), lent(lend(), o)] }),
    says: '1 of 2 approvers',
  },
  // --- changes of the approvers ----------------------------------------------------------------------------
  {
    check: 'that a change has its approvals',
    file: 'approver-chain.ts',
    find: 'if (!isApproved(judgement))',
    replace: 'if (false)',
    attack: () => wrong({ approvals: o => [approval(a, o), approval(c, o, { tenant: strict.tenant })] }),
    says: 'change 1 of the approvers: 1 of 2 approvers have signed for it',
  },
  {
    check: 'that who comes lets nobody come',
    file: 'approver-chain.ts',
    find: 'openVerdict(approval, before, crypto)',
    replace: 'openVerdict(approval, next as ApproverSet, crypto)',
    attack: () => wrong({ approvals: o => [approval(c, o), approval(other, o)] }),
    says: '1 of 2 approvers',
  },
  {
    check: 'that approvers make no recovery',
    file: j,
    find: "order.by === 'recovery' ? 'recovery' : 'approver'",
    replace: "'approver'",
    attack: () => wrong({ fields: { by: 'recovery' } }),
    says: '0 of 1 recovery keys',
  },
  {
    check: 'that each change is judged by the one before',
    file: 'approver-chain.ts',
    find: 'const next = followLink(set, link, crypto)',
    replace:
      'const next = followLink({ ...genesisSet(genesis), number: set.number, id: set.id }, link, crypto)',
    attack: () => {
      const one = firstChange()
      return joined(one, change(2, one.id))
    },
    says: 'change 2 of the approvers: 0 of 1',
  },
  {
    check: 'the number of a change',
    file: 'approver-set.ts',
    find: 'change.number !== before.number + 1 || ',
    replace: '',
    attack: () => joined(change(2, acme.tenant)),
    says: 'it takes the place of',
  },
  {
    check: 'after what a change comes',
    file: 'approver-set.ts',
    find: ' || change.after !== before.id',
    replace: '',
    attack: () => joined(change(1, 'd'.repeat(64))),
    says: 'it takes the place of',
  },
  {
    check: 'that late regions begin with what was ordered',
    file: book,
    find: "if (typeof set === 'string') return `the approvers: ${set}`",
    replace: '',
    attack: () => joined(firstChange({ approvals: () => [] })),
    says: 'the approvers: change 1 of the approvers: 0 of 2',
  },
  {
    check: 'that a chain is one',
    file: book,
    find: "links === null ? 'it is no chain of changes' : followChain(this.#genesis, links, this.#crypto)",
    replace: "links === null ? 'nothing' : followChain(this.#genesis, links, this.#crypto)",
    attack: () => ({
      kind: 'statement',
      document: forgeStatement(acme, { rows: [joinedWith('none')] }),
      trust: acme.trust(),
    }),
    says: 'it is no chain of changes',
    secondLine: true,
  },
  {
    check: 'that a change holds its chain',
    file: book,
    find: 'links === null || last === undefined',
    replace: 'links === null',
    attack: () => books([changed([])]),
    says: 'it holds no chain',
    secondLine: true,
  },
  {
    check: 'that a change has its chain’s number',
    file: book,
    find: "if (links.length !== body.number) return 'its number is another than its chain’s'",
    replace: '',
    attack: () => {
      const link = firstChange()
      return books([approvedAt(link), changed([link], { number: 2 })])
    },
    says: 'its number is another',
  },
  {
    check: 'that a change names an instruction',
    file: book,
    find: "type === 'approvers.changed' ? 'the change of the approvers: it names no instruction' : null",
    replace: 'null',
    attack: () => books([changed([firstChange({ approvals: () => [] })], { instruction: null })]),
    says: 'it names no instruction',
  },
  {
    check: 'that a change names its instruction',
    file: book,
    find: 'documentIdOf(last.envelope, this.#crypto) !== instruction',
    replace: 'false',
    attack: () => {
      const [link, approved] = [firstChange(), firstChange()]
      return books([approvedAt(approved), changed([link], { instruction: approved.id })])
    },
    says: 'it names another instruction',
  },
  {
    check: 'that a change was ordered',
    file: book,
    find: "if (typeof set === 'string') return set",
    replace: '',
    attack: () => wrong({ approvals: () => [] }),
    says: '0 of 2 approvers',
  },
  {
    check: 'that a change follows the one in force',
    file: book,
    find: "if (!this.isInForce(chain.slice(0, -1))) return 'it does not follow the change before'",
    replace: '',
    // The first change is undone by another first change: its approvers would have signed no such thing.
    attack: () => {
      const [one, again] = [firstChange(), firstChange()]
      return books([approvedAt(one), approvedAt(again), changed([one]), changed([again], {}, 7)])
    },
    says: 'it does not follow the change before',
  },
  ...(
    [
      ['a revocation', 'instruction.revoked', {}, "type === 'instruction.revoked' || ", ''],
      ['its end', 'instruction.state', { state: 'revoked' }, "'rejected', 'revoked'", "'rejected'"],
      ['its expiry', 'instruction.state', { state: 'expired' }, "'expired', ", ''],
      ['its failure', 'instruction.state', { state: 'failed' }, "'failed', ", ''],
      ['a rejection', 'instruction.state', { state: 'rejected' }, "'rejected', ", ''],
    ] as const
  ).map(
    ([name, type, body, find, replace]): Check => ({
      check: `that a change stops at ${name}`,
      file: book,
      find,
      replace,
      attack: () => {
        const link = firstChange()
        return books([approvedAt(link), entry(type, { instruction: link.id, ...body }), changed([link])])
      },
      says: 'it had been stopped',
    }),
  ),
  {
    check: 'that a change had been approved',
    file: book,
    find: "return this.#isWhole ? 'nothing before says that it was approved' : null",
    replace: 'return null',
    attack: () => books([changed([firstChange()])]),
    says: 'nothing before says that it was approved',
  },
  {
    check: 'that a change has waited',
    file: book,
    find: 'timeUnixMs - approved < approversWaitMs',
    replace: 'false',
    attack: () => {
      const link = firstChange()
      const early = entry('instruction.state', { instruction: link.id, state: 'approved' }, 3)
      return books([
        { payload: { ...early.payload, time: isoTime(Date.parse(day(3)) + 1) } },
        changed([link], {}, 6),
      ])
    },
    says: 'it did not wait for 72 hours',
  },
  {
    check: 'that an erasure is judged by those in force',
    file: 'erasure.ts',
    find: '!approvers.isInForce(body.chain ?? [])',
    replace: 'false',
    // a and b are gone, and order all the same.
    attack: () => {
      const link = firstChange()
      return eraseWith(byTwo, { between: [approvedAt(link), changed([link])] })
    },
    says: 'judged by other approvers than were in force',
  },
  {
    check: 'that an erasure has the chain that it is judged by',
    file: 'erasure.ts',
    find: "if (typeof set === 'string') return `the approvers: ${set}`",
    replace: '',
    attack: () => eraseWith(byTwo, { chain: 'none' }),
    says: 'it is no chain of changes',
    secondLine: true,
  },
  // --- sets ----------------------------------------------------------------------------------------------
  set(
    "Object.keys(value).join() !== 'approvers,quorum,recovery,rules'",
    'false',
    { with: { note: '' } },
    'the set has other fields',
  ),
  set(
    "if (main.quorum === 0) return 'the set has no approvers'",
    '',
    { with: { approvers: [], quorum: 0 } },
    'the set has no approvers',
  ),
  set(
    " || Object.keys(recovery).join() !== 'approvers,quorum'",
    '',
    { with: { recovery: { approvers: [], note: '', quorum: 0 } } },
    'the set has no recovery set',
  ),
  set(
    "if (typeof spare === 'string') return `the recovery set: ${spare}`",
    '',
    { with: { recovery: { approvers: [approver(spare)], quorum: 2 } } },
    'the recovery set: a quorum must be',
  ),
  set(
    "return typeof rules === 'string' ? rules :",
    "return typeof rules === 'string' ? { ...main, recovery: spare, rules: noRules } :",
    { with: { rules: null } },
    'the rules have other fields',
  ),
  set(
    "Object.keys(rest).join() !== 'abroad,drafters,quorums,separateDuties'",
    'false',
    { rules: { holidays: [] } },
    'the rules have other fields',
  ),
  set(
    "if (text.length === 0) return 'the policy is empty'",
    '',
    { rules: { policy: '' } },
    'the policy is empty',
  ),
  set(
    'text.length > maxPolicyLength',
    'false',
    { rules: { policy: 'x'.repeat(16_385) } },
    'the policy is longer than 16384',
  ),
  set(
    "hidden.test(text) ? 'the policy has characters that do not show' :",
    '',
    { rules: { policy: `${ownPolicy}\u202e` } },
    'the policy has characters that do not show',
  ),
  set(
    "else if (policy !== undefined && policy !== null) return 'the policy is no text'",
    '',
    { rules: { policy: [ownPolicy] } },
    'the policy is no text',
  ),
  set(
    "if (keepsPolicy && before.rules.policy === null) return 'it keeps a policy, and there is none'",
    '',
    { rules: { policy: null } },
    'it keeps a policy, and there is none',
  ),
  set(
    "if (!isQuorum(abroad, 0)) return 'abroad must be from 0 to the number of approvers'",
    '',
    { rules: { abroad: 3 } },
    'abroad must be',
  ),
  set(
    "if (typeof separateDuties !== 'boolean') return 'separateDuties must be true or false'",
    '',
    { rules: { separateDuties: 0 } },
    'separateDuties must be',
  ),
  set(
    "if (separateDuties && most < 2) return 'separate duties take two approvers'",
    '',
    {
      rules: { separateDuties: true },
      with: {},
      set: setFields({ approvers: [a], quorum: 1, rules: { separateDuties: true } }),
    },
    'separate duties take two',
  ),
  set(
    "if (!isRecord(quorums)) return 'quorums is no object'",
    '',
    { rules: { quorums: [] } },
    'quorums is no object',
  ),
  set(
    '!(instructionKinds as readonly string[]).includes(kind)',
    'false',
    { rules: { quorums: { lunch: 1 } } },
    'there is no instruction of kind lunch',
  ),
  set('n <= most', 'true', { rules: { quorums: { erase: 3 } } }, 'the quorum for erase must be'),
  set(
    "kind === 'approvers' ? quorum : 1))",
    '1))',
    { set: setFields({ approvers: [a, b], quorum: 2, rules: { quorums: new Map([['approvers', 1]]) } }) },
    'the quorum for approvers must be',
  ),
  set(
    "if (drafters.approvers.some(isApprover)) return 'a drafter is an approver already'",
    '',
    { rules: { drafters: [approver(c)] } },
    'a drafter is an approver already',
  ),
  set(
    "if (by !== 'approvers' && by !== 'recovery') return 'by is approvers or recovery'",
    '',
    { fields: { by: 'anybody' } },
    'by is approvers or recovery',
  ),
  {
    check: 'that no key is listed twice',
    file: 'approvers.ts',
    find: 'new Set(approvers.map(({ publicKey }) => toHex(publicKey))).size !== approvers.length',
    replace: 'false',
    attack: () => wrong({ set: setFields({ approvers: [c, c], quorum: 2 }) }),
    says: 'a key is listed twice',
  },
  {
    check: 'that a quorum can be had',
    file: 'approvers.ts',
    find: ' || quorum > approvers.length',
    replace: '',
    attack: () => wrong({ with: { quorum: 3 } }),
    says: 'a quorum must be',
  },
  {
    check: 'that a genesis has rules that can be kept',
    file: 'genesis.ts',
    find: "if (typeof rules === 'string') return `the genesis: ${rules}`",
    replace: '',
    attack: () => ({ ...books([]), trust: createVictim({ ...terms, rules: { abroad: 9 } }).trust() }),
    says: 'trust: the genesis: abroad must be',
    secondLine: true,
  },
  {
    check: 'that a genesis keeps no policy from before it',
    file: 'genesis.ts',
    find: "if (rules.keepsPolicy) return 'the genesis keeps a policy, and there is none before it'",
    replace: '',
    attack: () => ({ ...books([]), trust: createVictim({ ...terms, rules: { keepsPolicy: true } }).trust() }),
    says: 'trust: the genesis keeps a policy',
    secondLine: true,
  },
]
