/** What approvals come to: who counts, for whom, how often, for what. Each case fails without the check it is for. */
import { describe, expect, it } from 'vitest'
import { isoTime } from '../../src/core/time.ts'
import type { Envelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto as crypto } from '../../src/crypto/node-verify-crypto.ts'
import { generatePrivateKey, keyIdOf, type PrivateKey } from '../../src/crypto/signatures.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { checkedDrafter, followChain, genesisSet } from '../../src/verify/approver-chain.ts'
import { type ApproverRules, type ApproverSet, parseSetBody } from '../../src/verify/approver-set.ts'
import { openDelegation } from '../../src/verify/delegation.ts'
import { openGenesis } from '../../src/verify/genesis.ts'
import { isApproved, type Judgement, judge, type Order } from '../../src/verify/judge.ts'
import { openVerdict, type Verdict } from '../../src/verify/verdict-document.ts'
import {
  asJson,
  changeFields,
  delegationBy,
  type Fields,
  genesisOf,
  newKeys,
  order,
  setFields,
  verdictBy,
} from '../support/approvers.ts'

const [a, b, c] = newKeys(3) as [PrivateKey, PrivateKey, PrivateKey]
const [stranger, deputy, spare, otherSpare, clerk] = newKeys(5) as [
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
]

function tenantWith(rules: Partial<ApproverRules> = {}, quorum = 2): ApproverSet {
  const terms = {
    approvers: [a, b, c],
    quorum,
    recovery: { approvers: [spare, otherSpare], quorum: 2 },
    rules,
  }
  const genesis = openGenesis(genesisOf(terms), crypto)
  if (typeof genesis === 'string') throw new Error(genesis)
  return genesisSet(genesis)
}

const hexOf = ({ publicKey }: PrivateKey): string => Buffer.from(publicKey).toString('hex')

const anOrder: Envelope = order({ kind: 'transfer', n: 1 })
const orderFacts = (change: Partial<Order> = {}): Order => ({
  id: documentId(anOrder),
  kind: 'transfer',
  expiresUnixMs: Date.now() + 3600e3,
  drafter: null,
  by: 'approvers',
  isAbroad: false,
  ...change,
})

function judged(
  set: ApproverSet,
  envelopes: readonly Envelope[],
  change: Partial<Order> = {},
  withdrawn: readonly string[] = [],
): Judgement {
  const verdicts = envelopes
    .map(envelope => openVerdict(envelope, set, crypto))
    .filter((verdict): verdict is Verdict => typeof verdict !== 'string')
  return judge(orderFacts(change), verdicts, set, id => withdrawn.includes(id))
}

describe('a quorum', () => {
  const set = tenantWith()
  const by = (key: PrivateKey, change: Fields = {}) => verdictBy(key, anOrder, set.tenant, 'approved', change)

  it('counts different approvers, by each once', () => {
    expect(isApproved(judged(set, [by(a), by(a, { reason: 'again' })]))).toBe(false)
    expect(isApproved(judged(set, [by(a), by(b)]))).toBe(true)
  })

  it.each([
    ['a stranger', by(stranger)],
    ['a recovery key', by(spare)],
    ['another tenant', verdictBy(b, anOrder, 'f'.repeat(64))],
    ['another instruction', verdictBy(b, order({ kind: 'transfer', n: 2 }), set.tenant)],
    ['a rejection', verdictBy(b, anOrder, set.tenant, 'rejected')],
    ['after the end', by(b, { time: isoTime(Date.now() + 7200e3) })],
    ['two signatures', { ...by(b), signatures: [...by(b).signatures, ...by(c).signatures] }],
    ['one field more', by(b, { extra: 1 })],
    ['a version to come', by(b, { v: 2 })],
    ['no time', by(b, { time: 'yesterday' })],
    ['no reason', by(b, { reason: 7 })],
    ['too long a reason', by(b, { reason: 'x'.repeat(1001) })],
  ])('does not count %s', (_, envelope) => {
    expect(judged(set, [by(a), envelope]).approvals).toBe(1)
  })

  it('is what the tenant says for the kind, and more abroad', () => {
    const strict = tenantWith({ quorums: new Map([['erase', 1]]), abroad: 3 })
    const two = [verdictBy(a, anOrder, strict.tenant), verdictBy(b, anOrder, strict.tenant)]
    const three = [...two, verdictBy(c, anOrder, strict.tenant)]
    expect(isApproved(judged(strict, two.slice(0, 1), { kind: 'erase' }))).toBe(true)
    expect(isApproved(judged(strict, two.slice(0, 1), { kind: 'class' }))).toBe(false)
    expect(isApproved(judged(strict, two))).toBe(true)
    expect(isApproved(judged(strict, two, { isAbroad: true }))).toBe(false)
    expect(isApproved(judged(strict, three, { isAbroad: true }))).toBe(true)
    expect(judged(strict, two, { kind: 'erase', isAbroad: true }).quorum).toBe(3)
  })
})

describe('separate duties', () => {
  const set = tenantWith({ separateDuties: true }, 1)
  const by = (key: PrivateKey) => verdictBy(key, anOrder, set.tenant)

  it('want another approver than who drafted, and to know who did', () => {
    expect(isApproved(judged(set, [by(a)], { drafter: hexOf(a) }))).toBe(false)
    expect(isApproved(judged(set, [by(a)], { drafter: null }))).toBe(false)
    expect(isApproved(judged(set, [by(b)], { drafter: hexOf(a) }))).toBe(true)
    expect(isApproved(judged(set, [by(a), by(b)], { drafter: hexOf(a) }))).toBe(true)
  })

  it('know the drafter by a signature that only that one could make', () => {
    const drafters = tenantWith({ drafters: [clerk] })
    const signed = order({ kind: 'transfer' }, clerk)
    const checked = (envelope: Envelope, named: PrivateKey, of = drafters) =>
      checkedDrafter(envelope, keyIdOf(named), of, crypto)
    expect(checked(signed, clerk)).toBe(hexOf(clerk))
    expect(checked(signed, clerk, tenantWith())).toBe(null)
    expect(checked(signed, a)).toBe(null)
    expect(checked({ ...signed, signatures: [] }, clerk)).toBe(null)
    expect(checked({ ...signed, payload: Buffer.from('{}') }, clerk)).toBe(null)
    expect(checked(order({ kind: 'transfer' }, stranger), stranger)).toBe(null)
  })

  it('cannot be gone round by a deputy of whoever drafted', () => {
    // The deputy drafts, and approves for somebody who is away.
    const delegation = delegationBy(b, deputy, set.tenant)
    const lent = verdictBy(deputy, anOrder, set.tenant, 'approved', { delegation: asJson(delegation) })
    expect(isApproved(judged(set, [lent], { drafter: hexOf(deputy) }))).toBe(false)
    expect(isApproved(judged(set, [lent], { drafter: hexOf(a) }))).toBe(true)
  })

  it('cannot be gone round by a deputy whom whoever drafted has named', () => {
    // Its key may be made by the drafter itself.
    const delegation = delegationBy(a, deputy, set.tenant)
    const lent = verdictBy(deputy, anOrder, set.tenant, 'approved', { delegation: asJson(delegation) })
    expect(isApproved(judged(set, [lent], { drafter: hexOf(a) }))).toBe(false)
    expect(isApproved(judged(set, [lent, by(b)], { drafter: hexOf(a) }))).toBe(true)
  })
})

describe('a vote that is lent', () => {
  const set = tenantWith()
  const own = verdictBy(a, anOrder, set.tenant)
  const lent = (delegation: Envelope, change: Fields = {}, key = deputy) =>
    verdictBy(key, anOrder, set.tenant, 'approved', { delegation: asJson(delegation), ...change })
  const given = (change: Fields = {}) => delegationBy(b, deputy, set.tenant, change)

  it('counts as the vote of who lent it, once', () => {
    expect(isApproved(judged(set, [own, lent(given())]))).toBe(true)
    expect(judged(set, [lent(given()), verdictBy(b, anOrder, set.tenant)]).approvals).toBe(1)
  })

  it('is one person’s, for however many that one speaks', () => {
    const both = [lent(given()), lent(delegationBy(c, deputy, set.tenant))]
    expect(judged(set, both).approvals).toBe(1)
    expect(judged(set, [own, ...both]).approvals).toBe(2)
  })

  it('is counted the same in whatever order votes come', () => {
    const [forB, forC] = [
      lent(delegationBy(b, deputy, set.tenant)),
      lent(delegationBy(c, deputy, set.tenant)),
    ]
    const other = lent(delegationBy(b, clerk, set.tenant), {}, clerk)
    const orders = [
      [forB, forC, other],
      [other, forC, forB],
      [forC, forB, other],
      [forB, other, forC],
    ]
    expect(orders.map(each => judged(set, each).approvals)).toEqual([2, 2, 2, 2])
  })

  it('is for the kinds it names', () => {
    const forErasures = lent(given({ kinds: ['erase'] }))
    expect(judged(set, [own, forErasures]).approvals).toBe(1)
    expect(judged(set, [own, forErasures], { kind: 'erase' }).approvals).toBe(2)
    expect(judged(set, [own, lent(given())], { kind: 'approvers' }).approvals).toBe(1)
  })

  it('makes nobody two people who has one key under two names', () => {
    // A P-256 key can be listed as such and as a passkey, of any site: ids differ, the key is one.
    const key = generatePrivateKey('ecdsa-p256-sha256')
    const genesis = openGenesis(genesisOf({ approvers: [key, a, b], quorum: 2 }), crypto)
    if (typeof genesis === 'string') throw new Error(genesis)
    const set = genesisSet(genesis)
    const passkey = {
      algorithm: 'webauthn-es256',
      origins: ['https://a.example'],
      publicKey: hexOf(key),
      rpId: 'a.example',
    }
    const delegation = delegationBy(a, deputy, set.tenant, { delegate: passkey })
    expect(openDelegation(delegation, set, crypto)).toMatch(/an approver already/)
    const twice = parseSetBody({
      ...setFields({ approvers: [key, a], quorum: 1 }),
      rules: { abroad: 0, drafters: [passkey], quorums: {}, separateDuties: false },
    })
    expect(twice).toMatch(/an approver already/)
  })

  it('ends when it is taken back', () => {
    const delegation = given()
    expect(judged(set, [own, lent(delegation)], {}, [documentId(delegation)]).approvals).toBe(1)
  })

  it.each([
    ['given to an approver, who has one already', delegationBy(b, c, set.tenant), c],
    ['given by a stranger', delegationBy(stranger, deputy, set.tenant), deputy],
    ['given by a recovery key', delegationBy(spare, deputy, set.tenant), deputy],
    [
      'given in somebody else’s name',
      delegationBy(stranger, deputy, set.tenant, { approver: keyIdOf(b) }),
      deputy,
    ],
    ['given for another tenant', delegationBy(b, deputy, 'e'.repeat(64)), deputy],
    ['used by another', given(), stranger],
    ['used by who gave it', given(), b],
    ['used before its time', given({ notBefore: isoTime(Date.now() + 3600e3) }), deputy],
    [
      'used after its time',
      given({ notBefore: isoTime(Date.now() - 7200e3), expires: isoTime(Date.now() - 3600e3) }),
      deputy,
    ],
    ['for longer than a month', given({ expires: isoTime(Date.now() + 32 * 86_400e3) }), deputy],
    ['for who may change the approvers', given({ kinds: ['approvers'] }), deputy],
    ['for no kind', given({ kinds: [] }), deputy],
    ['of another version', given({ v: 2 }), deputy],
    ['with one field more', given({ more: true }), deputy],
  ])('does not count %s', (_, delegation, key) => {
    expect(judged(set, [own, lent(delegation, {}, key)]).approvals).toBe(1)
  })
})

describe('a chain of approvers', () => {
  const terms = { approvers: [a, b], quorum: 2, recovery: { approvers: [spare, otherSpare], quorum: 1 } }
  const genesisEnvelope = genesisOf(terms)
  const genesis = openGenesis(genesisEnvelope, crypto)
  if (typeof genesis === 'string') throw new Error(genesis)
  const { tenant } = genesis
  const change = (number: number, after: string, keys: readonly PrivateKey[], more: Fields = {}) =>
    order({ ...changeFields(tenant, number, after, setFields({ approvers: keys, quorum: 1 })), ...more })
  const link = (envelope: Envelope, ...keys: PrivateKey[]) => ({
    envelope,
    approvals: keys.map(key => verdictBy(key, envelope, tenant)),
  })

  it('is followed from the genesis, each change by whom the one before let sign', () => {
    const first = change(1, tenant, [c])
    const second = change(2, documentId(first), [a, b])
    const end = followChain(genesis, [link(first, a, b), link(second, c)], crypto)
    expect(end).toMatchObject({ number: 2, id: documentId(second), quorum: 1 })
    expect(followChain(genesis, [link(first, a, b), link(second, a, b)], crypto)).toMatch(
      /change 2 .* 0 of 1/,
    )
  })

  it.each([
    ['too few', () => [link(change(1, tenant, [c]), a)]],
    ['one twice', () => [link(change(1, tenant, [c]), a, a)]],
    ['those it lets in', () => [link(change(1, tenant, [c, stranger]), c, stranger)]],
    ['a gap', () => [link(change(2, tenant, [c]), a, b)]],
    ['another past', () => [link(change(1, 'd'.repeat(64), [c]), a, b)]],
    ['another tenant', () => [link(change(1, tenant, [c], { tenant: 'd'.repeat(64) }), a, b)]],
    ['another kind', () => [link(change(1, tenant, [c], { kind: 'transfer' }), a, b)]],
    ['a set of nobody', () => [link(change(1, tenant, []), a, b)]],
    ['a recovery that approvers sign', () => [link(change(1, tenant, [c], { by: 'recovery' }), a, b)]],
    ['approvers’ change that recovery keys sign', () => [link(change(1, tenant, [c]), spare, otherSpare)]],
    [
      'approvals of another change',
      () => [{ ...link(change(1, tenant, [c]), a, b), envelope: change(1, tenant, [stranger]) }],
    ],
  ])('is not followed over %s', (_, links) => {
    expect(typeof followChain(genesis, links(), crypto)).toBe('string')
  })

  it('is changed by the recovery set when it is its own change', () => {
    const recovered = change(1, tenant, [c], { by: 'recovery' })
    expect(followChain(genesis, [link(recovered, spare)], crypto)).toMatchObject({ number: 1 })
  })

  it.each([
    ['a quorum of more than there are', { quorum: 4 }],
    ['a quorum for a kind that is none', { rules: { quorums: new Map([['lunch', 1]]) } }],
    ['less for approvers than for the rest', { quorum: 2, rules: { quorums: new Map([['approvers', 1]]) } }],
    ['more abroad than there are', { rules: { abroad: 3 } }],
    ['separate duties of one', { approvers: [a], quorum: 1, rules: { separateDuties: true } }],
  ])('takes no set with %s', (_, terms) => {
    const set = setFields({ approvers: [a, b], quorum: 1, ...terms })
    const wrong = order(changeFields(tenant, 1, tenant, set))
    expect(typeof followChain(genesis, [link(wrong, a, b)], crypto)).toBe('string')
  })
})

describe('who may stop a change of the approvers', () => {
  const set = tenantWith()
  const said = (key: PrivateKey, change: Partial<Order>) =>
    judged(set, [verdictBy(key, anOrder, set.tenant, 'revoked')], { kind: 'approvers', ...change }).revoked

  it('is any approver and any recovery key, and of a recovery the recovery keys alone', () => {
    expect([said(a, {}), said(spare, {}), said(stranger, {})]).toEqual([true, true, false])
    expect([said(spare, { by: 'recovery' }), said(a, { by: 'recovery' })]).toEqual([true, false])
    expect(said(spare, { kind: 'transfer' })).toBe(false)
  })
})
