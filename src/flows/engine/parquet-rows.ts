/** Rows of a Parquet file as SQL: one a record, with text where there is text, and without those that are no traffic. */
import type { CsvMapping } from '../decode/csv-mapping.ts'
import type { Notes } from '../decode/notes.ts'
import { plainName, type TableField } from '../decode/table-fields.ts'
import type { TablePlan } from '../decode/table-plan.ts'
import { datedByMoment } from '../decode/table-row.ts'
import { latestUnixMs } from '../decode/timestamps.ts'
import { MAX_RECORD_BYTES } from '../flow-record.ts'
import type { Duck } from './duck.ts'
import {
  addressOfFamily,
  type Cell,
  type Column,
  type ColumnFacts,
  duration,
  isNumber,
  isWhole,
  number,
  quoted,
  text,
  time,
} from './parquet-columns.ts'
import { parquetFiles } from './parquet-files.ts'

const longestName = 64
/** Beyond it nobody samples. */
const mostRate = 2 ** 32

/** What a text is, is found out once for each that differs (`parquet-names.ts`). */
export function selectRows(
  columns: readonly ColumnFacts[],
  plan: TablePlan,
  mapping: CsvMapping | null,
  path: string,
): string {
  const of = (field: TableField) => plan.at[field].map(position => columns[position]!)
  const first = (field: TableField, read: (column: ColumnFacts) => Cell) => firstOf(of(field).map(read)).sql
  const named = (...names: string[]) => columns.filter(({ name }) => names.includes(plainName(name)))
  // The packet's own addresses, which a cloud's log has beside the interface's, come first.
  const address = (field: 'srcAddr' | 'dstAddr', own: string) => {
    const found = of(field)
    return firstOf([...named(own).map(text), ...found.map(found.length > 1 ? addressOfFamily : text)]).sql
  }
  const isNumbered = hasNumericProtocol(columns, plan)
  return `SELECT *, ${timesOf(of, mapping)} FROM (SELECT
    ${address('srcAddr', 'pktsrcaddr')} AS srcText, ${address('dstAddr', 'pktdstaddr')} AS dstText,
    ${first('srcPort', number)} AS srcPort, ${first('dstPort', number)} AS dstPort,
    ${isNumbered ? `${protocolOf(of('protocol'))} AS number` : `lower(${first('protocol', text)}) AS protocol`},
    ${countsOf(plan, first)},
    ${timeColumns(of, mapping)},
    lower(${first('direction', text)}) AS direction, left(${first('exporter', text)}, ${longestName}) AS exporter,
    ${rateOf(first('samplingRate', number), mapping)} AS rate, '${plan.basis}' AS basis,
    ${word(named('logstatus')[0], 'OK')} AS status, ${word(named('action')[0], 'ACCEPT')} AS action
    FROM ${parquetFiles([path])})`
}

/** The first that says something; what comes behind one that always does is never asked. */
function firstOf(cells: readonly Cell[]): Cell {
  const sure = cells.findIndex(({ isSure }) => isSure)
  const tried = sure < 0 ? cells : cells.slice(0, sure + 1)
  const sql = tried.map(cell => cell.sql)
  return {
    sql: sql.length === 0 ? 'NULL' : sql.length === 1 ? sql[0]! : `coalesce(${sql.join(', ')})`,
    isSure: sure >= 0,
  }
}

type Of = (field: TableField) => readonly ColumnFacts[]

function timeColumns(of: Of, mapping: CsvMapping | null): string {
  const unit = mapping?.time ?? 'auto'
  return `${firstOf(of('start').map(time(unit))).sql} AS statedStart,
    ${firstOf(of('start').map(time(unit, true))).sql} AS startOrZero,
    ${firstOf(of('end').map(time(unit))).sql} AS statedEnd,
    ${firstOf(of('duration').map(duration(mapping?.durationUnit ?? 's'))).sql} AS duration`
}

/** What is asked of each row only where not every row has both times. */
function timesOf(of: Of, mapping: CsvMapping | null): string {
  const unit = mapping?.time ?? 'auto'
  const [start, end] = [firstOf(of('start').map(time(unit))), firstOf(of('end').map(time(unit)))]
  if (start.isSure && end.isSure)
    return 'statedStart AS startMs, greatest(statedStart, statedEnd) AS untilMs, false AS isMoment'
  // `greatest` passes over what is NULL.
  const began = 'CASE WHEN statedEnd IS NOT NULL THEN greatest(statedEnd - coalesce(duration, 0), 0) END'
  return `coalesce(statedStart, ${began}, startOrZero) AS startMs,
    least(greatest(startMs, coalesce(statedEnd, startMs + coalesce(duration, 0))), ${latestUnixMs}) AS untilMs,
    duration IS NULL AND (statedStart IS NULL OR statedEnd IS NULL) AS isMoment`
}

/** Each way, by its own columns or as what the sum of both leaves: as `countsThere` and `countsBack` of a table's rows. */
function countsOf(
  plan: TablePlan,
  first: (field: TableField, read: (column: ColumnFacts) => Cell) => string,
): string {
  const { at } = plan
  const [bytes, packets] = [first('bytes', number), first('packets', number)]
  const [both, bothPackets] = [first('bothBytes', number), first('bothPackets', number)]
  const [back, backPackets] = [first('backBytes', number), `coalesce(${first('backPackets', number)}, 0)`]
  if (at.bytes.length === 0)
    return `${both} AS bytes, coalesce(${bothPackets}, ${packets}, 0) AS packets,
    ${back} AS backBytes, ${backPackets} AS backPackets`
  const packetsThere = `coalesce(${packets}, ${plan.rowIsPacket ? 1 : 0})`
  const there = `${bytes} AS bytes, ${packetsThere} AS packets`
  if (at.backBytes.length > 0 || at.bothBytes.length === 0)
    return `${there}, ${back} AS backBytes, ${backPackets} AS backPackets`
  return `${there}, CASE WHEN ${both} > ${bytes} THEN ${both} - ${bytes} END AS backBytes,
    greatest(${backPackets}, coalesce(${bothPackets} - ${packetsThere}, 0)) AS backPackets`
}

function rateOf(rate: string, mapping: CsvMapping | null): string {
  if (rate === 'NULL' && mapping?.samplingRate == null) return '1'
  const stated = `coalesce(${rate}, ${mapping?.samplingRate ?? 1})`
  return `CASE WHEN ${stated} BETWEEN 1 AND ${mostRate} THEN ${stated} ELSE 1 END`
}

function word(column: ColumnFacts | undefined, usual: string): string {
  if (column === undefined || (column.least === usual && column.most === usual)) return `'${usual}'`
  return `coalesce(${text(column).sql}, '${usual}')`
}

export function hasNumericProtocol(columns: readonly Column[], plan: TablePlan): boolean {
  return plan.at.protocol.every(position => isNumber(columns[position]!))
}

function protocolOf(columns: readonly ColumnFacts[]): string {
  const [column] = columns
  const isPlain = columns.length === 1 && isWhole(column!)
  const cell = isPlain ? quoted(column!.name) : firstOf(columns.map(number)).sql
  const isNumber = isPlain ? '' : ` AND ${cell} = floor(${cell})`
  return column === undefined
    ? 'CAST(0 AS UTINYINT)'
    : `CASE WHEN ${cell} BETWEEN 0 AND 255${isNumber} THEN CAST(${cell} AS UTINYINT) ELSE CAST(0 AS UTINYINT) END`
}

const passed = "status NOT IN ('NODATA', 'SKIPDATA') AND action NOT IN ('REJECT', 'DROP')"
const readable = `srcText IS NOT NULL AND dstText IS NOT NULL AND (bytes IS NOT NULL OR backBytes IS NOT NULL) AND startMs BETWEEN 0 AND ${latestUnixMs}`
const believable = `greatest(coalesce(bytes, 0), coalesce(backBytes, 0), packets, backPackets) * rate <= ${MAX_RECORD_BYTES} AND least(coalesce(bytes, 0), coalesce(backBytes, 0), packets, backPackets) >= 0`

/** What a row is: the first of these that holds, else a flow. */
const kinds = [
  ['nodata', "status = 'NODATA'"],
  ['skipped', "status = 'SKIPDATA'"],
  ['rejected', "action IN ('REJECT', 'DROP')"],
  ['unreadable', `NOT coalesce(${readable}, false)`],
  ['huge', `NOT (${believable})`],
  ['empty', 'coalesce(bytes + packets, 0) = 0 AND coalesce(backBytes + backPackets, 0) = 0'],
  ['moment', 'isMoment'],
] as const

/** Of which rows one moment is all that is known of their time. */
export type Moments = 'none' | 'some' | 'all'

/** Makes the view `rows` of `stored`: what is no traffic, or cannot be read, is counted and left out. */
export async function openRows(duck: Duck, notes: Notes): Promise<Moments> {
  const cases = kinds.map(([, condition], kind) => `WHEN ${condition} THEN ${kind}`).join(' ')
  const counts = new Map<string, number>()
  for (const { kind, count } of await duck.rows(`SELECT kind, CAST(count(*) AS DOUBLE) AS count FROM
    (SELECT CAST(CASE ${cases} ELSE ${kinds.length} END AS UTINYINT) AS kind FROM stored) GROUP BY kind`))
    counts.set(kinds[Number(kind)]?.[0] ?? 'flow', Number(count))
  const of = (kind: (typeof kinds)[number][0] | 'flow') => counts.get(kind) ?? 0
  if (of('nodata') > 0) notes.setAside('NODATA: a window without traffic', of('nodata'))
  if (of('skipped') > 0) notes.lost('SKIPDATA: windows that the cloud did not record', of('skipped'))
  if (of('rejected') > 0)
    notes.setAside('rejected by a security group or access list: it did not pass', of('rejected'))
  if (of('unreadable') > 0)
    notes.unread('Parquet: row without addresses, bytes or times that can be read', 0, of('unreadable'))
  if (of('huge') > 0) notes.unread('Parquet: counter too large to be true', 0, of('huge'))
  if (of('empty') > 0) notes.setAside('record of no bytes', of('empty'))
  const isClean = (['nodata', 'skipped', 'rejected', 'unreadable', 'huge'] as const).every(
    kind => of(kind) === 0,
  )
  const wanted = isClean ? '' : ` WHERE ${passed} AND ${readable} AND ${believable}`
  await duck.run(`CREATE VIEW rows AS SELECT * FROM stored${wanted}`)
  if (of('moment') === 0) return 'none'
  notes.remark(datedByMoment)
  return of('flow') === 0 ? 'all' : 'some'
}
