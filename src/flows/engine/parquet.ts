/**
 * Flow records in Parquet: those that `holdfast collect` writes, that a cloud delivers, or anybody's whose columns have
 * names that tables of flows have (`decode/table-fields.ts`). The engine reads the file and turns columns into numbers;
 * an address and an observer are looked at once, however many rows name them.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { wordsOf } from '../address-words.ts'
import { type ColumnSpecs, makeColumns } from '../columns.ts'
import type { CsvMapping } from '../decode/csv-mapping.ts'
import { Notes } from '../decode/notes.ts'
import { protocolNumber } from '../decode/protocol-names.ts'
import type { ReadInput } from '../decode/read-input.ts'
import { plainName, type TableField } from '../decode/table-fields.ts'
import { planTable, type TablePlan } from '../decode/table-plan.ts'
import { type FlowBatch, flowSpecs } from '../flow-columns.ts'
import { MAX_RECORD_BYTES } from '../flow-record.ts'
import type { Direction, ObserverBook } from '../observer.ts'
import { Duck, type DuckOptions } from './duck.ts'

const magic = 'PAR1'

export async function isParquet(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1', 0, bytesRead) === magic
  } finally {
    await file.close()
  }
}

type Column = { readonly name: string; readonly type: string }

const nothing = "('', '-', 'null', 'none')"
const longestName = 64

/** Throws `bad-input` for a file whose columns are no flows, or that is damaged. A batch is valid until the next step. */
export async function* readParquet(
  name: string,
  path: string,
  mapping: CsvMapping | null,
  observers: ObserverBook,
  options: DuckOptions,
): AsyncGenerator<FlowBatch, ReadInput> {
  await using duck = await Duck.open(options)
  const notes = new Notes()
  const refuse = (what: string): never => {
    throw new HoldfastError('bad-input', `${name} ${what}`)
  }
  const columns = await describe(duck, path).catch(error =>
    refuse(`is Parquet that cannot be read: ${error.message}`),
  )
  const plan =
    planTable(
      columns.map(column => column.name),
      mapping,
    ) ?? refuse('is Parquet whose columns name no flows: addresses, bytes and a time are needed')
  const { sha256, bytes } = await hashOf(path)
  try {
    await duck.run(`CREATE VIEW stored AS ${selectRows(columns, plan, mapping, path)}`)
    await count(duck, notes)
  } catch (error) {
    refuse(`is Parquet that cannot be read: ${(error as Error).message.split('\n', 1)[0]}`)
  }
  await nameAddresses(duck, notes)
  await nameObservers(duck, observers, name)
  await nameProtocols(duck)
  const { records, times } = yield* streamRows(duck)
  return { ...notes.summary(), name, formats: ['parquet'], bytes, sha256, records, ...times }
}

async function describe(duck: Duck, path: string): Promise<Column[]> {
  const rows = await duck.rows(`DESCRIBE SELECT * FROM ${fileOf(path)}`)
  return rows.map(row => ({ name: String(row.column_name), type: String(row.column_type) }))
}

const fileOf = (path: string): string => `read_parquet('${path.replaceAll("'", "''")}')`
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

async function hashOf(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** One row a record, with text where there is text: what it is, is found out once for each that differs. */
function selectRows(
  columns: readonly Column[],
  plan: TablePlan,
  mapping: CsvMapping | null,
  path: string,
): string {
  const text = (column: Column) => {
    const cell = `trim(CAST(${quoted(column.name)} AS VARCHAR))`
    return `CASE WHEN lower(${cell}) IN ${nothing} THEN NULL ELSE ${cell} END`
  }
  const of = (field: TableField) => plan.at[field].map(position => columns[position]!)
  const first = (field: TableField, expression: (column: Column) => string): string => {
    const found = of(field).map(expression)
    return found.length === 0 ? 'NULL' : `coalesce(${found.join(', ')}, NULL)`
  }
  const number = (column: Column) => `TRY_CAST(${quoted(column.name)} AS DOUBLE)`
  const time = (column: Column): string => {
    const cell = quoted(column.name)
    if (/^(?:TIMESTAMP|DATE)/.test(column.type)) return `CAST(epoch_ms(${cell}) AS DOUBLE)`
    return `coalesce(${unixMs(number(column), mapping?.time ?? 'auto')}, CAST(epoch_ms(TRY_CAST(CAST(${cell} AS VARCHAR) AS TIMESTAMPTZ)) AS DOUBLE))`
  }
  const named = (...names: string[]) => columns.filter(({ name }) => names.includes(plainName(name)))
  // The packet's own addresses, which a cloud's log has beside the interface's, come first.
  const address = (field: 'srcAddr' | 'dstAddr', own: string) =>
    `coalesce(${[...named(own), ...of(field)].map(text).join(', ')}, NULL)`
  const perMs = { s: 1000, ms: 1, us: 0.001, ns: 1e-6 }[mapping?.durationUnit ?? 's']
  const status = named('logstatus')[0]
  const action = named('action')[0]
  return `SELECT *, coalesce(endMs, startMs + coalesce(duration, 0), startMs) AS untilMs FROM (SELECT
    ${address('srcAddr', 'pktsrcaddr')} AS srcText, ${address('dstAddr', 'pktdstaddr')} AS dstText,
    ${first('srcPort', number)} AS srcPort, ${first('dstPort', number)} AS dstPort,
    lower(${first('protocol', text)}) AS protocol,
    ${first('bytes', number)} AS bytes, coalesce(${first('packets', number)}, ${plan.rowIsPacket ? 1 : 0}) AS packets,
    ${first('backBytes', number)} AS backBytes, coalesce(${first('backPackets', number)}, 0) AS backPackets,
    coalesce(${first('start', time)}, ${first('end', time)}) AS startMs, ${first('end', time)} AS endMs,
    ${first('duration', number)} * ${perMs} AS duration,
    lower(${first('direction', text)}) AS direction, left(${first('exporter', text)}, ${longestName}) AS exporter,
    greatest(coalesce(${first('samplingRate', number)}, ${mapping?.samplingRate ?? 1}), 1) AS rate,
    '${plan.basis}' AS basis,
    ${status === undefined ? "'OK'" : `coalesce(${text(status)}, 'OK')`} AS status,
    ${action === undefined ? "'ACCEPT'" : `coalesce(${text(action)}, 'ACCEPT')`} AS action
    FROM ${fileOf(path)})`
}

/** As `numberUnixMs`. */
function unixMs(value: string, unit: CsvMapping['time']): string {
  switch (unit) {
    case 's':
      return `floor(${value} * 1000)`
    case 'ms':
      return `floor(${value})`
    case 'us':
      return `floor(${value} / 1000)`
    case 'ns':
      return `floor(${value} / 1e6)`
    case 'auto':
      return `floor(CASE WHEN ${value} < 1e11 THEN ${value} * 1000 WHEN ${value} < 1e14 THEN ${value} WHEN ${value} < 1e17 THEN ${value} / 1000 ELSE ${value} / 1e6 END)`
  }
}

const passed = "status NOT IN ('NODATA', 'SKIPDATA') AND action NOT IN ('REJECT', 'DROP')"
const readable =
  'srcText IS NOT NULL AND dstText IS NOT NULL AND (bytes IS NOT NULL OR backBytes IS NOT NULL) AND startMs >= 0 AND startMs < 8e15'
const believable = `greatest(coalesce(bytes, 0), coalesce(backBytes, 0), packets, backPackets) * rate <= ${MAX_RECORD_BYTES} AND least(coalesce(bytes, 0), coalesce(backBytes, 0), packets, backPackets) >= 0`

/** What is no traffic, or cannot be read, is counted and left out. */
async function count(duck: Duck, notes: Notes): Promise<void> {
  const [row] = await duck.rows(`SELECT
    CAST(count_if(status = 'NODATA') AS DOUBLE) AS nodata, CAST(count_if(status = 'SKIPDATA') AS DOUBLE) AS skipped,
    CAST(count_if(status NOT IN ('NODATA', 'SKIPDATA') AND action IN ('REJECT', 'DROP')) AS DOUBLE) AS rejected,
    CAST(count_if(${passed} AND NOT coalesce(${readable}, false)) AS DOUBLE) AS unreadable,
    CAST(count_if(${passed} AND ${readable} AND NOT (${believable})) AS DOUBLE) AS huge FROM stored`)
  const of = (name: string) => Number(row?.[name] ?? 0)
  if (of('nodata') > 0) notes.setAside('NODATA: a window without traffic', of('nodata'))
  if (of('skipped') > 0) notes.lost('SKIPDATA: windows that the cloud did not record', of('skipped'))
  if (of('rejected') > 0)
    notes.setAside('rejected by a security group or access list: it did not pass', of('rejected'))
  if (of('unreadable') > 0)
    notes.unread('Parquet: row without addresses, bytes or times that can be read', 0, of('unreadable'))
  if (of('huge') > 0) notes.unread('Parquet: counter too large to be true', 0, of('huge'))
  await duck.run(`CREATE VIEW rows AS SELECT * FROM stored WHERE ${passed} AND ${readable} AND ${believable}`)
}

const namedSpecs = { id: 'u32', words: 'address' } as const satisfies ColumnSpecs

async function nameAddresses(duck: Duck, notes: Notes): Promise<void> {
  await duck.run(`CREATE TABLE texts AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT srcText AS text FROM rows UNION SELECT dstText FROM rows)`)
  const table = await duck.table('addresses', namedSpecs)
  const columns = makeColumns(namedSpecs, 1)
  let unread = 0
  for await (const batch of duck.texts('SELECT text, id FROM texts'))
    for (const [text, id] of batch) {
      const words = wordsOf(text)
      if (words === null) {
        unread += 1
        continue
      }
      columns.id[0] = id
      columns.words.set(words)
      table.append(columns, 1)
    }
  duck.flush()
  if (unread > 0)
    notes.unread('Parquet: what stands for an address is none; its rows are left out', 0, unread)
}

const observerSpecs = { id: 'u32', observer: 'f64', back: 'f64' } as const satisfies ColumnSpecs
const isIn = "direction IN ('in', 'i', 'ingress', 'inbound', '0')"
const isOut = "direction IN ('out', 'o', 'egress', 'outbound', '1')"

async function nameObservers(duck: Duck, observers: ObserverBook, inputName: string): Promise<void> {
  await duck.run(`CREATE TABLE watchers AS SELECT *, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(exporter, '') AS exporter, CASE WHEN ${isIn} THEN 'in' WHEN ${isOut} THEN 'out' ELSE '' END AS way FROM rows)`)
  const table = await duck.table('observers', observerSpecs)
  const columns = makeColumns(observerSpecs, 1)
  for await (const batch of duck.texts("SELECT way || ' ' || exporter, id FROM watchers"))
    for (const [text, id] of batch) {
      const space = text.indexOf(' ')
      const exporter = text.slice(space + 1) || inputName
      const way = (text.slice(0, space) || null) as Direction
      columns.id[0] = id
      columns.observer[0] = observers.idOf(exporter, way)
      columns.back[0] = observers.idOf(exporter, way === null ? null : way === 'in' ? 'out' : 'in')
      table.append(columns, 1)
    }
  duck.flush()
}

const protocolSpecs = { id: 'u32', number: 'u8' } as const satisfies ColumnSpecs

async function nameProtocols(duck: Duck): Promise<void> {
  await duck.run(`CREATE TABLE protocols AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(protocol, '') AS text FROM rows)`)
  const table = await duck.table('numbers', protocolSpecs)
  const columns = makeColumns(protocolSpecs, 1)
  for await (const batch of duck.texts('SELECT text, id FROM protocols'))
    for (const [text, id] of batch) {
      columns.id[0] = id
      columns.number[0] = protocolNumber(text)
      table.append(columns, 1)
    }
  duck.flush()
}

/** Other bases are brought to IP bytes as `decode/two-way-record.ts` does. */
const ipBytes = (bytes: string, packets: string) => `CASE basis WHEN 'ip' THEN ${bytes}
  WHEN 'frame' THEN greatest(0, ${bytes} - ${packets} * 14)
  ELSE ${bytes} + ${packets} * ((CASE WHEN contains(srcText, ':') THEN 40 ELSE 20 END) + (CASE number WHEN 6 THEN 20 WHEN 17 THEN 8 ELSE 0 END)) END`

const double = (expression: string) => `CAST(${expression} AS DOUBLE)`

const port = (column: string) =>
  `CASE WHEN ${column} BETWEEN 0 AND 65535 THEN CAST(${column} AS USMALLINT) ELSE CAST(0 AS USMALLINT) END`

function way(ends: readonly [string, string], counts: readonly [string, string], observer: string): string {
  const [from, to] = ends
  const [bytes, packets] = counts
  return `SELECT ${from}.words AS src, ${to}.words AS dst,
    ${port(from === 's' ? 'srcPort' : 'dstPort')} AS srcPort, ${port(from === 's' ? 'dstPort' : 'srcPort')} AS dstPort,
    number AS protocol, ${double('least(startMs, untilMs)')}, ${double('greatest(untilMs, startMs)')},
    ${double(`round((${ipBytes(bytes, packets)}) * rate)`)}, ${double(`round(${packets} * rate)`)},
    ${double('-1')}, ${observer}, ${double(packets)}, ${double('rate')}
    FROM rows
    JOIN texts AS st ON st.text = srcText JOIN addresses AS s ON s.id = st.id
    JOIN texts AS dt ON dt.text = dstText JOIN addresses AS d ON d.id = dt.id
    JOIN watchers ON watchers.exporter = coalesce(rows.exporter, '')
      AND watchers.way = CASE WHEN ${isIn} THEN 'in' WHEN ${isOut} THEN 'out' ELSE '' END
    JOIN observers ON observers.id = watchers.id
    JOIN protocols ON protocols.text = coalesce(rows.protocol, '') JOIN numbers ON numbers.id = protocols.id
    WHERE coalesce(${bytes}, 0) + ${packets} > 0`
}

async function* streamRows(duck: Duck) {
  const there = way(['s', 'd'], ['bytes', 'packets'], 'observers.observer')
  const back = way(['d', 's'], ['backBytes', 'backPackets'], 'observers.back')
  let records = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for await (const batch of duck.stream(`${there} UNION ALL ${back}`, flowSpecs)) {
    const { columns, rows } = batch
    records += rows
    for (let row = 0; row < rows; row++) {
      if (columns.startUnixMs[row]! < fromUnixMs) fromUnixMs = columns.startUnixMs[row]!
      if (columns.endUnixMs[row]! > untilUnixMs) untilUnixMs = columns.endUnixMs[row]!
    }
    yield batch
  }
  const times = records === 0 ? { fromUnixMs: null, untilUnixMs: null } : { fromUnixMs, untilUnixMs }
  return { records, times }
}
