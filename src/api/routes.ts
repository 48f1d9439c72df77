/** The control API's frame: routes as a table, parsed bodies, errors in one shape. */
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { type ErrorCode, HoldfastError } from '../core/errors.ts'
import type { TenantId } from '../core/ids.ts'
import type { Drafted } from '../ledger/drafts.ts'

/** Who calls: nobody in particular, a tenant by its token, or the operator by the one in its data folder. */
export type Caller =
  | { readonly kind: 'public' }
  | { readonly kind: 'tenant'; readonly tenant: TenantId }
  | { readonly kind: 'operator' }

export interface ApiRequest {
  readonly caller: Caller
  /** Values of the `{name}` parts of the route's path. */
  readonly path: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The parsed JSON body; `null` where there is none. */
  readonly body: unknown
}

export type ApiAnswer =
  | {
      readonly status: number
      readonly json: unknown
      /** What was entered for it, durable; the answer carries the regions' promises. */
      readonly entered?: readonly Drafted[]
    }
  | { readonly status: number; readonly contentType: string; readonly lines: AsyncIterable<string> }
  | { readonly status: number; readonly contentType: string; readonly text: string }

export interface ApiRoute {
  readonly method: 'GET' | 'POST'
  /** Under `/api/v1`. */
  readonly path: string
  readonly caller: Caller['kind']
  readonly summary: string
  readonly body?: z.ZodType
  readonly run: (request: ApiRequest) => Promise<ApiAnswer>
}

const statuses: Readonly<Record<ErrorCode, number>> = {
  'bad-input': 400,
  'not-found': 404,
  conflict: 409,
  'not-verified': 422,
  'sealed-damaged': 500,
  'key-holder-unavailable': 503,
  'key-holder-refused': 403,
  'store-damaged': 500,
  'store-full': 507,
  'format-unknown': 500,
  'peer-unavailable': 502,
  'peer-refused': 502,
  'law-refused': 403,
  'policy-refused': 403,
  'shutting-down': 503,
}

export function statusOf(error: unknown): number {
  return error instanceof HoldfastError ? statuses[error.code] : 500
}

/** The tenant that a tenant's route was called by. */
export function tenantOf(request: ApiRequest): TenantId {
  if (request.caller.kind !== 'tenant') throw new Error('the route is not a tenant’s')
  return request.caller.tenant
}

export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new HoldfastError('bad-input', z.prettifyError(parsed.error))
  return parsed.data
}

const maxBodyBytes = 1 << 20

export async function readJson(message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new HoldfastError('bad-input', 'the body is longer than 1 MiB')
    chunks.push(chunk)
  }
  if (bytes === 0) return null
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new HoldfastError('bad-input', 'the body is not JSON', {}, error)
  }
}
