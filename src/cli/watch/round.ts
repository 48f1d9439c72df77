/** One look at one region: what is new in its books, what it promised, and whether it shows its books in time. */
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { type Clock, isoTime, parseIsoTime } from '../../core/time.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { writeFileDurable } from '../../store/durable-file.ts'
import type { EntryPayload } from '../../verify/payload.ts'
import { promiseFault, verifyPromise } from '../../verify/promise.ts'
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

/**
 * Takes up the books where the last look ended. Rows are archived as the signed part of a statement that they came in,
 * so that the archive is the whole statement in pieces, each of which `verify` accepts.
 */
export async function lookAtRegion(deps: RoundDeps, region: string, memory: Memory): Promise<Memory> {
  const { trust, alerts, clock } = deps
  const first = memory.chains[`${trust.tenant}/${region}`]?.count ?? 0
  const points = new ChainPoints(memory)
  const entries: EntryPayload[] = []
  const fetched = await fetchPart(deps, region, first, row => {
    points.saw(row.seq, row.commitment)
    if (row.payload !== null) entries.push(row.payload)
  })
  if (fetched === null) return memory
  const { facts, file } = fetched
  const evidence = [file]
  const seen = compareCheckpoint(memory, facts.checkpoint)
  const chain = compareStatement(seen.memory, facts, points)
  const faults = [...seen.faults, ...chain.faults]
  for (const what of faults) alerts.raise({ kind: 'history-changed', region, what, evidence })
  if (faults.length > 0) return memory
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

/** A statement from `first` on, kept in the archive once it verified; `null`, and an alert, when there is none. */
async function fetchPart(
  deps: RoundDeps,
  region: string,
  first: number,
  onRow: (row: CheckedRow) => void,
): Promise<{ readonly facts: StatementFacts; readonly file: string } | null> {
  const { alerts, api, archive, token, trust } = deps
  await mkdir(archive, { recursive: true, mode: 0o700 })
  const partial = join(archive, `${region}.part`)
  const check = checkStatement(trust, nodeVerifyCrypto, onRow)
  try {
    const path = `/regions/${encodeURIComponent(region)}/statement?first=${first}`
    const response = await fetchApi(api, 'GET', path, token)
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
    const refused = join(archive, `${region}-refused-${deps.clock()}.json`)
    await rename(partial, refused)
    const what = facts.failures.join('; ')
    alerts.raise({ kind: 'statement-refused', region, what, evidence: [refused] })
    return null
  }
  const file = join(archive, `${region}-${String(first).padStart(12, '0')}.json`)
  await rename(partial, file)
  return { facts, file }
}

/**
 * Asks for the entry of every promise: in the receipt, the region's log itself answers. Of one that is overdue and has
 * none, the whole statement is fetched: with the promise it is proof of fraud.
 */
export async function lookAtPromises(deps: RoundDeps): Promise<void> {
  const { trust, promises, clock } = deps
  const settled = new Set<string>()
  for (const text of promises.all()) {
    const verdict = verifyPromise(text, trust, nodeVerifyCrypto)
    // It was told when it came in.
    if (!verdict.verified) {
      settled.add(text)
      continue
    }
    const { promise, dueUnixMs } = verdict
    const isDue = clock() > dueUnixMs + clockToleranceMs
    let open = 0
    for (const promised of promise.entries) {
      const state = await stateOf(deps, promise.region, promised)
      if (state === 'open') open++
      if (state === 'kept' || (state === 'open' && !isDue)) continue
      await tellBroken(
        deps,
        text,
        promise.region,
        state === 'open' ? `entry ${promised.id} was promised and is not in the log` : state,
      )
    }
    if (open === 0 || isDue) settled.add(text)
  }
  if (settled.size > 0) await promises.drop(settled)
}

type Settled = 'kept' | 'open' | (string & {})

async function stateOf(
  { api, token, trust }: RoundDeps,
  region: string,
  promised: { readonly id: string; readonly digest: string },
): Promise<Settled> {
  let response: Response
  try {
    response = await fetchApi(api, 'GET', `/entries/${promised.id}/receipt`, token)
  } catch (error) {
    if (error instanceof ApiRefused && error.status === 410) return 'kept'
    return 'open'
  }
  const text = await response.text()
  if (response.status !== 200) return 'open'
  const verdict = verifyReceipt(text, trust, nodeVerifyCrypto)
  if (!verdict.verified)
    return `the receipt of ${promised.id} does not verify: ${verdict.failures.join('; ')}`
  if (verdict.entry.region !== region) return `entry ${promised.id} was entered in ${verdict.entry.region}`
  return promiseFault(promised, verdict.entry, nodeVerifyCrypto) ?? 'kept'
}

async function tellBroken(deps: RoundDeps, promise: string, region: string, what: string): Promise<void> {
  const { alerts, archive, api, token } = deps
  await mkdir(archive, { recursive: true, mode: 0o700 })
  const name = join(archive, `broken-${region}-${promise.slice(-12)}`)
  await writeFileDurable(`${name}.promise`, Buffer.from(`${promise}\n`), 0o600)
  const evidence = [`${name}.promise`]
  try {
    const response = await fetchApi(api, 'GET', `/regions/${encodeURIComponent(region)}/statement`, token)
    await pipeline(
      Readable.fromWeb(response.body as never),
      createWriteStream(`${name}.json`, { mode: 0o600 }),
    )
    evidence.push(`${name}.json`)
  } catch (error) {
    if (!(error instanceof HoldfastError) && !(error instanceof ApiRefused)) throw error
  }
  alerts.raise({ kind: 'promise-broken', region, what, evidence })
}
