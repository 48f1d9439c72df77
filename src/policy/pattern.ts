/**
 * Patterns of policy documents: `*` is any run of characters, `?` any one, `${key}` the value that a condition key has
 * in the request. A variable's value stands for itself: wildcards in it are no wildcards.
 */

/** The value of a condition key for a variable; `null` when the request has none. */
export type Resolve = (key: string) => string | null

export interface Pattern {
  /** What it is, when there is neither wildcard nor variable in it. */
  readonly exact: string | null
  /** Matches everything. */
  readonly any: boolean
  /** `null` where a variable must be put in first. */
  readonly tokens: readonly number[] | null
  readonly parts: readonly Part[]
}

type Part =
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | { readonly kind: 'variable'; readonly key: string; readonly fallback: string | null }

const star = -1
const one = -2
const variablePattern = /\$\{([^{}]*)\}/g

/** `hasVariables` is false for documents of version 2008-10-17, where `${` is text. `null`: a broken variable. */
export function compilePattern(text: string, hasVariables: boolean): Pattern | null {
  const parts: Part[] = []
  let rest = text
  if (hasVariables && text.includes('${')) {
    let from = 0
    for (const match of text.matchAll(variablePattern)) {
      if (match.index > from) parts.push(tokensOf(text.slice(from, match.index)))
      const part = variableOf(match[1]!)
      if (part === null) return null
      parts.push(part)
      from = match.index + match[0].length
    }
    rest = text.slice(from)
    if (rest.includes('${')) return null
  }
  if (rest !== '' || parts.length === 0) parts.push(tokensOf(rest))
  const isFixed = parts.every(part => part.kind === 'tokens')
  const tokens = isFixed ? parts.flatMap(part => (part.kind === 'tokens' ? part.tokens : [])) : null
  const isExact = tokens?.every(token => token >= 0) === true
  return {
    exact: isExact ? String.fromCharCode(...tokens!) : null,
    any: tokens !== null && tokens.length > 0 && tokens.every(token => token === star),
    tokens,
    parts,
  }
}

/** Condition keys that the pattern asks for, folded. */
export function variablesOf(pattern: Pattern): string[] {
  return pattern.parts.flatMap(part => (part.kind === 'variable' ? [part.key] : []))
}

export function matchesPattern(pattern: Pattern, text: string, resolve: Resolve, foldCase = false): boolean {
  if (pattern.exact !== null) return pattern.exact === text
  if (pattern.any) return true
  const tokens = pattern.tokens ?? resolved(pattern, resolve, foldCase)
  return tokens !== null && matchesTokens(tokens, text)
}

/** The pattern as text, for operators without wildcards. `null` when a variable has no value. */
export function resolvedText(pattern: Pattern, resolve: Resolve): string | null {
  if (pattern.exact !== null) return pattern.exact
  let out = ''
  for (const part of pattern.parts) {
    if (part.kind === 'tokens') {
      for (const token of part.tokens)
        out += token === star ? '*' : token === one ? '?' : String.fromCharCode(token)
    } else {
      const value = resolve(part.key) ?? part.fallback
      if (value === null) return null
      out += value
    }
  }
  return out
}

function resolved(pattern: Pattern, resolve: Resolve, foldCase: boolean): number[] | null {
  const tokens: number[] = []
  for (const part of pattern.parts) {
    if (part.kind === 'tokens') {
      tokens.push(...part.tokens)
      continue
    }
    const value = resolve(part.key) ?? part.fallback
    if (value === null) return null
    const text = foldCase ? value.toLowerCase() : value
    for (let i = 0; i < text.length; i++) tokens.push(text.charCodeAt(i))
  }
  return tokens
}

/** Greedy with one point of return: at most pattern × text steps, whatever the attacker's pattern is. */
function matchesTokens(tokens: readonly number[], text: string): boolean {
  let at = 0
  let token = 0
  let starToken = -1
  let starAt = 0
  while (at < text.length) {
    const wanted = token < tokens.length ? tokens[token]! : null
    if (wanted === star) {
      starToken = token++
      starAt = at
    } else if (wanted !== null && (wanted === one || wanted === text.charCodeAt(at))) {
      token++
      at++
    } else if (starToken >= 0) {
      token = starToken + 1
      at = ++starAt
    } else return false
  }
  while (token < tokens.length && tokens[token] === star) token++
  return token === tokens.length
}

function tokensOf(text: string): Part {
  const tokens: number[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    tokens.push(code === 0x2a ? star : code === 0x3f ? one : code)
  }
  return { kind: 'tokens', tokens }
}

/** Names of condition keys have no case; the name of a tag behind the slash has. */
export function foldKey(key: string): string {
  const slash = key.indexOf('/')
  return slash < 0 ? key.toLowerCase() : key.slice(0, slash).toLowerCase() + key.slice(slash)
}

/** `${*}`, `${?}` and `${$}` are the characters themselves; `${key, 'text'}` has a value for when the key has none. */
function variableOf(inside: string): Part | null {
  if (inside === '*' || inside === '?' || inside === '$')
    return { kind: 'tokens', tokens: [inside.charCodeAt(0)] }
  const match = /^\s*([A-Za-z0-9-]+:[^\s,']+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside)
  if (match === null) return null
  return { kind: 'variable', key: foldKey(match[1]!), fallback: match[2] ?? null }
}
