/**
 * A tenant's policy text, cut into its policies before Cedar reads any of it. Whoever may draft for one tenant writes
 * it, and all tenants of a region share one Cedar, which runs in memory of a fixed size: a text that is nested deeply
 * enough ends it, for everybody and until the process starts again. So brackets and operators are counted here, and Cedar
 * gets what was counted, without the comments, and nothing else.
 */

/** Cedar ends at 120 to 160 brackets in each other, and at 320 to 400 operators in a row: not near that, also together. */
const maxDepth = 12
const maxOperators = 120
/** A decision asks them all. */
const maxPolicies = 100

interface Token {
  readonly text: string
  readonly kind: 'space' | 'string' | 'open' | 'close' | 'end' | 'operator' | 'other'
}

/** The policies, each with its `;`, or what is wrong with them. */
export function splitPolicies(text: string): string[] | string {
  const policies: string[] = []
  let current = ''
  let depth = 0
  let operators = 0
  for (let at = 0; at < text.length; ) {
    const token = tokenAt(text, at)
    if (token === null)
      return `a text in quotation marks does not end on its line: ${text.slice(at, at + 40)}`
    at += token.text.length
    current += token.kind === 'space' ? ' ' : token.text
    if (token.kind === 'open') depth++
    if (token.kind === 'close') depth--
    if (token.kind === 'open' || token.kind === 'operator') operators++
    if (depth > maxDepth) return `brackets are nested more than ${maxDepth} deep`
    if (operators > maxOperators)
      return `a policy has more than ${maxOperators} operators and brackets; several short ones say the same`
    if (token.kind !== 'end') continue
    policies.push(current.trim())
    if (policies.length > maxPolicies) return `there are more than ${maxPolicies} policies`
    current = ''
    depth = operators = 0
  }
  if (current.trim() !== '') return 'the last policy does not end with ;'
  return policies.length === 0 ? 'there is no policy in it' : policies
}

const space = /(?:\s|\/\/[^\n]*)+/y
/** On one line: what Cedar takes for the end of a text in quotation marks must be what was taken for it here. */
const quoted = /"(?:\\[^\n]|[^"\\\n])*"/y
/** Words and numbers are one token each, so that `if` is one and `gift` is none. */
const word = /[A-Za-z0-9_]+/y
const operator = /&&|\|\||[.!+*-]/y

function tokenAt(text: string, at: number): Token | null {
  const matched = (pattern: RegExp): string | null => {
    pattern.lastIndex = at
    return pattern.exec(text)?.[0] ?? null
  }
  const blank = matched(space)
  if (blank !== null) return { text: blank, kind: 'space' }
  const char = text[at]!
  if (char === '"') {
    const string = matched(quoted)
    return string === null ? null : { text: string, kind: 'string' }
  }
  if ('([{'.includes(char)) return { text: char, kind: 'open' }
  if (')]}'.includes(char)) return { text: char, kind: 'close' }
  if (char === ';') return { text: char, kind: 'end' }
  const name = matched(word)
  if (name !== null) return { text: name, kind: name === 'if' ? 'operator' : 'other' }
  const sign = matched(operator)
  return sign === null ? { text: char, kind: 'other' } : { text: sign, kind: 'operator' }
}
