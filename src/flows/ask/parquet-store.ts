/** Questions to the Parquet files of collectors, by DuckDB. */
import { existsSync } from 'node:fs'
import { type Hour, hourMs } from '../collect/folder.ts'
import type { Duck } from '../engine/duck.ts'
import { parquetFiles, pathPattern } from '../engine/parquet-files.ts'
import { type Collected, storedHours } from './collected.ts'
import type { Answer, Field, FlowStore, Layer, Question } from './question.ts'
import { beginOf, type Dialect, keySql, sumsSql, whereSql } from './sql.ts'

type StoredFile = { readonly path: string; readonly hour: Hour }

const formats = { hour: '%Y-%m-%dT%H', day: '%Y-%m-%d' }
const moment = (unixMs: number) => `make_timestamp(${Math.round(unixMs * 1000)})`

const dialect: Dialect = {
  // The file says the hour of its flows, which costs nothing beside a time in each row.
  key: (field, layer) =>
    layer === 'rollup'
      ? `strftime(${beginOf.rollup}, '${formats[field]}')`
      : field === 'hour'
        ? 'file_hour'
        : 'left(file_hour, 10)',
  moment,
}

const mostAttempts = 5

/** Takes `duck` over. `list` is asked again when a collector has merged files away under a question. */
export function openParquetStore(duck: Duck, list: () => Promise<readonly Collected[]>): FlowStore {
  const nothing: Answer = { rows: [], total: { bytes: 0, packets: 0, flows: 0 }, groups: 0, exporters: 0 }

  let held: readonly Collected[] | null = null
  const withFiles = async <Found>(
    question: Question,
    layer: Layer,
    ask: (files: readonly StoredFile[]) => Promise<Found>,
  ) => {
    for (let attempt = 1; ; attempt++) {
      held ??= await list()
      const files = filesOf(held, layer).filter(({ hour }) => mayHold(hour, question))
      try {
        return await ask(files)
      } catch (error) {
        if (attempt === mostAttempts || files.every(({ path }) => existsSync(path))) throw error
        held = null
      }
    }
  }

  return {
    ask: (question, layer) =>
      withFiles(question, layer, async files =>
        files.length === 0 ? nothing : await answer(duck, files, question, layer),
      ),
    addresses: (field, question, layer) =>
      withFiles(question, layer, async files => {
        const found: string[] = []
        if (files.length === 0) return found
        const where = whereSql(dialect, { ...question, where: [] }, layer)
        const sql = `SELECT DISTINCT ${field}, 0 FROM ${relationOf(files, layer)}${where}`
        for await (const batch of duck.texts(sql)) for (const [text] of batch) found.push(text)
        return found
      }),
    async hours() {
      held ??= await list()
      return held.flatMap(storedHours)
    },
    [Symbol.asyncDispose]: () => duck[Symbol.asyncDispose](),
  }
}

function filesOf(collected: readonly Collected[], layer: Layer): StoredFile[] {
  return collected.flatMap(one =>
    one[layer].flatMap(({ hour, paths }) => paths.map(path => ({ path, hour }))),
  )
}

/** What lies in no hour of its own may begin at any time. */
function mayHold(hour: Hour, { fromUnixMs, untilUnixMs }: Question): boolean {
  if (hour === null) return true
  return (
    (fromUnixMs === null || (hour + 1) * hourMs > fromUnixMs) &&
    (untilUnixMs === null || hour * hourMs < untilUnixMs)
  )
}

/** Rows of these files; of single records with the hour in which each began. */
function relationOf(files: readonly StoredFile[], layer: Layer): string {
  const read = (some: readonly StoredFile[], more: string) =>
    parquetFiles(
      some.map(({ path }) => path),
      more,
    )
  if (layer === 'rollup') return read(files, '')
  const ofHours = files.filter(({ hour }) => hour !== null)
  const others = files.filter(({ hour }) => hour === null)
  const parts: string[] = []
  // `…/2026-01-15T10/000000000001-000000000007.parquet`: the hour as in `formats`, once a file. Not every function of
  // the engine is, and one that it works out for each row (`concat`, say) takes half as long as all the rest.
  if (ofHours.length > 0)
    parts.push(`SELECT *, substr(filename, -47, 13) AS file_hour FROM ${read(ofHours, 'filename = true')}`)
  if (others.length > 0)
    parts.push(
      `SELECT *, strftime(${beginOf.raw}, '${formats.hour}') AS file_hour FROM ${read(others, 'filename = true')}`,
    )
  return `(${parts.join(' UNION ALL ')})`
}

async function answer(
  duck: Duck,
  files: readonly StoredFile[],
  question: Question,
  layer: Layer,
): Promise<Answer> {
  const relation = relationOf(files, layer)
  const where = whereSql(dialect, question, layer)
  const { exporters, sums } = await factsOf(duck, files, layer)
  const keys = question.by.map((field, index) => `${keySql(dialect, field, layer)} AS key_${index}`)
  const names = question.by.map((_, index) => `key_${index}`)
  await duck.run(`CREATE OR REPLACE TEMP TABLE answer AS SELECT ${[...keys, sums].join(', ')}
    FROM ${relation}${where}${keys.length === 0 ? '' : ' GROUP BY ALL'}`)
  const [total] = await duck.rows(`SELECT count(*) AS groups, sum(sum_bytes)::DOUBLE AS bytes,
    sum(sum_packets)::DOUBLE AS packets, sum(sum_flows)::DOUBLE AS flows FROM answer`)
  const order = [`sum_${question.order} DESC`, ...names].join(', ')
  const rows = await duck.rows(
    `SELECT ${[...names, 'sum_bytes::DOUBLE AS bytes, sum_packets::DOUBLE AS packets, sum_flows::DOUBLE AS flows'].join(', ')}
     FROM answer ORDER BY ${order} LIMIT ${question.top}`,
  )
  const sum = numbers(total!)
  return {
    rows: rows.map(row => ({
      ...numbers(row),
      keys: question.by.map((field, index) => keyOf(field, row[`key_${index}`])),
    })),
    total: sum,
    groups: Number(total!.groups),
    exporters: await exportersOf(duck, `${relation}${where}`, {
      ofFiles: exporters,
      ofRows: where === '' ? 'all' : sum.flows > 0 ? 'some' : 'none',
    }),
  }
}

type Facts = {
  /** `null` where the files alone do not settle it. */
  readonly exporters: number | null
  readonly sums: string
}

/**
 * What the files say of themselves, without a row being read: the least and the greatest value of a column in each group
 * of rows. Most exporters do not sample, and then no row need be multiplied; and numbers of 63 bits are added up half as
 * fast again as those of 64.
 */
async function factsOf(duck: Duck, files: readonly StoredFile[], layer: Layer): Promise<Facts> {
  const paths = files.map(({ path }) => pathPattern(path)).join(', ')
  const columns = await duck.rows(
    `SELECT path_in_schema AS name, count(DISTINCT stats_min_value) AS values, any_value(stats_min_value) AS value,
       bool_and(coalesce(stats_min_value = stats_max_value, false)) AS settled,
       bool_and(TRY_CAST(stats_max_value AS BIGINT) IS NOT NULL) AS fits
     FROM parquet_metadata([${paths}])
     WHERE path_in_schema IN ('exporter', 'sampling_rate', 'bytes', 'packets') GROUP BY path_in_schema`,
  )
  const said = (name: string) => columns.find(each => each.name === name)
  const [exporter, rate] = [said('exporter'), said('sampling_rate')]
  const isWhole = rate?.settled === true && Number(rate.values) === 1 && Number(rate.value) === 1
  const type = (name: string) => (said(name)?.fits === true ? 'BIGINT' : 'UBIGINT')
  const flows = layer === 'raw' ? 'count(*)' : 'sum(flows)'
  return {
    exporters: exporter?.settled === true ? Number(exporter.values) : null,
    sums:
      layer === 'raw' && !isWhole
        ? sumsSql.raw
        : `sum(bytes::${type('bytes')}) AS sum_bytes, sum(packets::${type('packets')}) AS sum_packets, ${flows} AS sum_flows`,
  }
}

type SettledExporters = { readonly ofFiles: number | null; readonly ofRows: 'all' | 'some' | 'none' }

/** How many exporters the rows are of that were asked about. */
async function exportersOf(duck: Duck, rows: string, { ofFiles, ofRows }: SettledExporters): Promise<number> {
  if (ofRows === 'none') return 0
  if (ofFiles !== null && (ofRows === 'all' || ofFiles === 1)) return ofFiles
  const [facts] = await duck.rows(`SELECT count(DISTINCT exporter) AS exporters FROM ${rows}`)
  return Number(facts!.exporters)
}

function numbers(row: Readonly<Record<string, unknown>>) {
  const number = (name: string) => Number(row[name] ?? 0)
  return { bytes: number('bytes'), packets: number('packets'), flows: number('flows') }
}

function keyOf(field: Field, value: unknown): string | number | null {
  if (value === null || value === undefined) return null
  if (field === 'hour') return `${value}:00Z`
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : String(value)
}
