/** `watch`: on the customer's side, beside its programs. Collects promises, reads the books, and says what is wrong. */
import { existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { plainLines } from '../core/plain-text.ts'
import { isoTime, parseDurationMs, parseIsoTime } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { takeProcessLock } from '../store/process-lock.ts'
import type { EntryPayload } from '../verify/payload.ts'
import { verifyPromise } from '../verify/promise.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { customerFiles, customerFolder, loadCredentials, makeFolder } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { takeKeptPromises } from './kept-promises.ts'
import { parseOptions } from './options.ts'
import { loadMemory } from './seen.ts'
import { followKeys } from './trust.ts'
import { untilStopped } from './until-stopped.ts'
import { type Alerts, createAlerts } from './watch/alerts.ts'
import { newLeases } from './watch/new-leases.ts'
import { openPromiseStore } from './watch/promise-store.ts'
import { createProxy } from './watch/proxy.ts'
import { lookAtPromises, lookAtRegion, type RoundDeps } from './watch/round.ts'
import { countIn, newUsual, type Usual, unusual, usualSchema } from './watch/unusual.ts'

const stateSchema = z.strictObject({
  format: z.literal('holdfast/watch/v1'),
  usual: z.record(z.string(), usualSchema),
  journalLines: z.int(),
  /** Unix milliseconds by region. */
  closed: z.record(z.string(), z.int()),
})
type State = z.infer<typeof stateSchema>

/** Regions give themselves minutes. */
const longestPromiseMs = 24 * 3600e3

export async function watchCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      customer: { type: 'string' },
      listen: { type: 'string' },
      every: { type: 'string', default: '60s' },
      'statement-every': { type: 'string', default: '24h' },
      once: { type: 'boolean' },
    },
  })
  const everyMs = durationOf(values.every, '--every')
  const statementEveryMs = durationOf(values['statement-every'], '--statement-every')
  const files = customerFiles(values.customer ?? customerFolder(io.env))
  const credentials = loadCredentials(files.folder)
  let trust = loadTrustFile(files.trust)
  const folder = join(files.folder, 'watch')
  makeFolder(folder)
  await using _lock = await takeProcessLock(
    join(folder, 'watch.lock'),
    `another watch is running in ${folder}`,
  )
  await using promises = await openPromiseStore(join(folder, 'promises.txt'))
  const alerts = createAlerts(join(folder, 'alerts.jsonl'), Date.now, line => io.stdout.write(line))
  const server = createProxy({
    endpoint: new URL(credentials.endpoint),
    onPromises: header => takePromises(header, trust, promises, alerts),
    onMissing: request =>
      alerts.raise({
        kind: 'promise-missing',
        region: '-',
        what: `no promise with the answer to ${request}`,
        evidence: [],
      }),
  })
  if (!values.once) {
    const { host, port } = listenOn(values.listen ?? '127.0.0.1:9100')
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
    const at = server.address() as AddressInfo
    io.stdout.write(
      `holdfast watch ready: S3 proxy on http://${at.address}:${at.port}, alerts in ${folder}/alerts.jsonl\n`,
    )
  }

  let state = loadState(join(folder, 'state.json'))
  let memory = loadMemory(join(folder, 'seen.json'))
  const note = (name: string, region: string, timeUnixMs: number, count = 1): void => {
    const key = `${region}/${name}`
    const hour = Math.floor(timeUnixMs / 3600e3)
    state = {
      ...state,
      usual: { ...state.usual, [key]: countIn(state.usual[key] ?? newUsual(hour), hour, count) },
    }
  }
  const deps: RoundDeps = {
    get trust() {
      return trust
    },
    api: credentials.api,
    token: credentials.apiToken,
    archive: join(folder, 'statements'),
    promises,
    alerts,
    clock: Date.now,
    statementEveryMs,
    lastClosed: new Map(Object.entries(state.closed)),
    onRow: (region, entry) =>
      noteEntry(entry, (name, count) => note(name, region, parseIsoTime(entry.time)!, count)),
  }
  const look = async (): Promise<void> => {
    trust = await withNewKeys(files.trust, credentials.api, trust, alerts)
    await takeKeptPromises(files.promises, text => takePromises(text, trust, promises, alerts))
    for (const region of trust.regions.keys()) memory = await lookAtRegion(deps, region, memory)
    await lookAtPromises(deps)
    const leases = newLeases(files.journal, state.journalLines)
    for (const { requester, timeUnixMs } of leases.leases) note('key leases', requester, timeUnixMs)
    state = { ...state, journalLines: leases.lines, closed: Object.fromEntries(deps.lastClosed) }
    tellUnusual(state.usual, alerts)
    await writeFileDurable(join(folder, 'seen.json'), utf8(`${JSON.stringify(memory)}\n`), 0o600)
    await writeFileDurable(join(folder, 'state.json'), utf8(`${JSON.stringify(state)}\n`), 0o600)
  }

  if (values.once) {
    await look()
    return alerts.count() === 0 ? 0 : 1
  }
  const stopping = new AbortController()
  const stopped = untilStopped().then(() => stopping.abort())
  while (!stopping.signal.aborted) {
    // The proxy goes on whatever a look comes upon: programs send through it.
    await look().catch(error =>
      io.stderr.write(`holdfast watch: a look failed: ${plainLines(messageOf(error))}\n`),
    )
    await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {})
  }
  await stopped
  server.close()
  server.closeAllConnections()
  return alerts.count() === 0 ? 0 : 1
}

/** What the header of one answer holds. Kept even if it does not verify: it is what the region said. */
async function takePromises(
  header: string,
  trust: Trust,
  store: { add(promises: readonly string[]): Promise<void> },
  alerts: Alerts,
): Promise<void> {
  const texts = header.split(/[,\s]+/).filter(text => text !== '')
  const good: string[] = []
  for (const text of texts) {
    const verdict = verifyPromise(text, trust, nodeVerifyCrypto)
    if (verdict.verified) {
      good.push(text)
      // A promise for next year would be as good as none.
      if (verdict.dueUnixMs > Date.now() + longestPromiseMs)
        alerts.raise({
          kind: 'promise-invalid',
          region: verdict.promise.region,
          what: `promised only until ${isoTime(verdict.dueUnixMs)}: ${text.slice(0, 2000)}`,
          evidence: [],
        })
    } else
      alerts.raise({
        kind: 'promise-invalid',
        region: '-',
        what: `${verdict.failures.join('; ')}: ${text.slice(0, 2000)}`,
        evidence: [],
      })
  }
  await store.add(good)
}

const names: Readonly<Record<string, string>> = {
  refusal: 'refusals',
  'read.opened': 'reads abroad',
}
const kinds = {
  refusals: 'refusals-unusual',
  'reads abroad': 'reads-abroad-unusual',
  'key leases': 'key-leases-unusual',
} as const

function noteEntry({ type, body }: EntryPayload, note: (name: string, count: number) => void): void {
  const name = names[type]
  if (name !== undefined) note(name, typeof body.count === 'number' ? body.count : 1)
}

function tellUnusual(all: Readonly<Record<string, Usual>>, alerts: Alerts): void {
  for (const [key, usual] of Object.entries(all)) {
    const [region = '', name = ''] = key.split('/', 2)
    const what = unusual(usual, name)
    const kind = kinds[name as keyof typeof kinds]
    // Once an hour, whatever the number has grown to.
    if (what !== null && kind !== undefined)
      alerts.raise({ kind, region, what: what.replace(/^\d+/, 'many'), evidence: [] })
  }
}

/** A log's new key is taken over when the one before has signed for it; anything else is told. */
async function withNewKeys(path: string, api: string, trust: Trust, alerts: Alerts): Promise<Trust> {
  try {
    return (await followKeys(path, api)).trust
  } catch (error) {
    // A region that does not answer is told when its books are asked for.
    if (error instanceof HoldfastError && error.code === 'not-verified')
      alerts.raise({ kind: 'history-changed', region: '-', what: messageOf(error), evidence: [] })
    return trust
  }
}

function loadTrustFile(path: string): Trust {
  if (!existsSync(path)) throw new HoldfastError('not-found', `there is no trust file at ${path}`)
  const trust = parseTrust(readFileSync(path, 'utf8'), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${path}: ${trust}`)
  return trust
}

function loadState(path: string): State {
  if (!existsSync(path)) return { format: 'holdfast/watch/v1', usual: {}, journalLines: 0, closed: {} }
  const parsed = stateSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success)
    throw new HoldfastError('store-damaged', `${path} is damaged: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

function durationOf(text: string, name: string): number {
  const ms = parseDurationMs(text)
  if (ms === null) throw new UsageError(`${name} is a time like 60s, 15m, 24h`)
  return ms
}

function listenOn(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  if (match === null) throw new UsageError('--listen is HOST:PORT')
  return { host: match[1] ?? match[2]!, port: Number(match[3]) }
}
