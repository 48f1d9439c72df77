/** A transfer while it runs: how far it is, and how fast it may go. Its source answers, which is where it is run. */
import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import { parseInstructionId, type RegionId } from '../core/ids.ts'
import { asTransfer, type KnownTransfer } from '../instructions/instruction-book.ts'
import type { InstructionRegion } from '../pipes/instruction.ts'
import type { Catalog } from '../store/catalog.ts'
import { decodeRow } from '../store/rows.ts'
import { type TransferRow, transferKey } from '../transfers/batches.ts'
import { lagMs } from '../transfers/follow.ts'
import { changePace, type Pace, paceOf } from '../transfers/pace.ts'
import { progressOf } from '../transfers/progress.ts'
import { type ApiAnswer, type ApiRequest, type ApiRoute, parseBody, tenantOf } from './routes.ts'

type Regions = ReadonlyMap<RegionId, InstructionRegion>

/** Below it a request would look like one that has stopped. */
const slowest = 4096
const limitSchema = z.strictObject({
  /** `null`: as fast as its region lets it. */
  bytesPerSecond: z.int().min(slowest).nullable(),
})

export function transferRoutes(regions: Regions): ApiRoute[] {
  const change = (request: ApiRequest, pace: Partial<Pace>): Promise<ApiAnswer> =>
    changed(request, regions, pace)
  return [
    {
      method: 'GET',
      path: '/transfers/{id}',
      caller: 'tenant',
      summary: 'How far a transfer has come, how fast it goes and how long it may still take',
      run: async request => {
        const { region, known } = await findTransfer(request, regions)
        return { status: 200, json: await shown(region, known) }
      },
    },
    {
      method: 'POST',
      path: '/transfers/{id}/pause',
      caller: 'tenant',
      summary: 'Stops a transfer at its next object until it is resumed; a revocation ends it all the same',
      run: request => change(request, { paused: true }),
    },
    {
      method: 'POST',
      path: '/transfers/{id}/resume',
      caller: 'tenant',
      summary: 'Lets a transfer that was paused go on',
      run: request => change(request, { paused: false }),
    },
    {
      method: 'POST',
      path: '/transfers/{id}/limit',
      caller: 'tenant',
      summary: 'How many bytes of ciphertext a transfer may send in a second',
      body: limitSchema,
      run: request => change(request, parseBody(limitSchema, request.body)),
    },
  ]
}

interface FoundTransfer {
  readonly region: InstructionRegion
  readonly known: KnownTransfer
}

async function findTransfer(request: ApiRequest, regions: Regions): Promise<FoundTransfer> {
  const id = parseInstructionId(request.path.id ?? '')
  if (id === null) throw new HoldfastError('bad-input', 'that is no instruction id')
  for (const region of regions.values()) {
    const found = await region.book.look(id)
    // Another tenant's is not there for this one.
    if (found === null || found.row.tenant !== tenantOf(request)) continue
    const known = asTransfer(found)
    if (known !== null && known.instruction.from.region === region.id) return { region, known }
  }
  throw new HoldfastError('not-found', 'there is no such transfer out of a region here')
}

async function changed(request: ApiRequest, regions: Regions, pace: Partial<Pace>): Promise<ApiAnswer> {
  const { region, known } = await findTransfer(request, regions)
  if (known.standing.ended)
    throw new HoldfastError('conflict', `the transfer has ended (${known.row.state}); nothing goes any more`)
  const entered = await changePace(region, known.row, pace)
  return {
    status: 200,
    json: await shown(region, known),
    ...(entered !== null && { entered: [entered] }),
  }
}

async function shown({ catalog, executor }: InstructionRegion, known: KnownTransfer): Promise<object> {
  const { id, state, objects, bytes } = known.row
  const { paused, bytesPerSecond: limit } = await paceOf(catalog, id)
  const { of, voided, voidedBytes, verified } = await progressOf(catalog, id)
  const bytesPerSecond = executor.bytesPerSecond(id)
  const left = of === null ? null : Math.max(0, of.bytes - bytes - voidedBytes)
  const isMoving = bytesPerSecond !== null && bytesPerSecond > 0 && !paused
  return {
    ...{ id, state, objects, bytes, voided, verified, paused },
    ofObjects: of?.objects ?? null,
    ofBytes: of?.bytes ?? null,
    bytesPerSecond,
    remainingSeconds: left !== null && isMoving ? Math.ceil(left / bytesPerSecond) : null,
    limitBytesPerSecond: limit,
    waitingFor: isMoving ? null : executor.waitingFor(id),
    lagSeconds: await lagOf(catalog, known),
  }
}

/** Of a standing transfer that follows: how old the oldest write is that has not departed, or not arrived. */
async function lagOf(catalog: Catalog, { row, instruction }: KnownTransfer): Promise<number | null> {
  if (instruction.kind !== 'standing-transfer' || row.state !== 'running') return null
  const bytes = await catalog.get('transfers', transferKey(row.id))
  const following = bytes === null ? undefined : decodeRow<TransferRow>(bytes).following
  if (following === undefined || following.walkedUnixMs === null) return null
  return Math.ceil((await lagMs(catalog, row.id, row.tenant, following, Date.now())) / 1000)
}
