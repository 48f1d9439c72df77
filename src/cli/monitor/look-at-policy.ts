/** Are there witnesses of what was verified, by the policy of whoever looks? */
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../../verify/checkpoint.ts'
import { quorumVerdict } from '../../verify/quorum.ts'
import { witnessedPath } from '../../verify/tile-path.ts'
import type { TlogPolicy } from '../../verify/tlog-policy.ts'
import { compareTrees, printContradiction } from './compare-trees.ts'
import type { Finding } from './finding.ts'
import { logOf } from './log-key-follower.ts'
import type { LogSource } from './log-source.ts'
import { acceptedTree, type MonitorState } from './monitor-state.ts'
import { newestNote, noteEvidence, openNote } from './notes.ts'
import { lookAtWitnesses } from './witnessing.ts'

export interface PolicyDeps {
  readonly source: LogSource
  readonly policy: TlogPolicy | null
  readonly found: (finding: Finding) => void
  readonly nowUnixMs: number
  readonly staleMs: number
}

/** After a look: `state` is what it verified. */
export async function lookAtPolicy(state: MonitorState, deps: PolicyDeps): Promise<MonitorState> {
  const { policy, found, nowUnixMs, staleMs } = deps
  const newest = state.seen[0]
  if (policy === null || newest === undefined) return state
  const log = logOf(state.vkey, state.rotations)
  const checkpoint = openCheckpoint(newest.note, log, crypto)
  if (typeof checkpoint === 'string') return state
  const witnessDeps = { policy, log, found, nowUnixMs, staleMs }
  // A busy log has published another tree by the time that its witnesses have answered.
  const before = quorumVerdict(policy, checkpoint.signed, log, crypto, nowUnixMs).met
    ? null
    : await witnessedTree(state, deps)
  const witnessing = lookAtWitnesses(before ?? checkpoint, state, witnessDeps)
  const isNew = Object.entries(witnessing.cosigned).some(([name, { timeUnixS }]) => {
    const last = state.cosigned[name]
    return last !== undefined && last.timeUnixS < timeUnixS
  })
  return {
    ...state,
    ...witnessing,
    hasChanged: state.hasChanged || isNew,
    changedAtUnixMs: isNew ? nowUnixMs : state.changedAtUnixMs,
  }
}

/** What the log says that its witnesses have cosigned, if it is a beginning of the tree that was verified. */
async function witnessedTree(state: MonitorState, deps: PolicyDeps): Promise<OpenedCheckpoint | null> {
  const { found, source } = deps
  if (state.unreachableSinceUnixMs !== null) return null
  const note = await source.read(witnessedPath).catch(() => null)
  if (note === null) return null
  const checkpoint = openNote(note, logOf(state.vkey, state.rotations))
  if (typeof checkpoint === 'string') {
    found({ kind: 'checkpoint-refused', what: `${witnessedPath}: ${checkpoint}` })
    return null
  }
  const accepted = acceptedTree(state)
  // Of a tree that came after the one that was looked at: the next look's.
  if (checkpoint.size > accepted.size) return null
  const comparison = await compareTrees(checkpoint, accepted, source)
  if (comparison.state === 'contradicts')
    found({
      kind: 'fork',
      what: `witnesses have cosigned another tree of ${checkpoint.size} entries than the log shows`,
      evidence: [
        noteEvidence(checkpoint),
        ...newestNote(state),
        { name: 'fork-proof', text: printContradiction(checkpoint, comparison) },
      ],
    })
  return comparison.state === 'continues' ? checkpoint : null
}
