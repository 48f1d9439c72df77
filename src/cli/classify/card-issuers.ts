/**
 * Which numbers payment cards have: first digits and lengths, as the networks publish them under ISO/IEC 7812.
 * Visa's 13 digits are left out: none have been issued for decades, and every German EAN-13 begins with 4.
 */
const issuers: readonly (readonly [from: string, to: string, lengths: readonly number[]])[] = [
  ['4', '4', [16, 19]], // Visa
  ['51', '55', [16]], // Mastercard
  ['2221', '2720', [16]],
  ['34', '34', [15]], // American Express
  ['37', '37', [15]],
  ['300', '305', [14, 16]], // Diners Club
  ['36', '36', [14, 16]],
  ['38', '39', [14, 16]],
  ['3528', '3589', [16, 17, 18, 19]], // JCB
  ['6011', '6011', [16, 19]], // Discover
  ['644', '659', [16, 19]],
  ['60', '60', [16]], // RuPay
  ['508', '508', [16]],
  ['81', '82', [16]],
  ['62', '62', [16, 17, 18, 19]], // UnionPay
]

export function isCardNumber(digits: string): boolean {
  return issuers.some(([from, to, lengths]) => {
    const first = digits.slice(0, from.length)
    return first >= from && first <= to && lengths.includes(digits.length)
  })
}
