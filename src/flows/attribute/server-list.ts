import type { CountryCode } from '../../core/ids.ts'
import type { Inventory, InventoryRow } from '../locate/inventory.ts'

/** A server, and the country that it is in: one that moved is two, and so is one that became a translator. */
export type ListedServer = {
  readonly server: string
  readonly home: CountryCode
  readonly tenant: string | null
  readonly region: string | null
  readonly role: string | null
  /** Speaks for others: address translation, load balancers. */
  readonly isTranslator: boolean
}

export type ServerList = {
  readonly servers: readonly ListedServer[]
  readonly numberOf: (row: InventoryRow) => number
}

const translators = new Set(['nat', 'snat', 'nat-gateway', 'translator', 'lb', 'load-balancer'])

function isTranslator({ role }: Pick<InventoryRow, 'role'>): boolean {
  return translators.has(role?.toLowerCase() ?? '')
}

/** Numbers the servers in the inventory's order: the same inventory gives the same numbers in every process. */
export function listServers(inventory: Inventory, home: CountryCode | null): ServerList {
  const servers: ListedServer[] = []
  const byKey = new Map<string, number>()
  const byRow = new Map<InventoryRow, number>()
  for (const row of inventory.rows) {
    const country = row.country ?? home
    // The caller has made sure that there is a home where a row names no country.
    if (country === null) continue
    const key = `${row.server}\n${country}\n${isTranslator(row)}`
    let number = byKey.get(key)
    if (number === undefined) {
      number = servers.length
      byKey.set(key, number)
      const { server, tenant, region, role } = row
      servers.push({ server, home: country, tenant, region, role, isTranslator: isTranslator(row) })
    }
    byRow.set(row, number)
  }
  return { servers, numberOf: row => byRow.get(row) ?? -1 }
}
