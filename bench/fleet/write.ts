/** A fleet's records as files: AWS flow logs, a day a file. */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Fleet } from './generate.ts'

const header =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n'
const chunkBytes = 1 << 20

export async function writeAwsLogs(
  fleet: Fleet,
  days: number,
  folder: string,
): Promise<{ files: string[]; rows: number }> {
  const files: string[] = []
  let rows = 0
  for (let day = 0; day < days; day++) {
    const file = join(folder, `aws-${String(day).padStart(2, '0')}.log`)
    files.push(file)
    const stream = createWriteStream(file)
    let text = header
    for (const row of fleet.day(day)) {
      rows += 1
      text += `2 123456789012 ${row.observer} ${row.src} ${row.dst} ${row.srcPort} ${row.dstPort} ${row.protocol} ${row.packets} ${row.bytes} ${row.startSeconds} ${row.endSeconds} ACCEPT OK\n`
      if (text.length < chunkBytes) continue
      if (!stream.write(text)) await once(stream, 'drain')
      text = ''
    }
    stream.end(text)
    await once(stream, 'finish')
  }
  return { files, rows }
}

/** The same as Parquet, as a cloud delivers it. */
export async function toParquet(files: readonly string[]): Promise<string[]> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '2GiB' })
  const connection = await instance.connect()
  const made: string[] = []
  for (const file of files) {
    const path = file.replace(/\.log$/, '.parquet')
    await connection.run(
      `COPY (SELECT * FROM read_csv('${file}', delim = ' ', header = true)) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
    )
    made.push(path)
  }
  connection.closeSync()
  instance.closeSync()
  return made
}
