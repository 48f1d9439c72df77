/**
 * What is looked for: one row an identifier. A candidate begins where a word begins, so that what stands inside a
 * longer run of letters and digits is none; `pattern` says where it must end.
 *
 * The content may be an attacker's. Every repetition has an upper bound, together under `reachBytes` of the scanner,
 * and a candidate is tried once per place: so the work grows with the length of the content and with nothing else.
 */
import type { DataClass } from '../../policy/data-classes.ts'
import { isCardNumber } from './card-issuers.ts'
import { holdsLuhn, holdsMod36, holdsMod97, holdsVerhoeff } from './check-digits.ts'
import { ibanOf } from './iban-lengths.ts'

export interface Detector {
  readonly kind: string
  /** In the plural, for people. */
  readonly title: string
  /** What data with such identifiers is. */
  readonly speaksFor: DataClass
  /** Its first character. */
  readonly begins: RegExp
  /** Sticky, over text of one character a byte. */
  readonly pattern: RegExp
  /** The identifier in one spelling, so that it counts once; `null`: the pattern matched something else. */
  readonly shape: (text: string) => string | null
  /** The check digit. */
  readonly check: ((shaped: string) => boolean) | null
  /** How often one is found where none is: per number of that shape, or per byte of random content. */
  readonly chance: { readonly perShape: number } | { readonly perByte: number }
  /** So many distinct ones are no accident. */
  readonly enough: number
}

// Not the digits of a decimal fraction, nor a group of a UUID.
const notBefore = String.raw`(?<!(?<![A-Za-z])\.|[0-9A-Fa-f]{4}-)`
const notAfter = String.raw`(?![A-Za-z0-9]|\.\d|-[0-9A-Fa-f]{4})`
// Groups of four that go on are a longer number; after two letters and two digits, an IBAN.
const noGroupBefore = String.raw`(?<!\d{4} |[A-Z]{2}\d{2} )`
const noGroupAfter = String.raw`(?! \d{4}(?!\d))`
const wordEnd = '(?![A-Za-z0-9])'
// What is before a name's first letter must not be more of the name: each name is found from its start, once.
const nameStart = '(?<![A-Za-z0-9][._%+-]{1,3}|@)'

// Of banks and of the applications with most payments; a handle that is not here is not found.
const upiHandles = [
  ...[
    'apl',
    'axisb',
    'axisbank',
    'axl',
    'barodampay',
    'cnrb',
    'federal',
    'freecharge',
    'hdfcbank',
    'ibl',
    'icici',
  ],
  ...[
    'idfcbank',
    'indus',
    'jupiteraxis',
    'kotak',
    'okaxis',
    'okhdfcbank',
    'okicici',
    'oksbi',
    'paytm',
    'pnb',
  ],
  ...['ptaxis', 'pthdfc', 'ptsbi', 'ptyes', 'rapl', 'sbi', 'upi', 'waaxis', 'wahdfcbank', 'waicici', 'wasbi'],
  ...['yapl', 'ybl', 'yesbank'],
]

const digitsOf = (text: string): string => text.replaceAll(/\D/g, '')
const asIs = (text: string): string => text
const inLowerCase = (text: string): string => text.toLowerCase()

export const detectors: readonly Detector[] = [
  {
    kind: 'card',
    title: 'payment card numbers',
    speaksFor: 'payment',
    begins: /[2-68]/,
    pattern: new RegExp(
      String.raw`${notBefore}(?:\d{14,19}|${noGroupBefore}(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?${noGroupAfter}|\d{4}([ -])\d{6}\2\d{4,5}))${notAfter}`,
      'y',
    ),
    shape: text => {
      const digits = digitsOf(text)
      return isCardNumber(digits) && /[^0]/.test(digits.replaceAll(digits[0]!, '0')) ? digits : null
    },
    check: holdsLuhn,
    chance: { perShape: 1 / 10 },
    enough: 3,
  },
  {
    kind: 'upi',
    title: 'UPI ids',
    speaksFor: 'payment',
    begins: /[A-Za-z0-9]/,
    pattern: new RegExp(
      String.raw`${nameStart}[A-Za-z0-9][A-Za-z0-9._-]{1,254}@(?:${upiHandles.join('|')})(?![A-Za-z0-9_@-]|\.[A-Za-z0-9])`,
      'iy',
    ),
    shape: inLowerCase,
    check: null,
    chance: { perByte: 1e-9 },
    enough: 3,
  },
  {
    kind: 'iban',
    title: 'IBANs',
    speaksFor: 'financial',
    begins: /[A-Z]/,
    pattern: new RegExp(
      String.raw`[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)${wordEnd}`,
      'y',
    ),
    shape: ibanOf,
    check: holdsMod97,
    chance: { perShape: 1 / 97 },
    enough: 1,
  },
  {
    kind: 'ifsc',
    title: 'IFSC codes of bank branches',
    speaksFor: 'financial',
    begins: /[A-Z]/,
    pattern: new RegExp(`[A-Z]{4}0[A-Z0-9]{6}${wordEnd}`, 'y'),
    shape: asIs,
    check: null,
    chance: { perByte: 3e-8 },
    enough: 3,
  },
  {
    kind: 'aadhaar',
    title: 'Aadhaar numbers',
    speaksFor: 'sensitive-personal',
    begins: /[2-9]/,
    pattern: new RegExp(
      String.raw`${notBefore}(?:\d{12}|${noGroupBefore}\d{4}([ -])\d{4}\1\d{4}${noGroupAfter})${notAfter}`,
      'y',
    ),
    shape: digitsOf,
    check: holdsVerhoeff,
    chance: { perShape: 1 / 10 },
    enough: 3,
  },
  {
    kind: 'pan',
    title: 'Permanent Account Numbers (PAN)',
    speaksFor: 'sensitive-personal',
    begins: /[A-Z]/,
    pattern: new RegExp(String.raw`[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z]${wordEnd}`, 'y'),
    shape: asIs,
    check: null,
    chance: { perByte: 3e-9 },
    enough: 3,
  },
  {
    kind: 'email',
    title: 'e-mail addresses',
    speaksFor: 'personal',
    begins: /[A-Za-z0-9]/,
    pattern: new RegExp(
      String.raw`${nameStart}[A-Za-z0-9][A-Za-z0-9._%+-]{1,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9_@-]|\.[A-Za-z0-9])`,
      'y',
    ),
    shape: inLowerCase,
    check: null,
    chance: { perByte: 2e-8 },
    enough: 3,
  },
  {
    kind: 'phone',
    title: 'telephone numbers',
    speaksFor: 'personal',
    begins: /[+0]/,
    pattern: new RegExp(
      String.raw`(?:\+[1-9](?:[ -]?\d){7,14}|${notBefore}0[6-9]\d{4}[ -]?\d{5})${notAfter}`,
      'y',
    ),
    // An Indian mobile's 0 stands for +91.
    shape: text => digitsOf(text).replace(/^0/, '91'),
    check: null,
    chance: { perByte: 1e-9 },
    enough: 3,
  },
  {
    kind: 'gstin',
    title: 'GST identification numbers (GSTIN)',
    speaksFor: 'accounts',
    begins: /[0-39]/,
    pattern: new RegExp(
      String.raw`(?:0[1-9]|[12]\d|3[0-8]|9[79])[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]${wordEnd}`,
      'y',
    ),
    shape: asIs,
    check: holdsMod36,
    chance: { perShape: 1 / 36 },
    enough: 1,
  },
]
