/** Whether the witnesses that a policy asks for have cosigned a checkpoint, and as of when. */
import { equalBytes } from '../core/bytes.ts'
import { findCosignature, isoSeconds } from './cosignature.ts'
import type { LogKeys } from './log-keys.ts'
import type { SignedNote } from './note.ts'
import type { PolicyGroup, PolicyWitness, TlogPolicy } from './tlog-policy.ts'
import type { VerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export type QuorumVerdict =
  | {
      readonly met: true
      /** Of every witness of the policy that counts, by the policy's name for it. */
      readonly witnessedBy: readonly string[]
      /**
       * POSIX seconds: the latest time T such that a quorum cosigned at T or later. `null` when the policy asks for
       * no witness, or when the quorum makes no statement of time.
       */
      readonly witnessedUnixS: number | null
    }
  | { readonly met: false; readonly failures: readonly string[] }

/**
 * `note` must be a checkpoint that `log` signed, which the caller has verified. A policy that names logs must name
 * this one. A witness that the log's own operator runs counts for nothing.
 */
export function quorumVerdict(
  policy: TlogPolicy,
  note: SignedNote,
  log: LogKeys,
  crypto: VerifyCrypto,
  nowUnixMs: number,
): QuorumVerdict {
  const own = log.spans.map(({ key }) => key)
  // The key of a log may have changed since the policy was written; the rotation is verified by now.
  const isNamed = ({ name, publicKey }: VerifierKey): boolean =>
    name === log.origin && own.some(key => equalBytes(publicKey, key.publicKey))
  if (policy.logs.length > 0 && !policy.logs.some(isNamed))
    return { met: false, failures: [`the policy names other logs, not ${log.origin} with this key`] }

  const times = new Map<PolicyWitness, number>()
  const absent: string[] = []
  for (const witness of policy.witnesses) {
    const dependence = ownWitness(witness.key, [...own, ...policy.logs], log.origin)
    const cosigned = findCosignature(note, witness.key, crypto, nowUnixMs)
    // A signature that its key did not make: nobody knows what else of the note was made up.
    if (cosigned.state === 'false') return { met: false, failures: [cosigned.why] }
    if (dependence !== null) absent.push(`witness ${witness.name} counts for nothing: ${dependence}`)
    else if (cosigned.state === 'holds') times.set(witness, cosigned.timeUnixS)
    else absent.push(`witness ${witness.name} is missing: ${cosigned.why}`)
  }

  const witnessedBy = policy.witnesses.filter(witness => times.has(witness)).map(({ name }) => name)
  if (policy.quorum.kind === 'none') return { met: true, witnessedBy, witnessedUnixS: null }
  const time = timeOf(policy.quorum, times)
  if (time === null)
    return { met: false, failures: [`the quorum “${policy.quorum.name}” is not met`, ...absent] }
  return { met: true, witnessedBy, witnessedUnixS: time === 0 ? null : time }
}

/** The latest T at or after which it was witnessed; `null`: it was not. Of a group, the k-th latest of its members'. */
function timeOf(rule: PolicyWitness | PolicyGroup, times: ReadonlyMap<PolicyWitness, number>): number | null {
  if (rule.kind === 'witness') return times.get(rule) ?? null
  const met = rule.members.map(member => timeOf(member, times)).filter(time => time !== null)
  return met.sort((a, b) => b - a)[rule.threshold - 1] ?? null
}

/**
 * Why a witness is the log's own operator's, or `null`: its word for the log would be the log's own. `logs`: the keys
 * of the log, and of every other log that is known.
 */
export function ownWitness(
  witness: VerifierKey,
  logs: readonly VerifierKey[],
  origin: string,
): string | null {
  if (logs.some(({ publicKey }) => equalBytes(publicKey, witness.publicKey)))
    return 'its key is the key of a log'
  const host = hostOf(origin)
  return hostOf(witness.name) === host
    ? `it is at ${host}, where the log is, so one operator runs both`
    : null
}

/** Key names are URLs without a schema; whoever has the host has all names under it. */
function hostOf(name: string): string {
  const authority = name.split('/', 1)[0]!
  return authority
    .replace(/:[0-9]+$/, '')
    .replace(/\.$/, '')
    .toLowerCase()
}

/** For words and facts; `-` when the quorum says nothing of time. */
export function witnessedAt(verdict: Extract<QuorumVerdict, { met: true }>): string {
  return verdict.witnessedUnixS === null ? '-' : isoSeconds(verdict.witnessedUnixS)
}
