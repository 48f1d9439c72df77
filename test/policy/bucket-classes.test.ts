import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classesWithin, classOfKey, lostWithin, withClass } from '../../src/policy/bucket-classes.ts'
import { keepsRules } from '../../src/policy/data-classes.ts'

const names = ['personal', 'payment', 'health', 'non-personal'] as const
const prefix = fc.string({ unit: fc.constantFrom('a', 'b', '/'), minLength: 1, maxLength: 4 })
const bucket = fc
  .record({
    dataClass: fc.constantFrom(...names),
    prefixes: fc.uniqueArray(fc.tuple(prefix, fc.constantFrom(...names)), {
      selector: ([text]) => text,
      maxLength: 5,
    }),
  })
  .map(({ dataClass, prefixes }) => {
    const made: { dataClass: string; classes?: ReturnType<typeof withClass> } = { dataClass }
    for (const [text, each] of prefixes) made.classes = withClass(made, text, each)
    return made
  })
const key = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 7 })

describe('classes by prefix', () => {
  it('are those of the longest prefix', () => {
    const classes = [
      { prefix: 'a', dataClass: 'payment' },
      { prefix: 'ab', dataClass: 'health' },
    ]
    const of = (text: string) => classOfKey({ dataClass: 'personal', classes }, text)
    expect([of('x'), of('a'), of('ac'), of('ab'), of('abc'), of('')]).toEqual([
      ...['personal', 'payment', 'payment', 'health', 'health', 'personal'],
    ])
  })

  it('of a scope are all that a key in it can be of, and no others', () => {
    fc.assert(
      fc.property(bucket, prefix, key, (made, scope, rest) => {
        const within = new Set(classesWithin(made, scope).map(({ dataClass }) => dataClass))
        expect(within.has(classOfKey(made, scope + rest))).toBe(true)
      }),
    )
  })

  it('lose their rules exactly where some key would', () => {
    fc.assert(
      fc.property(bucket, bucket, prefix, key, (from, to, scope, rest) => {
        const lost = lostWithin(from, to, scope)
        if (lost === null) {
          expect(keepsRules(classOfKey(from, scope + rest), classOfKey(to, scope + rest))).toBe(true)
        } else {
          expect(lost.prefix.startsWith(scope)).toBe(true)
          expect(keepsRules(classOfKey(from, lost.prefix), classOfKey(to, lost.prefix))).toBe(false)
        }
      }),
    )
  })
})
