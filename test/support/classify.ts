/** Content to classify, and what the scanner says of it. */
import { createHash } from 'node:crypto'
import { holdsMod36, holdsVerhoeff } from '../../src/cli/classify/check-digits.ts'
import { type Candidate, createScanner } from '../../src/cli/classify/scanner.ts'
import { type Suggestion, suggestClass } from '../../src/cli/classify/suggest.ts'
import { createTally, type KindTally } from '../../src/cli/classify/tally.ts'

/** Cut at `cuts`, and judged as soon as the scanner can. */
export function scan(
  content: string | Uint8Array,
  cuts: readonly number[] = [],
  isWhole = true,
): Candidate[] {
  const bytes = Buffer.from(content)
  const found: Candidate[] = []
  const scanner = createScanner(candidate => found.push(candidate), 1)
  let at = 0
  for (const cut of [...cuts, bytes.length].map(each => Math.min(each, bytes.length)).sort((a, b) => a - b)) {
    // A copy that is overwritten afterwards, as a reader's buffer is.
    const piece = Uint8Array.from(bytes.subarray(at, cut))
    scanner.push(piece)
    piece.fill(0x34)
    at = cut
  }
  scanner.end(isWhole)
  return found
}

/** What was found, by kind. */
export function kindsIn(content: string | Uint8Array): string[] {
  return scan(content)
    .filter(({ holds }) => holds)
    .map(({ detector }) => detector.kind)
}

export function suggestFor(content: string | Uint8Array): {
  readonly kinds: Readonly<Record<string, KindTally>>
  readonly suggestion: Suggestion | null
} {
  const tally = createTally('salt')
  const source = { shown: 'content' }
  for (const candidate of scan(content)) tally.add(candidate, { source, offset: candidate.start })
  const kinds = tally.kinds()
  return {
    kinds: Object.fromEntries(kinds.map(kind => [kind.detector.kind, kind])),
    suggestion: suggestClass(kinds, Buffer.byteLength(content)),
  }
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** The first check character that holds, after what is without one. */
export const aadhaarOf = (digits: string): string => complete(digits, holdsVerhoeff, alphabet.slice(0, 10))
export const gstinOf = (start: string): string => complete(start, holdsMod36, alphabet)

function complete(start: string, holds: (text: string) => boolean, characters: string): string {
  const last = [...characters].find(character => holds(start + character))
  if (last === undefined) throw new Error(`nothing completes ${start}`)
  return start + last
}

/** Another way to Luhn's digit than the detector's: by the table of doubled digits. */
export function cardOf(digits: string): string {
  const sum = [...digits]
    .reverse()
    .reduce((all, digit, i) => all + Number((i % 2 ? '0123456789' : '0246813579')[+digit]), 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}

/** Check digits as ISO 13616 computes them: of the number with `00`, from 98. */
export function ibanOfAccount(country: string, account: string): string {
  const number = [...`${account}${country}00`].map(each => Number.parseInt(each, 36)).join('')
  return `${country}${String(98n - (BigInt(number) % 97n)).padStart(2, '0')}${account}`
}

/** The same unforeseeable bytes for the same seed. */
export function noise(seed: string, bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update(seed).digest()
}

/** Unbiased: bytes of 250 and more are left out. */
export function randomDigits(seed: string, count: number): string {
  const usable = noise(seed, Math.ceil(count * 1.1) + 1000).filter(byte => byte < 250)
  return Array.from(usable.subarray(0, count), byte => byte % 10).join('')
}

export function inLines(text: string, length: number): string {
  return (text.match(new RegExp(`.{1,${length}}`, 'g')) ?? []).join('\n')
}
