/** One look at one region: what is new in its books, what it promised, and whether it shows its books in time. */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { toHex, utf8 } from '../../core/bytes.ts'
import { messageOf } from '../../core/errors.ts'
import { type Clock, isoTime, parseIsoTime } from '../../core/time.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { writeFileDurable } from '../../store/durable-file.ts'
import type { EntryPayload } from '../../verify/payload.ts'
import { type EntryPromise, type PromisedEntry, promiseFault, verifyPromise } from '../../verify/promise.ts'
import { PromiseBook } from '../../verify/promise-book.ts'
import { verifyReceipt } from '../../verify/receipt.ts'
import { type CheckedRow, checkStatement, type StatementFacts } from '../../verify/statement.ts'
import type { Trust } from '../../verify/trust.ts'
import { ApiRefused, fetchApi } from '../api-client.ts'
import { ChainPoints, compareCheckpoint, compareStatement, type Memory } from '../seen.ts'
import type { Alerts } from './alerts.ts'
import type { PromiseStore } from './promise-store.ts'

export interface RoundDeps {
  readonly trust: Trust
  readonly api: string
  readonly token: string
  /** Where fetched statements are kept: the customer's archive, and the evidence of an alert. */
  readonly archive: string
  readonly promises: PromiseStore
  readonly alerts: Alerts
  readonly clock: Clock
  /** How often a region must close a period of its books. */
  readonly statementEveryMs: number
  /** When a region's books were last closed on schedule; of one that never did, since when it should have. */
  readonly lastClosed: Map<string, number>
  readonly onRow: (region: string, entry: EntryPayload) => void
}

/** The clocks of a customer and a region may differ by so much. */
const clockToleranceMs = 5 * 60_000
/** A period that is over is closed within a minute; a restart may take longer. */
const lateToleranceMs = 3600e3
/** Who sends a byte now and then must not keep a look from ending. */
const longestStatementMs = 3600e3
const longestReceiptMs = 30_000

/**
 * Takes up the books where the last look ended. Rows are archived as the signed part of a statement that they came in,
 * so that the archive is the whole statement in pieces, each of which `verify` accepts.
 */
export async function lookAtRegion(deps: RoundDeps, region: string, memory: Memory): Promise<Memory> {
  const { trust, alerts, clock } = deps
  const first = memory.chains[`${trust.tenant}/${region}`]?.count ?? 0
  const points = new ChainPoints(memory)
  const entries: EntryPayload[] = []
  const name = `${region}-${String(first).padStart(12, '0')}.json`
  const fetched = await fetchPart(deps, { region, first, name }, row => {
    points.saw(row.seq, row.commitment)
    if (row.payload !== null) entries.push(row.payload)
  })
  if (fetched === null) return memory
  const { facts, file } = fetched
  const seen = compareCheckpoint(memory, facts.checkpoint)
  const chain = compareStatement(seen.memory, facts, points)
  const faults = [...seen.faults, ...chain.faults]
  if (faults.length > 0) {
    // Not under the name of a piece of the archive: the next look would replace it.
    const evidence = [await setAside(file, `${region}-changed-${shortHash(faults.join('; '))}.json`)]
    for (const what of faults) alerts.raise({ kind: 'history-changed', region, what, evidence })
    return memory
  }
  const evidence = [file]
  for (const entry of entries) deps.onRow(region, entry)
  checkSchedule(deps, region, entries)
  const aheadMs = parseIsoTime(facts.time)! - clock()
  if (Math.abs(aheadMs) > clockToleranceMs) {
    const what = `the region's clock is ${Math.round(Math.abs(aheadMs) / 60_000)} minutes ${aheadMs > 0 ? 'ahead' : 'behind'}`
    alerts.raise({ kind: 'clock-differs', region, what, evidence })
  }
  if (facts.count === 0) await rm(file, { force: true })
  return chain.memory
}

function checkSchedule(
  { alerts, clock, lastClosed, statementEveryMs }: RoundDeps,
  region: string,
  entries: readonly EntryPayload[],
): void {
  for (const { type, time } of entries)
    if (type === 'books.closed' || type === 'tenant.joined') lastClosed.set(region, parseIsoTime(time)!)
  const last = lastClosed.get(region)
  if (last === undefined) {
    lastClosed.set(region, clock())
    return
  }
  if (clock() - last <= statementEveryMs + lateToleranceMs) return
  const what = `the books were last closed at ${isoTime(last)}`
  alerts.raise({ kind: 'statement-late', region, what, evidence: [] })
}

/**
 * A statement from `first` on, kept in the archive as `name` once it verified; `null`, and an alert, when there is
 * none. One that was refused is kept too, one for each fault: it may be the only evidence.
 */
async function fetchPart(
  deps: RoundDeps,
  { region, first, name }: { readonly region: string; readonly first: number; readonly name: string },
  onRow: (row: CheckedRow) => void,
): Promise<{ readonly facts: StatementFacts; readonly file: string } | null> {
  const { alerts, api, archive, token, trust } = deps
  await mkdir(archive, { recursive: true, mode: 0o700 })
  const partial = join(archive, `${region}.part`)
  const check = checkStatement(trust, nodeVerifyCrypto, onRow)
  try {
    const path = `/regions/${encodeURIComponent(region)}/statement?first=${first}`
    const limit = AbortSignal.timeout(longestStatementMs)
    const response = await fetchApi(api, 'GET', path, token, undefined, limit)
    const body = Readable.fromWeb(response.body as never) as AsyncIterable<Uint8Array>
    await pipeline(
      body,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          check.push(chunk)
          yield chunk
        }
      },
      createWriteStream(partial, { mode: 0o600 }),
    )
  } catch (error) {
    // Trusted, and not joined yet.
    if (first === 0 && error instanceof ApiRefused && error.status === 404) return null
    // It has fewer entries than it once showed: what is asked for is not there any more.
    const isCut = error instanceof ApiRefused && error.status === 400
    const kind = isCut ? 'history-changed' : 'region-unreachable'
    alerts.raise({
      kind,
      region,
      what: `no statement from entry ${first} on: ${messageOf(error)}`,
      evidence: [],
    })
    return null
  }
  const facts = check.end()
  if (!facts.verified) {
    const what = facts.failures.join('; ')
    const refused = await setAside(partial, `${region}-refused-${shortHash(what)}.json`)
    alerts.raise({ kind: 'statement-refused', region, what, evidence: [refused] })
    return null
  }
  const file = join(archive, name)
  await rename(partial, file)
  return { facts, file }
}

/** The first of its name stays: who shows the same fault every minute must not fill the disk, nor replace what it showed. */
async function setAside(file: string, name: string): Promise<string> {
  const target = join(dirname(file), name)
  if (existsSync(target)) await rm(file)
  else await rename(file, target)
  return target
}

function shortHash(text: string): string {
  return toHex(nodeVerifyCrypto.sha256(utf8(text))).slice(0, 12)
}

interface HeldPromise {
  readonly text: string
  readonly promise: EntryPromise
}

/**
 * Asks for the entry of every promise: in the receipt, the region's log itself answers. What a receipt does not settle
 * in time, and what the region says was erased, the whole statement decides. A region that does not answer has broken
 * nothing yet: its promises are held until it does.
 */
export async function lookAtPromises(deps: RoundDeps): Promise<void> {
  const { trust, promises, clock } = deps
  const settled = new Set<string>()
  const doubtful: HeldPromise[] = []
  const silent = new Set<string>()
  for (const text of promises.all()) {
    const verdict = verifyPromise(text, trust, nodeVerifyCrypto)
    if (!verdict.verified) {
      await keepUnverified(deps, text, verdict.failures.join('; '))
      settled.add(text)
      continue
    }
    const { promise, dueUnixMs } = verdict
    if (silent.has(promise.region)) continue
    const isDue = clock() > dueUnixMs + clockToleranceMs
    const states: ReceiptState[] = []
    for (const promised of promise.entries) {
      const state = await stateOf(deps, promise.region, promised)
      states.push(state)
      if (state !== 'silent') continue
      silent.add(promise.region)
      break
    }
    if (states.every(state => state === 'kept')) settled.add(text)
    else if (states.includes('doubtful') || (isDue && !states.includes('silent')))
      doubtful.push({ text, promise })
  }
  for (const [region, held] of Map.groupBy(doubtful, ({ promise }) => promise.region))
    for (const text of await judgeByStatement(deps, region, held)) settled.add(text)
  if (settled.size > 0) await promises.drop(settled)
}

/** Of a log that is trusted no more, as after a restore that began a new one: it may still prove something to others. */
async function keepUnverified({ alerts, archive }: RoundDeps, text: string, fault: string): Promise<void> {
  const evidence = await writePromise(archive, 'unverified', text)
  alerts.raise({ kind: 'promise-invalid', region: '-', what: `${fault}: ${evidence}`, evidence: [evidence] })
}

async function writePromise(archive: string, kind: string, text: string): Promise<string> {
  await mkdir(archive, { recursive: true, mode: 0o700 })
  const file = join(archive, `${kind}-${shortHash(text)}.promise`)
  await writeFileDurable(file, utf8(`${text}\n`), 0o600)
  return file
}

/** `doubtful`: the region says what only its statement can show. `silent`: it says nothing. */
type ReceiptState = 'kept' | 'open' | 'doubtful' | 'silent'

async function stateOf(
  { api, token, trust }: RoundDeps,
  region: string,
  promised: PromisedEntry,
): Promise<ReceiptState> {
  let text: string
  try {
    const limit = AbortSignal.timeout(longestReceiptMs)
    const path = `/entries/${promised.id}/receipt`
    const response = await fetchApi(api, 'GET', path, token, undefined, limit)
    if (response.status !== 200) return 'open'
    text = await response.text()
  } catch (error) {
    if (!(error instanceof ApiRefused) || error.status >= 500) return 'silent'
    return error.status === 410 ? 'doubtful' : 'open'
  }
  const verdict = verifyReceipt(text, trust, nodeVerifyCrypto)
  const isKept =
    verdict.verified &&
    verdict.entry.id === promised.id &&
    verdict.entry.region === region &&
    promiseFault(promised, verdict.entry, nodeVerifyCrypto) === null
  return isKept ? 'kept' : 'doubtful'
}

/** Promises of one region, against its whole statement: the promise and the statement prove it to anybody. */
async function judgeByStatement(
  deps: RoundDeps,
  region: string,
  held: readonly HeldPromise[],
): Promise<string[]> {
  const { alerts, archive } = deps
  const book = new PromiseBook(nodeVerifyCrypto)
  for (const { promise } of held) book.add(promise)
  const following = book.follow()
  const name = `promises-${region}-${deps.clock()}.json`
  const fetched = await fetchPart(deps, { region, first: 0, name }, row => following.saw(row))
  if (fetched === null) return []
  following.close(fetched.facts, true)
  const settled: string[] = []
  let broken = 0
  for (const { text, promise } of held) {
    const states = promise.entries.map(({ id }) => book.stateOf(region, id))
    if (states.every(({ state }) => state !== 'open')) settled.push(text)
    for (const state of states) {
      if (state.state !== 'broken') continue
      broken++
      const evidence = [await writePromise(archive, `broken-${region}`, text), fetched.file]
      alerts.raise({ kind: 'promise-broken', region, what: state.reason, evidence })
    }
  }
  if (broken === 0) await rm(fetched.file, { force: true })
  return settled
}
