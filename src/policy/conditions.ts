/**
 * The condition operators of policy documents ("IAM JSON policy elements: Condition operators"), as one table. A
 * condition is compiled once; what is asked of it later is only the values that its key has in a request.
 */
import { isInRange, parseIpRange } from './ip-range.ts'
import {
  compilePattern,
  foldKey,
  matchesPattern,
  type Resolve,
  resolvedText,
  variablesOf,
} from './pattern.ts'

/** What a condition key, folded, is in a request; `null` when the request has no such key. */
export type Keys = (key: string) => readonly string[] | null

export interface Condition {
  /** Folded. */
  readonly key: string
  readonly holds: (keys: Keys, resolve: Resolve) => boolean
  /** Keys that its values ask for through variables. */
  readonly variables: readonly string[]
  /** The values as they were written. */
  readonly values: readonly string[]
  /** As written, with its set and `IfExists`. */
  readonly operator: string
}

type Matches = (given: string, resolve: Resolve) => boolean

interface Matcher {
  readonly matches: Matches
  readonly variables?: readonly string[]
}

interface Operator {
  readonly negated: boolean
  /** `null`: the value is not one for this operator. */
  readonly compile: (value: string, hasVariables: boolean) => Matcher | null
}

const operators: Readonly<Record<string, Operator>> = {
  StringEquals: { negated: false, compile: textEquals(false) },
  StringNotEquals: { negated: true, compile: textEquals(false) },
  StringEqualsIgnoreCase: { negated: false, compile: textEquals(true) },
  StringNotEqualsIgnoreCase: { negated: true, compile: textEquals(true) },
  StringLike: { negated: false, compile: textLike },
  StringNotLike: { negated: true, compile: textLike },
  NumericEquals: { negated: false, compile: compared(parseNumber, order => order === 0) },
  NumericNotEquals: { negated: true, compile: compared(parseNumber, order => order === 0) },
  NumericLessThan: { negated: false, compile: compared(parseNumber, order => order < 0) },
  NumericLessThanEquals: { negated: false, compile: compared(parseNumber, order => order <= 0) },
  NumericGreaterThan: { negated: false, compile: compared(parseNumber, order => order > 0) },
  NumericGreaterThanEquals: { negated: false, compile: compared(parseNumber, order => order >= 0) },
  DateEquals: { negated: false, compile: compared(parseDate, order => order === 0) },
  DateNotEquals: { negated: true, compile: compared(parseDate, order => order === 0) },
  DateLessThan: { negated: false, compile: compared(parseDate, order => order < 0) },
  DateLessThanEquals: { negated: false, compile: compared(parseDate, order => order <= 0) },
  DateGreaterThan: { negated: false, compile: compared(parseDate, order => order > 0) },
  DateGreaterThanEquals: { negated: false, compile: compared(parseDate, order => order >= 0) },
  Bool: { negated: false, compile: truth },
  BinaryEquals: { negated: false, compile: value => ({ matches: given => given === value }) },
  IpAddress: { negated: false, compile: address },
  NotIpAddress: { negated: true, compile: address },
  ArnEquals: { negated: false, compile: arnLike },
  ArnLike: { negated: false, compile: arnLike },
  ArnNotEquals: { negated: true, compile: arnLike },
  ArnNotLike: { negated: true, compile: arnLike },
}

/** The fault, as text, when there is one. */
export function compileCondition(
  name: string,
  key: string,
  values: readonly string[],
  hasVariables: boolean,
): Condition | string {
  const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(name)
  const [, set, base, ifExists] = match ?? []
  const about = { key: foldKey(key), values, operator: name }
  if (base === 'Null' && set === undefined && ifExists === undefined) {
    const wanted: string[] = values.map(value => value.toLowerCase())
    if (!wanted.every(value => value === 'true' || value === 'false')) return `Invalid value for ${name}`
    return {
      ...about,
      variables: [],
      holds: keys => wanted.includes((keys(about.key) ?? []).length === 0 ? 'true' : 'false'),
    }
  }
  const operator = Object.hasOwn(operators, base ?? '') ? operators[base!]! : null
  if (operator === null) return `Invalid condition operator: ${name}`
  const matchers: Matcher[] = []
  for (const value of values) {
    const matcher = operator.compile(value, hasVariables)
    if (matcher === null) return `Invalid value for ${name}: ${value}`
    matchers.push(matcher)
  }
  const { negated } = operator
  return {
    ...about,
    variables: matchers.flatMap(matcher => matcher.variables ?? []),
    holds: (keys, resolve) => {
      const given = keys(about.key)
      if (given === null || given.length === 0) {
        if (ifExists !== undefined || set === 'ForAllValues') return true
        return set === undefined && negated
      }
      const one = (value: string): boolean =>
        matchers.some(matcher => matcher.matches(value, resolve)) !== negated
      return set === 'ForAllValues' || (set === undefined && negated) ? given.every(one) : given.some(one)
    },
  }
}

function textEquals(foldCase: boolean): Operator['compile'] {
  return (value, hasVariables) => {
    // Names of variables have no case anyway, so the whole may be folded.
    const pattern = compilePattern(foldCase ? value.toLowerCase() : value, hasVariables)
    if (pattern === null) return null
    return {
      variables: variablesOf(pattern),
      matches: (given, resolve) => {
        const wanted = resolvedText(pattern, resolve)
        if (wanted === null) return false
        return foldCase ? wanted.toLowerCase() === given.toLowerCase() : wanted === given
      },
    }
  }
}

function textLike(value: string, hasVariables: boolean): Matcher | null {
  const pattern = compilePattern(value, hasVariables)
  if (pattern === null) return null
  return {
    variables: variablesOf(pattern),
    matches: (given, resolve) => matchesPattern(pattern, given, resolve),
  }
}

/** Each of the six fields by itself: a wildcard does not reach over a colon, but in the last. */
function arnLike(value: string, hasVariables: boolean): Matcher | null {
  if (value === '*') return { matches: () => true }
  const fields = splitArn(value, hasVariables).map(field => compilePattern(field, hasVariables))
  if (fields.includes(null)) return null
  return {
    variables: fields.flatMap(field => variablesOf(field!)),
    matches: (given, resolve) => {
      const parts = splitArn(given, false)
      return (
        parts.length === fields.length &&
        fields.every((field, index) => matchesPattern(field!, parts[index]!, resolve))
      )
    },
  }
}

function splitArn(text: string, hasVariables: boolean): string[] {
  const fields: string[] = []
  let from = 0
  let inside = false
  for (let at = 0; at < text.length && fields.length < 5; at++) {
    if (hasVariables && text.startsWith('${', at)) inside = true
    else if (text[at] === '}') inside = false
    else if (text[at] === ':' && !inside) {
      fields.push(text.slice(from, at))
      from = at + 1
    }
  }
  fields.push(text.slice(from))
  return fields
}

function compared(
  parse: (text: string) => number | null,
  holds: (order: number) => boolean,
): Operator['compile'] {
  return value => {
    const wanted = parse(value)
    if (wanted === null) return null
    return {
      matches: given => {
        const number = parse(given)
        return number !== null && holds(number - wanted)
      },
    }
  }
}

function truth(value: string): Matcher | null {
  const wanted = value.toLowerCase()
  if (wanted !== 'true' && wanted !== 'false') return null
  return { matches: given => given.toLowerCase() === wanted }
}

function address(value: string): Matcher | null {
  const range = parseIpRange(value)
  return range === null ? null : { matches: given => isInRange(range, given) }
}

function parseNumber(text: string): number | null {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : null
}

/** ISO 8601, a day alone included, or seconds since 1970. */
function parseDate(text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text) * 1000
  if (!/^\d{4}-\d\d(?:-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?)?$/.test(text)) return null
  const unixMs = Date.parse(/T/.test(text) && !/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text)
  return Number.isNaN(unixMs) ? null : unixMs
}
