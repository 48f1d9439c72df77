/**
 * Canonical JSON: what is hashed or signed has exactly one spelling.
 *
 * The subset of RFC 8785 (JCS) that Holdfast's formats need: object keys in UTF-16 code-unit order, no white
 * space, numbers only as integers within ±(2^53 − 1), strings without lone surrogates. What is outside the subset
 * throws, so a format cannot drift into values that two languages print differently.
 */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

export function canonicalJson(value: Json): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      if (!Number.isSafeInteger(value)) throw new TypeError(`not a safe integer: ${value}`)
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object': {
      if (value === null) return 'null'
      const printed = isOrdered(value) ? JSON.stringify(value) : null
      if (printed !== null && !printed.includes('\\ud')) return printed
      if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
      let out = ''
      for (const key of Object.keys(value).sort()) {
        const field = value[key]
        if (field === undefined) continue
        out += `${out === '' ? '' : ','}${quote(key)}:${canonicalJson(field)}`
      }
      return `{${out}}`
    }
    default:
      throw new TypeError(`canonical JSON has no ${typeof value}`)
  }
}

/**
 * Parses text that must already be canonical. Duplicate keys, other orders, other number spellings and white
 * space all fail, because the text is compared with what its value prints as; so does what is nested more than 64
 * deep. Returns `null` on any of them.
 */
export function parseCanonicalJson(text: string): Json | null {
  try {
    const value = JSON.parse(text) as Json
    return isCanonical(value, text) ? value : null
  } catch {
    return null
  }
}

/**
 * The engine's own printer is five times as fast as ours and prints the same, but for the order of keys, numbers
 * outside the subset and lone surrogates (which it escapes). Where one of these may be, ours decides.
 */
function isCanonical(value: Json, text: string): boolean {
  if (JSON.stringify(value) === text && !text.includes('\\ud') && isOrdered(value)) return true
  return isShallow(value, 0) && canonicalJson(value) === text
}

/** Lists and objects in each other. Past it an engine's stack would decide what is read, and two readers differ. */
const maxDepth = 64

function isShallow(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth < maxDepth && Object.values(value).every(field => isShallow(field, depth + 1))
}

/** Keys in order, and no number outside the subset, all the way down, which is not too far. */
function isOrdered(value: Json | undefined, depth = 0): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value !== 'object' || depth === maxDepth) return false
  if (isArray(value)) {
    for (const element of value) if (!isOrdered(element, depth + 1)) return false
    return true
  }
  let before = ''
  let isFirst = true
  for (const key in value) {
    if (!isFirst && key <= before) return false
    isFirst = false
    before = key
    if (!isOrdered(value[key], depth + 1)) return false
  }
  return true
}

/** Whether an object that was parsed as canonical JSON has exactly these fields, which are given in its order. */
export function hasFields(value: object, names: readonly string[]): boolean {
  let at = 0
  for (const key in value) {
    if (key !== names[at]) return false
    at++
  }
  return at === names.length
}

/** Nothing in it needs an escape, and no surrogate can be in it. */
const plain = /^[ !#-[\]-~]*$/

function quote(text: string): string {
  if (plain.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new TypeError('a string with a lone surrogate has no UTF-8 form')
  return JSON.stringify(text)
}

function isArray(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
