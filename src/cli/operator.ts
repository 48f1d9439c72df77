/** The operator's commands: where the control API is, and the token that opens its routes. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import type { CommandIo } from './io.ts'

export const operatorOptions = {
  api: { type: 'string' },
  'operator-token': { type: 'string' },
} as const

export function operatorOf(
  values: { readonly api?: string | undefined; readonly 'operator-token'?: string | undefined },
  { env }: CommandIo,
): { readonly api: string; readonly token: string } {
  const path = values['operator-token'] ?? join(env.HOLDFAST_DATA ?? 'data', 'operator.token')
  if (!existsSync(path))
    throw new HoldfastError('not-found', `there is no operator token at ${path}; this is the operator's act`)
  return {
    api: values.api ?? `http://127.0.0.1:${env.HOLDFAST_API_PORT ?? 9001}`,
    token: readFileSync(path, 'utf8').trim(),
  }
}
