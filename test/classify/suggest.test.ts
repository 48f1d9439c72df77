/** When a class is suggested, and how often it is where it should not be: measured beside what the maths says. */
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { detectors } from '../../src/cli/classify/detectors.ts'
import { createTally } from '../../src/cli/classify/tally.ts'
import { aadhaarOf, cardOf, inLines, noise, randomDigits, suggestFor } from '../support/classify.ts'

const cards = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => cardOf(`4${String(i).padStart(14, '0')}`))

describe('the suggestion', () => {
  it.each<[string, string[], string | null]>([
    ['three cards', cards(3), 'payment'],
    ['two cards', cards(2), null],
    ['one card many times', Array(50).fill(cards(1)[0]), null],
    ['one IBAN', ['DE89370400440532013000'], 'financial'],
    ['three Aadhaar numbers', [2, 3, 4].map(each => aadhaarOf(`${each}9912345678`)), 'sensitive-personal'],
    ['three PANs', ['ABCPE1234F', 'ABCPE1235F', 'ABCPE1236F'], 'sensitive-personal'],
    ['three UPI ids', ['aa@ybl', 'bb@upi', 'cc@oksbi'], 'payment'],
    ['three e-mail addresses', ['aa@example.org', 'bb@example.org', 'cc@example.org'], 'personal'],
    ['a GSTIN', ['27AAPFU0939F1ZV'], 'accounts'],
    ['two of each', ['aa@example.org', 'bb@example.org', '+4930123456', '+4930123457'], null],
    ['the strictest of several', ['27AAPFU0939F1ZV', 'DE89370400440532013000', ...cards(3)], 'payment'],
    ['nothing', ['lorem ipsum'], null],
  ])('for %s', (_what, lines, expected) => {
    expect(suggestFor(lines.join('\n')).suggestion?.dataClass ?? null).toBe(expected)
  })

  it('names what speaks for it, and nothing else', () => {
    const { suggestion } = suggestFor([...cards(3), 'aa@ybl', 'DE89370400440532013000'].join('\n'))
    expect(suggestion?.because.map(({ detector }) => detector.kind)).toEqual(['card'])
  })

  it('finds true ones among as many numbers as are by chance', () => {
    const noiseLines = inLines(randomDigits('among', 16_000), 16).split('\n')
    expect(suggestFor(noiseLines.join('\n')).suggestion).toBe(null)
    expect(suggestFor([...noiseLines, ...cards(100)].join('\n')).suggestion?.dataClass).toBe('payment')
  })

  it('keeps no more apart than it may, and says so', () => {
    const tally = createTally('salt', 10)
    const detector = detectors.find(({ kind }) => kind === 'email')!
    const source = { shown: 'x' }
    for (let i = 0; i < 30; i++)
      tally.add(
        { detector, identifier: `a${i % 20}@example.org`, holds: true, start: i, end: i },
        { source, offset: i },
      )
    expect(tally.kinds().find(kind => kind.detector === detector)).toMatchObject({
      ...{ finds: 30, distinct: 10, distinctShaped: 10, isCapped: true, sources: 1 },
      first: { source, offset: 0 },
    })
  })
})

describe('false alarms in a megabyte', () => {
  const size = 1_000_000
  /** Six standard deviations of a binomial count: one run in a thousand million is further out. */
  const bounds = (trials: number, chance: number): [number, number] => {
    const [mean, spread] = [trials * chance, 6 * Math.sqrt(trials * chance * (1 - chance))]
    return [mean - spread, mean + spread]
  }

  it.each<[string, string, number, number, number]>([
    // Eight first digits of ten, one check digit of ten.
    ['Aadhaar numbers in numbers of 12 digits', 'aadhaar', 12, 0.8, 0.1],
    // The shares of the issuers, as in card-issuers.ts, for 16 digits; one check digit of ten.
    ['cards in numbers of 16 digits', 'card', 16, 0.2992, 0.1],
  ])('%s are as many as chance has, and suggest nothing', (_what, kind, length, shaped, holding) => {
    const lines = inLines(randomDigits(kind, size), length)
    const trials = Math.ceil(size / length)
    const { kinds, suggestion } = suggestFor(lines)
    const [least, most] = bounds(trials, shaped * holding)
    expect(kinds[kind]!.finds).toBeGreaterThan(least)
    expect(kinds[kind]!.finds).toBeLessThan(most)
    const [leastShaped, mostShaped] = bounds(trials, shaped)
    if (!kinds[kind]!.isCapped) expect(kinds[kind]!.distinctShaped).toBeGreaterThan(leastShaped)
    expect(kinds[kind]!.distinctShaped).toBeLessThan(mostShaped)
    expect(suggestion).toBe(null)
  })

  it('IBANs of the right length and random digits hold one time in 97, and suggest nothing', () => {
    const accounts = inLines(randomDigits('iban', 200_000), 20).split('\n')
    const { kinds, suggestion } = suggestFor(accounts.map(account => `DE${account}`).join('\n'))
    const [, most] = bounds(10_000, 1 / 97)
    expect(kinds.iban).toMatchObject({ distinctShaped: 10_000 })
    expect(kinds.iban!.finds).toBeLessThan(most)
    expect(suggestion).toBe(null)
  })

  // What is one long word holds nothing at all; so do words of 64, and groups of hexadecimal digits.
  it.each<[string, () => string]>([
    ['digits without an end', () => randomDigits('endless', size)],
    ['hexadecimal digits without an end', () => noise('hex', size / 2).toString('hex')],
    ['SHA-256 digests', () => inLines(noise('digests', size / 2).toString('hex'), 64)],
    ['UUIDs', () => Array.from({ length: 27_000 }, () => randomUUID()).join('\n')],
    [
      'UUIDs of digits only',
      () =>
        inLines(randomDigits('uuids', size), 32).replaceAll(
          /(.{8})(....)(....)(....)(.{12})/g,
          '$1-$2-$3-$4-$5',
        ),
    ],
  ])('none in %s', (_what, content) => {
    expect(Object.values(suggestFor(content()).kinds).filter(({ finds }) => finds > 0)).toEqual([])
  })

  // By each detector's chance a byte these hold less than 0.06; three or more are one run in thirty thousand.
  it.each<[string, () => string | Uint8Array]>([
    ['base64 without an end', () => noise('base64', size * 0.75).toString('base64')],
    ['base64 in lines', () => inLines(noise('lines', size * 0.75).toString('base64'), 76)],
    ['base64url', () => inLines(noise('url', size * 0.75).toString('base64url'), 76)],
    ['random bytes', () => noise('bytes', size)],
  ])('at most two in %s', (_what, content) => {
    const perByte = detectors
      .map(({ chance }) => ('perByte' in chance ? chance.perByte : 0))
      .reduce((a, b) => a + b)
    expect(perByte * size).toBeLessThan(0.06)
    const { kinds, suggestion } = suggestFor(content())
    expect(Object.values(kinds).reduce((all, { finds }) => all + finds, 0)).toBeLessThanOrEqual(2)
    expect(suggestion).toBe(null)
  })
})
