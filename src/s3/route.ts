/** A row of the operation table: how a request is recognised, what it needs, and what it does in a line. */
import type { Operation } from './operation.ts'
import type { S3Request } from './request.ts'

export type Level = 'service' | 'bucket' | 'object'

export interface Route {
  readonly method: string
  readonly level: Level
  /** Parameters that must be there; one with a value must have it. */
  readonly query?: readonly string[]
  /** Subresources that the operation reads and does not need. */
  readonly reads?: readonly string[]
  /** A header that must be there. */
  readonly header?: string
  readonly operation: Operation
  /** What a policy must allow. Empty: nothing of its own, the bucket's being there is enough. */
  readonly iam: readonly IamNeed[]
  /** What it does, for `docs/s3.md`. */
  readonly doc: string
}

export interface IamNeed {
  /** An action of the Service Authorization Reference. */
  readonly action: string
  /** Asked instead when the request (of a source: the copy source; of keys in a body: the key) names a version. */
  readonly version?: string
  /** Asked only when the request has this header (or one of these), with another value than `unless`. */
  readonly header?: string | readonly string[]
  readonly unless?: string
  /** Of what it is asked, when not of the bucket or object that the request names. `keys`: of each in the body. */
  readonly on?: 'source' | 'keys'
  /** The operation asks by itself (`mayAlso`), and goes on without when it is not allowed. */
  readonly optional?: true
}

/** `s3:GetObject`, or with `version` `s3:GetObjectVersion`: the action names that S3 has in pairs. */
export const need = (action: string, more: Omit<IamNeed, 'action'> = {}): IamNeed => ({ action, ...more })

/** The needs that this request has: those whose header it carries. */
export function needsOf(route: Route, request: S3Request): IamNeed[] {
  return route.iam.filter(
    ({ header, unless, optional }) =>
      optional !== true &&
      (header === undefined ||
        [header].flat().some(name => ![undefined, unless].includes(request.headers[name] as string))),
  )
}
