import { textOfWords, wordsOf } from '../address-words.ts'
import { type AttributedRows, abroadSpecs, hourSpecs, pairSpecs } from '../attribute/abroad-columns.ts'
import type { AddressBook, KnownAddress } from '../attribute/known-address.ts'
import type { Observed, Segment } from '../attribute/observed.ts'
import type { ListedServer } from '../attribute/server-list.ts'
import { type ColumnSpecs, makeColumns } from '../columns.ts'
import type { SeenTimes } from '../reconcile/clock.ts'
import type { Behind } from '../reconcile/covers.ts'
import { Duck, type DuckOptions } from './duck.ts'

/** One connection abroad, with what its destination sent to the server in all; `null`: no inbound traffic was recorded. */
export type StoredConnection = {
  /** The server's number in the inventory. */
  readonly number: number
  readonly observed: Observed
  readonly receivedBytes: number | null
}

export type ServerBytes = { readonly number: number; readonly address: string; readonly ipBytes: number }

const tupleSpecs = {
  src: 'address',
  dst: 'address',
  srcPort: 'u16',
  dstPort: 'u16',
} as const satisfies ColumnSpecs

const behindSpecs = {
  dst: 'address',
  dstPort: 'u16',
  protocol: 'u8',
  hour: 'u32',
  ipBytes: 'f64',
} as const satisfies ColumnSpecs
const seenSpecs = { ...tupleSpecs, startUnixMs: 'f64', endUnixMs: 'f64' } as const satisfies ColumnSpecs
const connectionSpecs = { ...abroadSpecs, received: 'f64' } as const satisfies ColumnSpecs

/**
 * Segments of one 5-tuple that are held at once. A tuple of more (a port of 0 for months) comes as several connections,
 * one after another.
 */
const maxSegments = 200_000
/** A record that claims to have lasted longer is spread over so much of it. */
const mostSpreadMs = 31 * 86_400_000

/** What left, on disk, until it is read back server by server and destination by destination. */
export async function openAbroadStore(options: DuckOptions) {
  const duck = await Duck.open(options)
  const abroad = await duck.table('abroad', abroadSpecs)
  const received = await duck.table('received', pairSpecs)
  const outsiders = await duck.table('outsiders', pairSpecs)
  const domestic = await duck.table('domestic', hourSpecs)
  const rows: AttributedRows = {
    abroad: (columns, count) => abroad.append(columns, count),
    received: (columns, count) => received.append(columns, count),
    outsiders: (columns, count) => outsiders.append(columns, count),
    domestic: (columns, count) => domestic.append(columns, count),
  }

  return {
    rows,
    flush: () => duck.flush(),

    /** When the records saw connections of these directed 5-tuples of TCP (`directedKey`). */
    async *seenTimes(tuples: Iterable<string>): AsyncGenerator<SeenTimes> {
      const into = (await duck.table('tuples', tupleSpecs)).filler()
      let count = 0
      for (const tuple of tuples) {
        const [src = '', srcPort = '', dst = '', dstPort = ''] = tuple.split(' ')
        const from = wordsOf(src)
        const to = wordsOf(dst)
        if (from === null || to === null) continue
        count += 1
        const row = into.next()
        into.columns.src.set(from, row * 4)
        into.columns.dst.set(to, row * 4)
        into.columns.srcPort[row] = Number(srcPort)
        into.columns.dstPort[row] = Number(dstPort)
      }
      into.end()
      duck.flush()
      if (count === 0) return
      const stream = duck.stream(
        `SELECT src, dst, srcPort, dstPort, min(startUnixMs), max(endUnixMs)
         FROM abroad SEMI JOIN tuples USING (src, dst, srcPort, dstPort)
         WHERE protocol = 6 GROUP BY ALL ORDER BY ALL`,
        seenSpecs,
      )
      for await (const { rows, columns } of stream)
        for (let row = 0; row < rows; row++) {
          const src = textOfWords(columns.src, row)
          const dst = textOfWords(columns.dst, row)
          const tuple = `${src} ${columns.srcPort[row]} ${dst} ${columns.dstPort[row]}`
          yield { tuple, startUnixMs: columns.startUnixMs[row]!, endUnixMs: columns.endUnixMs[row]! }
        }
    },

    /** Every connection abroad, by server, destination and source; always in the same order. */
    async *connections(
      servers: readonly ListedServer[],
      book: AddressBook,
      observerName: (id: number) => string,
    ): AsyncGenerator<readonly StoredConnection[]> {
      const stream = duck.stream(
        `SELECT abroad.*, coalesce(sums.ipBytes, 0)
         FROM abroad LEFT JOIN
           (SELECT server, address, sum(ipBytes) AS ipBytes FROM received GROUP BY ALL) AS sums
           ON sums.server = abroad.server AND sums.address = abroad.dst
         ORDER BY abroad.server, dst, src, protocol, srcPort, dstPort, startUnixMs, endUnixMs, observer,
           abroad.ipBytes, packets`,
        connectionSpecs,
      )
      const [inbound] = await duck.rows('SELECT 1 FROM received LIMIT 1')
      let open: StoredConnection | null = null
      let known: KnownAddress | null = null
      // Server, destination, source, protocol, ports: what tells connections apart, in the order of the rows.
      const last = new Uint32Array(11)
      const now = new Uint32Array(11)
      const texts = { src: '', dst: '' }
      for await (const { rows, columns } of stream) {
        const done: StoredConnection[] = []
        for (let row = 0; row < rows; row++) {
          now[0] = columns.server[row]!
          for (let i = 0; i < 4; i++) {
            now[1 + i] = columns.dst[row * 4 + i]!
            now[5 + i] = columns.src[row * 4 + i]!
          }
          now[9] = columns.protocol[row]!
          now[10] = columns.srcPort[row]! * 65_536 + columns.dstPort[row]!
          const apart = open === null ? 0 : differsAt(last, now)
          if (open === null || apart < 5) {
            texts.dst = textOfWords(columns.dst, row)
            known = book.find(texts.dst)
          }
          const isElsewhere =
            open !== null &&
            apart === 11 &&
            // Its address has been of several servers: where it is depends on the time.
            known!.server === null &&
            book.placeAt(known!, columns.startUnixMs[row]!).country !== open.observed.place.country
          if (open === null || apart < 11 || isElsewhere || open.observed.segments.length >= maxSegments) {
            if (open !== null) done.push(open)
            if (open === null || apart < 9) texts.src = textOfWords(columns.src, row)
            last.set(now)
            const number = columns.server[row]!
            const { server, home, isTranslator } = servers[number]!
            const srcPort = columns.srcPort[row]!
            const dstPort = columns.dstPort[row]!
            const place = book.placeAt(known!, columns.startUnixMs[row]!)
            const ends = {
              srcAddr: texts.src,
              srcPort,
              dstAddr: texts.dst,
              dstPort,
              protocol: columns.protocol[row]!,
            }
            open = {
              number,
              observed: { server, home, ...ends, place, isTranslator, segments: [] },
              receivedBytes: inbound === undefined ? null : columns.received[row]!,
            }
          }
          const payload = columns.payloadBytes[row]!
          const segment: Segment = {
            startUnixMs: columns.startUnixMs[row]!,
            endUnixMs: columns.endUnixMs[row]!,
            ipBytes: columns.ipBytes[row]!,
            packets: columns.packets[row]!,
            payloadBytes: payload < 0 ? null : payload,
            observer: observerName(columns.observer[row]!),
            sampledPackets: columns.sampledPackets[row]!,
            samplingRate: columns.samplingRate[row]!,
          }
          open!.observed.segments.push(segment)
        }
        if (done.length > 0) yield done
      }
      if (open !== null) yield [open]
    },

    /** What servers that are no translators sent to where translators sent too, each byte once, by hours. */
    async *behind(translators: readonly number[]): AsyncGenerator<Behind> {
      const numbers = translators.join(', ')
      // What came twice counts once, and of several observers of a connection the one that saw most of an hour. A record
      // counts in each of its hours by its part there: observers cut a connection at different times.
      const stream = duck.stream(
        `WITH records AS (
           SELECT DISTINCT server, src, srcPort, dst, dstPort, protocol, observer, startUnixMs, packets, ipBytes,
             greatest(startUnixMs, least(endUnixMs, startUnixMs + ${mostSpreadMs})) AS endUnixMs
           FROM abroad SEMI JOIN (SELECT DISTINCT dst FROM abroad WHERE server IN (${numbers})) AS shared USING (dst)
           WHERE server NOT IN (${numbers}) AND startUnixMs BETWEEN 0 AND 1e16),
         parts AS (
           SELECT *, CASE WHEN endUnixMs = startUnixMs THEN ipBytes ELSE ipBytes / (endUnixMs - startUnixMs)
               * (least(endUnixMs, (hour + 1) * 3600000) - greatest(startUnixMs, hour * 3600000)) END AS part
           FROM (SELECT *, unnest(range(CAST(floor(startUnixMs / 3600000) AS BIGINT),
               CAST(floor(endUnixMs / 3600000) AS BIGINT) + 1)) AS hour FROM records))
         SELECT dst, dstPort, protocol, CAST(hour AS UINTEGER), round(sum(ipBytes)) FROM (
           SELECT dst, dstPort, protocol, hour, max(ipBytes) AS ipBytes FROM (
             SELECT server, src, srcPort, dst, dstPort, protocol, observer, hour, sum(part) AS ipBytes
             FROM parts GROUP BY ALL)
           GROUP BY server, src, srcPort, dst, dstPort, protocol, hour)
         GROUP BY ALL`,
        behindSpecs,
      )
      for await (const { rows, columns } of stream)
        for (let row = 0; row < rows; row++)
          yield {
            dstAddr: textOfWords(columns.dst, row),
            dstPort: columns.dstPort[row]!,
            protocol: columns.protocol[row]!,
            hour: columns.hour[row]!,
            ipBytes: columns.ipBytes[row]!,
          }
    },

    /** Domestic hosts outside the inventory that took at least so much from one server. */
    async outsiders(leastBytes: number): Promise<ServerBytes[]> {
      const found: ServerBytes[] = []
      const stream = duck.stream(
        `SELECT server, address, sum(ipBytes) FROM outsiders GROUP BY ALL
         HAVING sum(ipBytes) >= ${leastBytes} ORDER BY 1, 3 DESC, 2`,
        pairSpecs,
      )
      for await (const { rows, columns } of stream)
        for (let row = 0; row < rows; row++)
          found.push({
            number: columns.server[row]!,
            address: textOfWords(columns.address, row),
            ipBytes: columns.ipBytes[row]!,
          })
      return found
    },

    /**
     * What each server sent within the country, by hours since 1970. To be asked for servers in ascending order; the
     * hours of one that is passed over are gone.
     */
    domesticHours() {
      const sql = 'SELECT server, hour, sum(ipBytes) FROM domestic GROUP BY ALL ORDER BY ALL'
      const stream = duck.stream(sql, hourSpecs)
      let batch = { rows: 0, columns: makeColumns(hourSpecs, 0) }
      let row = 0
      let hasEnded = false
      return {
        async of(server: number, take: (hour: number, ipBytes: number) => void): Promise<void> {
          for (;;) {
            for (; row < batch.rows; row++) {
              const found = batch.columns.server[row]!
              if (found > server) return
              if (found === server) take(batch.columns.hour[row]!, batch.columns.ipBytes[row]!)
            }
            const step = hasEnded ? null : await stream.next()
            if (step === null || step.done === true) {
              hasEnded = true
              return
            }
            batch = step.value
            row = 0
          }
        },
        [Symbol.asyncDispose]: async () => void (await stream.return(undefined)),
      }
    },

    [Symbol.asyncDispose]: () => duck[Symbol.asyncDispose](),
  }
}

export type AbroadStore = Awaited<ReturnType<typeof openAbroadStore>>

/** The first word in which two rows' keys differ; their length when they do not. */
function differsAt(a: Uint32Array, b: Uint32Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i
  return a.length
}
