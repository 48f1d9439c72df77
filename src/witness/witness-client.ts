/**
 * Shows the newest published checkpoint of a region's log to its witnesses, and hands their cosignatures on. Beside the
 * writes and never before one: a witness that is slow or away costs nobody an answer.
 *
 * All witnesses that are ready are shown the same checkpoint at the same time, so that their cosignatures meet on one.
 * What they have answered is in the log's catalog when it is taken in; where each stands is learnt again after a start,
 * from what it says (409).
 */
import { toBase64, utf8 } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { CountryCode, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock } from '../core/time.ts'
import { plainAddress } from '../ledger/connections.ts'
import { earlierRoot } from '../ledger/earlier-root.ts'
import { type PublishedCheckpoint, readPublished } from '../ledger/published-log.ts'
import type { TileStore } from '../ledger/tile-store.ts'
import { createTreeReader } from '../ledger/tree-reader.ts'
import type { Door, OutboundAnswer } from '../outbound/door.ts'
import { resolveHost } from '../outbound/resolve.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideOutbound } from '../policy/decide.ts'
import { parseDecimal } from '../verify/checkpoint-text.ts'
import { findCosignature } from '../verify/cosignature.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { consistencyHolds } from '../verify/merkle.ts'
import { parseNote } from '../verify/note.ts'
import { consistencyRanges } from '../verify/subtrees.ts'
import type { TypedVerifierKey } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'

export interface KnownWitness {
  readonly name: string
  readonly key: TypedVerifierKey
  /** The submission prefix. */
  readonly url: string
  /** PEM of the one that it must show; empty: what public authorities vouch for. */
  readonly certificate: string
}

export interface WitnessClientDeps {
  readonly region: {
    readonly id: RegionId
    readonly tiles: TileStore
    readonly log: LogKeys
    readonly door: Door
    /** A checkpoint with cosignatures, verified. */
    cosigned(note: string): void
    /** A witness has seen a tree that this log does not have. */
    halt(reason: string): void
  }
  readonly witnesses: readonly KnownWitness[]
  readonly placeOf: (address: string) => CountryCode | 'home' | null
  readonly isHalted: () => boolean
  readonly crypto: VerifyCrypto
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

const lookEveryMs = 500
/** How long a round waits for the slowest; then it is left behind, and joins again when it has answered. */
const roundMs = 2000
const answerMs = 10_000
const firstRetryMs = 1000
const longestRetryMs = 300_000
/**
 * An idle log is shown again, so that witnesses say that nothing has happened, and what time it is. Twice in the ten
 * minutes after which `monitor` calls a log stale.
 */
const refreshMs = 300_000
/** A witness that names another size each time is not asked for ever. */
const maxTries = 3

interface Standing {
  readonly witness: KnownWitness
  size: number
  cosignedUnixMs: number
  isAsked: boolean
  notBeforeUnixMs: number
  retryMs: number
}

/** What became of one submission. */
type Outcome = 'cosigned' | 'false-cosignature' | 'refused' | 'unreachable' | 'forked'

export function startWitnessing(deps: WitnessClientDeps): AsyncDisposable {
  const { region, clock, log, metrics, crypto, isHalted } = deps
  const standings = deps.witnesses.map(
    (witness): Standing => ({
      witness,
      size: 0,
      cosignedUnixMs: 0,
      isAsked: false,
      notBeforeUnixMs: 0,
      retryMs: firstRetryMs,
    }),
  )
  const asked = new Set<Promise<void>>()
  let published = 0
  let disposed = false
  let running: Promise<void> | null = null

  const isDue = (standing: Standing): boolean =>
    !standing.isAsked &&
    clock() >= standing.notBeforeUnixMs &&
    (standing.size !== published || clock() - standing.cosignedUnixMs >= refreshMs)

  const ask = async (standing: Standing, checkpoint: PublishedCheckpoint): Promise<void> => {
    const { witness } = standing
    standing.isAsked = true
    let outcome: Outcome = 'unreachable'
    let reason = ''
    try {
      ;({ outcome, reason } = await submit(deps, standing, checkpoint))
    } catch (error) {
      reason = messageOf(error)
    } finally {
      standing.isAsked = false
    }
    metrics.count('holdfast_witness_answers_total', { region: region.id, witness: witness.name, outcome })
    if (outcome === 'cosigned') {
      standing.cosignedUnixMs = clock()
      standing.retryMs = firstRetryMs
      return
    }
    standing.notBeforeUnixMs = clock() + standing.retryMs
    standing.retryMs = Math.min(longestRetryMs, standing.retryMs * 2)
    log('warn', 'witness-did-not-cosign', { region: region.id, witness: witness.name, outcome, reason })
    if (outcome === 'forked' && !disposed) region.halt(reason)
  }

  const round = async (): Promise<void> => {
    try {
      const checkpoint = await readPublished(region.tiles, region.log, crypto)
      if (checkpoint === null) return
      published = checkpoint.size
      const due = standings.filter(isDue)
      if (due.length === 0) return
      const asking = due.map(standing => {
        const one = ask(standing, checkpoint)
        asked.add(one)
        void one.finally(() => asked.delete(one))
        return one
      })
      await settledWithin(asking, roundMs)
    } catch (error) {
      log('error', 'witnessing-failed', { region: region.id, error: messageOf(error) })
    } finally {
      running = null
    }
  }

  for (const standing of standings) {
    const labels = { region: region.id, witness: standing.witness.name }
    const lag = { help: 'Entries that are published and that the witness has not cosigned.' }
    metrics.gauge('holdfast_witness_lag_entries', lag.help, () => published - standing.size, labels)
    metrics.gauge(
      'holdfast_witness_cosigned_timestamp_seconds',
      'When the witness last cosigned, in Unix time; 0: not since the start.',
      () => Math.floor(standing.cosignedUnixMs / 1000),
      labels,
    )
  }
  const timer = setInterval(() => {
    if (!disposed && !isHalted()) running ??= round()
  }, lookEveryMs)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      disposed = true
      clearInterval(timer)
      await running
      // Whoever does not answer now is asked again at the next start.
      await settledWithin([...asked], roundMs)
    },
  }
}

async function settledWithin(promises: readonly Promise<void>[], ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([Promise.allSettled(promises), late])
  clearTimeout(timer)
}

async function submit(
  deps: WitnessClientDeps,
  standing: Standing,
  checkpoint: PublishedCheckpoint,
): Promise<{ outcome: Outcome; reason: string }> {
  const { region, crypto } = deps
  const { witness } = standing
  // Others' cosignatures are none of its business.
  const signed = ownPart(checkpoint, region.log)
  let old = Math.min(standing.size, checkpoint.size)
  let reason = ''
  for (let tries = 0; tries < maxTries; tries++) {
    const { oldRoot, proof } = await proofBetween(deps, old, checkpoint)
    const lines = proof.map(hash => `${toBase64(hash)}\n`).join('')
    const answer = await post(deps, witness, `old ${old}\n${lines}\n${signed}`)
    const text = answer.body.toString('utf8')
    if (answer.status === 200) {
      const taken = takeCosignature(deps, witness, signed, text)
      if (taken !== null) return { outcome: 'false-cosignature', reason: taken }
      standing.size = checkpoint.size
      return { outcome: 'cosigned', reason: '' }
    }
    const size = answer.status === 409 ? parseDecimal(text.replace(/\n$/, '')) : null
    reason = `it answered ${answer.status}: ${text.slice(0, 200).trim()}`
    if (old > 0 && (answer.status === 422 || size === old)) {
      // Ours leads from one tree to the other, so the witness has another first one. Older witnesses say 409 here.
      const claim = { oldSize: old, newSize: checkpoint.size, oldRoot, newRoot: checkpoint.root, proof }
      if (!consistencyHolds(claim, crypto))
        throw new HoldfastError('store-damaged', `the tiles do not prove ${old} to ${checkpoint.size}`)
      return {
        outcome: 'forked',
        reason: `witness ${witness.name} has cosigned another tree of ${old} entries than this log has`,
      }
    }
    if (size === null || size === old) return { outcome: 'refused', reason }
    if (size > checkpoint.size) {
      const now = await readPublished(region.tiles, region.log, crypto)
      if (size > (now?.size ?? 0)) {
        return {
          outcome: 'forked',
          reason: `witness ${witness.name} has cosigned a tree of ${size} entries, and this log has ${now?.size ?? 0}`,
        }
      }
      // It has grown meanwhile; the next round shows what there is now.
      return { outcome: 'refused', reason }
    }
    old = size
    standing.size = size
  }
  return { outcome: 'refused', reason: `${reason}, each time another size` }
}

/** What is wrong with the answer, or `null`. */
function takeCosignature(
  { region, crypto, clock }: WitnessClientDeps,
  { key }: KnownWitness,
  signed: string,
  lines: string,
): string | null {
  const note = parseNote(`${signed}${lines}`)
  if (note === null) return 'its answer is no signature lines'
  const cosigned = findCosignature(note, key, crypto, clock())
  if (cosigned.state !== 'holds') return cosigned.why
  region.cosigned(`${signed}${lines}`)
  return null
}

/** The note as the log signed it: its text, and the lines by its keys. */
function ownPart({ note }: PublishedCheckpoint, log: LogKeys): string {
  const split = note.lastIndexOf('\n\n') + 2
  const own = note
    .slice(split)
    .split('\n')
    .filter(line => line.startsWith(`\u2014 ${log.origin} `))
  return `${note.slice(0, split)}${own.join('\n')}\n`
}

interface Proof {
  readonly oldRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** From the tiles of the newer tree. */
async function proofBetween(
  { region, crypto }: WitnessClientDeps,
  old: number,
  { size }: PublishedCheckpoint,
): Promise<Proof> {
  const reader = createTreeReader(region.tiles, size, crypto)
  const proof = await reader.proof(consistencyRanges(old, size))
  return { oldRoot: await earlierRoot(reader, old, crypto), proof }
}

async function post(
  { region, placeOf }: WitnessClientDeps,
  { url, certificate }: KnownWitness,
  body: string,
): Promise<OutboundAnswer> {
  const target = new URL(`${url.replace(/\/$/, '')}/add-checkpoint`)
  const host = await resolveHost(target.hostname)
  const isPlain = target.protocol === 'http:'
  const decision = decideOutbound({
    action: 'outbound',
    purpose: 'witness',
    host,
    port: Number(target.port || (isPlain ? 80 : 443)),
    certificate,
    registered: true,
    instruction: null,
    witness: {
      name: target.hostname,
      isPlain,
      isHere: placeOf(plainAddress(host)) === 'home' || isLoopback(host),
    },
  })
  if (isRefusal(decision)) throw new HoldfastError('peer-refused', decision.message)
  return region.door.send(decision, {
    method: 'POST',
    path: target.pathname,
    headers: { host: target.host, 'content-type': 'text/plain', 'user-agent': 'Holdfast' },
    body: utf8(body),
    idleMs: answerMs,
  })
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}
