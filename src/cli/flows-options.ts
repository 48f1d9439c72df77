import { parseDurationMs } from '../core/time.ts'
import {
  type Field,
  fields,
  type Layer,
  type Measure,
  measures,
  type Question,
  spelling,
} from '../flows/ask/question.ts'
import { UsageError } from './io.ts'
import { fail, numberOf, oneOf, sizeMiB } from './option-values.ts'
import { parseOptions } from './options.ts'

export type FlowsOptions =
  | { readonly mode: 'help' }
  | {
      readonly mode: 'load'
      readonly folder: string
      readonly clickHouse: ClickHouseOptions
      readonly json: boolean
    }
  | {
      readonly mode: 'ask'
      readonly folders: readonly string[]
      readonly clickHouse: ClickHouseOptions | null
      readonly question: Question
      readonly layer: Layer | null
      readonly memoryMiB: number
      readonly print: 'table' | 'csv' | 'json'
    }

export type ClickHouseOptions = { readonly url: string; readonly database: string }

export const flowsUsage = `Usage: holdfast flows FOLDER… [--by FIELD,…] [--where FIELD=VALUE,…]… [options]
       holdfast flows load FOLDER --clickhouse URL [--database NAME]
       holdfast flows --clickhouse URL [--by …]

Asks what holdfast collect has stored: sums of bytes, packets and flows, the largest first. What several exporters saw
counts several times here (holdfast audit counts it once).

  --by FIELD,…       ${Object.keys(fields).slice(0, 8).join(', ')},
                     ${Object.keys(fields).slice(8).join(', ')} (left out: everything in one sum)
  --where FIELD=V,…  only rows with one of these values; addresses may be ranges (10.0.0.0/8); repeat for more fields
  --from T --until T by when a flow began: 2026-01-15, 2026-01-15T10:00Z, or how long ago, such as 24h or 7d
  --of LAYER         raw (single records) or rollup (sums by hour that stay longer, with country and network of the
                     destination); left out, the one that has the fields
  --order MEASURE    bytes (default), packets or flows
  --top N            how many rows (default: 20)
  --clickhouse URL   ask ClickHouse, where hours were loaded (load), instead of a folder; user and password in the URL
                     or in CLICKHOUSE_USER and CLICKHOUSE_PASSWORD
  --database NAME    of ClickHouse; it must exist (default: default)
  --memory SIZE      what the engine may hold in memory (default: 1G)
  --csv, --json      for programs
`

/** Throws `UsageError` or `bad-input` with what is wrong and what would be right. */
export function parseFlowsOptions(argv: string[], nowUnixMs: number): FlowsOptions {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      by: { type: 'string' },
      where: { type: 'string', multiple: true },
      from: { type: 'string' },
      until: { type: 'string' },
      of: { type: 'string' },
      order: { type: 'string' },
      top: { type: 'string' },
      clickhouse: { type: 'string' },
      database: { type: 'string' },
      memory: { type: 'string', default: '1G' },
      csv: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  if (values.help === true) return { mode: 'help' }
  const clickHouse =
    values.clickhouse === undefined
      ? null
      : { url: values.clickhouse, database: values.database ?? 'default' }
  if (clickHouse === null && values.database !== undefined)
    throw new UsageError('--database belongs to --clickhouse')
  if (positionals[0] === 'load') {
    const [, folder] = positionals
    if (folder === undefined || positionals.length > 2 || clickHouse === null)
      throw new UsageError('load takes one folder of a collector and --clickhouse URL')
    const asking = ['by', 'where', 'from', 'until', 'of', 'order', 'top', 'csv'].find(
      name => values[name as keyof typeof values] !== undefined,
    )
    if (asking !== undefined) throw new UsageError(`load takes no --${asking}: it brings every hour`)
    return { mode: 'load', folder, clickHouse, json: values.json === true }
  }
  if ((positionals.length === 0) === (clickHouse === null))
    throw new UsageError('name folders of collectors, or --clickhouse URL')
  return {
    mode: 'ask',
    folders: positionals,
    clickHouse,
    question: {
      by: listOf(values.by ?? '').map(fieldOf),
      where: (values.where ?? []).map(conditionOf),
      fromUnixMs: values.from === undefined ? null : momentOf('from', values.from, nowUnixMs),
      untilUnixMs: values.until === undefined ? null : momentOf('until', values.until, nowUnixMs),
      order: oneOf('order', values.order ?? 'bytes', measures) satisfies Measure,
      top: numberOf('top', values.top ?? '20', 1, 1_000_000),
    },
    layer: values.of === undefined ? null : oneOf('of', values.of, ['raw', 'rollup'] as const),
    memoryMiB: sizeMiB('memory', values.memory, 256),
    print: values.json === true ? 'json' : values.csv === true ? 'csv' : 'table',
  }
}

const listOf = (text: string): string[] => text.split(',').filter(part => part !== '')

function fieldOf(name: string): Field {
  if (!Object.hasOwn(fields, name)) fail(`there is no field ${name}: ${Object.keys(fields).join(', ')}`)
  return name as Field
}

function conditionOf(text: string): Question['where'][number] {
  const at = text.indexOf('=')
  if (at < 1) fail(`--where "${text}" is not FIELD=VALUE`)
  const field = fieldOf(text.slice(0, at))
  if (fields[field].kind === 'time') fail(`${field} is asked for with --from and --until`)
  const values = listOf(text.slice(at + 1)).map(value => spelling(field, value))
  if (values.length === 0) fail(`--where "${text}" names no value`)
  return { field, values }
}

/** The last moment that every engine can name. */
const latestUnixMs = Date.UTC(9999, 11, 31)

function momentOf(name: string, text: string, nowUnixMs: number): number {
  const agoMs = parseDurationMs(text)
  if (agoMs !== null) return Math.max(0, nowUnixMs - agoMs)
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(?:Z|\+00:00)?)?$/.exec(text)
  const unixMs = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? '00:00'}Z`)
  const isDay = !Number.isNaN(unixMs) && new Date(unixMs).toISOString().startsWith(match![1]!)
  return isDay
    ? Math.min(Math.max(0, unixMs), latestUnixMs)
    : fail(`--${name} "${text}" is no time in UTC such as 2026-01-15T10:00Z, and no duration such as 24h`)
}
