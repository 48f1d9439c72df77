/** Questions to the Parquet files of collectors, by DuckDB. */
import { existsSync } from 'node:fs'
import { type Hour, hourMs } from '../collect/folder.ts'
import { type Duck, sqlText } from '../engine/duck.ts'
import { parquetFiles } from '../engine/parquet-files.ts'
import { type Collected, storedHours } from './collected.ts'
import type { Answer, FlowStore, Layer, Question } from './question.ts'
import { beginOf, type Dialect, keySql, sumsSql, whereSql } from './sql.ts'

type StoredFile = { readonly path: string; readonly hour: Hour }

const formats = { hour: '%Y-%m-%dT%H:00Z', day: '%Y-%m-%d' }
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
  // `…/2026-01-15T10/000000000001-000000000007.parquet`
  if (ofHours.length > 0)
    parts.push(
      `SELECT *, concat(substr(filename, length(filename) - 46, 13), ':00Z') AS file_hour FROM ${read(ofHours, 'filename = true')}`,
    )
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
  const facts =
    (where === '' && layer === 'raw' ? await factsAhead(duck, files) : null) ??
    (await factsOf(duck, relation, where, layer))
  const { exporters, sums } = facts
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
  return {
    rows: rows.map(row => ({ ...numbers(row), keys: names.map(name => keyOf(row[name])) })),
    total: numbers(total!),
    groups: Number(total!.groups),
    exporters,
  }
}

type Facts = { readonly exporters: number; readonly sums: string }

/**
 * What the files say of themselves, without a row being read: the least and the greatest value of a column in each group
 * of rows. `null` where that does not settle it.
 */
async function factsAhead(duck: Duck, files: readonly StoredFile[]): Promise<Facts | null> {
  const paths = files.map(({ path }) => sqlText(path)).join(', ')
  const columns = await duck.rows(
    `SELECT path_in_schema AS name, count(DISTINCT stats_min_value) AS values, any_value(stats_min_value) AS value,
       bool_and(coalesce(stats_min_value = stats_max_value, false)) AS settled
     FROM parquet_metadata([${paths}]) WHERE path_in_schema IN ('exporter', 'sampling_rate') GROUP BY path_in_schema`,
  )
  const [exporter, rate] = ['exporter', 'sampling_rate'].map(name => columns.find(each => each.name === name))
  if (exporter?.settled !== true || rate?.settled !== true) return null
  const isWhole = Number(rate.values) === 1 && Number(rate.value) === 1
  return { exporters: Number(exporter.values), sums: isWhole ? unsampledSums : sumsSql.raw }
}

/** Most exporters do not sample, and then no row need be multiplied. */
async function factsOf(duck: Duck, relation: string, where: string, layer: Layer): Promise<Facts> {
  const rates =
    layer === 'raw' ? ', count(DISTINCT sampling_rate) AS rates, any_value(sampling_rate) AS rate' : ''
  const [facts] = await duck.rows(
    `SELECT count(DISTINCT exporter) AS exporters${rates} FROM ${relation}${where}`,
  )
  const isWhole = layer === 'raw' && Number(facts!.rates) === 1 && Number(facts!.rate) === 1
  return { exporters: Number(facts!.exporters), sums: isWhole ? unsampledSums : sumsSql[layer] }
}

const unsampledSums = 'sum(bytes) AS sum_bytes, sum(packets) AS sum_packets, count(*) AS sum_flows'

function numbers(row: Readonly<Record<string, unknown>>) {
  const number = (name: string) => Number(row[name] ?? 0)
  return { bytes: number('bytes'), packets: number('packets'), flows: number('flows') }
}

function keyOf(value: unknown): string | number | null {
  if (value === null || value === undefined) return null
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : String(value)
}
