/** The books of two ends held against each other: each way in which they can differ is told. */
import { describe, expect, it } from 'vitest'
import { type BookedEntry, balanceBooks } from '../../src/transfers/balance.ts'

const id = 'a'.repeat(64)
const sha = (name: string): string => name.repeat(64).slice(0, 64)
const objects = (...names: readonly string[]): [string, number, string][] =>
  names.map(name => [`o-${name}`, 100, sha(name)])

let entries = 0
const entry = (region: string, type: string, body: object): BookedEntry => ({
  id: `e${entries++}`,
  region,
  type: `transfer.${type}`,
  body: { instruction: id, batch: 0, manifestSha256: sha('m'), ...body },
})
const departed = (names: string[], change: object = {}): BookedEntry =>
  entry('in', 'departed', { peer: 'de', objects: objects(...names), ...change })
const arrived = (names: string[], change: object = {}): BookedEntry =>
  entry('de', 'arrived', { peer: 'in', objects: objects(...names), ...change })
const voided = (names: string[]): BookedEntry =>
  entry('in', 'voided', { peer: 'de', objects: names.map(name => [`o-${name}`, 'gone']) })

const balance = (
  books: readonly BookedEntry[],
  { open = false, regions = ['in', 'de'] }: { open?: boolean; regions?: string[] } = {},
) => {
  async function* all() {
    yield* books
  }
  return balanceBooks(all(), { regions: new Set(regions), isOpen: () => open })
}

describe('the books of two ends', () => {
  it('balance when all that departed arrived or was voided, in whatever order they are read', async () => {
    const books = [departed(['x', 'y', 'z']), arrived(['x', 'y']), voided(['z'])]
    for (const order of [books, books.toReversed()])
      expect(await balance(order)).toEqual({ findings: [], batches: 1, objects: 3, open: 0, elsewhere: 0 })
  })

  it('balance when an entry is read twice, on its way into the log and in it', async () => {
    const books = [departed(['x']), arrived(['x'])]
    expect((await balance([...books, ...books])).findings).toEqual([])
  })

  it('are open while the source is at work on a batch, and name batches of regions that are not here', async () => {
    expect(await balance([departed(['x', 'y'])], { open: true })).toMatchObject({ findings: [], open: 2 })
    expect(await balance([departed(['x'])], { regions: ['in'] })).toMatchObject({
      findings: [],
      elsewhere: 1,
    })
  })

  it.each<[string, BookedEntry[], RegExp]>([
    [
      'what departed and is nowhere',
      [departed(['x', 'y']), arrived(['x'])],
      /o-y neither arrived nor was voided/,
    ],
    ['what arrived from nowhere', [arrived(['x'])], /arrived and never departed/],
    [
      'what arrived beside what departed',
      [departed(['x']), arrived(['x', 'y'])],
      /o-y arrived and did not depart/,
    ],
    [
      'other bytes',
      [departed(['x']), arrived(['x'], { objects: [['o-x', 100, sha('q')]] })],
      /o-x arrived as other bytes/,
    ],
    [
      'another length',
      [departed(['x']), arrived(['x'], { objects: [['o-x', 99, sha('x')]] })],
      /o-x arrived as other bytes/,
    ],
    ['another list', [departed(['x']), arrived(['x'], { manifestSha256: sha('n') })], /name other objects/],
    [
      'both ends of one object',
      [departed(['x']), arrived(['x']), voided(['x'])],
      /o-x arrived and was voided/,
    ],
    [
      'a void of nothing',
      [departed(['x']), arrived(['x']), voided(['y'])],
      /o-y was voided and did not depart/,
    ],
    ['two departures', [departed(['x']), departed(['x']), arrived(['x'])], /departed twice/],
    ['two arrivals', [departed(['x']), arrived(['x']), arrived(['x'])], /arrived twice/],
    [
      'an object in two batches',
      [departed(['x']), arrived(['x']), departed(['x'], { batch: 1 }), arrived(['x'], { batch: 1 })],
      /o-x arrived in batch 0 .* and in batch 1 /,
    ],
  ])('do not hide %s', async (_what, books, words) => {
    const { findings } = await balance(books)
    expect(findings.join('\n')).toMatch(words)
  })
})
