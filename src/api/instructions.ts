import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import {
  type BucketName,
  type InstructionId,
  parseBucketName,
  parseInstructionId,
  type RegionId,
} from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import { type Envelope, parseEnvelope } from '../crypto/dsse.ts'
import type { InstructionPipe, InstructionRegion, InstructionView } from '../pipes/instruction.ts'
import { findBucket } from '../store/buckets.ts'
import { findTenant } from '../store/tenants.ts'
import { type ApiRequest, type ApiRoute, parseBody, tenantOf } from './routes.ts'

const envelopeSchema = z.strictObject({ envelope: z.unknown() })

export function instructionRoutes(
  pipe: InstructionPipe,
  regions: ReadonlyMap<RegionId, InstructionRegion>,
): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/buckets/{bucket}',
      caller: 'tenant',
      summary: 'Where a bucket of the tenant is, and the ledger that an instruction for it must name',
      run: async request => ({ status: 200, json: await whereIs(request, regions) }),
    },
    {
      method: 'POST',
      path: '/instructions',
      caller: 'tenant',
      summary: 'Drafts an instruction: a DSSE envelope, its id the hash of what is signed',
      body: envelopeSchema,
      run: async request => {
        const { view, entered } = await pipe.instruct(tenantOf(request), envelopeOf(request))
        return { status: 201, json: show(view), entered }
      },
    },
    {
      method: 'POST',
      path: '/instructions/dry-run',
      caller: 'tenant',
      summary:
        'What a transfer would move, and what the law that the packs know says of it; writes nothing down',
      body: envelopeSchema,
      run: async request => ({
        status: 200,
        json: await pipe.dryRun(tenantOf(request), envelopeOf(request)),
      }),
    },
    {
      method: 'GET',
      path: '/instructions',
      caller: 'tenant',
      summary: 'The tenant’s instructions',
      run: async request => ({
        status: 200,
        json: {
          instructions: (await pipe.list(tenantOf(request))).map(row => ({
            id: row.id,
            state: row.state,
            reason: row.reason,
            drafted: isoTime(row.draftedUnixMs),
            objects: row.objects,
            bytes: row.bytes,
            envelope: row.envelope,
          })),
        },
      }),
    },
    {
      method: 'GET',
      path: '/instructions/{id}',
      caller: 'tenant',
      summary: 'An instruction: its content, what the approvers said, its state at both ends',
      run: async request => ({ status: 200, json: show(await pipe.show(tenantOf(request), idOf(request))) }),
    },
    {
      method: 'POST',
      path: '/instructions/{id}/verdicts',
      caller: 'tenant',
      summary: 'An approval, a rejection or a revocation: a DSSE envelope signed by one approver',
      body: envelopeSchema,
      run: async request => {
        const { view, entered } = await pipe.say(tenantOf(request), idOf(request), envelopeOf(request))
        return { status: 200, json: show(view), entered }
      },
    },
    {
      method: 'GET',
      path: '/approvers',
      caller: 'tenant',
      summary:
        'By region, the changes of the tenant’s approvers that are in force there, with their approvals',
      run: async request => ({ status: 200, json: await approversOf(request, regions) }),
    },
    {
      method: 'POST',
      path: '/delegations/withdrawals',
      caller: 'tenant',
      summary: 'An approver takes a delegation back: a DSSE envelope that one approver signed',
      body: envelopeSchema,
      run: async request => {
        const { delegation, entered } = await pipe.withdraw(tenantOf(request), envelopeOf(request))
        return { status: 200, json: { delegation }, entered }
      },
    },
  ]
}

/** The chains, so that whoever asks follows them from a genesis of its own; none of our words for what they come to. */
async function approversOf(
  request: ApiRequest,
  regions: ReadonlyMap<RegionId, InstructionRegion>,
): Promise<object> {
  const found: object[] = []
  for (const region of regions.values()) {
    if ((await findTenant(region.catalog, tenantOf(request))) === null) continue
    const chain = await region.book.approvers.linksOf(tenantOf(request))
    found.push({ region: region.id, ledger: region.logKey.name, chain })
  }
  return { regions: found }
}

async function whereIs(
  request: ApiRequest,
  regions: ReadonlyMap<RegionId, InstructionRegion>,
): Promise<object> {
  const name: BucketName | null = parseBucketName(request.path.bucket!)
  for (const region of regions.values()) {
    const bucket = name === null ? null : await findBucket(region.catalog, name)
    if (bucket === null || bucket.row.tenant !== tenantOf(request)) continue
    return {
      bucket: bucket.row.name,
      region: region.id,
      country: region.country,
      dataClass: bucket.row.dataClass,
      classes: bucket.row.classes ?? [],
      residency: bucket.row.residency ?? null,
      ledger: region.logKey.name,
    }
  }
  throw new HoldfastError('not-found', `there is no bucket ${request.path.bucket} of yours`)
}

function envelopeOf(request: ApiRequest): Envelope {
  const envelope = parseEnvelope(parseBody(envelopeSchema, request.body).envelope)
  if (envelope === null) throw new HoldfastError('bad-input', 'that is no DSSE envelope')
  return envelope
}

function idOf(request: ApiRequest): InstructionId {
  const id = parseInstructionId(request.path.id!)
  if (id === null) throw new HoldfastError('bad-input', 'that is no instruction id')
  return id
}

function show({ known, ends }: InstructionView): object {
  const { row, standing, verdicts } = known
  return {
    id: row.id,
    state: row.state,
    reason: row.reason,
    drafted: isoTime(row.draftedUnixMs),
    objects: row.objects,
    bytes: row.bytes,
    approvals: standing.approvals,
    quorum: standing.quorum,
    verdicts: verdicts.map(({ kind, approver, reason, timeUnixMs }) => ({
      kind,
      approver,
      reason,
      time: isoTime(timeUnixMs),
    })),
    ends,
    envelope: row.envelope,
  }
}
