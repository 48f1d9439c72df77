import { describe, expect, it } from 'vitest'
import { isCardNumber } from '../../src/cli/classify/card-issuers.ts'
import { holdsLuhn, holdsMod36, holdsMod97, holdsVerhoeff } from '../../src/cli/classify/check-digits.ts'
import { detectors } from '../../src/cli/classify/detectors.ts'
import { ibanOf } from '../../src/cli/classify/iban-lengths.ts'
import { parseDataClass } from '../../src/policy/data-classes.ts'
import { aadhaarOf, cardOf, gstinOf, kindsIn, scan } from '../support/classify.ts'

const aadhaar = aadhaarOf('49912345678')
const grouped = aadhaar.replace(/(....)(....)(....)/, '$1 $2 $3')

describe('check digits', () => {
  it('of published examples hold', () => {
    expect(holdsVerhoeff('2363')).toBe(true)
    expect(holdsVerhoeff('234123412346')).toBe(true)
    for (const card of [
      '79927398713',
      '4111111111111111',
      '5555555555554444',
      '378282246310005',
      '30569309025904',
    ])
      expect(holdsLuhn(card), card).toBe(true)
    for (const iban of [
      ...['DE89370400440532013000', 'GB82WEST12345698765432', 'NO9386011117947', 'BE68539007547034'],
      ...['FR1420041010050500013M02606', 'MT84MALT011000012345MTLCAST001S', 'CH9300762011623852957'],
    ])
      expect(holdsMod97(iban), iban).toBe(true)
    for (const gstin of ['27AAPFU0939F1ZV', '29AAGCB7383J1Z4', '09AAACT2727Q1ZU'])
      expect(holdsMod36(gstin), gstin).toBe(true)
  })

  it('are one in their base of all', () => {
    const last = (text: string, holds: (text: string) => boolean, of: string): string[] =>
      [...of].filter(each => holds(text + each))
    expect(last('236', holdsVerhoeff, '0123456789')).toEqual(['3'])
    expect(last('7992739871', holdsLuhn, '0123456789')).toEqual(['3'])
    expect(last('27AAPFU0939F1Z', holdsMod36, '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')).toEqual(['V'])
  })

  it('of Verhoeff catch what he proved: every wrong digit and every two neighbours exchanged', () => {
    for (let at = 0; at < aadhaar.length; at++) {
      for (let add = 1; add < 10; add++) {
        const wrong = (Number(aadhaar[at]) + add) % 10
        expect(holdsVerhoeff(aadhaar.slice(0, at) + wrong + aadhaar.slice(at + 1))).toBe(false)
      }
      const [a, b] = [aadhaar[at]!, aadhaar[at + 1] ?? aadhaar[at]!]
      if (a !== b) expect(holdsVerhoeff(aadhaar.slice(0, at) + b + a + aadhaar.slice(at + 2))).toBe(false)
    }
  })
})

describe('shapes', () => {
  it('of cards are those of the issuers, by first digits and length', () => {
    const yes = [
      '4111111111111111',
      '2221000000000009',
      '2720990000000007',
      '6011000000000004',
      '36070500001020',
    ]
    const no = [
      '2220999999999999',
      '2721000000000004',
      '4222222222222',
      '9111111111111111',
      '37828224631000',
      '411111111111111111',
    ]
    expect(yes.filter(isCardNumber)).toEqual(yes)
    expect(no.filter(isCardNumber)).toEqual([])
  })

  it('of IBANs have the length of their country, and end where a group may end', () => {
    expect(ibanOf('DE89370400440532013000')).toBe('DE89370400440532013000')
    expect(ibanOf('AT61 1904 3002 3457 3201 1234')).toBe('AT611904300234573201')
    expect(ibanOf('NO93 8601 1117 947')).toBe('NO9386011117947')
    for (const text of [
      'DE8937040044053201300',
      'DE893704004405320130001',
      'XX89370400440532013000',
      'NO93 8601 1117 9471',
    ])
      expect(ibanOf(text), text).toBe(null)
  })

  it('speak for classes that there are', () => {
    for (const { speaksFor, pattern, kind } of detectors) {
      expect(parseDataClass(speaksFor), kind).not.toBe(null)
      expect(pattern.sticky, kind).toBe(true)
    }
  })
})

describe('what is found', () => {
  it.each<[string, string]>([
    ['aadhaar', aadhaar],
    ['aadhaar', `Aadhaar:${grouped}.`],
    ['aadhaar', `"${grouped.replaceAll(' ', '-')}"`],
    ['aadhaar', `uid_${aadhaar}_1`],
    ['pan', 'PAN ABCPE1234F,'],
    ['gstin', '27AAPFU0939F1ZV'],
    ['ifsc', 'to SBIN0001234'],
    ['upi', 'pay 9876543210@ybl.'],
    ['upi', 'vpa=First.Last-1@OKAXIS'],
    ['card', '4111111111111111'],
    ['card', 'VISA 4111 1111 1111 1111 12/29'],
    ['card', '1,4111-1111-1111-1111,x'],
    ['card', '3782 822463 10005'],
    ['card', '3056 930902 5904'],
    ['card', cardOf('621234567890123456')],
    ['iban', 'IBAN DE89 3704 0044 0532 0130 00 EUR'],
    ['iban', 'DE89370400440532013000'],
    ['iban', 'GB82 WEST 1234 5698 7654 32'],
    ['email', '<jane.doe+x@mail.example.org>'],
    ['email', 'mailto:jd@x.co.'],
    ['phone', 'call +49 30 1234567'],
    ['phone', '+919876543210'],
    ['phone', 'mob. 098765 43210'],
  ])('%s: %s', (kind, content) => {
    expect(kindsIn(content)).toEqual([kind])
    // Also in the middle of what is no text.
    expect(
      kindsIn(Buffer.concat([Buffer.from([0xff, 0, 0x80]), Buffer.from(content), Buffer.from([0, 0xfe])])),
    ).toEqual([kind])
  })

  it('counts one spelling', () => {
    const spellings = [aadhaar, grouped, grouped.replaceAll(' ', '-')]
    expect(new Set(scan(spellings.join('\n')).map(({ identifier }) => identifier))).toEqual(
      new Set([aadhaar]),
    )
    expect(new Set(scan('+91 98765 43210, 09876543210').map(({ identifier }) => identifier)).size).toBe(1)
  })

  it('says where, in bytes', () => {
    expect(scan(`ü ${aadhaar}`)).toMatchObject([{ start: 3, end: 15, holds: true }])
  })
})

describe('what is not found', () => {
  it.each<[string, string]>([
    ['an Aadhaar number with a wrong check digit', aadhaar.slice(0, 11) + ((Number(aadhaar[11]) + 1) % 10)],
    ['one that begins with 1', aadhaarOf('19912345678')],
    ['one inside a longer number', `1${aadhaar} ${aadhaar}1`],
    ['one inside a word', `x${aadhaar} ${aadhaar}x`],
    ['one inside longer groups', `1234 ${grouped} and ${grouped} 1234`],
    ['one whose groups differ', grouped.replace(' ', '-')],
    ['the digits of a fraction', `0.${aadhaar} .4111111111111111 3.4111111111111111`],
    ['a number with decimals', `${aadhaar}.50`],
    ['the last group of a UUID', `550e8400-e29b-41d4-a716-${aadhaar}`],
    ['a card with a wrong check digit', '4111111111111112'],
    ['a card of no issuer', cardOf('911111111111111')],
    ['one digit many times', `${'4'.repeat(16)} ${'0'.repeat(16)}`],
    ['a barcode', '4006381333931'],
    ['a card inside an IBAN', `DE12 ${cardOf('411111111111111').replace(/(....)/g, '$1 ')}`],
    [
      'timestamps',
      '2026-11-28T17:31:34.123456789Z 1795887094 1795887094123 20261128173134 1795887094123456789',
    ],
    ['invoice numbers', 'INV-2026-000123 RE20261128-4711 2026/11/0815 PO 4500012345'],
    ['a SHA-256', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['a UUID', '123e4567-e89b-12d3-a456-426614174000 41111111-1111-1111-1111-111111111111'],
    ['an IBAN with a wrong check digit', 'DE88370400440532013000'],
    ['an IBAN that is too long', 'DE893704004405320130001'],
    ['an IBAN in a word', 'XDE89370400440532013000'],
    ['a PAN of no kind of holder', 'ABCDE1234F'],
    ['a PAN in a longer word', 'ABCPE1234FX XABCPE1234F'],
    ['a PAN in small letters', 'abcpe1234f'],
    ['a GSTIN with a wrong check character', '27AAPFU0939F1ZW'],
    ['an unknown handle', 'bob@nosuchbank @ybl bob@ ybl'],
    ['a handle that goes on', 'bob@ybl-x bob@yblx'],
    [
      'no e-mail address',
      'a@b jane@localhost @example.org jane@example.1 user@host@example.org foo@bar..com',
    ],
    ['a mobile number without a prefix', '9876543210'],
    ['a number after a plus inside a word', 'a+4930123456 1+4930123456'],
    ['a short or a long number after a plus', '+123456 +1234567890123456'],
    ['a landline with a zero', '02012345678'],
  ])('%s', (_what, content) => {
    expect(kindsIn(content)).toEqual([])
  })

  it('an e-mail address is no UPI id, nor the other way round', () => {
    expect(kindsIn('bob@paytm.com')).toEqual(['email'])
    expect(kindsIn('bob@paytm')).toEqual(['upi'])
  })

  it('a PAN inside a GSTIN counts once, as the GSTIN', () => {
    expect(kindsIn(gstinOf('29ABCPE1234F1Z'))).toEqual(['gstin'])
  })
})
