import { fromBase64, fromUtf8, toBase64, utf8 } from '../core/bytes.ts'
import { canonicalJson, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseDecimal } from './checkpoint-text.ts'

/** A receipt is a C2SP `tlog-proof` with the private half of the entry in `extra`. */
export interface Receipt {
  readonly payload: string
  /** Hex. */
  readonly salt: string
  readonly index: number
  /** Leaf to root. */
  readonly proof: readonly Uint8Array[]
  /** The signed note. */
  readonly checkpoint: string
}

const firstLine = 'c2sp.org/tlog-proof@v1'

export function printReceipt({ payload, salt, index, proof, checkpoint }: Receipt): string {
  const extra = toBase64(utf8(canonicalJson({ payload, salt })))
  const hashes = proof.map(hash => `${toBase64(hash)}\n`).join('')
  return `${firstLine}\nextra ${extra}\nindex ${index}\n${hashes}\n${checkpoint}`
}

export function parseReceipt(text: string): Receipt | string {
  // The proof's own lines are never empty, so the first empty line is where the checkpoint begins.
  const split = text.indexOf('\n\n')
  if (split < 0) return 'the receipt has no checkpoint'
  const [format, extraLine = '', indexLine = '', ...hashLines] = text.slice(0, split).split('\n')
  if (format !== firstLine) return `the receipt is not a ${firstLine}`
  const extra = extraLine.startsWith('extra ') ? parseExtra(extraLine.slice(6)) : null
  if (extra === null) return 'the receipt has no payload and salt in its extra line'
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice(6)) : null
  if (index === null) return 'the receipt has no index'
  const proof: Uint8Array[] = []
  for (const line of hashLines) {
    const hash = fromBase64(line)
    if (hash?.length !== 32) return 'the receipt has a proof line that is no hash'
    proof.push(hash)
  }
  return { ...extra, index, proof, checkpoint: text.slice(split + 2) }
}

function parseExtra(encoded: string): { payload: string; salt: string } | null {
  const bytes = fromBase64(encoded)
  if (bytes === null) return null
  try {
    const value = parseCanonicalJson(fromUtf8(bytes)) as Record<string, unknown> | null
    if (value === null || Object.keys(value).join() !== 'payload,salt') return null
    const { payload, salt } = value
    return typeof payload === 'string' && typeof salt === 'string' ? { payload, salt } : null
  } catch {
    return null
  }
}
