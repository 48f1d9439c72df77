/**
 * An audit of a fleet: `node bench/audit.ts [--flows 1000000] [--servers 1400] [--days 30] [--seed 1]
 * [--format text|parquet|ipfix] [--folder DIR]`.
 * Prints how long it took, what memory, and whether it found who sends abroad and nobody else.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { htmlReport } from '../src/flows/report/html.ts'
import { auditFlows } from '../src/pipes/flow.ts'
import { sourcesOf } from './fleet/audit-sources.ts'
import { createFleet } from './fleet/generate.ts'
import { judge } from './fleet/judge.ts'
import { toParquet, writeAwsLogs } from './fleet/write.ts'
import { writeExports } from './fleet/write-exports.ts'

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000000' },
    servers: { type: 'string', default: '1400' },
    senders: { type: 'string', default: '72' },
    days: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string', default: 'text' },
    html: { type: 'string' },
    memory: { type: 'string', default: '1024' },
    folder: { type: 'string', default: join(tmpdir(), 'holdfast-fleet') },
  },
})
const shape = {
  seed: Number(values.seed),
  servers: Number(values.servers),
  senders: Number(values.senders),
  days: Number(values.days),
  flows: Number(values.flows),
}
const folder = join(values.folder, Object.values(shape).join('-'))
mkdirSync(folder, { recursive: true })
const fleet = createFleet(shape)
let began = performance.now()
const write = values.format === 'ipfix' ? writeExports : writeAwsLogs
const { files: logs, rows } = await write(fleet, shape.days, folder)
const files = values.format === 'parquet' ? await toParquet(logs) : logs
const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
const seconds = () => ((performance.now() - began) / 1000).toFixed(1)
console.log(`made ${rows} records, ${(bytes / 1e9).toFixed(2)} GB, in ${seconds()} s`)

began = performance.now()
let peak = 0
const cpuBefore = process.cpuUsage()
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss())
}, 200)
const { report } = await auditFlows({
  flows: files.map(path => ({ name: path, path, sizeBytes: statSync(path).size })),
  ...sourcesOf(fleet),
  engine: { memoryMiB: Number(values.memory), threads: availableParallelism() },
  nowUnixMs: Date.now(),
})
clearInterval(watch)
const cpu = process.cpuUsage(cpuBefore)
const used = ((cpu.user + cpu.system) / 1e6).toFixed(1)
console.log(
  `audited ${report.coverage.records} records in ${seconds()} s (${used} s of processor), at most ${Math.round(peak / 1e6)} MB`,
)
console.log(judge(fleet, report))
if (values.html !== undefined) writeFileSync(values.html, htmlReport(report))
