/** `verify`: offline, with nothing but the file, the trust file and what was seen before. */
import { existsSync, readFileSync } from 'node:fs'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { plainLines } from '../core/plain-text.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { PromiseBook } from '../verify/promise-book.ts'
import { parsePolicy, type TlogPolicy } from '../verify/tlog-policy.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { customerFiles, customerFolder } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { KeyUses, reconcileJournal } from './journal-book.ts'
import { parseOptions } from './options.ts'
import { loadMemory } from './seen.ts'
import { type Outcome, promisesFirst, settled, verifyFile } from './verify-file.ts'
import { readVerifyPage } from './verify-page.ts'

export async function verifyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      trust: { type: 'string' },
      policy: { type: 'string' },
      page: { type: 'string' },
      journal: { type: 'string' },
      signer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (values.page !== undefined) {
    const page = readVerifyPage()
    if (page === null)
      throw new HoldfastError('not-found', 'the page was not built: run `npm run build` first')
    await writeFileDurable(values.page, utf8(page))
    io.stdout.write(`the verifier as a page is in ${values.page}; it works offline and sends nothing\n`)
    if (positionals.length === 0) return 0
  }
  if (positionals.length === 0) throw new UsageError('at least one FILE is required')
  const policy = values.policy === undefined ? null : loadPolicy(values.policy)
  const files = customerFiles(customerFolder(io.env))
  const trust = loadTrust(values.trust ?? files.trust, values.trust !== undefined)
  // What was seen is remembered beside the trust file that it was seen with.
  const memoryPath = values.trust === undefined ? files.checkpoints : `${values.trust}.seen`
  let memory = loadMemory(memoryPath)
  const found: Outcome[] = []
  const promises = new PromiseBook(nodeVerifyCrypto)
  const uses = new KeyUses()
  const { signer } = values
  // Promises first: a statement is asked for those that were read before it.
  for (const file of promisesFirst(positionals)) {
    const each = verifyFile(file, { trust, memory, policy, promises, uses, signer })
    found.push(each.outcome)
    memory = each.memory
  }
  const outcomes = positionals.map(file => settled(found.find(each => each.file === file)!, promises))
  if (values.journal !== undefined) outcomes.push(journalOutcome(values.journal, uses))
  if (trust !== null) {
    await writeFileDurable(memoryPath, utf8(`${JSON.stringify(memory, null, 2)}\n`), 0o600).catch(error => {
      io.stderr.write(`holdfast: what was seen could not be remembered: ${plainLines(messageOf(error))}\n`)
    })
  }
  if (values.json)
    io.stdout.write(
      `${JSON.stringify({ verified: outcomes.every(outcome => outcome.verified), files: outcomes.map(printed) })}\n`,
    )
  else for (const outcome of outcomes) io.stdout.write(render(outcome))
  return outcomes.every(outcome => outcome.verified) ? 0 : 1
}

function loadPolicy(path: string): TlogPolicy {
  if (!existsSync(path)) throw new HoldfastError('not-found', `there is no policy at ${path}`)
  const policy = parsePolicy(readFileSync(path), nodeVerifyCrypto)
  // Silently passing over a demand for witnesses would call something verified that was not.
  if (typeof policy === 'string') throw new HoldfastError('bad-input', `${path}: ${policy}`)
  return policy
}

function loadTrust(path: string, isExplicit: boolean): Trust | null {
  if (!existsSync(path)) {
    if (isExplicit) throw new HoldfastError('not-found', `there is no trust file at ${path}`)
    return null
  }
  const trust = parseTrust(readFileSync(path, 'utf8'), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${path}: ${trust}`)
  return trust
}

function journalOutcome(file: string, uses: KeyUses): Outcome {
  try {
    const { failures, facts } = reconcileJournal(file, uses)
    return { file, kind: 'journal', verified: failures.length === 0, failures, facts, promised: [] }
  } catch (error) {
    const failures = [`cannot be read: ${messageOf(error)}`]
    return { file, kind: 'journal', verified: false, failures, facts: {}, promised: [] }
  }
}

function printed({ promised: _, ...outcome }: Outcome): Omit<Outcome, 'promised'> {
  return outcome
}

function render({ file, kind, verified, failures, facts }: Outcome): string {
  if (!verified) return `${file}: NOT VERIFIED\n${failures.map(failure => `  ✖ ${failure}\n`).join('')}`
  const rows = Object.entries(facts).map(([name, value]) => `  ${name.padEnd(9)} ${value}\n`)
  return `${file}: ${kind} verified\n${rows.join('')}`
}
