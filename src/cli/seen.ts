/**
 * What `verify` has seen before: a log that shows one tree today and another tomorrow, or a tenant's chain that was
 * rewritten or cut, is caught by who kept the older view.
 */
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { toBase64 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import type { StatementFacts } from '../verify/statement.ts'

const schema = z.strictObject({
  format: z.literal('holdfast/seen/v2'),
  /** Roots by log origin and tree size. */
  roots: z.record(z.string(), z.record(z.string(), z.string())),
  /** How far a tenant's chain in a region was seen: entries, the last one's commitment, the tree they stood in. */
  chains: z.record(z.string(), z.strictObject({ count: z.int(), commitment: z.string(), treeSize: z.int() })),
})
export type Memory = z.infer<typeof schema>

const emptyMemory: Memory = { format: 'holdfast/seen/v2', roots: {}, chains: {} }
const maxRoots = 1000

function parseMemory(text: string): Memory | null {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

export function loadMemory(path: string): Memory {
  if (!existsSync(path)) return emptyMemory
  const memory = parseMemory(readFileSync(path, 'utf8'))
  // Starting over in silence would let a rolled-back log pass: a person has to look.
  if (memory === null)
    throw new HoldfastError('store-damaged', `${path} is damaged; what was seen before cannot be compared`)
  return memory
}

export interface Compared {
  readonly faults: readonly string[]
  readonly memory: Memory
}

export function compareCheckpoint(memory: Memory, { origin, size, root }: Checkpoint): Compared {
  const rootText = toBase64(root)
  const before = memory.roots[origin]?.[size]
  const faults =
    before === undefined || before === rootText
      ? []
      : [`${origin} has shown two trees of ${size} entries: one of them is forged`]
  const seenRoots: Record<string, string> = { [size]: rootText, ...memory.roots[origin] }
  const roots = Object.entries(seenRoots).slice(-maxRoots)
  return { faults, memory: { ...memory, roots: { ...memory.roots, [origin]: Object.fromEntries(roots) } } }
}

/** Keeps, of a statement's rows as they pass, the commitments that a comparison will ask for. */
export class ChainPoints {
  readonly #wanted: ReadonlySet<number>
  readonly #commitments = new Map<number, string>()
  #last: string | null = null

  constructor(memory: Memory) {
    this.#wanted = new Set(Object.values(memory.chains).map(({ count }) => count - 1))
  }

  saw(seq: number, commitment: string): void {
    this.#last = commitment
    if (this.#wanted.has(seq)) this.#commitments.set(seq, commitment)
  }

  at(seq: number): string | null {
    return this.#commitments.get(seq) ?? null
  }

  /** Of the last row; `null` when there was none. */
  last(): string | null {
    return this.#last
  }
}

/** After `compareCheckpoint`. */
export function compareStatement(memory: Memory, facts: StatementFacts, points: ChainPoints): Compared {
  const { tenant, region, first, count, entered, prev, checkpoint } = facts
  const key = `${tenant}/${region}`
  const known = memory.chains[key]
  const faults: string[] = []
  if (known !== undefined) {
    if (entered < known.count && checkpoint.size >= known.treeSize) {
      faults.push(
        `rows were cut off: ${known.count} were seen in a tree of ${known.treeSize}, ${entered} are in one of ${checkpoint.size}`,
      )
    }
    const there = first === known.count ? prev : points.at(known.count - 1)
    if (there !== null && there !== known.commitment) {
      faults.push(
        `entry ${known.count - 1} is not what it was in a statement seen before: history was rewritten`,
      )
    }
  }
  const end = first + count
  const last = points.last()
  // What begins behind the end of what was seen says nothing of what is in between.
  const continues = first <= (known?.count ?? 0) && end > (known?.count ?? 0)
  if (faults.length > 0 || !continues || last === null) return { faults, memory }
  const chain = { count: end, commitment: last, treeSize: checkpoint.size }
  return { faults, memory: { ...memory, chains: { ...memory.chains, [key]: chain } } }
}

/** Where a statement does not join what was seen before, in words; `null` where it does. */
export function gapBefore(memory: Memory, { tenant, region, first }: StatementFacts): string | null {
  const known = memory.chains[`${tenant}/${region}`]?.count ?? 0
  return first > known ? `entries ${known} to ${first - 1} were never seen by this verifier` : null
}
