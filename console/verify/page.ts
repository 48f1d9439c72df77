/** The verifier in a browser: files in, verdicts out, nothing sent. */
import { pureVerifyCrypto as crypto } from '../../src/crypto/pure-verify-crypto.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import type { SignedNote } from '../../src/verify/note.ts'
import { isPromise, verifyPromise } from '../../src/verify/promise.ts'
import { PromiseBook } from '../../src/verify/promise-book.ts'
import { quorumVerdict, witnessedAt } from '../../src/verify/quorum.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { checkStatement } from '../../src/verify/statement.ts'
import { parsePolicy, type TlogPolicy } from '../../src/verify/tlog-policy.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'

interface Verdict {
  readonly kind: string
  readonly failures: readonly string[]
  readonly facts: Readonly<Record<string, string | number>>
}

interface Given {
  readonly name: string
  readonly bytes: Uint8Array
  /** The beginning, for finding out what it is. */
  readonly head: string
}

const given: Given[] = []
let trust: Trust | null = null
let policy: TlogPolicy | null = null

const byId = (id: string): HTMLElement => document.getElementById(id)!
const input = byId('files') as HTMLInputElement
const drop = byId('drop')

input.addEventListener('change', () => void take(input.files))
drop.addEventListener('dragover', event => {
  event.preventDefault()
  drop.classList.add('over')
})
drop.addEventListener('dragleave', () => drop.classList.remove('over'))
drop.addEventListener('drop', event => {
  event.preventDefault()
  drop.classList.remove('over')
  void take(event.dataTransfer?.files ?? null)
})

async function take(files: FileList | null): Promise<void> {
  for (const file of files ?? []) {
    const bytes = new Uint8Array(await file.arrayBuffer())
    const head = new TextDecoder().decode(bytes.subarray(0, 4096))
    given.push({ name: file.name, bytes, head })
  }
  show()
}

const textOf = ({ bytes }: Given): string => new TextDecoder().decode(bytes)

/** As the command reads it: nothing taken away, and no other characters in place of bytes that are no UTF-8. */
function exactText({ bytes }: Given): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

const notText = 'it is not UTF-8'

const isTrust = ({ head }: Given): boolean => head.includes('holdfast/trust/v1')
const isPolicy = ({ head }: Given): boolean =>
  /^(?:\s*#[^\n]*\n|\s*\n)*\s*(?:log|witness|group|quorum)[ \t]/.test(head)

/** Everything again, because a trust file or a policy that comes later changes what was said before. */
function show(): void {
  const results = byId('results')
  results.replaceChildren()
  trust = null
  policy = null
  for (const file of given.filter(isTrust)) {
    const parsed = parseTrust(textOf(file), crypto)
    if (typeof parsed === 'string')
      results.append(article(file.name, { kind: 'trust file', failures: [parsed], facts: {} }))
    else trust = parsed
  }
  for (const file of given.filter(isPolicy)) {
    const parsed = parsePolicy(file.bytes, crypto)
    if (typeof parsed === 'string')
      results.append(article(file.name, { kind: 'policy', failures: [parsed], facts: {} }))
    else policy = parsed
  }
  byId('anchor').textContent =
    trust === null
      ? 'No trust file yet: without it, everything could have been made by anyone.'
      : `Anchored: tenant ${trust.genesis.name}, ${[...trust.regions.keys()].join(', ')}${policy === null ? '' : '; witnesses as the policy asks'}.`
  const others = given.filter(file => !isTrust(file) && !isPolicy(file))
  const promises = new PromiseBook(crypto)
  const verdicts = new Map<Given, () => Verdict>()
  for (const file of others.filter(({ head }) => isPromise(head)))
    verdicts.set(file, promiseVerdict(file, promises))
  for (const file of others.filter(({ head }) => !isPromise(head))) {
    const verdict = verdictOf(file, promises)
    verdicts.set(file, () => verdict)
  }
  for (const file of others) results.append(article(file.name, verdicts.get(file)!()))
}

function verdictOf(file: Given, promises: PromiseBook): Verdict {
  const { head } = file
  if (head.startsWith('c2sp.org/')) {
    const text = exactText(file)
    if (text === null) return { kind: 'receipt', failures: [notText], facts: {} }
    const verdict = verifyReceipt(text, trust, crypto)
    if (!verdict.verified) return { kind: 'receipt', failures: verdict.failures, facts: {} }
    const { id, type, region, time } = verdict.entry
    const quorum = quorumOf(region, verdict.checkpoint.signed)
    const facts = { entry: id, type, region, time, leaf: verdict.index, treeSize: verdict.checkpoint.size }
    return { kind: 'receipt', failures: quorum.failures, facts: { ...facts, ...quorum.facts } }
  }
  if (/^[^\s{][^\n]*\n[0-9]+\n/.test(head)) return checkpointVerdict(file)
  const following = promises.follow()
  let until = ''
  const check = checkStatement(trust, crypto, row => {
    following.saw(row)
    if (row.payload !== null) until = row.payload.time
  })
  for (let at = 0; at < file.bytes.length; at += 1 << 20) check.push(file.bytes.subarray(at, at + (1 << 20)))
  const verdict = check.end()
  if (!verdict.verified) return { kind: 'statement', failures: verdict.failures, facts: {} }
  following.close(verdict, verdict.first === 0)
  const { region, first, count, entered, blank, checkpoint } = verdict
  const quorum = quorumOf(region, checkpoint.signed)
  const facts = {
    region,
    entries: count,
    ...(count < entered && { numbers: `${first} to ${first + count - 1} of ${entered}` }),
    ...(blank > 0 && { erased: `${blank}, on the tenant's instruction` }),
    treeSize: checkpoint.size,
    until,
    made: verdict.time,
    ...quorum.facts,
  }
  return { kind: 'statement', failures: quorum.failures, facts }
}

function checkpointVerdict(file: Given): Verdict {
  const note = exactText(file)
  if (note === null) return { kind: 'checkpoint', failures: [notText], facts: {} }
  const origin = note.slice(0, note.indexOf('\n'))
  const region = [...(trust?.regions ?? [])].find(([, { log }]) => log.origin === origin)
  if (region === undefined)
    return { kind: 'checkpoint', failures: [`not anchored for log ${origin}`], facts: {} }
  const checkpoint = openCheckpoint(note, region[1].log, crypto)
  if (typeof checkpoint === 'string') return { kind: 'checkpoint', failures: [checkpoint], facts: {} }
  const quorum = quorumOf(region[0], checkpoint.signed)
  return {
    kind: 'checkpoint',
    failures: quorum.failures,
    facts: { origin, treeSize: checkpoint.size, ...quorum.facts },
  }
}

/** What it is worth is known only when the statements were read. */
function promiseVerdict(file: Given, promises: PromiseBook): () => Verdict {
  const failures: string[] = []
  const entries: { readonly region: string; readonly id: string }[] = []
  const lines = textOf(file)
    .split(/[\n,]/)
    .filter(line => line !== '')
  for (const [at, line] of lines.entries()) {
    const verdict = verifyPromise(line, trust, crypto)
    if (!verdict.verified) failures.push(...verdict.failures.map(failure => `promise ${at + 1}: ${failure}`))
    else {
      promises.add(verdict.promise)
      for (const { id } of verdict.promise.entries) entries.push({ region: verdict.promise.region, id })
    }
  }
  return () => {
    const states = entries.map(({ region, id }) => promises.stateOf(region, id))
    const broken = states.flatMap(state => (state.state === 'broken' ? [state.reason] : []))
    const kept = states.filter(({ state }) => state === 'kept').length
    const facts = { promises: lines.length, kept: `${kept} of ${states.length}` }
    return { kind: 'promise', failures: [...failures, ...broken], facts }
  }
}

function quorumOf(
  region: string,
  note: SignedNote,
): { readonly failures: readonly string[]; readonly facts: Verdict['facts'] } {
  const log = trust?.regions.get(region)?.log
  if (policy === null || log === undefined) return { failures: [], facts: {} }
  const verdict = quorumVerdict(policy, note, log, crypto, Date.now())
  if (!verdict.met) return { failures: verdict.failures, facts: {} }
  return {
    failures: [],
    facts: { witnessedBy: verdict.witnessedBy.join(', ') || '-', witnessedAt: witnessedAt(verdict) },
  }
}

function article(name: string, { kind, failures, facts }: Verdict): HTMLElement {
  const good = failures.length === 0
  const element = document.createElement('article')
  element.className = good ? 'good' : 'bad'
  const heading = document.createElement('h2')
  const verdict = document.createElement('strong')
  verdict.textContent = good ? `✓ ${kind} verified` : `✖ ${kind} not verified`
  heading.append(verdict, ` ${name}`)
  element.append(heading)
  if (good) {
    const list = document.createElement('dl')
    for (const [term, value] of Object.entries(facts)) {
      const dt = document.createElement('dt')
      dt.textContent = term
      const dd = document.createElement('dd')
      dd.textContent = String(value)
      list.append(dt, dd)
    }
    element.append(list)
  } else {
    const list = document.createElement('ul')
    for (const failure of failures) {
      const item = document.createElement('li')
      item.textContent = failure
      list.append(item)
    }
    element.append(list)
  }
  return element
}
