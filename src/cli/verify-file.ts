/** What a file is, by its first bytes, and whether it holds: the one place where `verify` knows kinds of files. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { messageOf } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { verifyReceipt } from '../verify/receipt.ts'
import { checkStatement } from '../verify/statement.ts'
import type { Trust } from '../verify/trust.ts'
import { ChainPoints, compareCheckpoint, compareStatement, gapBefore, type Memory } from './seen.ts'

export interface VerifyContext {
  readonly trust: Trust | null
  readonly memory: Memory
}

export interface Outcome {
  readonly file: string
  readonly kind: 'receipt' | 'statement' | 'unknown'
  readonly verified: boolean
  readonly failures: readonly string[]
  readonly facts: Readonly<Record<string, string | number>>
}

interface Found {
  readonly failures: readonly string[]
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
  { kind: 'receipt', begins: head => head.startsWith('c2sp.org/'), verify: receiptFile },
  { kind: 'statement', begins: () => true, verify: statementFile },
]

const readBytes = 1 << 20

export function verifyFile(file: string, context: VerifyContext): { outcome: Outcome; memory: Memory } {
  let kind: Outcome['kind'] = 'unknown'
  try {
    const head = headOf(file)
    const found = kinds.find(({ begins }) => begins(head))!
    kind = found.kind
    const { failures, facts, memory } = found.verify(file, context)
    const verified = failures.length === 0
    // What was refused is not remembered: it would be compared with what is true.
    return {
      outcome: { file, kind, verified, failures, facts: verified ? facts : {} },
      memory: verified ? memory : context.memory,
    }
  } catch (error) {
    const failures = [`cannot be read: ${messageOf(error)}`]
    return { outcome: { file, kind, verified: false, failures, facts: {} }, memory: context.memory }
  }
}

function receiptFile(path: string, { trust, memory }: VerifyContext): Found {
  const verdict = verifyReceipt(readFileSync(path, 'utf8'), trust, nodeVerifyCrypto)
  if (!verdict.verified) return { failures: verdict.failures, facts: {}, memory }
  const { faults, memory: seen } = compareCheckpoint(memory, verdict.checkpoint)
  const { id, type, region, time } = verdict.entry
  const facts = { entry: id, type, region, time, leaf: verdict.index, treeSize: verdict.checkpoint.size }
  return { failures: faults, facts, memory: seen }
}

function statementFile(path: string, { trust, memory }: VerifyContext): Found {
  const points = new ChainPoints(memory)
  let until = ''
  const check = checkStatement(trust, nodeVerifyCrypto, ({ seq, commitment, payload }) => {
    points.saw(seq, commitment)
    if (payload !== null) until = payload.time
  })
  for (const chunk of chunksOf(path)) check.push(chunk)
  const verdict = check.end()
  if (!verdict.verified) return { failures: verdict.failures, facts: {}, memory }
  const seen = compareCheckpoint(memory, verdict.checkpoint)
  const chain = compareStatement(seen.memory, verdict, points)
  const { region, tenant, first, count, entered, blank, checkpoint } = verdict
  const gap = gapBefore(memory, verdict)
  const facts = {
    region,
    tenant,
    entries: count,
    ...(count < entered && { numbers: `${first} to ${first + count - 1} of ${entered}` }),
    ...(blank > 0 && { erased: `${blank}, on the tenant's instruction` }),
    ...(gap !== null && { notSeen: gap }),
    treeSize: checkpoint.size,
    until,
  }
  return { failures: [...seen.faults, ...chain.faults], facts, memory: chain.memory }
}

function headOf(path: string): string {
  const bytes = Buffer.alloc(64)
  const file = openSync(path, 'r')
  try {
    return bytes.toString('latin1', 0, readSync(file, bytes))
  } finally {
    closeSync(file)
  }
}

function* chunksOf(path: string): Generator<Uint8Array> {
  const buffer = Buffer.alloc(readBytes)
  const file = openSync(path, 'r')
  try {
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
      yield buffer.subarray(0, read)
  } finally {
    closeSync(file)
  }
}
