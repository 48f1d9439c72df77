import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duck, sqlText } from './duck.ts'

/** A table in CSV, with a header, as a Parquet file; types are what the columns' cells say. The file is whole or not there. */
export async function writeParquet(path: string, csv: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-table-'))
  try {
    await using duck = await Duck.open({ memoryMiB: 256, threads: 1 })
    const table = join(folder, 'table.csv')
    await writeFile(table, csv)
    const rows = `read_csv(${sqlText(table)}, header = true, delim = ',', quote = '"', escape = '"', sample_size = -1)`
    const made = `${path}.part`
    await duck.run(`COPY (SELECT * FROM ${rows}) TO ${sqlText(made)} (FORMAT parquet, COMPRESSION zstd)`)
    await rename(made, path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
