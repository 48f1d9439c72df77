/** Flow records as Parquet that anybody can read: one row a record, one file for each hour of a segment. */
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolderDurable, syncFolder } from '../../store/durable-file.ts'
import type { InputNotes } from '../decode/notes.ts'
import { type ColumnTable, type Duck, sqlText } from '../engine/duck.ts'
import { notesKey } from '../engine/parquet-notes.ts'
import { addressTextSql } from './address-sql.ts'
import { isNothing } from './note-counts.ts'
import { rawSpecs, ways } from './raw-columns.ts'

export type RawTable = ColumnTable<typeof rawSpecs>

const table = 'raw'

export function openRawTable(duck: Duck): Promise<RawTable> {
  return duck.table(table, rawSpecs)
}

export async function dropRawTable(duck: Duck): Promise<void> {
  duck.flush()
  await duck.run(`DROP TABLE IF EXISTS addresses; DROP TABLE IF EXISTS ${table}`)
}

/** Spells each address once, however many rows name it. To be called when all rows are there. */
export async function spellAddresses(duck: Duck): Promise<void> {
  duck.flush()
  await duck.run(`CREATE TABLE addresses AS SELECT words, ${addressTextSql('words')} AS text FROM
    (SELECT src AS words FROM ${table} UNION SELECT dst FROM ${table} UNION SELECT exporter FROM ${table})`)
}

/** Milliseconds can have a fraction; the column has microseconds. */
const time = (column: string) => `make_timestamp(CAST(${column} * 1000 AS BIGINT))`

const direction = `CASE direction ${ways.flatMap((way, number) => (way === null ? [] : [`WHEN ${number} THEN '${way}'`])).join(' ')} END`

const select = `SELECT ${time('startUnixMs')} AS "start", ${time('endUnixMs')} AS "end",
  s.text AS src_addr, d.text AS dst_addr, srcPort AS src_port, dstPort AS dst_port, protocol,
  CAST(bytes AS UBIGINT) AS bytes, CAST(packets AS UBIGINT) AS packets, samplingRate AS sampling_rate,
  e.text AS exporter, ${direction} AS direction
  FROM ${table} JOIN addresses AS s ON s.words = src JOIN addresses AS d ON d.words = dst
  JOIN addresses AS e ON e.words = ${table}.exporter`

export async function writeRawHour(
  duck: Duck,
  path: string,
  hour: number | null,
  notes: InputNotes,
): Promise<void> {
  const rows = hour === null ? select : `${select} WHERE hour = ${hour}`
  await copyDurable(duck, rows, path, notes, 'snappy')
}

/** The file is whole and on disk, or not there. Its notes say what was lost on the way into it. */
export async function copyDurable(
  duck: Duck,
  sql: string,
  path: string,
  notes: InputNotes,
  compression: 'snappy' | 'zstd',
): Promise<void> {
  const part = `${path}.part`
  await makeFolderDurable(dirname(path))
  const metadata = isNothing(notes) ? '' : `, KV_METADATA {${notesKey}: ${sqlText(JSON.stringify(notes))}}`
  await duck.run(`COPY (${sql}) TO ${sqlText(part)} (FORMAT parquet, COMPRESSION ${compression}${metadata})`)
  await syncAndRename(part, path)
}

async function syncAndRename(part: string, path: string): Promise<void> {
  const file = await open(part, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(part, path)
  await syncFolder(dirname(path))
}
