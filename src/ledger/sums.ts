/**
 * What is too frequent to be an entry each: domestic reads, summed per bucket, access key and minute, and refusals,
 * summed per principal, rule, operation, bucket and minute (the first of a minute is entered at once, so that it shows without delay).
 *
 * Crash points: what was summed since the last flush is lost with the process, at most a minute of domestic reads
 * and of repeated refusals. Nothing that leaves the country is summed here.
 */
import { messageOf } from '../core/errors.ts'
import type { TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { type Clock, isoTime } from '../core/time.ts'
import type { Catalog, Put } from '../store/catalog.ts'
import type { DraftBox } from './drafts.ts'

export interface Sums extends AsyncDisposable {
  read(tenant: TenantId, bucket: string, accessKeyId: string, bytes: number): void
  refusal(tenant: TenantId, refusal: RefusalFacts): Promise<void>
  flush(): Promise<void>
}

export interface RefusalFacts {
  readonly principal: string
  readonly rule: string
  readonly operation: string
  readonly resource: string
}

interface Sum {
  readonly tenant: TenantId
  count: number
  bytes: number
  readonly fromUnixMs: number
}

const minuteMs = 60_000

export function createSums(catalog: Catalog, drafts: DraftBox, clock: Clock, log: Log): Sums {
  let reads = new Map<string, Sum & { bucket: string; accessKeyId: string }>()
  let refusals = new Map<string, Sum & RefusalFacts>()

  const flush = async (): Promise<void> => {
    const [readSums, refusalSums] = [reads, refusals]
    reads = new Map()
    refusals = new Map()
    const until = isoTime(clock())
    const puts: Put[] = []
    for (const { tenant, bucket, accessKeyId, count, bytes, fromUnixMs } of readSums.values()) {
      const body = { bucket, accessKeyId, count, bytes, from: isoTime(fromUnixMs), until }
      puts.push(drafts.draft({ tenant, type: 'reads.summed', body }).put)
    }
    for (const { tenant, count, fromUnixMs, principal, rule, operation, resource } of refusalSums.values()) {
      // The first one of the minute has its entry already.
      if (count === 0) continue
      const body = { principal, rule, operation, resource, count, from: isoTime(fromUnixMs), until }
      puts.push(drafts.draft({ tenant, type: 'refusal', body }).put)
    }
    if (puts.length > 0) await catalog.commit({ puts })
  }

  const timer = setInterval(() => {
    flush().catch(error => log('error', 'sums-not-entered', { error: messageOf(error) }))
  }, minuteMs)
  timer.unref()

  return {
    read(tenant, bucket, accessKeyId, bytes) {
      const id = `${bucket}\0${accessKeyId}`
      let sum = reads.get(id)
      if (sum === undefined) {
        sum = { tenant, bucket, accessKeyId, count: 0, bytes: 0, fromUnixMs: clock() }
        reads.set(id, sum)
      }
      sum.count++
      sum.bytes += bytes
    },

    async refusal(tenant, facts) {
      const bucket = facts.resource.split('/', 1)[0]
      const id = `${tenant}\0${facts.principal}\0${facts.rule}\0${facts.operation}\0${bucket}`
      const sum = refusals.get(id)
      if (sum !== undefined) {
        sum.count++
        return
      }
      const now = clock()
      refusals.set(id, { tenant, ...facts, count: 0, bytes: 0, fromUnixMs: now })
      const time = isoTime(now)
      const body = { ...facts, count: 1, from: time, until: time }
      await catalog.commit({ puts: [drafts.draft({ tenant, type: 'refusal', body }).put] })
    },

    flush,

    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await flush()
    },
  }
}
