/**
 * Questions to ClickHouse, for fleets of collectors. Hours are loaded whole: one partition each, which counts in answers
 * only when all of it is there. In SQL that version 18.16 knows, which Debian has.
 */
import { z } from 'zod'
import { HoldfastError } from '../../core/errors.ts'
import type { Answer, FlowStore, Layer, Sums } from './question.ts'
import { beginOf, type Dialect, keySql, sumsSql, whereSql } from './sql.ts'

/** Sends one statement; `rows` is what it inserts. Answers what the server answered, or throws. */
export type ClickHouse = (sql: string, rows?: AsyncIterable<Uint8Array>) => Promise<string>

const formats = { hour: '%Y-%m-%dT%H:00Z', day: '%F' }

const dialect: Dialect = {
  key: (field, layer) =>
    `formatDateTime(toDateTime(intDiv(${beginOf[layer]}, 1000), 'UTC'), '${formats[field]}', 'UTC')`,
  moment: unixMs => String(Math.round(unixMs)),
}

/** Times are Unix milliseconds. Where a record says nothing stands an empty text, or the number 0 of a system. */
const columns = {
  raw: {
    start: 'Int64',
    end: 'Int64',
    src_addr: 'String',
    src_port: 'UInt16',
    dst_addr: 'String',
    dst_port: 'UInt16',
    protocol: 'UInt8',
    bytes: 'UInt64',
    packets: 'UInt64',
    sampling_rate: 'Float64',
    exporter: 'String',
    direction: 'String',
  },
  rollup: {
    hour: 'Int64',
    src_addr: 'String',
    dst_network: 'String',
    dst_country: 'String',
    dst_asn: 'UInt32',
    protocol: 'UInt8',
    dst_port: 'String',
    exporter: 'String',
    direction: 'String',
    bytes: 'UInt64',
    packets: 'UInt64',
    flows: 'UInt64',
  },
} as const satisfies Record<Layer, Readonly<Record<string, string>>>

const columnsOf = (layer: Layer): readonly string[] => Object.keys(columns[layer])

const tableOf = { raw: 'flows_raw', rollup: 'flows_rollup' } as const satisfies Record<Layer, string>

/** Which hours are there whole: the newest word on each, empty while it is being loaded. */
const loads = 'flows_loads'

export async function createTables(send: ClickHouse): Promise<void> {
  for (const layer of ['raw', 'rollup'] as const) {
    const list = Object.entries(columns[layer]).map(([name, type]) => `"${name}" ${type}`)
    await send(`CREATE TABLE IF NOT EXISTS ${tableOf[layer]} (collector String, loaded_hour Int32, ${list.join(', ')})
      ENGINE = MergeTree() PARTITION BY (collector, loaded_hour) ORDER BY (src_addr, ${beginOf[layer]})`)
  }
  await send(`CREATE TABLE IF NOT EXISTS ${loads}
    (layer String, collector String, loaded_hour Int32, files String, through UInt64, at UInt64)
    ENGINE = MergeTree() ORDER BY (layer, collector, loaded_hour, at)`)
}

export type LoadedHour = {
  readonly layer: Layer
  readonly collector: string
  /** Since 1970; 0 for what lies in no hour of its own. */
  readonly hour: number
  /** Says which files it was made of; empty while it is being loaded, or when that was cut off. */
  readonly files: string
  /** The last segment in it. */
  readonly through: number
}

/** The newest word on each hour. */
export async function loadedHours(send: ClickHouse): Promise<readonly LoadedHour[]> {
  const { data } = parsed(
    await send(`SELECT layer, collector, loaded_hour, argMax(files, at) AS files, argMax(through, at) AS through
      FROM ${loads} GROUP BY layer, collector, loaded_hour FORMAT JSON`),
  )
  return data.map(row => ({
    layer: row.layer === 'rollup' ? 'rollup' : 'raw',
    collector: String(row.collector),
    hour: Number(row.loaded_hour),
    files: String(row.files),
    through: Number(row.through),
  }))
}

/** Replaces an hour by these rows, `count` of them: CSV of collector, hour and the columns of the layer. */
export async function loadHour(
  send: ClickHouse,
  loaded: LoadedHour,
  rows: AsyncIterable<Uint8Array>,
  count: number,
): Promise<void> {
  const { layer, collector, hour, files, through } = loaded
  const table = tableOf[layer]
  // A clock may be set back, and the newest word must be the last one.
  const { data: newest } = parsed(await send(`SELECT max(at) AS at FROM ${loads} FORMAT JSON`))
  const at = Number(newest[0]?.at ?? 0) + 1
  const note = (text: string, number: number) =>
    send(
      `INSERT INTO ${loads} VALUES (${quoted(layer)}, ${quoted(collector)}, ${hour}, ${quoted(text)}, ${through}, ${number})`,
    )
  await note('', at)
  await send(`ALTER TABLE ${table} DROP PARTITION (${quoted(collector)}, ${hour})`)
  const names = ['collector', 'loaded_hour', ...columnsOf(layer)].map(name => `"${name}"`)
  await send(`INSERT INTO ${table} (${names.join(', ')}) FORMAT CSV`, rows)
  const { data } = parsed(
    await send(
      `SELECT count() AS count FROM ${table} WHERE collector = ${quoted(collector)} AND loaded_hour = ${hour} FORMAT JSON`,
    ),
  )
  const there = Number(data[0]?.count)
  if (there !== count)
    throw bad(`ClickHouse has ${there} rows of an hour of ${count}: is somebody else loading it?`)
  await note(files, at + 1)
}

/** Throws `bad-input` when nothing was ever loaded there. */
export async function openClickHouseStore(send: ClickHouse): Promise<FlowStore> {
  const { data: tables } = parsed(await send(`EXISTS TABLE ${loads} FORMAT JSON`))
  if (Number(tables[0]?.result) !== 1)
    throw bad('nothing was loaded into this database: holdfast flows load FOLDER --clickhouse URL')

  const whole = (layer: Layer) => `(collector, loaded_hour) IN (SELECT collector, loaded_hour FROM
    (SELECT collector, loaded_hour, argMax(files, at) AS files FROM ${loads} WHERE layer = '${layer}'
     GROUP BY collector, loaded_hour) WHERE files != '')`
  const conditions = (question: Parameters<FlowStore['ask']>[0], layer: Layer): string => {
    const asked = whereSql(dialect, question, layer)
    return asked === '' ? ` WHERE ${whole(layer)}` : `${asked} AND ${whole(layer)}`
  }
  return {
    async ask(question, layer) {
      const where = conditions(question, layer)
      const keys = question.by.map((field, index) => `${keySql(dialect, field, layer)} AS key_${index}`)
      const names = question.by.map((_, index) => `key_${index}`)
      const grouped =
        names.length === 0
          ? ''
          : ` GROUP BY ${names.join(', ')} WITH TOTALS ORDER BY ${[`sum_${question.order} DESC`, ...names].join(', ')} LIMIT ${question.top}`
      const answer = parsed(
        await send(
          `SELECT ${[...keys, sumsSql[layer]].join(', ')} FROM ${tableOf[layer]}${where}${grouped} FORMAT JSON`,
        ),
      )
      const count = parsed(
        await send(`SELECT uniqExact(exporter) AS count FROM ${tableOf[layer]}${where} FORMAT JSON`),
      )
      return {
        rows: answer.data.map(row => ({
          ...sumsOf(row),
          keys: question.by.map((field, index) => keyOf(field, row[`key_${index}`])),
        })),
        total: sumsOf((names.length === 0 ? answer.data[0] : answer.totals) ?? {}),
        groups:
          names.length === 0 ? answer.data.length : (answer.rows_before_limit_at_least ?? answer.data.length),
        exporters: Number(count.data[0]?.count ?? 0),
      } satisfies Answer
    },
    async addresses(field, question, layer) {
      const where = conditions({ ...question, where: [] }, layer)
      const text = await send(`SELECT DISTINCT ${field} FROM ${tableOf[layer]}${where} FORMAT TabSeparated`)
      return text.split('\n').filter(line => line !== '')
    },
    async hours() {
      const held = await loadedHours(send)
      return held.map(({ layer, collector, hour, files, through }) => ({
        ...{ layer, collector, through, isPartial: files === '' },
        hour: hour === 0 ? null : hour,
      }))
    },
    async [Symbol.asyncDispose]() {},
  }
}

const answerSchema = z.object({
  data: z.array(z.record(z.string(), z.unknown())),
  totals: z.record(z.string(), z.unknown()).optional(),
  rows_before_limit_at_least: z.number().optional(),
})

function parsed(text: string): z.infer<typeof answerSchema> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw bad('what answers there is no ClickHouse: its answer is no JSON')
  }
  const answer = answerSchema.safeParse(value)
  if (!answer.success) throw bad('what answers there is no ClickHouse: its answer has no rows')
  return answer.data
}

function sumsOf(row: Readonly<Record<string, unknown>>): Sums {
  const sum = (name: string) => Number(row[name] ?? 0)
  return { bytes: sum('sum_bytes'), packets: sum('sum_packets'), flows: sum('sum_flows') }
}

function keyOf(field: string, value: unknown): string | number | null {
  if (value === '' || value === null || value === undefined || (field === 'dst_asn' && Number(value) === 0))
    return null
  return typeof value === 'number' ? value : String(value)
}

function bad(message: string): HoldfastError {
  return new HoldfastError('bad-input', message)
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
