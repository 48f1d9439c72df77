/**
 * Every error that a caller may want to tell apart. Closed on purpose: `api/` and `s3/` map each code to an
 * answer in one table, and a new code does not compile until it has its row there.
 */
export type ErrorCode =
  | 'bad-input'
  | 'not-found'
  | 'conflict'
  | 'not-verified'
  | 'sealed-damaged'
  | 'key-holder-unavailable'
  | 'key-holder-refused'
  | 'store-damaged'
  | 'store-full'
  | 'format-unknown'
  | 'peer-unavailable'
  | 'peer-refused'
  | 'law-refused'
  | 'policy-refused'
  | 'shutting-down'

export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly data: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'HoldfastError'
    this.code = code
    this.data = data
  }
}

export function hasCode(error: unknown, code: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && error.code === code
}

/** The text of anything thrown, for a log line or a `cause` shown to an operator. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
