/**
 * Gathers log lines of buckets that are logged and writes them as objects, every few minutes and at a stop. As at S3
 * that is best effort: what a process has not written when it dies is lost.
 */

import { createHash } from 'node:crypto'
import { toHex } from '../../core/bytes.ts'
import { messageOf } from '../../core/errors.ts'
import { parseBucketName } from '../../core/ids.ts'
import { checksums, defaultChecksum } from '../../crypto/checksums.ts'
import { isRefusal } from '../../policy/authorized.ts'
import { decideLogging } from '../../policy/decide-logging.ts'
import { findConfig } from '../../store/bucket-configs.ts'
import { findBucket } from '../../store/buckets.ts'
import { sealWhole } from '../../store/sealed-parts.ts'
import { accountOf, findTenant } from '../../store/tenants.ts'
import { type LoggingTarget, readLogging } from '../configs/logging.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket, S3Region, S3Services } from '../operation.ts'
import { newVersionKey, publishVersion } from '../versions.ts'
import { type LoggedRequest, logLine } from './line.ts'

export interface AccessLog extends AsyncDisposable {
  note(bucket: LocatedBucket, request: Omit<LoggedRequest, 'ownerId' | 'bucket'>): void
}

/** Of one bucket; more than that is written at once. */
const maxBytes = 1 << 20

interface Gathered {
  readonly bucket: LocatedBucket
  readonly requests: LoggedRequest[]
  bytes: number
}

export function createAccessLog(services: S3Services, everyMs: number): AccessLog {
  let gathered = new Map<string, Gathered>()
  const writing = new Set<Promise<void>>()

  const write = (each: Gathered): void => {
    const { name } = each.bucket.row
    const done = writeLog(services, each)
      .catch(error =>
        services.log('error', 'access-log-not-written', { bucket: name, error: messageOf(error) }),
      )
      .finally(() => writing.delete(done))
    writing.add(done)
  }
  const writeAll = (): void => {
    const all = gathered
    gathered = new Map()
    for (const each of all.values()) write(each)
  }
  const timer = setInterval(writeAll, everyMs)
  timer.unref()

  return {
    note(bucket, request) {
      const { id, name } = bucket.row
      const each = gathered.get(id) ?? { bucket, requests: [], bytes: 0 }
      gathered.set(id, each)
      each.requests.push({ ...request, ownerId: bucket.row.tenant, bucket: name })
      each.bytes += 500 + request.url.length
      if (each.bytes < maxBytes) return
      gathered.delete(id)
      write(each)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      writeAll()
      await Promise.all(writing)
    },
  }
}

async function writeLog(services: S3Services, { bucket, requests }: Gathered): Promise<void> {
  const { clock, randomBytes } = services
  const { region } = bucket
  const source = await locate(region, bucket.row.name)
  if (source === null || source.row.id !== bucket.row.id) return
  const body = await findConfig(region.catalog, source.row, 'logging')
  const target = body === null ? null : readLogging(Buffer.from(body))
  const into = target === null ? null : await locate(region, target.bucket)
  if (target === null || into === null) return
  const decision = decideLogging(source.facts, into.facts, target.bucket)
  if (isRefusal(decision)) return
  const full = region.room.full()
  if (full !== null) throw new S3Error('ServiceUnavailable', full)
  const owner = accountOf(
    (await findTenant(region.catalog, source.row.tenant)) ?? { tenant: source.row.tenant },
  )
  const lines = requests.map(request => logLine({ ...request, ownerId: owner.canonicalId }))
  const content = Buffer.from(lines.join(''))
  const key = await newVersionKey(services, into, null)
  const placed = await sealWhole({ blobs: region.blobs, clock, randomBytes }, key, 1, content)
  const sum = checksums[defaultChecksum]()
  sum.update(content)
  const checksum = {
    algorithm: defaultChecksum,
    value: sum.digest().toString('base64'),
    type: 'FULL_OBJECT',
  } as const
  const unique = toHex(randomBytes(8)).toUpperCase()
  const publisher = {
    services,
    identity: { accessKeyId: 'logging' },
    client: { address: '' },
    request: { method: 'PUT' },
    requestId: '',
    entered: () => {},
  }
  try {
    await publishVersion(publisher, decision, into, keyOf(target, source, owner.accountId, clock(), unique), {
      key,
      parts: [{ ...placed.part, partNumber: 1 }],
      places: [placed.place],
      claims: placed.claim.puts,
      etag: createHash('md5').update(content).digest('hex'),
      checksum,
      attributes: { headers: { 'content-type': 'text/plain' }, metadata: {} },
      copiedFrom: null,
    })
  } catch (error) {
    // Refused, by a quota for instance: nothing refers to the bytes.
    if (error instanceof S3Error) await placed.abandon()
    throw error
  }
}

async function locate(region: S3Region, name: string): Promise<LocatedBucket | null> {
  const bucket = parseBucketName(name)
  const known = bucket === null ? null : await findBucket(region.catalog, bucket)
  if (known === null || bucket === null) return null
  const { tenant, dataClass } = known.row
  return {
    ...known,
    region,
    facts: { name: bucket, tenant, region: region.id, country: region.country, dataClass },
  }
}

function keyOf(
  { prefix, partitioned }: LoggingTarget,
  { row, region }: LocatedBucket,
  accountId: string,
  nowUnixMs: number,
  unique: string,
): string {
  const time = new Date(nowUnixMs).toISOString().slice(0, 19).replaceAll(/[T:]/g, '-')
  if (partitioned === undefined) return `${prefix}${time}-${unique}`
  const [year, month, day] = time.split('-')
  const stamp = partitioned === 'EventTime' ? `${year}-${month}-${day}-00-00-00` : time
  return `${prefix}${accountId}/${region.id}/${row.name}/${year}/${month}/${day}/${stamp}-${unique}`
}
