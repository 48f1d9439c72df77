/**
 * Does a PUT cost the same in a bucket of ten million? `node bench/many-objects.ts [--objects N] [--seconds N]
 * [--keep NAME]`: PUT of 1 KiB under ordered and under random keys into an empty bucket, then the same beside N objects.
 * The N are rows put into the catalog directly (sending them would take an hour); their bytes are one object's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { presignUrl, signHeaders } from '../src/crypto/sigv4.ts'
import { regionFiles } from '../src/open-region.ts'
import { openLmdbCatalog } from '../src/store/lmdb-catalog.ts'
import { type BucketRow, bucketRowKey, decodeRow, objectRowKey } from '../src/store/rows.ts'
import { startHoldfast, type Target } from './targets.ts'
import { load } from './wrk.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000000' },
    seconds: { type: 'string', default: '10' },
    keep: { type: 'string' },
  },
})
const objects = Number(values.objects)
const seconds = Number(values.seconds)
const bucket = 'many-objects'
const pathKeys = 200_000
const batchRows = 5000

mkdirSync(join(import.meta.dirname, '..', 'tmp'), { recursive: true })
const folder = mkdtempSync(join(import.meta.dirname, '..', 'tmp', 'many-'))
const keyOf = (i: number, more = ''): string => `many/${String(i).padStart(10, '0')}${more}`
const lines: string[] = []

try {
  const empty = await measure('empty', 0)
  await preload()
  const full = await measure('full', objects)
  for (const kind of ['ordered', 'random'] as const) {
    const ratio = full[kind] / empty[kind]
    lines.push(
      `${kind} keys: ${empty[kind].toFixed(0)}/s into an empty store, ${full[kind].toFixed(0)}/s beside ${objects.toLocaleString('en')} objects: ${ratio.toFixed(2)}`,
    )
  }
  for (const line of lines) console.log(line)
  if (values.keep !== undefined) {
    const about = `${new Date().toISOString()}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, 32 connections, 1 KiB, wrk on the same machine`
    writeFileSync(
      join(import.meta.dirname, 'results', `${values.keep}.md`),
      `# PUT beside many objects\n\n${about}\n\n${lines.map(line => `- ${line}`).join('\n')}\n`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(name: string, there: number): Promise<{ ordered: number; random: number }> {
  await using target = await startHoldfast(folder)
  if (there === 0) await createBucket(target)
  const on = { url: target.endpoint, seed: 7, bodyBytes: 1024, connections: 32, seconds } as const
  const random = Array.from({ length: pathKeys }, () =>
    keyOf(Math.floor(Math.random() * Math.max(objects, pathKeys)), `-${name}`),
  )
  const ordered = Array.from({ length: pathKeys }, (_, i) => keyOf(objects + i, `-${name}`))
  const put = async (keys: readonly string[]): Promise<number> => {
    const requestsFile = join(folder, 'requests')
    writeFileSync(requestsFile, keys.map(key => presign(target, key)).join(''))
    // The first seconds are the compiler's and the cache's.
    await load({ ...on, requestsFile, order: 'ordered', seconds: 3 })
    const { perSecond, errors } = await load({ ...on, requestsFile, order: 'ordered' })
    if (errors > 0) throw new Error(`${errors} errors`)
    return perSecond
  }
  return { ordered: await put(ordered), random: await put(random) }
}

/** In key order, so that it takes minutes and the tree is as full as a tree that grew in order. */
async function preload(): Promise<void> {
  await using catalog = await openLmdbCatalog(regionFiles(join(folder, 'data'), 'in-mumbai').catalog)
  const { id } = decodeRow<BucketRow>((await catalog.get('buckets', bucketRowKey(bucket as never)))!)
  const [sample] = await catalog.scan('objects', { limit: 1 })
  for (let from = 0; from < objects; from += batchRows) {
    const puts = Array.from({ length: Math.min(batchRows, objects - from) }, (_, i) => ({
      table: 'objects' as const,
      key: objectRowKey(id, keyOf(from + i)),
      value: sample!.value,
    }))
    await catalog.commit({ puts })
    if (from % 1_000_000 === 0) console.log(`${from.toLocaleString('en')} of ${objects.toLocaleString('en')}`)
  }
}

function presign({ endpoint, credentials }: Target, key: string): string {
  const url = new URL(`${endpoint}/${bucket}/${key}`)
  const scope = { service: 's3', region: credentials.region }
  return `PUT ${presignUrl(url, 'PUT', credentials, scope, Date.now(), 86_400).slice(endpoint.length)}\n`
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
