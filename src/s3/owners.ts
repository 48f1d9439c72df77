/** Tenants as S3 shows them: `ID` and `DisplayName`. */
import { anonymousTenant, type RegionId, type TenantId } from '../core/ids.ts'
import type { Catalog } from '../store/catalog.ts'
import { createRowCache } from '../store/row-cache.ts'
import { accountOf, findAccount, type TenantRow, tenantRowKey } from '../store/tenants.ts'

/** Type literal, so that it can stand in XML. */
export type ShownOwner = { readonly ID: string; readonly DisplayName: string }

export interface Owners {
  show(tenant: TenantId): Promise<ShownOwner>
  /** One look-up for each of them; the answer is by tenant. */
  showAll(tenants: Iterable<TenantId>): Promise<(tenant: TenantId) => ShownOwner>
  find(kind: 'canonical' | 'email', name: string): Promise<TenantId | null>
}

export function createOwners(regions: ReadonlyMap<RegionId, { readonly catalog: Catalog }>): Owners {
  const decode = createRowCache<TenantRow>()

  const show = async (tenant: TenantId): Promise<ShownOwner> => {
    if (tenant === anonymousTenant) return { ID: 'anonymous', DisplayName: 'anonymous' }
    for (const { catalog } of regions.values()) {
      const bytes = await catalog.get('tenants', tenantRowKey(tenant))
      if (bytes === null) continue
      const { canonicalId, displayName } = accountOf(decode(tenant, bytes))
      return { ID: canonicalId, DisplayName: displayName }
    }
    const { canonicalId, displayName } = accountOf({ tenant })
    return { ID: canonicalId, DisplayName: displayName }
  }

  return {
    show,
    async showAll(tenants) {
      const shown = new Map<TenantId, ShownOwner>()
      for (const tenant of new Set(tenants)) shown.set(tenant, await show(tenant))
      return tenant => shown.get(tenant)!
    },
    async find(kind, name) {
      for (const { catalog } of regions.values()) {
        const row = await findAccount(catalog, kind, name)
        if (row !== null) return row.tenant
      }
      return null
    },
  }
}
