import { createHash } from 'node:crypto'
import { parse } from 'yaml'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { ByteBasis } from '../flow-record.ts'
import { type TableField, tableFields } from './table-fields.ts'
import type { TimeUnit } from './timestamps.ts'

/** How a table of one's own is to be read. What is not said is found out. */
export type CsvMapping = {
  /** Of the mapping's text: the report names it, for it decides what the tables say. */
  readonly sha256: string
  /** Columns by field; several are tried in turn. */
  readonly columns: { readonly [Field in TableField]?: readonly string[] }
  /** Names of the columns of a table without a header. */
  readonly header: readonly string[] | null
  readonly delimiter: string | null
  readonly time: TimeUnit
  readonly durationUnit: 's' | 'ms' | 'us' | 'ns'
  readonly basis: ByteBasis | null
  /** For a table whose rows do not say it. */
  readonly samplingRate: number | null
}

const keys = ['columns', 'header', 'delimiter', 'time', 'durationUnit', 'basis', 'samplingRate']
const timeUnits = ['auto', 's', 'ms', 'us', 'ns']
const needed: readonly TableField[] = ['srcAddr', 'dstAddr']

/** Reads a mapping, YAML or JSON. Throws `bad-input` with everything that is wrong with it. */
export function parseCsvMapping(text: string): CsvMapping {
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0 })
  } catch (error) {
    throw new HoldfastError('bad-input', `the mapping is neither YAML nor JSON: ${messageOf(error)}`)
  }
  const faults: string[] = []
  const map = asObject(value)
  if (map === null) throw new HoldfastError('bad-input', 'the mapping is no object with the key "columns"')
  for (const key of Object.keys(map)) {
    if (!keys.includes(key)) faults.push(`"${key}" is not one of ${keys.join(', ')}`)
  }
  const columns = columnsOf(map.columns, faults)
  const header = map.header ?? null
  if (header !== null && !isNames(header)) faults.push('"header" is not a list of names')
  const delimiter = map.delimiter ?? null
  if (delimiter !== null && (typeof delimiter !== 'string' || delimiter.length !== 1 || delimiter === '"'))
    faults.push('"delimiter" is not one character')
  const time = map.time ?? 'auto'
  if (!timeUnits.includes(time as string)) faults.push(`"time" is not one of ${timeUnits.join(', ')}`)
  const durationUnit = map.durationUnit ?? 's'
  if (!timeUnits.slice(1).includes(durationUnit as string))
    faults.push(`"durationUnit" is not one of ${timeUnits.slice(1).join(', ')}`)
  const basis = map.basis ?? null
  if (basis !== null && !['ip', 'frame', 'payload'].includes(basis as string))
    faults.push('"basis" is not ip, frame or payload')
  const rate = map.samplingRate ?? null
  if (rate !== null && !(typeof rate === 'number' && rate >= 1 && rate <= 2 ** 32))
    faults.push('"samplingRate" is not a number of 1 or more')
  if (faults.length > 0) throw new HoldfastError('bad-input', `the mapping: ${faults.join('; ')}`)
  return {
    sha256: createHash('sha256').update(text).digest('hex'),
    columns,
    header: header as readonly string[] | null,
    delimiter: delimiter as string | null,
    time: time as TimeUnit,
    durationUnit: durationUnit as CsvMapping['durationUnit'],
    basis: basis as ByteBasis | null,
    samplingRate: rate as number | null,
  }
}

function columnsOf(value: unknown, faults: string[]): CsvMapping['columns'] {
  const map = asObject(value) ?? {}
  const columns: { [Field in TableField]?: readonly string[] } = {}
  for (const [field, names] of Object.entries(map)) {
    if (!tableFields.includes(field as TableField)) {
      faults.push(`"columns.${field}" is not one of ${tableFields.join(', ')}`)
      continue
    }
    const list = typeof names === 'string' ? [names] : names
    if (isNames(list)) columns[field as TableField] = list
    else faults.push(`"columns.${field}" is neither a column's name nor a list of them`)
  }
  const missing: string[] = needed.filter(field => columns[field] === undefined)
  if (columns.bytes === undefined && columns.bothBytes === undefined) missing.push('bytes')
  if (columns.start === undefined && columns.end === undefined) missing.push('start (or end)')
  if (missing.length > 0) faults.push(`"columns" lacks ${missing.join(' and ')}`)
  return columns
}

function asObject(value: unknown): { readonly [key: string]: unknown } | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: unknown })
    : null
}

function isNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every(name => typeof name === 'string' && name !== '')
  )
}
