/** Does a statement name every entry of its tenant that the public log holds? */
import { createReadStream } from 'node:fs'
import { equalBytes, toBase64 } from '../../core/bytes.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { emptyEdge, TileBuilder } from '../../ledger/tile-builder.ts'
import { checkStatement, type StatementFacts } from '../../verify/statement.ts'
import type { Trust } from '../../verify/trust.ts'
import type { Refused } from '../../verify/verdict.ts'
import { type Finding, LogFault } from './finding.ts'
import { LabelChain } from './label-chain.ts'
import type { LogSource } from './log-source.ts'
import type { SeenTree } from './monitor-state.ts'
import { walk } from './walk.ts'

export async function openStatement(file: string, trust: Trust): Promise<StatementFacts | Refused> {
  const check = checkStatement(trust, crypto, () => {})
  for await (const chunk of createReadStream(file)) check.push(chunk as Uint8Array)
  return check.end()
}

export interface VerifiedLog {
  readonly source: LogSource
  /** Trees that were verified, with the tenant's entries in each, at least one of them as large as the statement's. */
  readonly seen: readonly SeenTree[]
  /** Of the newest of them. */
  readonly shownSize: number
  /** The tenant's entries by the root of a tree, as they were counted for statements before. */
  readonly counted: Map<string, number>
}

/** The statement's tree must have been compared with the log's. */
export async function statementFault(
  { entered, checkpoint }: StatementFacts,
  chainKey: Uint8Array,
  log: VerifiedLog,
): Promise<Finding | null> {
  const { size } = checkpoint
  const trees = log.seen.flatMap(({ size: at, count }) => (count === null ? [] : [{ at, count }]))
  const exact = trees.find(({ at }) => at === size)
  const atMost = Math.min(...trees.filter(({ at }) => at >= size).map(({ count }) => count))
  const atLeast = Math.max(0, ...trees.filter(({ at }) => at <= size).map(({ count }) => count))
  // Between two trees of the same number nothing needs to be read again.
  const known = exact?.count ?? (atMost === atLeast ? atMost : null)
  const root = toBase64(checkpoint.root)
  const there = known ?? log.counted.get(root) ?? (await countLabels(checkpoint, chainKey, log))
  if (typeof there === 'object') return there
  // The root says which entries there are: the next look need not read them again.
  if (known === null) log.counted.set(root, there)
  if (there === entered) return null
  const what = `the statement says that ${entered} entries are in the tree of ${size}, and ${there} are`
  return { kind: 'statement-cut', what }
}

/** Of the entries alone, which must have the statement's root. */
async function countLabels(
  { size, root }: StatementFacts['checkpoint'],
  chainKey: Uint8Array,
  { source, shownSize }: VerifiedLog,
): Promise<number | Finding> {
  const builder = new TileBuilder(crypto, emptyEdge)
  const chain = new LabelChain(chainKey, crypto)
  const anyTime = { toleranceMs: 0, nowUnixMs: Number.MAX_SAFE_INTEGER, notBeforeUnixMs: 0 }
  try {
    // What it finds on the way was told when the log was read.
    await walk({ builder, chain, leafTimeUnixMs: 0 }, size, {
      source,
      shownSize,
      found: () => {},
      skipTiles: true,
      ...anyTime,
    })
  } catch (error) {
    if (error instanceof LogFault) return error.finding
    throw error
  }
  return equalBytes(builder.root(), root)
    ? chain.next
    : { kind: 'entry-changed', what: `the entries do not have the root of the tree of ${size} any more` }
}
