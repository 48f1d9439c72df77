/** The two ends of the model, each on its disk, and the door between them. */
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import { type BucketName, type CountryCode, parseInstructionId, type RegionId } from '../../src/core/ids.ts'
import { createInstructionBook, type InstructionBook } from '../../src/instructions/instruction-book.ts'
import { createDraftBox, type DraftBox } from '../../src/ledger/drafts.ts'
import type { LogKey } from '../../src/ledger/log-keys.ts'
import { createSequencer, type Sequencer } from '../../src/ledger/sequencer.ts'
import type { Door, OutboundRequest } from '../../src/outbound/door.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import type { Put } from '../../src/store/catalog.ts'
import { encodeRow } from '../../src/store/rows.ts'
import { openFrames } from '../../src/transfers/frame.ts'
import type { Peer, TransferRegion } from '../../src/transfers/peers.ts'
import {
  batchSchema,
  challengeSchema,
  endSchema,
  offerSchema,
  type TransferItem,
} from '../../src/transfers/protocol.ts'
import { createReceiver, type Receiver } from '../../src/transfers/receiver.ts'
import { TransferRefused } from '../../src/transfers/refused.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import { createFaultyDisk, type DiskImage, type FaultyDisk } from './faulty-disk.ts'
import { crypto, logOfSigner } from './ledger.ts'
import type { Chance } from './random.ts'
import { makeObject, putEntry } from './transfer-objects.ts'
import {
  bucketIds,
  buckets,
  countries,
  type Id,
  ids,
  startUnixMs,
  type TransferParts,
} from './transfer-parts.ts'

/** What the disks and the network do here, and that a verdict may come too late. */
const foreseen =
  /injected|the disk is full|cannot be reached|answered 500|was not published in time|another step|has ended/
export const isForeseen = (error: unknown): boolean => foreseen.test(messageOf(error))

/** One end as a process has it: made anew at each start, on the same disk. */
export interface Side {
  readonly id: Id
  readonly disk: FaultyDisk
  region: TransferRegion
  sequencer: Sequencer
  receiver: Receiver
  drafts: DraftBox
}

const noBlobs = new Proxy({} as BlobStore, {
  get() {
    throw new Error('every object here is short')
  },
})

export function startSide(
  parts: TransferParts,
  id: Id,
  disk: FaultyDisk,
  clock: () => number,
  randomBytes: (length: number) => Uint8Array,
): Side {
  const region = id as RegionId
  const { catalog, tiles } = disk
  const signer = parts.signers[id]
  const log = logOfSigner(signer)
  const drafts = createDraftBox(region, clock, randomBytes)
  const known = new Map(ids.map(each => [each as RegionId, countries[each] as CountryCode]))
  const book: InstructionBook = createInstructionBook({
    id: region,
    catalog,
    drafts,
    countries: known,
    clock,
  })
  const transferRegion: TransferRegion = {
    id: region,
    country: countries[id] as CountryCode,
    operator: 'test',
    catalog,
    blobs: noBlobs,
    drafts,
    tiles,
    logKey: { ...signer, log } as unknown as LogKey,
    sums: { refusal: async () => {} },
    book,
    lawfulNow: clock,
    packs: parts.packs,
    room: { full: () => null },
  }
  const knowledge = { demand: async () => {} }
  return {
    id,
    disk,
    drafts,
    region: transferRegion,
    receiver: createReceiver(transferRegion, knowledge, clock, randomBytes),
    sequencer: createSequencer({ catalog, tiles, region, signer, log, crypto, randomBytes, batchSize: 64 }),
  }
}

/** As the peer server hands requests on, without the sockets. */
export function doorTo(
  side: Side,
  peer: Peer,
  {
    before,
    isBad,
    onFault,
    chance,
  }: {
    before: () => Promise<void>
    isBad: () => boolean
    onFault: (fault: string) => void
    chance: Chance
  },
): Door {
  const noAnswer = (): HoldfastError => new HoldfastError('peer-unavailable', 'injected: no answer')
  const serve = async ({ path, body }: OutboundRequest, bytes: Buffer | null): Promise<unknown> => {
    const { receiver } = side
    const json = (): unknown => JSON.parse((bytes ?? Buffer.alloc(0)).toString() || 'null')
    if (path.endsWith('/offers')) {
      const { instruction, verdicts, pages } = offerSchema.parse(json())
      return { bucket: await receiver.offer(peer, instruction, verdicts, pages) }
    }
    const match = /transfers\/([0-9a-f]{64})\/(?:(end)|batches\/(\d+)(?:\/(\w+))?)$/.exec(path)!
    const id = parseInstructionId(match[1]!)!
    const batch = Number(match[3])
    if (match[2] === 'end') {
      const { state, reason } = endSchema.parse(json())
      await receiver.end(peer, id, state, reason)
      return {}
    }
    switch (match[4]) {
      case undefined: {
        const { items, departure } = batchSchema.parse(json())
        return { wanted: await receiver.openBatch(peer, id, batch, items as TransferItem[], departure) }
      }
      case 'objects':
        return { refused: await receiver.takeObjects(peer, id, batch, openFrames(asBuffers(body))) }
      case 'close':
        return receiver.close(peer, id, batch)
      case 'arrival':
        return (await receiver.arrivalProof(peer, id, batch)) ?? { state: 'pending' }
      case 'challenge':
        return {
          digests: await receiver.challenge(peer, id, batch, challengeSchema.parse(json()).ranges as never),
        }
      default:
        throw new Error(`no such request: ${path}`)
    }
  }
  const internal = (error: unknown): [number, unknown] => {
    if (!isForeseen(error)) onFault(`unforeseen at the destination: ${messageOf(error)}`)
    return [500, { rule: 'internal', message: messageOf(error) }]
  }
  const answer = async (request: OutboundRequest, bytes: Buffer | null): Promise<[number, unknown]> => {
    try {
      return [200, await serve(request, bytes)]
    } catch (error) {
      const { rule } = error instanceof TransferRefused ? error : { rule: '' }
      if (rule !== '') return [403, { rule, message: messageOf(error) }]
      return error instanceof HoldfastError && error.code !== 'store-damaged'
        ? [422, { rule: error.code, message: messageOf(error) }]
        : internal(error)
    }
  }
  const answered = (status: number, json: unknown) => ({
    ...{ status, headers: {} },
    body: Buffer.from(JSON.stringify(json)),
  })
  return {
    async send(_authorized, request) {
      await before()
      const bad = isBad() ? chance.below(4) : null
      if (side.disk.isCut() || bad === 0) throw noAnswer()
      if (bad === 3) return answered(403, { rule: 'approvers-stale', message: 'injected: not known yet' })
      const bytes = request.body instanceof Uint8Array ? Buffer.from(request.body) : null
      // A stream can be sent once only.
      if (bad === 1 && bytes !== null) await answer(request, bytes)
      const [status, json] = await answer(request, bytes)
      if (side.disk.isCut() || bad === 2) throw noAnswer()
      return answered(status, json)
    },
    release() {},
    [Symbol.dispose]() {},
  }
}

async function* asBuffers(body: OutboundRequest['body']): AsyncGenerator<Buffer> {
  if (body instanceof Uint8Array) yield Buffer.from(body)
  else for await (const chunk of body) yield Buffer.from(chunk)
}

export async function setUp(
  parts: TransferParts,
  objects: number,
  chance: Chance,
): Promise<Record<Id, DiskImage>> {
  const images = {} as Record<Id, DiskImage>
  for (const id of ids) {
    const disk = await createFaultyDisk(new Map(), chance)
    const { drafts, sequencer } = startSide(
      parts,
      id,
      disk,
      () => startUnixMs,
      length => chance.bytes(length),
    )
    const { tenant } = parts
    const joined = {
      ...{ genesis: tenant, home: id, country: countries[id] },
      chainKeyCommitment: toHex(chainKeyCommitment(parts.chainKey, crypto)),
    }
    const bucketKey = {
      ...{ v: 1, bucketKeyId: 'bucket-key', tenant, checkValue: 'c' },
      wrapped: {
        holderKeyId: 'k',
        ciphertext: 'AAAA',
        initializationVector: 'AAAA',
        authenticationTag: 'AAAA',
      },
    } as const
    const bucket = {
      ...{ v: 1, id: bucketIds[id], name: buckets[id] as BucketName, tenant, createdUnixMs: startUnixMs },
      ...{ dataClass: 'personal', etagMode: 'md5', bucketKeyId: 'bucket-key' },
    } as const
    const puts: Put[] = [
      drafts.draft({ tenant, type: 'tenant.joined', body: joined }).put,
      { table: 'tenants', key: utf8(tenant), value: encodeRow(parts.tenantRow(id) as never) },
      { table: 'buckets', key: utf8(buckets[id]), value: encodeRow(bucket as never) },
      { table: 'bucketkeys', key: utf8('bucket-key'), value: encodeRow(bucketKey as never) },
    ]
    if (id === 'in-mumbai')
      for (let at = 0; at < objects; at++) {
        const made = makeObject(tenant, `k${at}`, chance, startUnixMs)
        puts.push(...made.puts, putEntry(tenant, drafts, made))
      }
    await disk.catalog.commit({ puts })
    await sequencer.tick()
    images[id] = disk.image()
  }
  return images
}
