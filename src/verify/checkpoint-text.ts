import { fromBase64, toBase64 } from '../core/bytes.ts'

/** What a region says of its log at one moment (C2SP `tlog-checkpoint`). */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

export function printCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** Parses a note's text. Lines after the third are extensions, which the specification lets a reader pass over. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const lines = text.split('\n')
  if (lines.length < 4 || lines.at(-1) !== '' || lines.slice(0, -1).includes('')) return null
  const [origin = '', decimal = '', encoded = ''] = lines
  const size = parseDecimal(decimal)
  const root = fromBase64(encoded)
  return size === null || root?.length !== 32 ? null : { origin, size, root }
}

/** ASCII decimal with no leading zeros, up to 2^53 − 1. */
export function parseDecimal(text: string): number | null {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}
