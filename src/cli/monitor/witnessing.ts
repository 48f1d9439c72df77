/** What a policy's witnesses say of a checkpoint, and what is wrong with it. */
import { isoTime } from '../../core/time.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import type { OpenedCheckpoint } from '../../verify/checkpoint.ts'
import { findCosignature, isoSeconds } from '../../verify/cosignature.ts'
import type { LogKeys } from '../../verify/log-keys.ts'
import { quorumVerdict } from '../../verify/quorum.ts'
import type { TlogPolicy } from '../../verify/tlog-policy.ts'
import type { Finding } from './finding.ts'
import type { MonitorState } from './monitor-state.ts'

type Witnessing = Pick<MonitorState, 'cosigned' | 'unwitnessedSinceUnixMs' | 'witnessedUnixMs'>

export interface WitnessingDeps {
  readonly policy: TlogPolicy
  readonly log: LogKeys
  readonly found: (finding: Finding) => void
  readonly nowUnixMs: number
  readonly staleMs: number
}

/** `checkpoint` must be the newest that was verified, or one that it continues. */
export function lookAtWitnesses(
  checkpoint: OpenedCheckpoint,
  before: Witnessing & Pick<MonitorState, 'accepted'>,
  { policy, log, found, nowUnixMs, staleMs }: WitnessingDeps,
): Witnessing {
  const { size, signed } = checkpoint
  const cosigned = { ...before.cosigned }
  for (const { name, key } of policy.witnesses) {
    const cosignature = findCosignature(signed, key, crypto, nowUnixMs)
    if (cosignature.state === 'refused' || cosignature.state === 'false')
      found({ kind: 'cosignature-refused', what: `over ${size} entries: ${cosignature.why}` })
    if (cosignature.state !== 'holds' || cosignature.timeUnixS === 0) continue
    const { timeUnixS } = cosignature
    const last = cosigned[key.name]
    if (last !== undefined && last.size < size && last.timeUnixS > timeUnixS)
      found({
        kind: 'cosignature-refused',
        what: `witness ${name} dates ${size} entries ${isoSeconds(timeUnixS)}, and ${last.size} entries ${isoSeconds(last.timeUnixS)}`,
      })
    // An older note of the same tree takes back nothing.
    if (last === undefined || last.size < size || (last.size === size && last.timeUnixS < timeUnixS))
      cosigned[key.name] = { size, timeUnixS }
  }
  const verdict = quorumVerdict(policy, signed, log, crypto, nowUnixMs)
  let failures: string
  if (verdict.met) {
    const atUnixMs = (verdict.witnessedUnixS ?? 0) * 1000
    // A quorum for a tree that has long been left behind says nothing of those since.
    if (size >= before.accepted.size || atUnixMs >= nowUnixMs - staleMs)
      return {
        cosigned,
        unwitnessedSinceUnixMs: null,
        witnessedUnixMs: Math.max(before.witnessedUnixMs, atUnixMs),
      }
    failures = `the last one was for ${size} entries`
  } else failures = verdict.failures.join('; ')
  const since = before.unwitnessedSinceUnixMs ?? nowUnixMs
  if (nowUnixMs - since >= staleMs)
    found({ kind: 'witness-missing', what: `no quorum since ${isoTime(since)}: ${failures}` })
  return { cosigned, unwitnessedSinceUnixMs: since, witnessedUnixMs: before.witnessedUnixMs }
}
