/** Parameters of a query request, each checked when it is asked for. */
import { IamError } from './iam-error.ts'

export interface TextRule {
  readonly pattern: RegExp
  readonly max: number
}

/** "IAM and STS quotas, name requirements". */
export const entityName: TextRule = { pattern: /^[\w+=,.@-]+$/, max: 64 }
export const groupName: TextRule = { pattern: /^[\w+=,.@-]+$/, max: 128 }
export const policyName: TextRule = { pattern: /^[\w+=,.@-]+$/, max: 128 }
export const pathRule: TextRule = { pattern: /^\/$|^\/[\u0021-\u007e]+\/$/, max: 512 }
export const pathPrefix: TextRule = { pattern: /^\/[\u0021-\u007e]*$/, max: 512 }
export const arnRule: TextRule = { pattern: /^arn:aws:[\u0021-\u007e]+$/, max: 2048 }
export const documentRule: TextRule = { pattern: /^[\u0009\u000a\u000d\u0020-\u00ff]+$/, max: 131_072 }

export interface Params {
  readonly text: (name: string, rule: TextRule) => string
  /** `null` when it is not there. */
  readonly optional: (name: string, rule: TextRule) => string | null
  readonly number: (name: string, min: number, max: number, fallback: number) => number
  /** `Tags.member.1.Key` and its like: the names behind `Tags.member.1.`, in order. */
  readonly members: (name: string) => ReadonlyMap<string, string>[]
}

export function createParams(form: URLSearchParams): Params {
  const optional = (name: string, { pattern, max }: TextRule): string | null => {
    const value = form.get(name)
    if (value === null) return null
    if (value === '' || value.length > max || !pattern.test(value)) {
      throw new IamError(
        'ValidationError',
        `1 validation error detected: Value at '${fieldOf(name)}' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern.source} and have at most ${max} characters`,
      )
    }
    return value
  }
  return {
    optional,
    text(name, rule) {
      const value = optional(name, rule)
      if (value !== null) return value
      throw new IamError(
        'ValidationError',
        `1 validation error detected: Value null at '${fieldOf(name)}' failed to satisfy constraint: Member must not be null`,
      )
    },
    number(name, min, max, fallback) {
      const value = form.get(name)
      if (value === null) return fallback
      if (/^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value)
      throw new IamError(
        'ValidationError',
        `1 validation error detected: Value '${value.slice(0, 20)}' at '${fieldOf(name)}' failed to satisfy constraint: Member must be between ${min} and ${max}`,
      )
    },
    members(name) {
      const found = new Map<number, Map<string, string>>()
      const pattern = new RegExp(`^${name}\\.member\\.(\\d{1,4})(?:\\.(\\w+))?$`)
      for (const [key, value] of form) {
        const match = pattern.exec(key)
        if (match === null) continue
        const member = found.get(Number(match[1])) ?? new Map<string, string>()
        member.set(match[2] ?? '', value)
        found.set(Number(match[1]), member)
      }
      return [...found].sort(([a], [b]) => a - b).map(([, member]) => member)
    },
  }
}

/** `UserName` is `userName` in IAM's own words. */
function fieldOf(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}
