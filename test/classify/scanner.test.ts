import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScanner } from '../../src/cli/classify/scanner.ts'
import { aadhaarOf, cardOf, gstinOf, ibanOfAccount, kindsIn, noise, scan } from '../support/classify.ts'

const digits = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length })
    .map(each => each.join(''))
const letters = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'), minLength: length, maxLength: length })

const checked: Readonly<Record<string, fc.Arbitrary<string>>> = {
  aadhaar: fc
    .tuple(fc.integer({ min: 2, max: 9 }), digits(10))
    .map(([first, rest]) => aadhaarOf(first + rest)),
  card: digits(14).map(rest => cardOf(`4${rest}`)),
  iban: fc.oneof(
    digits(18).map(account => ibanOfAccount('DE', account)),
    fc.tuple(letters(4), digits(14)).map(([bank, account]) => ibanOfAccount('GB', bank + account)),
  ),
  gstin: fc
    .tuple(letters(3), letters(1), digits(4), letters(1))
    .map(([a, b, number, c]) => gstinOf(`27${a}P${b}${number}${c}1Z`)),
}

const grouped = (text: string): string => text.replace(/(.{4})(?=.)/g, '$1 ')
const everywhere = (text: string): number[] => Array.from({ length: text.length }, (_, i) => i)
const identifier = fc.oneof(
  ...Object.values(checked),
  fc.oneof(checked.aadhaar!, checked.card!, checked.iban!).map(grouped),
  fc.constantFrom('jane.doe@mail.example.org', 'bob@okaxis', '+49 30 1234567', 'ABCPE1234F', 'SBIN0001234'),
  fc.constant(`${'a'.repeat(64)}@${'b'.repeat(63)}.${'c.'.repeat(6)}org`),
)
const junk = fc.oneof(
  fc.constantFrom(' ', '\n', ',', '.', '-', '@', '+', '_', 'x', '7', '4111 ', 'a-', 'ab@', '\0', 'ü'),
  fc.string(),
  fc.nat(9).map(each => String(each).repeat(100)),
)
// Longer than the scanner's reach, so that cuts fall where it has to decide.
const content = fc
  .array(fc.oneof(identifier, junk, junk), { minLength: 50, maxLength: 150 })
  .map(pieces => pieces.join(' ').repeat(3))

describe('the scanner', () => {
  it('finds the same wherever the content is cut', () => {
    fc.assert(
      fc.property(content, fc.array(fc.nat(20_000), { maxLength: 40 }), (text, cuts) => {
        expect(scan(text, cuts)).toEqual(scan(text))
      }),
      { numRuns: 200 },
    )
  })

  it('finds once what straddles a cut, wherever the cut is', () => {
    const text = `${'. '.repeat(1500)}jane.doe@example.org 4111 1111 1111 1111${' .'.repeat(1500)}`
    const whole = scan(text)
    expect(whole.map(({ detector, start }) => [detector.kind, start])).toEqual([
      ['email', 3000],
      ['card', 3021],
    ])
    for (let cut = 2980; cut < 3060; cut++) expect(scan(text, [cut])).toEqual(whole)
    expect(scan(text, everywhere(text))).toEqual(whole)
  })

  it('remembers what stood before a cut', () => {
    const number = aadhaarOf('49912345678')
    const before = ['1234 ', 'DE12 ', '41d4-a716-', '0.', 'x', 'first.last._-', 'user@']
    for (const each of before) {
      const text = `${'. '.repeat(10)}${each}${grouped(number)} ${each}${number} ${each}jane@example.org${' .'.repeat(800)}`
      expect(scan(text, everywhere(text)), each).toEqual(scan(text))
    }
  })

  it.each(Object.entries(checked))('loses %s when any digit is another', (kind, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), fc.integer({ min: 1, max: 9 }), (text, nth, add) => {
        expect(kindsIn(text)).toContain(kind)
        const places = [...text.matchAll(/\d/g)].map(({ index }) => index)
        const at = places[nth % places.length]!
        const wrong = text.slice(0, at) + ((Number(text[at]) + add) % 10) + text.slice(at + 1)
        expect(kindsIn(wrong)).not.toContain(kind)
      }),
    )
  })

  it('says nothing of what ends where it stopped looking', () => {
    expect(scan('x 4111111111111111', [], false)).toEqual([])
    expect(scan('4111111111111111 and more', [], false)).toHaveLength(1)
  })

  // The guard is vitest's own limit for a test: a pattern that backtracks takes years, these take less than a second.
  const size = 5 << 20
  it.each<[string, string | Uint8Array]>([
    ['digits', '7'.repeat(size)],
    ['at signs', '@'.repeat(size)],
    ['letters', 'a'.repeat(size)],
    ['capitals', 'A'.repeat(size)],
    ['dots', 'a.'.repeat(size / 2)],
    ['dashes', 'a----b'.repeat(size / 6)],
    ['names without an end', 'ab@'.repeat(size / 3)],
    ['domains without an end', `ab@${'b.'.repeat(size / 2)}`],
    ['domains that nearly hold', 'ab@b.b.b.b.b.b.b.b.b1 '.repeat(size / 22)],
    ['long names', `${'a'.repeat(254)}@`.repeat(size / 255)],
    ['groups of digits', '4111 '.repeat(size / 5)],
    ['groups of an IBAN', 'DE12 '.repeat(size / 5)],
    ['plus signs', '+1 2 3 4 5 6 7 '.repeat(size / 15)],
    ['random bytes', noise('hostile', size)],
    ['zeros', new Uint8Array(size)],
  ])('comes to an end with 5 MB of %s', (_what, hostile) => {
    const bytes = Buffer.from(hostile)
    let found = 0
    const scanner = createScanner(({ holds }) => {
      if (holds) found++
    })
    for (let at = 0; at < bytes.length; at += 65_536) scanner.push(bytes.subarray(at, at + 65_536))
    scanner.end(true)
    expect(found).toBeLessThanOrEqual(2)
  })
})
