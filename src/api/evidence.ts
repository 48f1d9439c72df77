/** Files of an audit that a tenant has entered by their hashes: they were there at that time, and as they are now. */
import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import { parseRegionId, type RegionId } from '../core/ids.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import type { Catalog } from '../store/catalog.ts'
import { findTenant } from '../store/tenants.ts'
import { type ApiRoute, parseBody, tenantOf } from './routes.ts'

type EvidenceRegion = { readonly catalog: Catalog; readonly drafts: DraftBox }

const schema = z.strictObject({
  region: z.string(),
  files: z
    .array(
      z.strictObject({
        name: z
          .string()
          .min(1)
          .max(200)
          .refine(isPlain, 'must be text without control characters and half characters'),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
        bytes: z.int().min(0),
      }),
    )
    .min(1)
    .max(1000),
})

function isPlain(name: string): boolean {
  return name.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f]/.test(name)
}

export function evidenceRoutes(regions: ReadonlyMap<RegionId, EvidenceRegion>): ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/evidence',
      caller: 'tenant',
      summary:
        'Enters the hashes of files, such as the inventory and the evidence of an audit; answers the entry',
      body: schema,
      run: async request => {
        const tenant = tenantOf(request)
        const { region, files } = parseBody(schema, request.body)
        const id = parseRegionId(region)
        const found = id === null ? undefined : regions.get(id)
        if (found === undefined) throw new HoldfastError('not-found', `there is no region ${region}`)
        if ((await findTenant(found.catalog, tenant)) === null)
          throw new HoldfastError('not-found', `the tenant has not joined ${region}`)
        const entry = found.drafts.draft({ tenant, type: 'evidence.entered', body: { files } })
        await found.catalog.commit({ puts: [entry.put] })
        return { status: 201, json: { entry: entry.entryId }, entered: [entry] }
      },
    },
  ]
}
