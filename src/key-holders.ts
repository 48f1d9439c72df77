import { utf8 } from './core/bytes.ts'
import { HoldfastError, messageOf } from './core/errors.ts'
import type { TenantId } from './core/ids.ts'
import { newSortableId } from './core/ids.ts'
import type { Clock } from './core/time.ts'
import type { KeyHolder } from './keys/key-holder.ts'
import { createXksClient } from './keys/xks-client.ts'
import type { RegionAccess } from './open-region.ts'
import { isRefusal } from './policy/authorized.ts'
import { decideOutbound } from './policy/decide.ts'
import { findTenant, type TenantRow } from './store/tenants.ts'

const holderIdleMs = 5000

/** Each tenant's key holder, as it is registered in a region and through that region's door. */
export function createHolders(
  region: RegionAccess,
  clock: Clock,
  randomBytes: (length: number) => Uint8Array,
): (tenant: TenantId) => KeyHolder {
  const clientOf = async (tenant: TenantId): Promise<KeyHolder> => {
    const row = await findTenant(region.catalog, tenant)
    if (row !== null) return holderClient(region, row, clock, randomBytes)
    throw new HoldfastError(
      'key-holder-unavailable',
      `no key holder of the tenant is registered in ${region.id}`,
    )
  }
  return tenant => ({
    wrap: async (plaintext, binding, use) => (await clientOf(tenant)).wrap(plaintext, binding, use),
    unwrap: async (wrapped, binding, use) => (await clientOf(tenant)).unwrap(wrapped, binding, use),
  })
}

function holderClient(
  region: RegionAccess,
  { holder, tenant }: TenantRow,
  clock: Clock,
  randomBytes: (length: number) => Uint8Array,
): KeyHolder {
  const { host, port, certificate, keyId, accessKeyId, secretAccessKey } = holder
  return createXksClient({
    host: `${host}:${port}`,
    keyId,
    credentials: { accessKeyId, secretAccessKey },
    principal: `holdfast:region:${region.id}`,
    clock,
    newRequestId: () => newSortableId(clock(), randomBytes),
    post: async (path, headers, body) => {
      const decision = decideOutbound({
        action: 'outbound',
        purpose: 'key-holder',
        tenant,
        host,
        port,
        certificate,
        registered: true,
        instruction: null,
      })
      if (isRefusal(decision)) throw new HoldfastError('key-holder-refused', decision.message)
      try {
        const request = { method: 'POST', path, headers, body: utf8(body), idleMs: holderIdleMs } as const
        return await region.door.send(decision, request)
      } catch (error) {
        throw new HoldfastError('key-holder-unavailable', messageOf(error), {}, error)
      }
    },
  })
}
