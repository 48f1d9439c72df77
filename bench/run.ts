/**
 * `npm run bench`: 1 KiB and 64 MiB objects, PUT and GET, beside the limits of the same machine in the same run.
 * Options: --seconds N (each measurement), --keys N, --seed N, --keep NAME (writes bench/results/NAME.{json,md}).
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { presignUrl, signHeaders } from '../src/crypto/sigv4.ts'
import { rawAesGcm, rawStreamWrite, rawWriteAndSync } from './limits/in-process.ts'
import { type Product, rssAnonBytes, startProduct, untilPrinted } from './product.ts'
import { type LoadResult, load } from './wrk.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    keys: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '42' },
    connections: { type: 'string', default: '32' },
    keep: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const keys = Number(values.keys)
const seed = Number(values.seed)
const connections = Number(values.connections)
const kib = 1024
const largeBytes = 64 * 2 ** 20
const largeKeys = 8
const bucket = 'bench-bucket'
const scope = { service: 's3' }

// Beside the project and not in a memory file system: the disk is part of what is measured.
mkdirSync(join(import.meta.dirname, '..', 'tmp'), { recursive: true })
const folder = mkdtempSync(join(import.meta.dirname, '..', 'tmp', 'bench-'))
const rows: {
  name: string
  value: number
  unit: string
  limit: string
  ratio: number | null
  detail: string
}[] = []
const note = (
  name: string,
  value: number,
  unit: string,
  limit = '',
  ratio: number | null = null,
  detail = '',
): void => {
  rows.push({ name, value, unit, limit, ratio, detail })
  const shown = unit === 'MB/s' ? value.toFixed(0) : value.toFixed(0)
  console.log(
    `${name.padEnd(44)} ${shown.padStart(10)} ${unit.padEnd(6)} ${ratio === null ? '' : `${ratio.toFixed(2)} of ${limit}`}  ${detail}`,
  )
}
const detail = (result: LoadResult): string =>
  `p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms${result.errors > 0 ? `, ${result.errors} ERRORS` : ''}`

try {
  const aes = rawAesGcm(2)
  const sync1 = rawWriteAndSync(folder, 1, 2)
  const sync32 = rawWriteAndSync(folder, 32, 2)
  const stream = rawStreamWrite(folder, 2 ** 30)
  note('limit: AES-256-GCM, 64 KiB segments', aes / 1e6, 'MB/s')
  note('limit: write 1 KiB and sync, one by one', sync1, '/s')
  note('limit: write 1 KiB and sync, 32 share a sync', sync32, '/s')
  note('limit: write 1 GiB, sync once', stream / 1e6, 'MB/s')

  const http: Record<string, LoadResult> = {}
  for (const [name, bytes] of [
    ['1k', kib],
    ['64m', largeBytes],
  ] as const) {
    await withRawHttp(bytes, async url => {
      const file = join(folder, 'any')
      writeFileSync(file, '/any\n')
      const many = {
        url,
        pathsFile: file,
        order: 'ordered',
        seed,
        seconds,
        connections: name === '1k' ? connections : 4,
      } as const
      http[`get ${name}`] = await load({ ...many, method: 'GET', bodyBytes: 0 })
      http[`put ${name}`] = await load({ ...many, method: 'PUT', bodyBytes: bytes })
    })
  }
  note('limit: raw Node HTTP, GET 1 KiB', http['get 1k']!.perSecond, '/s', '', null, detail(http['get 1k']!))
  note('limit: raw Node HTTP, PUT 1 KiB', http['put 1k']!.perSecond, '/s', '', null, detail(http['put 1k']!))
  note('limit: raw Node HTTP, GET 64 MiB', http['get 64m']!.bytesPerSecond / 1e6, 'MB/s')
  note('limit: raw Node HTTP, PUT 64 MiB', (http['put 64m']!.perSecond * largeBytes) / 1e6, 'MB/s')

  await using product = await startProduct(folder)
  await createBucket(product)
  const small = Array.from({ length: keys }, (_, i) => `small/${String(i).padStart(9, '0')}`)
  const large = Array.from({ length: largeKeys }, (_, i) => `large/${i}`)
  const files = {
    putSmall: presignAll(product, 'PUT', small, 'put-small'),
    getSmall: presignAll(product, 'GET', small, 'get-small'),
    putLarge: presignAll(product, 'PUT', large, 'put-large'),
    getLarge: presignAll(product, 'GET', large, 'get-large'),
  }
  const on = { url: product.endpoint, seed, seconds, connections } as const

  const put = await load({ ...on, pathsFile: files.putSmall, method: 'PUT', order: 'random', bodyBytes: kib })
  const best = (a: number, b: number): number => Math.min(a, b)
  note(
    'PUT 1 KiB, random keys',
    put.perSecond,
    '/s',
    'raw HTTP PUT',
    put.perSecond / http['put 1k']!.perSecond,
    detail(put),
  )
  note(
    '  beside 32 that share a sync',
    put.perSecond,
    '/s',
    'write and sync',
    put.perSecond / best(sync32, Number.POSITIVE_INFINITY),
  )
  // So that every key exists: once through in order, then what random reading finds is always there.
  await fillAll(product, files.putSmall, keys, put.perSecond)
  const get = await load({ ...on, pathsFile: files.getSmall, method: 'GET', order: 'random', bodyBytes: 0 })
  note(
    'GET 1 KiB, random keys',
    get.perSecond,
    '/s',
    'raw HTTP GET',
    get.perSecond / http['get 1k']!.perSecond,
    detail(get),
  )

  const putLarge = await load({
    ...on,
    connections: 4,
    pathsFile: files.putLarge,
    method: 'PUT',
    order: 'ordered',
    bodyBytes: largeBytes,
  })
  const putBytes = putLarge.perSecond * largeBytes
  note('PUT 64 MiB', putBytes / 1e6, 'MB/s', 'synced stream', putBytes / stream, detail(putLarge))
  const getLarge = await load({
    ...on,
    connections: 4,
    pathsFile: files.getLarge,
    method: 'GET',
    order: 'random',
    bodyBytes: 0,
  })
  note(
    'GET 64 MiB',
    getLarge.bytesPerSecond / 1e6,
    'MB/s',
    'raw HTTP GET',
    getLarge.bytesPerSecond / http['get 64m']!.bytesPerSecond,
    detail(getLarge),
  )
  note(
    '  beside raw AES-256-GCM',
    getLarge.bytesPerSecond / 1e6,
    'MB/s',
    'AES-GCM',
    getLarge.bytesPerSecond / aes,
  )

  const memory = await memoryOf(product, files.putLarge, files.getLarge)
  note('RssAnon, highest while 5 GB pass', memory / 2 ** 20, 'MiB')
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const conditions = {
  date: new Date().toISOString(),
  machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
  node: process.version,
  command: `npm run bench -- --seconds ${seconds} --keys ${keys} --seed ${seed} --connections ${connections}`,
  load: 'wrk, one thread, on the same machine; presigned URLs; everything sealed, entered and synced',
}
if (values.keep !== undefined) keep(values.keep)

function keep(name: string): void {
  const base = join(import.meta.dirname, 'results', name)
  writeFileSync(`${base}.json`, `${JSON.stringify({ conditions, rows }, null, 2)}\n`)
  const table = rows.map(
    row =>
      `| ${row.name.trim()} | ${row.value.toFixed(0)} ${row.unit} | ${row.ratio === null ? '' : `${row.ratio.toFixed(2)} of ${row.limit}`} | ${row.detail} |`,
  )
  const head = Object.entries(conditions).map(([key, value]) => `- ${key}: ${value}`)
  writeFileSync(
    `${base}.md`,
    `# Bench ${name}\n\n${head.join('\n')}\n\n| what | measured | ratio | |\n|---|---:|---:|---|\n${table.join('\n')}\n`,
  )
}

async function withRawHttp(bytes: number, measure: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'limits', 'raw-http.ts'), String(bytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const port = (await untilPrinted(child, '\n')).trim()
    await measure(`http://127.0.0.1:${port}`)
  } finally {
    child.kill('SIGKILL')
  }
}

async function createBucket({ endpoint, credentials }: Product): Promise<void> {
  const host = new URL(endpoint).host
  const headers = signHeaders(
    { method: 'PUT', path: `/${bucket}`, query: [], headers: { host } },
    '',
    credentials,
    { ...scope, region: credentials.region },
    Date.now(),
  )
  const response = await fetch(`${endpoint}/${bucket}`, { method: 'PUT', headers })
  if (!response.ok) throw new Error(await response.text())
}

function presignAll(
  { endpoint, credentials }: Product,
  method: string,
  names: readonly string[],
  file: string,
): string {
  const path = join(folder, file)
  const now = Date.now()
  const lines = names.map(name => {
    const url = new URL(`${endpoint}/${bucket}/${name}`)
    return presignUrl(url, method, credentials, { ...scope, region: credentials.region }, now, 86_400).slice(
      endpoint.length,
    )
  })
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

async function fillAll(
  { endpoint }: Product,
  pathsFile: string,
  count: number,
  perSecond: number,
): Promise<void> {
  const needed = Math.ceil((count / perSecond) * 1.3) + 2
  await load({
    url: endpoint,
    pathsFile,
    method: 'PUT',
    order: 'ordered',
    seed,
    bodyBytes: kib,
    connections,
    seconds: needed,
  })
  const sample = readFileSync(pathsFile, 'utf8').trimEnd().split('\n').at(-1)!
  if (sample === undefined) throw new Error('no keys')
}

async function memoryOf(product: Product, putFile: string, getFile: string): Promise<number> {
  let highest = 0
  const watch = setInterval(() => {
    highest = Math.max(highest, rssAnonBytes(product.pid))
  }, 100)
  const on = { url: product.endpoint, seed, connections: 4, order: 'ordered' } as const
  let passed = 0
  while (passed < 5e9) {
    const up = await load({ ...on, pathsFile: putFile, method: 'PUT', bodyBytes: largeBytes, seconds: 4 })
    const down = await load({ ...on, pathsFile: getFile, method: 'GET', bodyBytes: 0, seconds: 4 })
    passed += up.perSecond * 4 * largeBytes + down.bytesPerSecond * 4
  }
  clearInterval(watch)
  return highest
}
