/** What the columns of a Parquet file are, and how one cell of each is read: as `decode/table-row.ts` reads a table's. */
import type { CsvMapping } from '../decode/csv-mapping.ts'
import { plainName } from '../decode/table-fields.ts'
import type { TablePlan } from '../decode/table-plan.ts'
import { latestUnixMs, numberUnixMs, type TimeUnit } from '../decode/timestamps.ts'
import type { Duck } from './duck.ts'
import { parquetFiles } from './parquet-files.ts'

export type Column = { readonly name: string; readonly type: string }

/** What holds for every row, so that nothing need be asked of each: most files are clean. */
export type ColumnFacts = Column & {
  readonly hasNulls: boolean
  /** Of words and of times, these as numbers or, where they are dates, as milliseconds; else `null`. */
  readonly least: number | string | null
  readonly most: number | string | null
  /** A text is `-` or empty, which stands for nothing. */
  readonly hasBlanks: boolean
}

/** How a cell is read; `isSure` where it says something in every row, so that no other column need be tried. */
export type Cell = { readonly sql: string; readonly isSure: boolean }

export async function columnsIn(duck: Duck, path: string): Promise<Column[]> {
  const rows = await duck.rows(`DESCRIBE SELECT * FROM ${parquetFiles([path])}`)
  return rows.map(row => ({ name: String(row.column_name), type: String(row.column_type) }))
}

/** Columns of few words, one of which is usual. */
const words: ReadonlySet<string> = new Set(['logstatus', 'action'])

export async function factsOf(
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
    const bound = (of: string) => {
      if (isWord) return `${of}(${cell})`
      if (!times.has(index)) return null
      if (isDate(column)) return `CAST(epoch_ms(${of}(${cell})) AS DOUBLE)`
      return isWhole(column) ? `${of}(CAST(${cell} AS DOUBLE))` : null
    }
    const [least, most] = [bound('min'), bound('max')]
    return [
      `count(${cell}) < count(*) AS nulls_${index}`,
      ...(isText ? [`bool_or(${cell} = '-' OR ${cell} = '') AS blanks_${index}`] : []),
      ...(least === null ? [] : [`${least} AS least_${index}`, `${most} AS most_${index}`]),
    ]
  })
  const [row = {}] = await duck.rows(`SELECT ${asked.join(', ')} FROM ${parquetFiles([path])}`)
  const known = (value: unknown) => (typeof value === 'number' || typeof value === 'string' ? value : null)
  return columns.map((column, index) => ({
    ...column,
    hasNulls: row[`nulls_${index}`] !== false,
    least: known(row[`least_${index}`]),
    most: known(row[`most_${index}`]),
    hasBlanks: row[`blanks_${index}`] !== false,
  }))
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

export const isWhole = ({ type }: Column): boolean => /^U?(?:TINY|SMALL|BIG)?INT(?:EGER)?$/.test(type)
export const isNumber = (column: Column): boolean =>
  isWhole(column) || /^(?:DOUBLE|FLOAT|DECIMAL|U?HUGEINT)/.test(column.type)
const isDate = ({ type }: Column): boolean => /^(?:TIMESTAMP|DATE)/.test(type)

export function text(column: ColumnFacts): Cell {
  const isText = column.type === 'VARCHAR'
  if (isText && !column.hasBlanks) return { sql: quoted(column.name), isSure: !column.hasNulls }
  const isSure = !column.hasNulls && (isWhole(column) || isDate(column))
  return { sql: `nullif(nullif(${asText(column)}, '-'), '')`, isSure }
}

/** Tools write zeros in the column of the family that a flow is not of. */
export function addressOfFamily(column: ColumnFacts): Cell {
  const cell = asText(column)
  const none = `('-', '', '0.0.0.0', '::', '0:0:0:0:0:0:0:0', 'null', 'none', 'n/a', 'nan')`
  return { sql: `CASE WHEN lower(${cell}) NOT IN ${none} THEN ${cell} END`, isSure: false }
}

export function number(column: ColumnFacts): Cell {
  if (isWhole(column)) return { sql: asNumber(column), isSure: !column.hasNulls }
  const value = asNumber(column)
  return { sql: `CASE WHEN isfinite(${value}) THEN ${value} END`, isSure: false }
}

/** Milliseconds since 1970. A zero stands for a time that nobody knew, unless `mayBeZero`. */
export function time(unit: TimeUnit, mayBeZero = false): (column: ColumnFacts) => Cell {
  return column => {
    const value = unguardedTime(column, unit)
    if (hasSoundTimes(column, unit)) return { sql: value, isSure: !column.hasNulls }
    const isSound = `${value} ${mayBeZero ? '>=' : '>'} 0 AND ${value} <= ${latestUnixMs}`
    return { sql: `CASE WHEN ${isSound} THEN ${value} END`, isSure: false }
  }
}

/** Milliseconds, from a number in that unit, an interval, or a text such as `0:01:00`. */
export function duration(unit: CsvMapping['durationUnit']): (column: ColumnFacts) => Cell {
  return column => {
    const counted = unixMs(asNumber(column), unit, isWhole(column))
    const value = isNumber(column)
      ? counted
      : `coalesce(${counted}, CAST(epoch_ms(TRY_CAST(${asText(column)} AS INTERVAL)) AS DOUBLE))`
    return { sql: `CASE WHEN ${value} BETWEEN 0 AND ${latestUnixMs} THEN ${value} END`, isSure: false }
  }
}

const asText = (column: Column): string =>
  column.type === 'VARCHAR' ? quoted(column.name) : `CAST(${quoted(column.name)} AS VARCHAR)`

const asNumber = (column: Column): string =>
  isNumber(column) ? `CAST(${quoted(column.name)} AS DOUBLE)` : `TRY_CAST(${asText(column)} AS DOUBLE)`

function unguardedTime(column: ColumnFacts, unit: TimeUnit): string {
  if (isDate(column)) return `CAST(epoch_ms(${quoted(column.name)}) AS DOUBLE)`
  const counted = unixMs(asNumber(column), sameUnit(column, unit), isWhole(column))
  if (isNumber(column)) return counted
  return `coalesce(${counted}, CAST(epoch_ms(TRY_CAST(${asText(column)} AS TIMESTAMPTZ)) AS DOUBLE))`
}

function hasSoundTimes(column: ColumnFacts, unit: TimeUnit): boolean {
  const { least, most } = column
  if (typeof least !== 'number' || typeof most !== 'number' || least <= 0) return false
  return numberUnixMs(most, isDate(column) ? 'ms' : unit) !== null
}

/** The unit of every value, where one is; by the bounds of `numberUnixMs`. */
function sameUnit({ least, most }: ColumnFacts, unit: TimeUnit): TimeUnit {
  if (unit !== 'auto' || typeof least !== 'number' || typeof most !== 'number') return unit
  const unitOf = (value: number) => (value < 1e11 ? 's' : value < 1e14 ? 'ms' : value < 1e17 ? 'us' : 'ns')
  return unitOf(least) === unitOf(most) ? unitOf(least) : unit
}

/** As `numberUnixMs`. */
function unixMs(value: string, unit: TimeUnit, isWholeNumber: boolean): string {
  const ms = {
    s: `${value} * 1000`,
    ms: value,
    us: `${value} / 1000`,
    ns: `${value} / 1e6`,
    auto: `CASE WHEN ${value} < 1e11 THEN ${value} * 1000 WHEN ${value} < 1e14 THEN ${value} WHEN ${value} < 1e17 THEN ${value} / 1000 ELSE ${value} / 1e6 END`,
  }[unit]
  return isWholeNumber ? `floor(${ms})` : `floor((${ms}) + 1e-4)`
}
