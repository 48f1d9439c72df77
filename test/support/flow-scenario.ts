import { createHash } from 'node:crypto'
import type { CountryCode } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import type { ServiceLists } from '../../src/flows/names/service-list.ts'
import type { Book, BookEntry } from '../../src/flows/reconcile/books.ts'
import type { Canaries } from '../../src/flows/reconcile/canary.ts'
import type { SignedOrder, SignedOrders } from '../../src/flows/reconcile/instructions.ts'
import { type Audit, auditFlows } from '../../src/pipes/flow.ts'

/** Where every scenario starts; flow logs count whole seconds from here. */
export const startUnixMs = Date.UTC(2026, 0, 15, 10, 0, 0)

export type LogRow = {
  readonly eni?: string
  readonly from: readonly [address: string, port: number]
  readonly to: readonly [address: string, port: number]
  readonly payload: number
  /** Defaults to full segments of 1448 bytes and 52 bytes of headers each. */
  readonly packets?: number
  readonly ipBytes?: number
  readonly atSeconds?: number
  readonly lastsSeconds?: number
}

/** An AWS flow log in the default format, as an exporter would have seen this payload. */
export function awsLog(rows: readonly LogRow[]): Uint8Array {
  const lines = rows.map(row => {
    const packets = row.packets ?? Math.max(1, Math.ceil(row.payload / 1448))
    const bytes = row.ipBytes ?? row.payload + packets * 52
    const start = Math.floor(startUnixMs / 1000) + (row.atSeconds ?? 0)
    const end = start + (row.lastsSeconds ?? 10)
    const eni = row.eni ?? 'eni-1'
    return `2 123456789012 ${eni} ${row.from[0]} ${row.to[0]} ${row.from[1]} ${row.to[1]} 6 ${packets} ${bytes} ${start} ${end} ACCEPT OK`
  })
  const header =
    'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'
  return Buffer.from(`${[header, ...lines].join('\n')}\n`)
}

export type BookedConnection = {
  readonly id?: string
  readonly role?: 's3' | 'transfer' | 'knowledge'
  readonly local: readonly [address: string, port: number]
  readonly remote: readonly [address: string, port: number]
  readonly bytesOut: number
  readonly bytesIn?: number
  readonly instruction?: string | null
  readonly atSeconds?: number
  readonly lastsSeconds?: number
  readonly more?: boolean
}

/** One region's statement of one tenant, without the cryptography that `verify` has checked before. */
export function createBook(region: string, tenant = 'demo') {
  const entries: BookEntry[] = []
  const enter = (type: string, body: object, atSeconds = 0): string => {
    const seq = entries.length
    const id = `${region}-${tenant}-${seq}`
    entries.push({ id, type, tenant, region, time: isoTime(startUnixMs + atSeconds * 1000), seq, body })
    return id
  }
  const end = ([address, port]: readonly [string, number]) => ({ address, port, country: null })
  return {
    enter,
    connection(row: BookedConnection): string {
      const start = startUnixMs + (row.atSeconds ?? 0) * 1000
      return enter('connection', {
        connection: row.id ?? `${region}-${row.local[1]}-${row.remote[1]}`,
        role: row.role ?? 's3',
        local: end(row.local),
        remote: end(row.remote),
        start: isoTime(start),
        end: isoTime(start + (row.lastsSeconds ?? 10) * 1000),
        bytesOut: row.bytesOut,
        bytesIn: row.bytesIn ?? 0,
        entries: [],
        more: row.more ?? false,
        instruction: row.instruction ?? null,
        initiator: 'local',
      })
    },
    /** A read of this many bytes by a client abroad, over that connection. */
    read(connection: string, bytes: number): void {
      const client = { address: '198.51.100.7', port: 1, country: 'DE' }
      const opening = enter('read.opened', { bucket: 'b', key: 'k', maxBytes: bytes, client, connection })
      enter('read.closed', { opening, bytes, outcome: 'complete' })
    },
    book: (): Book => ({ tenant, region, covers: [0, entries.length], entries: [...entries] }),
  }
}

type BookMaker = ReturnType<typeof createBook>

/** Enters an instruction's approval and one batch that left and arrived. */
export function approvedTransfer(
  instruction: string,
  source: BookMaker,
  sourceRegion: string,
  target: BookMaker,
  targetRegion: string,
  bytes: number,
): void {
  const objects = [['origin-1', bytes, createHash('sha256').update(instruction).digest('hex')]]
  const batch = { instruction, batch: 0, bucket: 'b', toBucket: 'c', manifestSha256: 'm', objects, bytes }
  for (const book of [source, target]) {
    book.enter('instruction.approved', { instruction, approver: 'a', envelope: {} }, -60)
  }
  source.enter(
    'instruction.state',
    { instruction, state: 'approved', reason: null, objects: 0, bytes: 0 },
    -60,
  )
  source.enter('transfer.departed', { ...batch, peer: targetRegion })
  target.enter('transfer.arrived', { ...batch, peer: sourceRegion })
}

const indianServer = '52.66.0.10'
const germanServer = '18.184.0.10'

/** The addresses the scenarios use, placed by hand so that no database can move them. */
export const places = `cidr,country,asn,name
52.66.0.0/16,IN,16509,Amazon Mumbai
18.184.0.0/16,DE,16509,Amazon Frankfurt
1.208.0.0/16,KR,3786,LG DACOM
`

const signedOrder: SignedOrder = {
  tenant: 'demo',
  fromRegion: 'in-mumbai',
  toRegion: 'de-frankfurt',
  approvedUnixMs: 0,
  notBeforeUnixMs: 0,
  expiresUnixMs: Number.POSITIVE_INFINITY,
  limitBytes: null,
  limitObjects: null,
}

export const ends = { indianServer, germanServer, elsewhere: '1.208.0.5' } as const

export async function auditScenario(options: {
  readonly flows: readonly Uint8Array[]
  readonly books?: readonly Book[]
  readonly inventory?: string
  readonly places?: string
  /** Left out, every instruction was signed for a transfer from Mumbai to Frankfurt. */
  readonly orders?: SignedOrders
  readonly canaries?: Canaries
  readonly services?: ServiceLists
}): Promise<Audit> {
  const inventory = options.inventory ?? `cidr,server,country\n${indianServer},app-1,IN\n`
  const file = { name: 'inventory.csv', sha256: '0'.repeat(64), bytes: inventory.length }
  return auditFlows({
    flows: options.flows.map((bytes, i) => ({
      name: `flows-${i}.log`,
      open: async function* () {
        yield bytes
      },
    })),
    directory: {
      inventory: { name: 'inventory.csv', text: inventory },
      places: { name: 'places.csv', text: options.places ?? places },
      home: 'IN' as CountryCode,
      databases: 'none',
    },
    books: options.books ?? [],
    orders: options.orders ?? (() => signedOrder),
    inputs: {
      inventory: file,
      places: null,
      ranges: [],
      expected: null,
      canaries: null,
      services: [],
      mapping: null,
      statements: [],
      home: 'IN',
    },
    canaries: options.canaries ?? null,
    services: options.services ?? null,
    engine: { memoryMiB: 256, threads: 2 },
    nowUnixMs: startUnixMs,
    onProgress: () => {},
  })
}
