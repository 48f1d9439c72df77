/** A counter: a number, or one in a string as JSON carries 64 bits. `null` when it is none. */
export function counterOf(value: unknown): number | null {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && /^\d{1,16}$/.test(value)
        ? Number(value)
        : null
  return number !== null && Number.isInteger(number) && number >= 0 ? number : null
}

/** A port or another 16-bit number; 0 when it is none. */
export function portNumber(value: unknown): number {
  const number = counterOf(value)
  return number !== null && number <= 65_535 ? number : 0
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
