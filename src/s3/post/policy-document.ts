/** What the key's owner let a form say ("Creating a POST policy", S3 API Reference). */
import { S3Error } from '../errors.ts'

export interface SizeRange {
  readonly min: number
  readonly max: number
}

type Condition =
  | {
      readonly kind: 'eq' | 'starts-with'
      readonly field: string
      readonly value: string
      readonly source: string
    }
  | ({ readonly kind: 'content-length-range' } & SizeRange)

interface PolicyDocument {
  readonly expiresUnixMs: number
  readonly conditions: readonly Condition[]
}

/** Fields that no condition needs to name. */
const unnamed = /^(?:policy|file|x-amz-signature|signature|awsaccesskeyid|x-ignore-.*)$/

/** Holds a form's fields, by name in lower case, against its policy. Returns how large the file may be. */
export function checkPolicy(
  encoded: string,
  fields: ReadonlyMap<string, string>,
  bucket: string,
  nowUnixMs: number,
): SizeRange | null {
  const { expiresUnixMs, conditions } = parsePolicyDocument(encoded)
  if (expiresUnixMs <= nowUnixMs) throw denied('Policy expired.')
  let range: SizeRange | null = null
  const named = new Set<string>()
  for (const condition of conditions) {
    if (condition.kind === 'content-length-range') {
      range = condition
      continue
    }
    named.add(condition.field)
    const value = condition.field === 'bucket' ? bucket : fields.get(condition.field)
    if (value === undefined || !holds(condition, value))
      throw denied(`Policy Condition failed: ${condition.source}`)
  }
  const extra = [...fields.keys()].filter(
    name => !named.has(name) && !unnamed.test(name) && name !== 'bucket',
  )
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`)
  return range
}

function holds(condition: Exclude<Condition, { kind: 'content-length-range' }>, value: string): boolean {
  if (condition.kind === 'eq') return value === condition.value
  // A list of content types: each of it.
  const values = condition.field === 'content-type' ? value.split(',').map(each => each.trim()) : [value]
  return values.every(each => each.startsWith(condition.value))
}

function parsePolicyDocument(encoded: string): PolicyDocument {
  let json: unknown
  try {
    json = JSON.parse(unescapeDollars(Buffer.from(encoded, 'base64').toString('utf8')))
  } catch {
    throw invalid('Invalid JSON.')
  }
  if (!isObject(json)) throw invalid('Invalid JSON.')
  const { expiration, conditions } = json
  if (expiration === undefined) throw invalid('Policy missing expiration.')
  const isTime =
    typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(expiration)
  const expiresUnixMs = isTime ? Date.parse(expiration) : Number.NaN
  if (Number.isNaN(expiresUnixMs)) throw invalid(`Invalid 'expiration' value: '${String(expiration)}'`)
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  if (!Array.isArray(conditions)) throw invalid('Invalid Conditions: must be a list.')
  return { expiresUnixMs, conditions: conditions.map(readCondition) }
}

/** Policies may write a dollar sign as `\$`, which JSON does not know. */
function unescapeDollars(text: string): string {
  return text.replace(/\\(\\|\$)/g, pair => (pair === '\\$' ? '$' : pair))
}

function readCondition(condition: unknown): Condition {
  const source = JSON.stringify(condition)
  if (Array.isArray(condition)) {
    const [operator, ...operands] = condition as unknown[]
    const kind = typeof operator === 'string' ? operator.toLowerCase() : ''
    if (operands.length !== 2) throw invalid(`Invalid Condition: wrong number of arguments: ${source}`)
    if (kind === 'content-length-range') return readRange(operands, source)
    if (kind !== 'eq' && kind !== 'starts-with')
      throw invalid(`Invalid Condition: unknown operation: ${source}`)
    const [field, value] = operands
    if (typeof field !== 'string' || !field.startsWith('$') || typeof value !== 'string')
      throw invalid(`Invalid Condition: ${source}`)
    return { kind, field: field.slice(1).toLowerCase(), value, source }
  }
  const entries = isObject(condition) ? Object.entries(condition) : []
  if (entries.length !== 1)
    throw invalid('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.')
  const [field, value] = entries[0]!
  if (typeof value !== 'string') throw invalid(`Invalid Simple-Condition: value must be a string: ${source}`)
  const name = field.toLowerCase()
  return { kind: 'eq', field: name, value, source: JSON.stringify(['eq', `$${field}`, value]) }
}

function readRange(operands: readonly unknown[], source: string): Condition {
  const [min, max] = operands.map(each => (/^\d{1,15}$/.test(String(each)) ? Number(each) : null))
  if (min === null || max === null || min === undefined || max === undefined || min > max)
    throw invalid(`Invalid content-length-range: ${source}`)
  return { kind: 'content-length-range', min, max }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(what: string): S3Error {
  return new S3Error('InvalidPolicyDocument', `Invalid Policy: ${what}`)
}

function denied(what: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${what}`)
}
