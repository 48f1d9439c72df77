/** The check digits of identifiers. Each takes what is already of the right shape. */

/** Annex B of ISO/IEC 7812-1: every second digit from the right doubled, its own digits summed. */
export function holdsLuhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48
    const doubled = i % 2 === 0 ? digit : digit * 2
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** J. Verhoeff, "Error Detecting Decimal Codes" (1969): the dihedral group of ten elements, and one permutation. */
export function holdsVerhoeff(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 48
    for (let turns = i % 8; turns > 0; turns--) digit = permutation[digit]!
    sum = multiply(sum, digit)
  }
  return sum === 0
}
const permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

/** 0 to 4 turn a pentagon, 5 to 9 turn it over: what follows a turned-over one turns the other way. */
function multiply(a: number, b: number): number {
  const turned = a < 5 ? (a + b) % 5 : (a - b + 10) % 5
  return a < 5 === b < 5 ? turned : turned + 5
}

/** ISO 7064, MOD 97-10, as ISO 13616 has it: the first four characters last, letters as 10 to 35, remainder 1. */
export function holdsMod97(iban: string): boolean {
  let remainder = 0
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    remainder = (remainder * (value < 10 ? 10 : 100) + value) % 97
  }
  return remainder === 1
}

/** Luhn's rule in base 36, from the left with the factors 1 and 2: the last character of a GSTIN. */
export function holdsMod36(gstin: string): boolean {
  let sum = 0
  for (let i = 0; i < gstin.length - 1; i++) {
    const product = Number.parseInt(gstin[i]!, 36) * (1 + (i % 2))
    sum += Math.floor(product / 36) + (product % 36)
  }
  return (36 - (sum % 36)) % 36 === Number.parseInt(gstin.at(-1)!, 36)
}
