import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Conversation } from '../../src/flows/reconcile/conversation.ts'
import { couldBeWindowMs, createLeftOvers } from '../../src/flows/reconcile/left-overs.ts'

const talk = (fromUnixMs: number, lastsMs: number, leftBytes: number) =>
  ({ fromUnixMs, untilUnixMs: fromUnixMs + lastsMs, leftBytes, couldBeBytes: 0 }) as Conversation

it('gives what is left near a time, each byte once, as a walk over all would', () => {
  const time = fc.integer({ min: 0, max: 5 * couldBeWindowMs })
  const lasts = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 3 * couldBeWindowMs }))
  const bytes = fc.integer({ min: 0, max: 9 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(time, lasts, bytes), { maxLength: 12 }),
      fc.array(fc.tuple(time, lasts, fc.integer({ min: 1, max: 20 })), { maxLength: 12 }),
      (talks, asked) => {
        const some = createLeftOvers(talks.map(each => talk(...each)))
        const all = talks.map(each => talk(...each)).sort((a, b) => a.fromUnixMs - b.fromUnixMs)
        for (const [from, ms, wanted] of asked) {
          let expected = 0
          for (const one of all) {
            const isNear =
              from <= one.untilUnixMs + couldBeWindowMs && from + ms >= one.fromUnixMs - couldBeWindowMs
            const spend = isNear ? Math.min(wanted - expected, one.leftBytes - one.couldBeBytes) : 0
            one.couldBeBytes += spend
            expected += spend
          }
          expect(some.take(from, from + ms, wanted)).toBe(expected)
        }
      },
    ),
  )
})
