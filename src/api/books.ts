/** Receipts and statements: a tenant reads its own books. */
import { HoldfastError } from '../core/errors.ts'
import { type CountryCode, parseEntryId, parseRegionId, type RegionId, type TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { LogKey } from '../ledger/log-keys.ts'
import { ownTrust } from '../ledger/own-books.ts'
import { receiptOf } from '../ledger/receipts.ts'
import { type StatementRange, statementLines } from '../ledger/statements.ts'
import type { TileStore } from '../ledger/tile-store.ts'
import type { Catalog } from '../store/catalog.ts'
import { findTenant } from '../store/tenants.ts'
import { parseDecimal } from '../verify/checkpoint-text.ts'
import { type ApiAnswer, type ApiRequest, type ApiRoute, tenantOf } from './routes.ts'

export interface BookRegion {
  readonly id: RegionId
  readonly country: CountryCode
  /** The tenant that the region is itself. */
  readonly own: TenantId
  readonly catalog: Catalog
  readonly tiles: TileStore
  readonly logKey: LogKey
}

export function bookRoutes(regions: ReadonlyMap<RegionId, BookRegion>, clock: Clock): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/entries/{entry}/receipt',
      caller: 'tenant',
      summary:
        'An entry’s receipt (C2SP tlog-proof); 202 while it is not yet under a published checkpoint; 410 when it was erased; with ?witnessed=true, under one that a witness has cosigned',
      run: async request => {
        const entry = parseEntryId(request.path.entry!)
        if (entry === null) throw new HoldfastError('bad-input', 'that is no entry id')
        for (const region of regions.values()) {
          const answer = await receiptOf(
            { ...region, log: region.logKey.log, crypto: nodeVerifyCrypto },
            tenantOf(request),
            entry,
            request.query.get('witnessed') === 'true',
          )
          if (answer === null) continue
          if (answer.state === 'pending')
            return { status: 202, json: { entry, state: 'pending', region: region.id } }
          if (answer.state === 'erased') {
            const message = `entry ${entry} was erased in ${region.id} on the tenant's instruction; its leaf is all that is left`
            return { status: 410, json: { error: 'erased', message } }
          }
          return { status: 200, contentType: 'text/plain; charset=utf-8', text: answer.receipt }
        }
        throw new HoldfastError('not-found', 'there is no such entry of this tenant here')
      },
    },
    {
      method: 'GET',
      path: '/regions/{region}/statement',
      caller: 'tenant',
      summary:
        'The tenant’s entries in a region, provably gapless, signed by the region: all of them, or those with the sequence numbers from `first` (included) to `end` (not included)',
      run: async request => {
        const region = regionAt(regions, request)
        const tenant = tenantOf(request)
        if ((await findTenant(region.catalog, tenant)) === null)
          throw new HoldfastError('not-found', `the tenant has not joined ${region.id}`)
        return statementOf(region, tenant, request, clock)
      },
    },
    {
      method: 'GET',
      path: '/regions/{region}/own/statement',
      caller: 'public',
      summary:
        'The region’s own entries (what it stores in, its connections to witnesses and remote stores abroad), as a statement that anybody can check',
      run: async request => {
        const region = regionAt(regions, request)
        return statementOf(region, region.own, request, clock)
      },
    },
    {
      method: 'GET',
      path: '/regions/{region}/own/trust',
      caller: 'public',
      summary:
        'The trust file that the region’s own statement is checked against; its log key is the region’s',
      run: async request => {
        const region = regionAt(regions, request)
        const { name, history } = region.logKey
        const trust = await ownTrust(region, history, name)
        if (trust === null) throw new HoldfastError('not-found', `${region.id} has no books of its own`)
        return { status: 200, json: trust }
      },
    },
  ]
}

function regionAt(regions: ReadonlyMap<RegionId, BookRegion>, request: ApiRequest): BookRegion {
  const id = parseRegionId(request.path.region!)
  const region = id === null ? undefined : regions.get(id)
  if (region === undefined)
    throw new HoldfastError('not-found', `there is no region ${request.path.region} here`)
  return region
}

function statementOf(region: BookRegion, tenant: TenantId, request: ApiRequest, clock: Clock): ApiAnswer {
  const { logKey } = region
  const of = { region: region.id, signer: logKey, log: logKey.log, crypto: nodeVerifyCrypto, clock }
  return {
    status: 200,
    contentType: 'application/json',
    lines: statementLines({ ...region, ...of }, tenant, rangeIn(request.query)),
  }
}

function rangeIn(query: URLSearchParams): StatementRange {
  const first = numberIn(query, 'first')
  const end = numberIn(query, 'end')
  return { ...(first !== null && { first }), ...(end !== null && { end }) }
}

function numberIn(query: URLSearchParams, name: string): number | null {
  const text = query.get(name)
  if (text === null) return null
  const value = parseDecimal(text)
  if (value === null) throw new HoldfastError('bad-input', `${name} is not a sequence number`)
  return value
}
