import { type ParseArgsConfig, parseArgs } from 'node:util'
import { messageOf } from '../core/errors.ts'
import { UsageError } from './io.ts'

/** `parseArgs` of Node, with its complaints as wrong usage. */
export function parseOptions<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

export function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw new UsageError(`${name} is required`)
  return value
}
