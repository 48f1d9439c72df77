/** `monitor`: watches a public log from outside, over time, for whoever trusts nobody. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toBase64 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { parseDurationMs } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { takeProcessLock } from '../store/process-lock.ts'
import { parsePolicy, type TlogPolicy } from '../verify/tlog-policy.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { printVerifierKey } from '../verify/verifier-key.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { openStatement } from './monitor/check-statement.ts'
import type { Finding, MonitorAlertKind } from './monitor/finding.ts'
import { logOf } from './monitor/log-key-follower.ts'
import { openLogSource } from './monitor/log-source.ts'
import { type LookDeps, look } from './monitor/look.ts'
import { builderAt, loadState, type MonitorState, newState, saveState } from './monitor/monitor-state.ts'
import { evidenceName } from './monitor/notes.ts'
import { parseOptions, required } from './options.ts'
import { publishedCheckpoint } from './published-checkpoint.ts'
import { untilStopped } from './until-stopped.ts'
import { createAlerts } from './watch/alerts.ts'

export async function monitorCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      log: { type: 'string' },
      vkey: { type: 'string' },
      state: { type: 'string' },
      trust: { type: 'string' },
      region: { type: 'string' },
      policy: { type: 'string' },
      statement: { type: 'string', multiple: true },
      'peer-checkpoint': { type: 'string', multiple: true },
      every: { type: 'string', default: '60s' },
      stale: { type: 'string', default: '10m' },
      tolerance: { type: 'string', default: '10m' },
      samples: { type: 'string', default: '4' },
      once: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const source = openLogSource(required(values.log, '--log URL|DIR'))
  const folder = required(values.state, '--state DIR')
  const everyMs = durationOf(values.every, '--every')
  const times = {
    staleMs: durationOf(values.stale, '--stale'),
    toleranceMs: durationOf(values.tolerance, '--tolerance'),
  }
  if (!/^\d{1,4}$/.test(values.samples)) throw new UsageError('--samples is a number')
  const customer = values.trust === undefined ? null : loadCustomer(values.trust, values.region)
  if (values.statement !== undefined && customer === null)
    throw new UsageError('--statement needs --trust, with the chain key of the tenant')
  const policy = values.policy === undefined ? null : loadPolicy(values.policy)
  mkdirSync(join(folder, 'evidence'), { recursive: true, mode: 0o700 })
  // Of two, the one that looked earlier could put its state over the other's, and a log that went back be missed.
  await using _lock = await takeProcessLock(
    join(folder, 'monitor.lock'),
    `another monitor is running in ${folder}`,
  )
  const statePath = join(folder, 'state.json')
  let state = openState(statePath, values.vkey, customer)
  const { origin } = logOf(state.vkey, state.rotations)

  const alerts = createAlerts<MonitorAlertKind>(join(folder, 'alerts.jsonl'), Date.now, line =>
    io.stdout.write(line),
  )
  const found = ({ kind, what, evidence = [] }: Finding): void => {
    const files = evidence.map(each => {
      const file = join(folder, 'evidence', evidenceName(each))
      keepEvidence(file, each.text)
      return file
    })
    alerts.raise({ kind, region: origin, what, evidence: files })
  }
  const peers = (values['peer-checkpoint'] ?? []).map(name => ({
    name,
    read: () => publishedCheckpoint(name),
  }))
  const held: LookDeps['held'] = { chain: null, size: 0, counted: new Map() }
  const save = (next: MonitorState): Promise<void> => saveState(statePath, next)
  let waiting = 0
  const once = async (): Promise<void> => {
    const statements = await readStatements(values.statement ?? [], customer?.trust ?? null, found)
    state = await look(state, {
      source,
      // A statement carries a checkpoint, which must be one of the log's like any other.
      peers: [...peers, ...statements.map(({ name, facts }) => peerOf(name, facts.checkpoint.signed))],
      chain: customer === null ? null : { of: customer.of, key: customer.chainKey },
      statements,
      policy,
      found,
      save,
      nowUnixMs: Date.now(),
      ...times,
      samples: Number(values.samples),
      random: Math.random,
      held,
    })
    const { size } = state.accepted
    const behind = statements.filter(({ facts }) => facts.checkpoint.size > size)
    waiting = behind.length
    for (const { name, facts } of behind)
      io.stderr.write(
        `${name}: not compared, its tree has ${facts.checkpoint.size} entries and the log ${size}\n`,
      )
    tell(state, origin, alerts.count(), values.json === true, io)
  }

  if (values.once === true) {
    await once()
    const isReached = state.unreachableSinceUnixMs === null
    return alerts.raised() === 0 && isReached && waiting === 0 ? 0 : 1
  }
  const stopping = new AbortController()
  const stopped = untilStopped().then(() => stopping.abort())
  while (!stopping.signal.aborted) {
    await once()
    await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {})
  }
  await stopped
  return alerts.raised() === 0 ? 0 : 1
}

/** Durable before the alert that names it, and not written anew each time: a crash could take away what was there. */
function keepEvidence(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  writeFileSync(file, text, { mode: 0o600, flush: true })
}

interface MonitoredCustomer {
  readonly trust: Trust
  readonly region: string
  /** `tenant/region` */
  readonly of: string
  readonly chainKey: Uint8Array
  readonly vkey: string
  readonly rotations: readonly string[]
}

function loadCustomer(path: string, wanted: string | undefined): MonitoredCustomer {
  const text = readText(path)
  const trust = parseTrust(text, nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${path}: ${trust}`)
  const region = wanted ?? (trust.regions.size === 1 ? [...trust.regions.keys()][0]! : undefined)
  const trusted = region === undefined ? undefined : trust.regions.get(region)
  if (region === undefined || trusted === undefined)
    throw new UsageError(`--region is one of ${[...trust.regions.keys()].join(', ')}`)
  const { key } = trusted.log.spans[0]!
  const file = JSON.parse(text) as { regions: Record<string, { rotations?: string[] }> }
  return {
    trust,
    region,
    of: `${trust.tenant}/${region}`,
    chainKey: trusted.chainKey,
    vkey: printVerifierKey(key.name, key.publicKey, nodeVerifyCrypto),
    rotations: file.regions[region]?.rotations ?? [],
  }
}

/** The key that is trusted is part of what is remembered: another one is another log. */
function openState(path: string, vkey: string | undefined, customer: MonitoredCustomer | null): MonitorState {
  const known = loadState(path)
  const trusted = vkey ?? known?.vkey ?? customer?.vkey
  if (trusted === undefined) throw new UsageError('--vkey VKEY, or --trust FILE, is required')
  const rotations = customer?.vkey === trusted ? customer.rotations : []
  const log = logOf(trusted, rotations)
  if (customer !== null && customer.trust.regions.get(customer.region)!.log.origin !== log.origin)
    throw new UsageError(`--region ${customer.region} is another log than --vkey names`)
  if (known !== null && known.vkey !== trusted)
    throw new HoldfastError('bad-input', `${path} is of a log with another key: take another folder`)
  const state = known ?? newState(trusted, Date.now())
  // One key that signed for two successors, or a trust file that is not what it was.
  if (state.rotations.some((note, at) => rotations.length > at && rotations[at] !== note))
    throw new HoldfastError('not-verified', `${path} and the trust file know different keys of the log`)
  return state.rotations.length >= rotations.length ? state : { ...state, rotations: [...rotations] }
}

async function readStatements(
  files: readonly string[],
  trust: Trust | null,
  found: (finding: Finding) => void,
): Promise<LookDeps['statements']> {
  const statements: LookDeps['statements'][number][] = []
  for (const name of trust === null ? [] : files) {
    const facts = await openStatement(name, trust!)
    if (facts.verified) statements.push({ name, facts })
    else found({ kind: 'statement-refused', what: `${name}: ${facts.failures.join('; ')}` })
  }
  return statements
}

function peerOf(
  name: string,
  signed: LookDeps['statements'][number]['facts']['checkpoint']['signed'],
): LookDeps['peers'][number] {
  const lines = signed.signatures.map(
    each => `\u2014 ${each.name} ${toBase64(Buffer.concat([each.keyId, each.signature]))}\n`,
  )
  return { name, read: async () => `${signed.text}\n${lines.join('')}` }
}

function tell(state: MonitorState, origin: string, alerts: number, json: boolean, io: CommandIo): void {
  const { accepted, unreachableSinceUnixMs } = state
  const root = toBase64(builderAt(accepted).root())
  const own = accepted.chain?.next ?? null
  const reached = unreachableSinceUnixMs === null
  if (json)
    io.stdout.write(
      `${JSON.stringify({ log: origin, reached, size: accepted.size, root, ...(own !== null && { entries: own }), alerts })}\n`,
    )
  else
    io.stderr.write(
      `${origin}: ${reached ? '' : 'not reached; '}${accepted.size} entries verified${own === null ? '' : `, ${own} of them yours`}, root ${root}, alerts: ${alerts}\n`,
    )
}

function loadPolicy(path: string): TlogPolicy {
  const policy = parsePolicy(readFileSync(path), nodeVerifyCrypto)
  if (typeof policy === 'string') throw new HoldfastError('bad-input', `${path}: ${policy}`)
  return policy
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new HoldfastError('not-found', `there is no file at ${path}`, {}, error)
  }
}

function durationOf(text: string, name: string): number {
  const ms = parseDurationMs(text)
  if (ms === null) throw new UsageError(`${name} is a time like 60s, 15m, 24h`)
  return ms
}
