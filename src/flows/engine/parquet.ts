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
import type { ColumnSpecs } from '../columns.ts'
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
import { parquetFiles } from './parquet-files.ts'
import { addParquetNotes } from './parquet-notes.ts'

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

/** What holds for every row, so that nothing need be asked of each: most files are clean. */
type ColumnFacts = Column & {
  readonly hasNulls: boolean
  /** Of numbers and texts; `null` when there is no value. */
  readonly least: number | string | null
  readonly most: number | string | null
  /** A text is `-` or empty, which stands for nothing. */
  readonly hasBlanks: boolean
}

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
    const facts = await factsOf(duck, path, columns, plan)
    await duck.run(`CREATE VIEW stored AS ${selectRows(facts, plan, mapping, path)}`)
    await count(duck, notes)
    await addParquetNotes(duck, path, notes)
  } catch (error) {
    refuse(`is Parquet that cannot be read: ${(error as Error).message.split('\n', 1)[0]}`)
  }
  await nameAddresses(duck, notes)
  await nameObservers(duck, observers, name)
  const isNumbered = hasNumericProtocol(columns, plan)
  if (!isNumbered) await nameProtocols(duck)
  const { records, times } = yield* streamRows(duck, plan, isNumbered)
  return { ...notes.summary(), name, formats: ['parquet'], bytes, sha256, records, ...times }
}

async function describe(duck: Duck, path: string): Promise<Column[]> {
  const rows = await duck.rows(`DESCRIBE SELECT * FROM ${parquetFiles([path])}`)
  return rows.map(row => ({ name: String(row.column_name), type: String(row.column_type) }))
}

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

async function factsOf(
  duck: Duck,
  path: string,
  columns: readonly Column[],
  plan: TablePlan,
): Promise<ColumnFacts[]> {
  const used = new Set(Object.values(plan.at).flat())
  const times = new Set([...plan.at.start, ...plan.at.end])
  const asked = columns.flatMap((column, index) => {
    const cell = quoted(column.name)
    const isText = column.type === 'VARCHAR'
    const isWord = isText && words.has(plainName(column.name))
    if (!used.has(index) && !isWord && !/^pkt/.test(column.name)) return []
    const range = isWord ? cell : times.has(index) && isNumeric(column) ? `CAST(${cell} AS DOUBLE)` : null
    return [
      `count(${cell}) < count(*) AS nulls_${index}`,
      ...(isText ? [`bool_or(${cell} = '-' OR ${cell} = '')AS blanks_${index}`] : []),
      ...(range === null ? [] : [`min(${range}) AS least_${index}`, `max(${range}) AS most_${index}`]),
    ]
  })
  const [row = {}] = await duck.rows(`SELECT ${asked.join(', ')} FROM ${parquetFiles([path])}`)
  const bound = (value: unknown) => (typeof value === 'number' || typeof value === 'string' ? value : null)
  return columns.map((column, index) => ({
    ...column,
    hasNulls: row[`nulls_${index}`] !== false,
    least: bound(row[`least_${index}`]),
    most: bound(row[`most_${index}`]),
    hasBlanks: row[`blanks_${index}`] !== false,
  }))
}

/** Columns of few words, one of which is usual. */
const words: ReadonlySet<string> = new Set(['logstatus', 'action'])

/** One row a record, with text where there is text: what it is, is found out once for each that differs. */
function selectRows(
  columns: readonly ColumnFacts[],
  plan: TablePlan,
  mapping: CsvMapping | null,
  path: string,
): string {
  const text = (column: ColumnFacts) => {
    const cell = column.type === 'VARCHAR' ? quoted(column.name) : `CAST(${quoted(column.name)} AS VARCHAR)`
    return column.type === 'VARCHAR' && !column.hasBlanks ? cell : `nullif(nullif(${cell}, '-'), '')`
  }
  const of = (field: TableField) => plan.at[field].map(position => columns[position]!)
  const isAlwaysThere = (column: ColumnFacts) =>
    !column.hasNulls &&
    (isNumeric(column) || /^TIMESTAMP/.test(column.type) || (column.type === 'VARCHAR' && !column.hasBlanks))
  /** The first that says something; what comes behind one that always does is never asked. */
  const firstOf = (found: readonly ColumnFacts[], expression: (column: ColumnFacts) => string): string => {
    const [column] = found
    if (column === undefined) return 'NULL'
    return isAlwaysThere(column) ? expression(column) : `coalesce(${found.map(expression).join(', ')}, NULL)`
  }
  const first = (field: TableField, expression: (column: ColumnFacts) => string): string =>
    firstOf(of(field), expression)
  const number = (column: ColumnFacts) =>
    isNumeric(column)
      ? `CAST(${quoted(column.name)} AS DOUBLE)`
      : `TRY_CAST(${quoted(column.name)} AS DOUBLE)`
  const time = (column: ColumnFacts): string => {
    const cell = quoted(column.name)
    if (/^(?:TIMESTAMP|DATE)/.test(column.type)) return `CAST(epoch_ms(${cell}) AS DOUBLE)`
    if (isNumeric(column)) return unixMs(number(column), sameUnit(column, mapping?.time ?? 'auto'))
    return `coalesce(${unixMs(number(column), mapping?.time ?? 'auto')}, CAST(epoch_ms(TRY_CAST(CAST(${cell} AS VARCHAR) AS TIMESTAMPTZ)) AS DOUBLE))`
  }
  const named = (...names: string[]) => columns.filter(({ name }) => names.includes(plainName(name)))
  // The packet's own addresses, which a cloud's log has beside the interface's, come first.
  const address = (field: 'srcAddr' | 'dstAddr', own: string) => firstOf([...named(own), ...of(field)], text)
  const perMs = { s: 1000, ms: 1, us: 0.001, ns: 1e-6 }[mapping?.durationUnit ?? 's']
  const status = named('logstatus')[0]
  const action = named('action')[0]
  return `SELECT *, coalesce(endMs, startMs + coalesce(duration, 0), startMs) AS untilMs FROM (SELECT
    ${address('srcAddr', 'pktsrcaddr')} AS srcText, ${address('dstAddr', 'pktdstaddr')} AS dstText,
    ${first('srcPort', number)} AS srcPort, ${first('dstPort', number)} AS dstPort,
    ${hasNumericProtocol(columns, plan) ? small(of('protocol').map(column => quoted(column.name))[0] ?? '0') : `lower(${first('protocol', text)})`} AS ${hasNumericProtocol(columns, plan) ? 'number' : 'protocol'},
    ${first('bytes', number)} AS bytes, coalesce(${first('packets', number)}, ${plan.rowIsPacket ? 1 : 0}) AS packets,
    ${first('backBytes', number)} AS backBytes, coalesce(${first('backPackets', number)}, 0) AS backPackets,
    coalesce(${first('start', time)}, ${first('end', time)}) AS startMs, ${first('end', time)} AS endMs,
    ${first('duration', number)} * ${perMs} AS duration,
    lower(${first('direction', text)}) AS direction, left(${first('exporter', text)}, ${longestName}) AS exporter,
    greatest(coalesce(${first('samplingRate', number)}, ${mapping?.samplingRate ?? 1}), 1) AS rate,
    '${plan.basis}' AS basis,
    ${word(status, 'OK', text)} AS status, ${word(action, 'ACCEPT', text)} AS action
    FROM ${parquetFiles([path])})`
}

function word(column: ColumnFacts | undefined, usual: string, text: (column: ColumnFacts) => string): string {
  if (column === undefined || (column.least === usual && column.most === usual)) return `'${usual}'`
  return `coalesce(${text(column)}, '${usual}')`
}

/** The unit of every value, where one is; by the bounds of `numberUnixMs`. */
function sameUnit({ least, most }: ColumnFacts, unit: CsvMapping['time']): CsvMapping['time'] {
  if (unit !== 'auto' || typeof least !== 'number' || typeof most !== 'number') return unit
  const unitOf = (value: number) => (value < 1e11 ? 's' : value < 1e14 ? 'ms' : value < 1e17 ? 'us' : 'ns')
  return unitOf(least) === unitOf(most) ? unitOf(least) : unit
}

const isNumeric = ({ type }: Column) => /^U?(?:TINY|SMALL|BIG)?INT(?:EGER)?$/.test(type)

function hasNumericProtocol(columns: readonly Column[], plan: TablePlan): boolean {
  const [position] = plan.at.protocol
  return position === undefined || isNumeric(columns[position]!)
}

const small = (cell: string) =>
  `CASE WHEN ${cell} BETWEEN 0 AND 255 THEN CAST(${cell} AS UTINYINT) ELSE CAST(0 AS UTINYINT) END`

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
  const isClean = ['nodata', 'skipped', 'rejected', 'unreadable', 'huge'].every(name => of(name) === 0)
  const wanted = isClean ? '' : ` WHERE ${passed} AND ${readable} AND ${believable}`
  await duck.run(`CREATE VIEW rows AS SELECT * FROM stored${wanted}`)
}

const namedSpecs = { id: 'u32', words: 'address' } as const satisfies ColumnSpecs

async function nameAddresses(duck: Duck, notes: Notes): Promise<void> {
  await duck.run(`CREATE TABLE texts AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT srcText AS text FROM rows UNION SELECT dstText FROM rows)`)
  const into = (await duck.table('addresses', namedSpecs)).filler()
  let unread = 0
  for await (const batch of duck.texts('SELECT text, id FROM texts'))
    for (const [text, id] of batch) {
      const words = wordsOf(text)
      if (words === null) {
        unread += 1
        continue
      }
      const row = into.next()
      into.columns.id[row] = id
      into.columns.words.set(words, row * 4)
    }
  into.end()
  duck.flush()
  await duck.run('CREATE TABLE named AS SELECT text, words FROM texts JOIN addresses USING (id)')
  if (unread > 0)
    notes.unread('Parquet: what stands for an address is none; its rows are left out', 0, unread)
}

const observerSpecs = { id: 'u32', observer: 'f64', back: 'f64' } as const satisfies ColumnSpecs
const isIn = "direction IN ('in', 'i', 'ingress', 'inbound', '0')"
const isOut = "direction IN ('out', 'o', 'egress', 'outbound', '1')"
const wayOf = `CASE WHEN ${isIn} THEN 'in' WHEN ${isOut} THEN 'out' ELSE '' END`

async function nameObservers(duck: Duck, observers: ObserverBook, inputName: string): Promise<void> {
  await duck.run(`CREATE TABLE watchers AS SELECT *, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(exporter, '') AS exporter, ${wayOf} AS way FROM rows)`)
  const into = (await duck.table('observers', observerSpecs)).filler()
  for await (const batch of duck.texts("SELECT way || ' ' || exporter, id FROM watchers"))
    for (const [text, id] of batch) {
      const space = text.indexOf(' ')
      const exporter = text.slice(space + 1) || inputName
      const way = (text.slice(0, space) || null) as Direction
      const row = into.next()
      into.columns.id[row] = id
      into.columns.observer[row] = observers.idOf(exporter, way)
      into.columns.back[row] = observers.idOf(exporter, way === null ? null : way === 'in' ? 'out' : 'in')
    }
  into.end()
  duck.flush()
  await duck.run(
    'CREATE TABLE seen AS SELECT exporter, way, observer, back FROM watchers JOIN observers USING (id)',
  )
}

const protocolSpecs = { id: 'u32', number: 'u8' } as const satisfies ColumnSpecs

async function nameProtocols(duck: Duck): Promise<void> {
  await duck.run(`CREATE TABLE protocols AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(protocol, '') AS text FROM rows)`)
  const into = (await duck.table('numbers', protocolSpecs)).filler()
  for await (const batch of duck.texts('SELECT text, id FROM protocols'))
    for (const [text, id] of batch) {
      const row = into.next()
      into.columns.id[row] = id
      into.columns.number[row] = protocolNumber(text)
    }
  into.end()
  duck.flush()
  await duck.run('CREATE TABLE numbered AS SELECT text, number FROM protocols JOIN numbers USING (id)')
}

/** Other bases are brought to IP bytes as `decode/two-way-record.ts` does. */
const ipBytes = (bytes: string, packets: string) => `CASE basis WHEN 'ip' THEN ${bytes}
  WHEN 'frame' THEN greatest(0, ${bytes} - ${packets} * 14)
  ELSE ${bytes} + ${packets} * ((CASE WHEN contains(srcText, ':') THEN 40 ELSE 20 END) + (CASE number WHEN 6 THEN 20 WHEN 17 THEN 8 ELSE 0 END)) END`

const double = (expression: string) => `CAST(${expression} AS DOUBLE)`

const port = (column: string) =>
  `CASE WHEN ${column} BETWEEN 0 AND 65535 THEN CAST(${column} AS USMALLINT) ELSE CAST(0 AS USMALLINT) END`

type Ends = { readonly from: 'src' | 'dst'; readonly to: 'src' | 'dst' }

function way(
  { from, to }: Ends,
  bytes: string,
  packets: string,
  observer: string,
  isNumbered: boolean,
): string {
  return `SELECT ${from}.words, ${to}.words, ${port(`${from}Port`)}, ${port(`${to}Port`)}, number,
    ${double('least(startMs, untilMs)')}, ${double('greatest(untilMs, startMs)')},
    ${double(`round((${ipBytes(bytes, packets)}) * rate)`)}, ${double(`round(${packets} * rate)`)},
    ${double('-1')}, ${observer}, ${double(packets)}, ${double('rate')}
    FROM rows JOIN named AS src ON src.text = srcText JOIN named AS dst ON dst.text = dstText
    JOIN seen ON seen.exporter = coalesce(rows.exporter, '') AND seen.way = ${wayOf}
    ${isNumbered ? '' : "JOIN numbered ON numbered.text = coalesce(rows.protocol, '')"}
    WHERE coalesce(${bytes}, 0) + ${packets} > 0`
}

async function* streamRows(duck: Duck, plan: TablePlan, isNumbered: boolean) {
  const there = way({ from: 'src', to: 'dst' }, 'bytes', 'packets', 'observer', isNumbered)
  const back = way({ from: 'dst', to: 'src' }, 'backBytes', 'backPackets', 'back', isNumbered)
  const sql = plan.at.backBytes.length === 0 ? there : `${there} UNION ALL ${back}`
  let records = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for await (const batch of duck.stream(sql, flowSpecs)) {
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
