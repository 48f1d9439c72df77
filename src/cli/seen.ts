/**
 * What `verify` has seen before: a log that shows one tree today and another tomorrow, or a tenant's chain that was
 * rewritten or cut, is caught by who kept the older view.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { toBase64, utf8 } from '../core/bytes.ts'
import { canonicalJson, type Json } from '../core/canonical-json.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import type { EntryPayload } from '../verify/payload.ts'

const schema = z.strictObject({
  format: z.literal('holdfast/seen/v1'),
  /** Roots by log origin and tree size. */
  roots: z.record(z.string(), z.record(z.string(), z.string())),
  /** The longest chain seen of a tenant in a region: its length, its last row's digest, the tree it stood in. */
  chains: z.record(z.string(), z.strictObject({ count: z.int(), last: z.string(), treeSize: z.int() })),
})
export type Memory = z.infer<typeof schema>

export const emptyMemory: Memory = { format: 'holdfast/seen/v1', roots: {}, chains: {} }
const maxRoots = 1000

export function parseMemory(text: string): Memory | null {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

interface SeenStatement {
  readonly tenant: string
  readonly region: string
  readonly entries: readonly EntryPayload[]
}

export function compareWithSeen(
  memory: Memory,
  { origin, size, root }: Checkpoint,
  statement: SeenStatement | null,
): { faults: string[]; memory: Memory } {
  const faults: string[] = []
  const rootText = toBase64(root)
  const before = memory.roots[origin]?.[size]
  if (before !== undefined && before !== rootText) {
    faults.push(`${origin} has shown two trees of ${size} entries: one of them is forged`)
  }
  const seenRoots: Record<string, string> = { ...memory.roots[origin], [size]: rootText }
  const roots = Object.entries(seenRoots).slice(-maxRoots)
  const kept: Memory = { ...memory, roots: { ...memory.roots, [origin]: Object.fromEntries(roots) } }
  if (statement === null) return { faults, memory: kept }

  const { tenant, region, entries } = statement
  const key = `${tenant}/${region}`
  const known = memory.chains[key]
  if (known !== undefined && known.count > 0) {
    const same = entries[known.count - 1]
    if (entries.length < known.count && size >= known.treeSize) {
      faults.push(
        `rows were cut off: ${known.count} were seen in a tree of ${known.treeSize}, ${entries.length} are here`,
      )
    } else if (same !== undefined && digestOf(same) !== known.last) {
      faults.push(`row ${known.count} is not what it was in a statement seen before: history was rewritten`)
    }
  }
  if (faults.length > 0 || (known !== undefined && known.count > entries.length))
    return { faults, memory: kept }
  const last = entries.at(-1)
  const chain = { count: entries.length, last: last === undefined ? '' : digestOf(last), treeSize: size }
  return { faults, memory: { ...kept, chains: { ...kept.chains, [key]: chain } } }
}

function digestOf(entry: EntryPayload): string {
  return createHash('sha256')
    .update(utf8(canonicalJson(entry as unknown as Json)))
    .digest('hex')
}
