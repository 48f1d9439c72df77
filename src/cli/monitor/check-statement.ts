/** Does a statement name every entry of its tenant that the public log holds? */
import { createReadStream } from 'node:fs'
import { equalBytes } from '../../core/bytes.ts'
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

/**
 * `seen`: trees that were verified, with the tenant's entries in each, at least one of them as large as the
 * statement's, whose tree was compared with it.
 */
export async function statementFault(
  { entered, checkpoint }: StatementFacts,
  seen: readonly SeenTree[],
  chainKey: Uint8Array,
  source: LogSource,
): Promise<Finding | null> {
  const { size } = checkpoint
  const counted = seen.flatMap(({ size: at, count }) => (count === null ? [] : [{ at, count }]))
  const exact = counted.find(({ at }) => at === size)
  const atMost = Math.min(...counted.filter(({ at }) => at >= size).map(({ count }) => count))
  const atLeast = Math.max(0, ...counted.filter(({ at }) => at <= size).map(({ count }) => count))
  // Between two trees of the same number nothing needs to be read again.
  const known = exact?.count ?? (atMost === atLeast ? atMost : null)
  const there = known ?? (await countLabels(checkpoint, chainKey, source))
  if (typeof there === 'object') return there
  if (there === entered) return null
  const what = `the statement says that ${entered} entries are in the tree of ${size}, and ${there} are`
  return { kind: 'statement-cut', what }
}

/** Of the entries alone, which must have the statement's root. */
async function countLabels(
  { size, root }: StatementFacts['checkpoint'],
  chainKey: Uint8Array,
  source: LogSource,
): Promise<number | Finding> {
  const builder = new TileBuilder(crypto, emptyEdge)
  const chain = new LabelChain(chainKey, crypto)
  const anyTime = { toleranceMs: 0, nowUnixMs: Number.MAX_SAFE_INTEGER, notBeforeUnixMs: 0 }
  try {
    // What it finds on the way was told when the log was read.
    await walk({ builder, chain, leafTimeUnixMs: 0 }, size, {
      source,
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
