/** Questions to the Parquet files of collectors, by DuckDB. */
import { type Duck, sqlText } from '../engine/duck.ts'
import type { Answer, FlowStore, Layer, Question } from './question.ts'
import { beginOf, type Dialect, keySql, sumsSql, whereSql } from './sql.ts'

const dialect: Dialect = {
  key: (field, layer) => `strftime(${beginOf[layer]}, '${formats[field]}')`,
  moment: unixMs => `make_timestamp(${Math.round(unixMs * 1000)})`,
}
const formats = { hour: '%Y-%m-%dT%H:00Z', day: '%Y-%m-%d' }

/** Takes `duck` over. */
export function openParquetStore(duck: Duck, files: Readonly<Record<Layer, readonly string[]>>): FlowStore {
  const relation = (layer: Layer): string => `read_parquet([${files[layer].map(sqlText).join(', ')}])`
  const nothing: Answer = { rows: [], total: { bytes: 0, packets: 0, flows: 0 }, groups: 0, exporters: 0 }

  return {
    async ask(question, layer) {
      if (files[layer].length === 0) return nothing
      return await answer(duck, relation(layer), question, layer)
    },
    async *addresses(field, question, layer) {
      if (files[layer].length === 0) return
      const where = whereSql(dialect, { ...question, where: [] }, layer)
      const sql = `SELECT DISTINCT ${field}, 0 FROM ${relation(layer)}${where}`
      for await (const batch of duck.texts(sql)) for (const [text] of batch) yield text
    },
    [Symbol.asyncDispose]: () => duck[Symbol.asyncDispose](),
  }
}

async function answer(duck: Duck, relation: string, question: Question, layer: Layer): Promise<Answer> {
  const keys = question.by.map((field, index) => `${keySql(dialect, field, layer)} AS key_${index}`)
  const names = question.by.map((_, index) => `key_${index}`)
  const where = whereSql(dialect, question, layer)
  await duck.run(`CREATE OR REPLACE TEMP TABLE answer AS SELECT ${[...keys, sumsSql[layer]].join(', ')}
    FROM ${relation}${where}${keys.length === 0 ? '' : ' GROUP BY ALL'}`)
  const [total] = await duck.rows(`SELECT count(*) AS groups, sum(sum_bytes)::DOUBLE AS bytes,
    sum(sum_packets)::DOUBLE AS packets, sum(sum_flows)::DOUBLE AS flows FROM answer`)
  const order = [`sum_${question.order} DESC`, ...names].join(', ')
  const rows = await duck.rows(
    `SELECT ${[...names, 'sum_bytes::DOUBLE AS bytes, sum_packets::DOUBLE AS packets, sum_flows::DOUBLE AS flows'].join(', ')}
     FROM answer ORDER BY ${order} LIMIT ${question.top}`,
  )
  const [exporters] = await duck.rows(`SELECT count(DISTINCT exporter) AS count FROM ${relation}${where}`)
  const sums = (row: Readonly<Record<string, unknown>>) => ({
    bytes: Number(row.bytes ?? 0),
    packets: Number(row.packets ?? 0),
    flows: Number(row.flows ?? 0),
  })
  return {
    rows: rows.map(row => ({ ...sums(row), keys: names.map(name => keyOf(row[name])) })),
    total: sums(total!),
    groups: Number(total!.groups),
    exporters: Number(exporters!.count),
  }
}

function keyOf(value: unknown): string | number | null {
  if (value === null || value === undefined) return null
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : String(value)
}
