/** Values of options, in the spellings that every command takes. Each throws `bad-input` with what would be right. */
import { HoldfastError } from '../core/errors.ts'
import { parseDurationMs } from '../core/time.ts'

const mebibyte = 1024 ** 2

/** Of `--listen`. */
export function hostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3] ?? -1)
  if (match === null || port > 65_535)
    fail(`--listen "${text}" is not HOST:PORT, such as 127.0.0.1:2055 or [::]:2055`)
  return { host: match[1] ?? match[2]!, port }
}

export function durationMs(name: string, text: string): number {
  return parseDurationMs(text) ?? fail(`--${name} "${text}" is not a duration such as 30s, 24h or 30d`)
}

export function sizeBytes(name: string, text: string, leastMiB = 0): number {
  const match = /^(\d{1,6})([KMGT])?(?:i?B)?$/i.exec(text)
  if (match === null) return fail(`--${name} "${text}" is not a size such as 500M or 4G`)
  const bytes = Number(match[1]) * 1024 ** ' KMGT'.indexOf((match[2] ?? ' ').toUpperCase())
  return bytes >= leastMiB * mebibyte ? bytes : fail(`--${name} must be at least ${leastMiB}M`)
}

export function sizeMiB(name: string, text: string, leastMiB: number): number {
  return Math.floor(sizeBytes(name, text, leastMiB) / mebibyte)
}

export function oneOf<Value extends string>(name: string, text: string, known: readonly Value[]): Value {
  return known.find(value => value === text) ?? fail(`--${name} "${text}" is none of ${known.join(', ')}`)
}

export function numberOf(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : fail(`--${name} must be a number from ${least} to ${most}`)
}

export function fail(message: string): never {
  throw new HoldfastError('bad-input', message)
}
