/**
 * `npm run bench`: the product beside its peers under one load, and beside the limits of the machine, in one run. The
 * targets take turns workload by workload, so that a slow minute of the machine is nobody's alone. Options:
 *   --seconds N       of each measurement (8)
 *   --keys N          small objects, distinct (100000)
 *   --only TEXT       workloads whose name holds it
 *   --endpoint NAME=URL,KEY,SECRET[,REGION]   one more target; can be given again
 *   --alone           without peers
 *   --keep NAME       writes bench/results/NAME.{json,md,svg}
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { presignUrl, signHeaders } from '../src/crypto/sigv4.ts'
import { loadHeads } from './heads.ts'
import { rawAesGcm, rawStreamWrite, rawWriteAndSync } from './limits/in-process.ts'
import { drawBars } from './picture.ts'
import { cpuMs, rssAnonBytes } from './processes.ts'
import { externalTarget, startCeph, startHoldfast, type Target, untilPrinted } from './targets.ts'
import { requestsOf, type Workload, workloads } from './workloads.ts'
import { type LoadResult, load } from './wrk.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    keys: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '42' },
    only: { type: 'string', default: '' },
    endpoint: { type: 'string', multiple: true, default: [] },
    alone: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const keys = Number(values.keys)
const seed = Number(values.seed)
const bucket = 'bench-bucket'

interface Measured extends LoadResult {
  readonly target: string
  readonly workload: string
  readonly connections: number
  /** Content moved, where a request's size is fixed. */
  readonly mbPerSecond: number | null
  readonly cores: number
  readonly cpuUsPerRequest: number
  readonly rssAnonMiB: number
}

// Beside the project and not in a memory file system: the disk is part of what is measured.
mkdirSync(join(import.meta.dirname, '..', 'tmp'), { recursive: true })
const folder = mkdtempSync(join(import.meta.dirname, '..', 'tmp', 'bench-'))
const limits: Record<string, number> = {}
const results: Measured[] = []
const conditions: Record<string, string> = {}

try {
  await measureLimits()
  await using stack = new AsyncDisposableStack()
  const targets: Target[] = [stack.use(await startHoldfast(folder))]
  const ceph = values.alone ? null : await startCeph(folder)
  if (ceph !== null) targets.push(stack.use(ceph))
  for (const text of values.endpoint) targets.push(stack.use(externalTarget(text)))
  for (const target of targets) {
    conditions[target.name] = target.conditions
    await createBucket(target)
  }
  const filled = new Set<string>()
  for (const workload of workloads(keys)) {
    if (!workload.name.toLowerCase().includes(values.only.toLowerCase())) continue
    for (const target of targets) {
      if (workload.kind !== 'put') await fill(target, workload, filled)
      results.push(await measure(target, workload))
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (values.keep !== undefined) keep(values.keep)

async function measureLimits(): Promise<void> {
  limits['AES-256-GCM, one core, MB/s'] = rawAesGcm(2) / 1e6
  limits['write 1 KiB and sync, one by one, /s'] = rawWriteAndSync(folder, 1, 2)
  limits['write 1 KiB and sync, 32 share a sync, /s'] = rawWriteAndSync(folder, 32, 2)
  limits['synced stream (dd), MB/s'] = rawStreamWrite(folder, 2 ** 30) / 1e6
  for (const [name, bytes] of [
    ['1 KiB', 1024],
    ['64 MiB', 64 * 2 ** 20],
  ] as const) {
    await withRawHttp(bytes, async url => {
      const requestsFile = join(folder, 'any')
      const on = {
        url,
        requestsFile,
        order: 'ordered',
        seed,
        seconds: 5,
        connections: bytes > 1e6 ? 4 : 32,
      } as const
      writeFileSync(requestsFile, 'GET /any\n')
      const get = await load({ ...on, bodyBytes: 0 })
      writeFileSync(requestsFile, 'PUT /any\n')
      const put = await load({ ...on, bodyBytes: bytes })
      const unit = bytes > 1e6 ? 'MB/s' : '/s'
      const scale = bytes > 1e6 ? bytes / 1e6 : 1
      limits[`raw Node HTTP, GET ${name}, ${unit}`] = get.perSecond * scale
      limits[`raw Node HTTP, PUT ${name}, ${unit}`] = put.perSecond * scale
    })
  }
  for (const [name, value] of Object.entries(limits))
    console.log(`limit: ${name.padEnd(56)} ${value.toFixed(0)}`)
}

async function measure(target: Target, workload: Workload): Promise<Measured> {
  const { connections, size, kind } = workload
  const requestsFile = presignAll(target, workload)
  const pids = target.pids()
  const cpuBefore = cpuMs(pids)
  let rssAnon = 0
  const watch = setInterval(() => {
    rssAnon = Math.max(rssAnon, rssAnonBytes(pids))
  }, 200)
  const order = kind === 'delete' || size.keys < 100 ? 'ordered' : 'random'
  const options = { url: target.endpoint, requestsFile, order, seed, connections, seconds } as const
  // wrk waits for the body that a HEAD's answer only announces.
  const result =
    kind === 'head' ? await loadHeads(options) : await load({ ...options, bodyBytes: size.bytes })
  clearInterval(watch)
  const cpu = cpuMs(target.pids()) - cpuBefore
  const fixed = kind === 'put' || kind === 'get' || kind === 'hot'
  const measured: Measured = {
    target: target.name,
    workload: workload.name,
    connections,
    ...result,
    mbPerSecond: fixed ? (result.perSecond * size.bytes) / 1e6 : null,
    cores: cpu / 1000 / seconds,
    cpuUsPerRequest: (cpu * 1000) / result.requests,
    rssAnonMiB: rssAnon / 2 ** 20,
  }
  const mb = size.bytes > 4096 && fixed ? `${measured.mbPerSecond!.toFixed(0).padStart(5)} MB/s` : ''
  console.log(
    `${workload.name.padEnd(24)} c=${String(connections).padEnd(3)} ${target.name.padEnd(10)} ${result.perSecond.toFixed(0).padStart(7)}/s ${mb.padEnd(11)}` +
      ` p50 ${result.p50Ms.toFixed(1)} p99 ${result.p99Ms.toFixed(1)} ms, ${measured.cores.toFixed(2)} cores, ${measured.rssAnonMiB.toFixed(0)} MiB` +
      `${result.errors > 0 ? `, ${result.errors} ERRORS` : ''}`,
  )
  return measured
}

/** Once through in order, so that whatever a workload asks for is there. */
async function fill(target: Target, workload: Workload, filled: Set<string>): Promise<void> {
  const { size } = workload
  const id = `${target.name}/${size.name}`
  if (filled.has(id)) return
  filled.add(id)
  const requestsFile = presignAll(target, { ...workload, kind: 'put' })
  const on = { url: target.endpoint, requestsFile, order: 'ordered', seed, bodyBytes: size.bytes } as const
  for (let done = 0, connections = size.bytes > 1e6 ? 4 : 32; done < size.keys + 64; ) {
    const { requests, errors } = await load({ ...on, connections, seconds: 5 })
    if (errors > 0) throw new Error(`${target.name} could not be filled: ${errors} errors`)
    // Each run begins at the first key again; a second one that reaches further is needed only for slow targets.
    if (requests >= size.keys + connections) return
    done = Math.max(done, requests)
    if (done < size.keys) {
      const rest = presignAll(target, { ...workload, kind: 'put' }, done)
      const more = await load({
        ...on,
        requestsFile: rest,
        connections,
        seconds: Math.ceil((size.keys / done) * 6),
      })
      if (more.requests >= size.keys - done + connections) return
      done += more.requests
    }
  }
}

function presignAll(target: Target, workload: Workload, from = 0): string {
  const { endpoint, credentials } = target
  const path = join(folder, 'requests')
  const now = Date.now()
  const scope = { service: 's3', region: credentials.region }
  const lines = requestsOf(workload)
    .slice(from)
    .map(({ method, key, list }) => {
      const url = new URL(
        list
          ? `${endpoint}/${bucket}?list-type=2&max-keys=1000&start-after=${encodeURIComponent(key)}`
          : `${endpoint}/${bucket}/${key}`,
      )
      return `${method} ${presignUrl(url, method, credentials, scope, now, 86_400).slice(endpoint.length)}`
    })
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

async function createBucket({ endpoint, credentials }: Target): Promise<void> {
  const headers = signHeaders(
    { method: 'PUT', path: `/${bucket}`, query: [], headers: { host: new URL(endpoint).host } },
    '',
    credentials,
    { service: 's3', region: credentials.region },
    Date.now(),
  )
  const response = await fetch(`${endpoint}/${bucket}`, { method: 'PUT', headers })
  if (!response.ok) throw new Error(await response.text())
}

async function withRawHttp(bytes: number, ask: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'limits', 'raw-http.ts'), String(bytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await ask(`http://127.0.0.1:${(await untilPrinted(child, '\n')).trim()}`)
  } finally {
    child.kill('SIGKILL')
  }
}

function keep(name: string): void {
  const base = join(import.meta.dirname, 'results', name)
  const about = {
    date: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    node: process.version,
    command: `npm run bench -- --seconds ${seconds} --keys ${keys} --seed ${seed}`,
    load: 'wrk, one thread, on the same machine; presigned URLs; the targets take turns, workload by workload',
    ...conditions,
  }
  writeFileSync(`${base}.json`, `${JSON.stringify({ conditions: about, limits, results }, null, 2)}\n`)
  const targets = [...new Set(results.map(({ target }) => target))]
  const bars = [
    ...new Set(results.map(({ workload, connections }) => `${workload}, ${connections} conn.`)),
  ].map(row => {
    const of = targets.map(target =>
      results.find(each => each.target === target && `${each.workload}, ${each.connections} conn.` === row),
    )
    return { name: row, values: of.map(each => each?.perSecond ?? null), unit: '/s' }
  })
  const picture = {
    title: 'Requests a second',
    note: `${about.machine}, ${about.date.slice(0, 10)}`,
    targets,
    rows: bars,
  }
  writeFileSync(`${base}.svg`, drawBars(picture))
  const head = Object.entries(about).map(([key, value]) => `- ${key}: ${value}`)
  const limitRows = Object.entries(limits).map(([what, value]) => `| ${what} | ${value.toFixed(0)} |`)
  const rows = results.map(
    ({
      workload,
      connections,
      target,
      perSecond,
      mbPerSecond,
      p50Ms,
      p99Ms,
      cores,
      cpuUsPerRequest,
      rssAnonMiB,
      errors,
    }) =>
      `| ${workload} | ${connections} | ${target} | ${perSecond.toFixed(0)} | ${mbPerSecond?.toFixed(0) ?? ''} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} | ${cores.toFixed(2)} | ${cpuUsPerRequest.toFixed(0)} | ${rssAnonMiB.toFixed(0)} | ${errors || ''} |`,
  )
  writeFileSync(
    `${base}.md`,
    `# Bench ${name}\n\n${head.join('\n')}\n\n![requests a second](${name}.svg)\n\n| limit of the machine | |\n|---|---:|\n${limitRows.join('\n')}\n\n` +
      `| workload | connections | target | /s | MB/s | p50 ms | p99 ms | cores | CPU µs a request | RssAnon MiB | errors |\n|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n${rows.join('\n')}\n`,
  )
}
