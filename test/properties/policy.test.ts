import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Policy, parsePolicy } from '../../src/policy/document.ts'
import { askResourcePolicy } from '../../src/policy/evaluate.ts'
import { isInRange, parseIpRange } from '../../src/policy/ip-range.ts'
import { compilePattern, matchesPattern } from '../../src/policy/pattern.ts'

const symbol = fc.constantFrom('a', 'b', '/', '*', '?')
const text = fc.array(fc.constantFrom('a', 'b', '/', '*'), { maxLength: 8 }).map(list => list.join(''))
const patternText = fc.array(symbol, { minLength: 1, maxLength: 8 }).map(list => list.join(''))

/** An IPv4 address in IPv6's clothes is what it is to S3: no range of IPv6 has it. */
const isOfIpv6 = (address: string): boolean => !/^::ffff:\d+\./i.test(address)

/** The meaning of the two wildcards, as a regular expression says it. */
function slow(pattern: string, given: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\/]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(given)
}

const statement = fc.record({
  Effect: fc.constantFrom('Allow', 'Deny'),
  Principal: fc.constantFrom('*', { AWS: '111122223333' }, { AWS: '444455556666' }),
  Action: fc.constantFrom('s3:GetObject', 's3:Get*', 's3:PutObject', '*'),
  Resource: patternText.map(pattern => `arn:aws:s3:::papers/${pattern}`),
  Condition: fc.constantFrom({}, { Bool: { 'aws:SecureTransport': true } }),
})
const request = fc.record({
  action: fc.constantFrom('s3:getobject', 's3:putobject'),
  key: text,
  isSecure: fc.boolean(),
  isAnonymous: fc.boolean(),
})

interface Request {
  readonly action: string
  readonly key: string
  readonly isSecure: boolean
  readonly isAnonymous: boolean
}

const root = {
  kind: 'root',
  accountId: '111122223333',
  canonicalId: 'c',
  arn: 'arn:aws:iam::111122223333:root',
  arns: ['arn:aws:iam::111122223333:root'],
  userId: '111122223333',
  userName: null,
} as const

function read(statements: readonly object[]): Policy {
  const policy = parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'resource')
  if (typeof policy === 'string') throw new Error(policy)
  return policy
}

function ask(statements: readonly object[], { action, key, isSecure, isAnonymous }: Request) {
  return askResourcePolicy(read(statements), {
    caller: isAnonymous ? null : root,
    action,
    resource: `arn:aws:s3:::papers/${key}`,
    keys: name => (name === 'aws:securetransport' ? [String(isSecure)] : null),
    ownerAccountId: '111122223333',
  })
}

describe('patterns', () => {
  it('match what the wildcards mean', () => {
    fc.assert(
      fc.property(patternText, text, (pattern, given) => {
        const compiled = compilePattern(pattern, true)!
        expect(matchesPattern(compiled, given, () => null)).toBe(slow(pattern, given))
      }),
    )
  })

  it('take no more from a variable than its letters', () => {
    fc.assert(
      fc.property(text, text, text, (before, value, given) => {
        const compiled = compilePattern(`${before.replaceAll('*', '')}\${aws:username}`, true)!
        const expected = given === `${before.replaceAll('*', '')}${value}`
        expect(matchesPattern(compiled, given, () => value)).toBe(expected)
      }),
    )
  })

  it('answer a hostile pattern in bounded steps', () => {
    const compiled = compilePattern(`${'*a'.repeat(5000)}b`, true)!
    expect(matchesPattern(compiled, 'a'.repeat(1024), () => null)).toBe(false)
  })
})

describe('policies', () => {
  const statements = fc.array(statement, { minLength: 1, maxLength: 5 })

  it('do not depend on the order of their statements', () => {
    fc.assert(
      fc.property(statements, request, (list, what) => {
        expect(ask(list, what)).toBe(ask(list.toReversed(), what))
      }),
    )
  })

  it('are never widened by a deny, and never narrowed by an allow', () => {
    const rank = { deny: 0, none: 1, account: 2, exact: 3 }
    fc.assert(
      fc.property(statements, statement, request, (list, more, what) => {
        const before = rank[ask(list, what) ?? 'none']
        const after = rank[ask([...list, more], what) ?? 'none']
        if (more.Effect === 'Deny') expect(after).toBeLessThanOrEqual(before)
        else expect(after).toBeGreaterThanOrEqual(before)
      }),
    )
  })

  it('say what the statements that speak say', () => {
    fc.assert(
      fc.property(statements, request, (list, what) => {
        const speaking = list.filter(each => {
          const named =
            each.Principal === '*' ||
            (!what.isAnonymous && (each.Principal as { AWS: string }).AWS === root.accountId)
          const action = slow(each.Action.toLowerCase(), what.action)
          const resource = slow(each.Resource, `arn:aws:s3:::papers/${what.key}`)
          return named && action && resource && (!('Bool' in each.Condition) || what.isSecure)
        })
        const expected = speaking.some(({ Effect }) => Effect === 'Deny')
          ? 'deny'
          : speaking.length > 0
            ? 'exact'
            : null
        expect(ask(list, what)).toBe(expected)
      }),
    )
  })

  it('are read or refused in words, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.json().map(json => `{"Version":"2012-10-17","Statement":${json}}`),
        ),
        text => {
          const policy = parsePolicy(text, 'resource')
          expect(typeof policy === 'string' ? policy.length > 0 : policy.statements.length > 0).toBe(true)
        },
      ),
    )
  })
})

describe('ranges of addresses', () => {
  it('hold their own addresses and no other', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, length, other) => {
        const number = (address: string) =>
          address.split('.').reduce((sum, field) => sum * 256 + Number(field), 0)
        const range = parseIpRange(`${base}/${length}`)!
        const span = 2 ** (32 - length)
        expect(isInRange(range, base)).toBe(true)
        expect(isInRange(range, other)).toBe(
          Math.floor(number(base) / span) === Math.floor(number(other) / span),
        )
      }),
    )
    fc.assert(
      fc.property(fc.ipV6().filter(isOfIpv6), address => {
        expect(isInRange(parseIpRange(address)!, address)).toBe(true)
        expect(isInRange(parseIpRange(`${address}/0`)!, '2001:db8::1')).toBe(true)
      }),
    )
  })
})
