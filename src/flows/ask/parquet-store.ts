/** Questions to the Parquet files of collectors, by DuckDB. */
import { existsSync } from 'node:fs'
import { type Duck, sqlText } from '../engine/duck.ts'
import type { Answer, FlowStore, Layer, Question } from './question.ts'
import { beginOf, type Dialect, keySql, sumsSql, whereSql } from './sql.ts'

const dialect: Dialect = {
  key: (field, layer) => `strftime(${beginOf[layer]}, '${formats[field]}')`,
  moment: unixMs => `make_timestamp(${Math.round(unixMs * 1000)})`,
}
const formats = { hour: '%Y-%m-%dT%H:00Z', day: '%Y-%m-%d' }

type Files = Readonly<Record<Layer, readonly string[]>>

const mostAttempts = 5

/** Takes `duck` over. `list` is asked again when a collector has merged files away under a question. */
export function openParquetStore(duck: Duck, list: () => Promise<Files>): FlowStore {
  const relation = (files: readonly string[]): string => `read_parquet([${files.map(sqlText).join(', ')}])`
  const nothing: Answer = { rows: [], total: { bytes: 0, packets: 0, flows: 0 }, groups: 0, exporters: 0 }

  const withFiles = async <Found>(layer: Layer, ask: (files: readonly string[]) => Promise<Found>) => {
    for (let attempt = 1; ; attempt++) {
      const files = (await list())[layer]
      try {
        return await ask(files)
      } catch (error) {
        if (attempt === mostAttempts || files.every(existsSync)) throw error
      }
    }
  }

  return {
    ask: (question, layer) =>
      withFiles(layer, async files =>
        files.length === 0 ? nothing : await answer(duck, relation(files), question, layer),
      ),
    addresses: (field, question, layer) =>
      withFiles(layer, async files => {
        const found: string[] = []
        if (files.length === 0) return found
        const where = whereSql(dialect, { ...question, where: [] }, layer)
        const sql = `SELECT DISTINCT ${field}, 0 FROM ${relation(files)}${where}`
        for await (const batch of duck.texts(sql)) for (const [text] of batch) found.push(text)
        return found
      }),
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
