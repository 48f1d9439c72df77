/** Brings what a collector has stored into ClickHouse: hours that are new or have changed, each as a whole. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Duck, sqlText } from '../engine/duck.ts'
import { parquetFiles } from '../engine/parquet-files.ts'
import { type ClickHouse, createTables, loadedHours, loadHour } from './clickhouse-store.ts'
import type { Collected, CollectedHour } from './collected.ts'
import type { Layer } from './question.ts'

const ms = (column: string) => `epoch_ms("${column}")`
const said = (column: string) => `coalesce(${column}, '')`

/** In the order of ClickHouse's columns, behind collector and hour. */
const selects = {
  raw: `${ms('start')}, ${ms('end')}, src_addr, src_port, dst_addr, dst_port, protocol, bytes, packets, sampling_rate,
    exporter, ${said('direction')}`,
  rollup: `${ms('hour')}, src_addr, dst_network, ${said('dst_country')}, coalesce(dst_asn, 0), protocol, dst_port,
    exporter, ${said('direction')}, bytes, packets, flows`,
} as const satisfies Record<Layer, string>

export type LoadCounts = { readonly hours: number; readonly rows: number; readonly unchanged: number }

export async function loadCollected(send: ClickHouse, duck: Duck, collected: Collected): Promise<LoadCounts> {
  await createTables(send)
  const loaded = new Map(
    (await loadedHours(send)).map(({ layer, collector, hour, files }) => [
      `${layer} ${collector} ${hour}`,
      files,
    ]),
  )
  const work = await mkdtemp(join(tmpdir(), 'holdfast-load-'))
  const counts = { hours: 0, rows: 0, unchanged: 0 }
  try {
    for (const layer of ['raw', 'rollup'] as const)
      for (const part of collected[layer]) {
        const hour = part.hour ?? 0
        const files = await fingerprint(part)
        if (loaded.get(`${layer} ${collected.name} ${hour}`) === files) {
          counts.unchanged += 1
          continue
        }
        const path = join(work, 'hour.csv')
        const [written] = await duck.rows(
          `COPY (SELECT ${sqlText(collected.name)}, ${hour}, ${selects[layer]} FROM ${parquetFiles(part.paths)}) TO ${sqlText(path)} (FORMAT csv, HEADER false)`,
        )
        const rows = Number(written!.Count)
        const { through } = part
        const target = { layer, collector: collected.name, hour, files, through }
        await loadHour(send, target, createReadStream(path), rows)
        counts.hours += 1
        counts.rows += rows
      }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return counts
}

/** A file of a range never changes, so its name and its size say what is in it. */
async function fingerprint({ paths }: CollectedHour): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${basename(path)} ${(await stat(path)).size}\n`)
  return hash.digest('hex')
}
