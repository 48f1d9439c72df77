/** What a file is, by its first bytes, and whether it holds: the one place where `verify` knows kinds of files. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { fromUtf8, toBase64 } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import { isoTime } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../verify/checkpoint.ts'
import { isPromise, verifyPromise } from '../verify/promise.ts'
import type { PromiseBook } from '../verify/promise-book.ts'
import { quorumVerdict, witnessedAt } from '../verify/quorum.ts'
import { verifyReceipt } from '../verify/receipt.ts'
import { checkStatement } from '../verify/statement.ts'
import type { TlogPolicy } from '../verify/tlog-policy.ts'
import type { Trust } from '../verify/trust.ts'
import { notAnchored } from '../verify/verdict.ts'
import { checkBundle } from './bundle-check.ts'
import { chunksOf } from './file-chunks.ts'
import { KeyUses } from './journal-book.ts'
import { ChainPoints, compareCheckpoint, compareStatement, gapBefore, type Memory } from './seen.ts'

export interface VerifyContext {
  readonly trust: Trust | null
  readonly memory: Memory
  /** Whom a customer wants to have witnessed it; `null`: nobody in particular. */
  readonly policy: TlogPolicy | null
  /** Of the files before; statements that follow are asked whether they were kept. */
  readonly promises: PromiseBook
  /** Filled by statements that verified; what a key holder's journal is compared with. */
  readonly uses: KeyUses
  /** The vkey of the auditor whose bundles are accepted. */
  readonly signer?: string | undefined
}

export interface Outcome {
  /** Entries that a file of promises names. */
  readonly promised: readonly { readonly region: string; readonly entryId: string }[]
  readonly file: string
  readonly kind: 'audit bundle' | 'journal' | 'receipt' | 'checkpoint' | 'statement' | 'promise' | 'unknown'
  readonly verified: boolean
  readonly failures: readonly string[]
  readonly facts: Readonly<Record<string, string | number>>
}

interface Found {
  readonly failures: readonly string[]
  readonly promised?: { readonly region: string; readonly entryId: string }[]
  readonly facts: Outcome['facts']
  readonly memory: Memory
}

interface FileKind {
  readonly kind: Outcome['kind']
  /** Whether a file that begins so is one. */
  readonly begins: (head: string) => boolean
  readonly verify: (path: string, context: VerifyContext) => Found
}

/** The last one takes what no other does. */
const kinds: readonly FileKind[] = [
  { kind: 'promise', begins: isPromise, verify: promiseFile },
  { kind: 'receipt', begins: head => head.startsWith('c2sp.org/'), verify: receiptFile },
  { kind: 'checkpoint', begins: head => /^[^\s{][^\n]*\n[0-9]+\n/.test(head), verify: checkpointFile },
  { kind: 'audit bundle', begins: head => head.startsWith('{\n'), verify: bundleFile },
  { kind: 'statement', begins: () => true, verify: statementFile },
]

const headBytes = 512

export function verifyFile(file: string, context: VerifyContext): { outcome: Outcome; memory: Memory } {
  let kind: Outcome['kind'] = 'unknown'
  try {
    const head = headOf(file)
    const found = kinds.find(({ begins }) => begins(head))!
    kind = found.kind
    const { failures, facts, memory, promised = [] } = found.verify(file, context)
    const verified = failures.length === 0
    // What was refused is not remembered: it would be compared with what is true.
    return {
      outcome: { file, kind, verified, failures, facts: verified ? facts : {}, promised },
      memory: verified ? memory : context.memory,
    }
  } catch (error) {
    const failures = [`cannot be read: ${messageOf(error)}`]
    return {
      outcome: { file, kind, verified: false, failures, facts: {}, promised: [] },
      memory: context.memory,
    }
  }
}

function bundleFile(path: string, { signer, memory }: VerifyContext): Found {
  return { ...checkBundle(path, signer ?? null), memory }
}

/** Throws for what is not UTF-8: with other characters in place of such bytes two readers would see two notes. */
function textIn(path: string): string {
  return fromUtf8(readFileSync(path))
}

function receiptFile(path: string, context: VerifyContext): Found {
  const { trust, memory } = context
  const verdict = verifyReceipt(textIn(path), trust, nodeVerifyCrypto)
  if (!verdict.verified) return { failures: verdict.failures, facts: {}, memory }
  const { faults, memory: seen } = compareCheckpoint(memory, verdict.checkpoint)
  const { id, type, region, time } = verdict.entry
  const quorum = quorumOf(verdict.checkpoint, region, context)
  const { size: treeSize } = verdict.checkpoint
  const facts = { entry: id, type, region, time, leaf: verdict.index, treeSize, ...quorum.facts }
  return { failures: [...faults, ...quorum.failures], facts, memory: seen }
}

function statementFile(path: string, context: VerifyContext): Found {
  const { trust, memory, promises, uses } = context
  const used = new KeyUses()
  const points = new ChainPoints(memory)
  const promised = promises.follow()
  let until = ''
  const check = checkStatement(trust, nodeVerifyCrypto, row => {
    points.saw(row.seq, row.commitment)
    promised.saw(row)
    if (row.payload !== null) until = row.payload.time
    if (row.payload !== null) used.read(row.payload)
  })
  for (const chunk of chunksOf(path)) check.push(chunk)
  const verdict = check.end()
  if (!verdict.verified) return { failures: verdict.failures, facts: {}, memory }
  const seen = compareCheckpoint(memory, verdict.checkpoint)
  const chain = compareStatement(seen.memory, verdict, points)
  const { region, tenant, first, count, entered, blank, checkpoint } = verdict
  const gap = gapBefore(memory, verdict)
  const quorum = quorumOf(checkpoint, region, context)
  promised.close(verdict, verdict.first === 0)
  uses.merge(used)
  const facts = {
    region,
    tenant,
    entries: count,
    ...(count < entered && { numbers: `${first} to ${first + count - 1} of ${entered}` }),
    ...(blank > 0 && { erased: `${blank}, on the tenant's instruction` }),
    ...(gap !== null && { notSeen: gap }),
    treeSize: checkpoint.size,
    until,
    ...quorum.facts,
  }
  const failures = [...seen.faults, ...chain.faults, ...quorum.failures]
  return { failures, facts, memory: chain.memory }
}

/** A signed note alone: what a log or a witness shows as the newest. */
function checkpointFile(path: string, context: VerifyContext): Found {
  const { trust, memory } = context
  const none = (fault: string): Found => ({ failures: [fault], facts: {}, memory })
  if (trust === null) return none(notAnchored)
  const note = textIn(path)
  const origin = note.slice(0, note.indexOf('\n'))
  const found = [...trust.regions].find(([, { log }]) => log.origin === origin)
  if (found === undefined) return none(`${notAnchored} for log ${origin}`)
  const [region, { log }] = found
  const checkpoint = openCheckpoint(note, log, nodeVerifyCrypto)
  if (typeof checkpoint === 'string') return none(checkpoint)
  const { faults, memory: seen } = compareCheckpoint(memory, checkpoint)
  const quorum = quorumOf(checkpoint, region, context)
  const facts = {
    region,
    origin,
    treeSize: checkpoint.size,
    root: toBase64(checkpoint.root),
    ...quorum.facts,
  }
  return { failures: [...faults, ...quorum.failures], facts, memory: seen }
}

/** Whether the witnesses that the policy asks for have cosigned; without a policy nobody is asked for. */
function quorumOf(
  { signed }: OpenedCheckpoint,
  region: string,
  { policy, trust }: VerifyContext,
): { readonly failures: readonly string[]; readonly facts: Outcome['facts'] } {
  const log = trust?.regions.get(region)?.log
  if (policy === null || log === undefined) return { failures: [], facts: {} }
  const verdict = quorumVerdict(policy, signed, log, nodeVerifyCrypto, Date.now())
  if (!verdict.met) return { failures: verdict.failures, facts: {} }
  const facts = { witnessedBy: verdict.witnessedBy.join(', ') || '-', witnessedAt: witnessedAt(verdict) }
  return { failures: [], facts }
}

/** One promise a line, as `holdfast watch` keeps them and as the header has them. */
function promiseFile(path: string, { trust, memory, promises }: VerifyContext): Found {
  const lines = readFileSync(path, 'utf8')
    .split(/[\n,]/)
    .filter(line => line !== '')
  const failures: string[] = []
  const facts: Record<string, string | number> = { promises: lines.length }
  const promised: Found['promised'] = []
  for (const [at, line] of lines.entries()) {
    const verdict = verifyPromise(line, trust, nodeVerifyCrypto)
    if (!verdict.verified) failures.push(...verdict.failures.map(failure => `promise ${at + 1}: ${failure}`))
    else {
      const { region, entries } = verdict.promise
      promises.add(verdict.promise)
      for (const { id } of entries) promised.push({ region, entryId: id })
      facts.due = isoTime(verdict.dueUnixMs)
    }
  }
  return { failures, facts, memory, promised }
}

/** Of a file of promises, once all statements were read: which were broken, and how many were seen to be kept. */
export function settled(outcome: Outcome, promises: PromiseBook): Outcome {
  if (outcome.kind !== 'promise' || !outcome.verified) return outcome
  const states = outcome.promised.map(({ region, entryId }) => promises.stateOf(region, entryId))
  const failures = states.flatMap(state => (state.state === 'broken' ? [state.reason] : []))
  const kept = states.filter(({ state }) => state === 'kept').length
  const facts = { ...outcome.facts, kept: `${kept} of ${states.length}` }
  return { ...outcome, verified: failures.length === 0, failures, facts }
}

/** The files in another order: those of promises before all others. */
export function promisesFirst(files: readonly string[]): string[] {
  const holds = (file: string): boolean => {
    try {
      return isPromise(headOf(file))
    } catch {
      return false
    }
  }
  return [...files.filter(holds), ...files.filter(file => !holds(file))]
}

function headOf(path: string): string {
  const bytes = Buffer.alloc(headBytes)
  const file = openSync(path, 'r')
  try {
    return bytes.toString('latin1', 0, readSync(file, bytes))
  } finally {
    closeSync(file)
  }
}
