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
 * space all fail, because the text is compared with what its value prints as. Returns `null` on any of them.
 */
export function parseCanonicalJson(text: string): Json | null {
  try {
    const value = JSON.parse(text) as Json
    return canonicalJson(value) === text ? value : null
  } catch {
    return null
  }
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
