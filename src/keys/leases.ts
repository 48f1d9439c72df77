/**
 * Leases of bucket keys: the only place in the provider's process where an unwrapped bucket key lives, and only for
 * minutes. What the key holder refuses, or a key holder that is gone, takes hold when the lease at hand ends.
 */

import { utf8 } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError, hasCode, messageOf } from '../core/errors.ts'
import type { RandomBytes, TenantId } from '../core/ids.ts'
import { newSortableId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock } from '../core/time.ts'
import { checkValue } from '../crypto/data-keys.ts'
import type { KeyHolder, KeyReason, KeyUse, WrappedKey } from './key-holder.ts'

/** A bucket key as it rests in the catalog (`bucketkeys`), and travels with a transfer. */
export interface BucketKey {
  readonly bucketKeyId: string
  readonly tenant: TenantId
  readonly checkValue: string
  readonly wrapped: WrappedKey
}

export interface Leases extends Disposable {
  /** Makes a key for a new bucket, wraps it at the holder and starts with a lease of it. */
  create(tenant: TenantId): Promise<BucketKey>
  /**
   * A copy of the unwrapped key (the lease's own is wiped when it ends), from the lease at hand or from the holder.
   * The caller MUST NOT keep it past the request.
   */
  open(key: BucketKey, reason: KeyReason): Promise<Buffer>
}

export interface LeaseOptions {
  readonly holderOf: (tenant: TenantId) => KeyHolder
  readonly leaseMs: number
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly metrics: Metrics
}

interface Lease {
  key: Buffer | null
  until: number
  pending: Promise<Buffer> | null
  /** A holder that did not answer is not asked again before this, so that it is not flooded when it comes back. */
  notBefore: number
  failure: unknown
}

const retryAfterMs = 1000
/** From this part of a lease on, a use renews it in the background, so that no request waits for the holder. */
const renewFrom = 0.75

export function createLeases(options: LeaseOptions): Leases {
  const { holderOf, leaseMs, clock, randomBytes, log, metrics } = options
  const leases = new Map<string, Lease>()

  const ask = (key: BucketKey, lease: Lease, reason: KeyReason): Promise<Buffer> => {
    const use = { reason, bucketKeyId: key.bucketKeyId, instruction: null }
    const unwrap = async (): Promise<Buffer> => {
      try {
        const plain = await holderOf(key.tenant).unwrap(
          key.wrapped,
          bindingOf(key.bucketKeyId, key.tenant),
          use,
        )
        if (plain.length !== 32 || checkValue(plain) !== key.checkValue) {
          throw new HoldfastError(
            'key-holder-refused',
            'the key holder unwrapped another key than the bucket was made with',
          )
        }
        lease.key = plain
        lease.until = clock() + leaseMs
        metrics.count('holdfast_lease_requests_total', { outcome: 'granted' })
        return plain
      } catch (error) {
        lease.notBefore = clock() + retryAfterMs
        lease.failure = error
        metrics.count('holdfast_lease_requests_total', {
          outcome: hasCode(error, 'key-holder-refused') ? 'refused' : 'failed',
        })
        // A refusal ends the lease at once; a holder that is merely away does not shorten it.
        if (hasCode(error, 'key-holder-refused')) drop(lease)
        log('warn', 'lease-failed', { bucketKeyId: key.bucketKeyId, error: messageOf(error) })
        throw error
      } finally {
        lease.pending = null
      }
    }
    lease.pending = unwrap()
    return lease.pending
  }

  const drop = (lease: Lease): void => {
    lease.key?.fill(0)
    lease.key = null
  }

  // Keys that nobody uses are wiped when their lease ends, not when they are next asked for.
  const sweep = setInterval(
    () => {
      const now = clock()
      for (const [id, lease] of leases) {
        if (lease.until <= now) {
          drop(lease)
          if (lease.pending === null && lease.notBefore <= now) leases.delete(id)
        }
      }
    },
    Math.min(leaseMs, 5000),
  )
  sweep.unref()

  return {
    async create(tenant) {
      const reason = { reason: 'bucket-created', instruction: null } as const
      const { key, plain } = await makeBucketKey(holderOf(tenant), tenant, reason, clock(), randomBytes)
      leases.set(key.bucketKeyId, {
        key: plain,
        until: clock() + leaseMs,
        pending: null,
        notBefore: 0,
        failure: null,
      })
      return key
    },

    async open(key, reason) {
      const now = clock()
      let lease = leases.get(key.bucketKeyId)
      if (lease === undefined) {
        lease = { key: null, until: 0, pending: null, notBefore: 0, failure: null }
        leases.set(key.bucketKeyId, lease)
      }
      if (lease.key !== null && lease.until > now) {
        const isAging = lease.until - now < leaseMs * (1 - renewFrom)
        if (isAging && lease.pending === null && lease.notBefore <= now) {
          ask(key, lease, reason).catch(() => {})
        }
        return Buffer.from(lease.key)
      }
      if (lease.pending === null && lease.notBefore > now) throw lease.failure
      return Buffer.from(await (lease.pending ?? ask(key, lease, reason)))
    },

    [Symbol.dispose]() {
      clearInterval(sweep)
      for (const lease of leases.values()) drop(lease)
      leases.clear()
    },
  }
}

/** A new bucket key, wrapped by the holder. Whoever has no use for it in the clear wipes it. */
export async function makeBucketKey(
  holder: KeyHolder,
  tenant: TenantId,
  why: Omit<KeyUse, 'bucketKeyId'>,
  nowUnixMs: number,
  randomBytes: RandomBytes,
): Promise<{ readonly key: BucketKey; readonly plain: Buffer }> {
  const bucketKeyId = newSortableId(nowUnixMs, randomBytes)
  const plain = Buffer.from(randomBytes(32))
  const wrapped = await holder.wrap(plain, bindingOf(bucketKeyId, tenant), { ...why, bucketKeyId })
  return { key: { bucketKeyId, tenant, checkValue: checkValue(plain), wrapped }, plain }
}

/** The AAD under which a holder wraps a bucket key: it opens for this tenant and this bucket key only. */
function bindingOf(bucketKeyId: string, tenant: TenantId): Uint8Array {
  return utf8(canonicalJson({ bucketKeyId, purpose: 'holdfast/bucket-key/v1', tenant }))
}
