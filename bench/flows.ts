/**
 * Questions to stored flows: `node bench/flows.ts [--flows 100000000] [--days 30] [--peer 20000000] [--folder DIR]`.
 *
 * Makes a collector's folder as it stands after its hours were merged and rolled up, and asks it what people ask, each
 * question in a process of its own as on the command line. Then the same datagrams go to `holdfast collect` and to
 * `nfcapd`, one after the other, and both answer the same question over what they have stored.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { commitPath, hourMs, rangePath } from '../src/flows/collect/folder.ts'
import { noNotes } from '../src/flows/collect/note-counts.ts'
import { createRollUp } from '../src/flows/collect/roll-up.ts'
import { Duck, sqlText } from '../src/flows/engine/duck.ts'

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '100000000' },
    days: { type: 'string', default: '30' },
    peer: { type: 'string', default: '20000000' },
    folder: { type: 'string', default: join(tmpdir(), 'holdfast-bench-flows') },
  },
})
const flows = Number(values.flows)
const hours = Number(values.days) * 24
const firstHour = Math.floor(Date.UTC(2026, 0, 1) / hourMs)
const emptyCommit = {
  version: 1,
  datagrams: 0,
  records: 0,
  failedSegments: 0,
  failedDatagrams: 0,
  lastArrivedUnixMs: null,
  notes: noNotes,
  carried: noNotes,
  exporters: [],
  decoder: null,
}
const main = join(import.meta.dirname, '..', 'src', 'main.ts')

console.log(`${cpus()[0]!.model}, ${availableParallelism()} cores, node ${process.version}`)
let peerFlows = 0
await ask(await made())
if (Number(values.peer) > 0) await besidePeer(Number(values.peer))

/** 1,400 servers, 200,000 destinations in 4,000 networks, few of which have most of the flows. */
async function made(): Promise<string> {
  const folder = join(values.folder, `${flows}-${hours}`)
  if (existsSync(commitPath(folder))) return folder
  mkdirSync(folder, { recursive: true })
  await using duck = await Duck.open({ memoryMiB: 4096, threads: availableParallelism(), inMemory: true })
  const rollUp = createRollUp(duck, { places: null, databases: 'installed' })
  const each = Math.round(flows / hours)
  const began = performance.now()
  for (let i = 0; i < hours; i++) {
    const hour = firstHour + i
    const range = { from: i + 1, through: i + 1 }
    const path = rangePath(folder, 'raw', hour, range)
    mkdirSync(join(path, '..'), { recursive: true })
    const dice = (salt: number) =>
      `(hash(n * 16 + ${salt} + ${i * 1_000_000_000}::BIGINT) / 18446744073709551615.0)`
    const start = `make_timestamp(CAST((${hour * hourMs} + ${dice(1)} * ${hourMs - 1}) * 1000 AS BIGINT))`
    await duck.run(`COPY (SELECT "start", "start" + INTERVAL 20 SECOND AS "end", concat('10.1.', server // 250, '.', server % 250) AS src_addr,
        concat(20 + network % 80, '.', network // 250, '.', network % 250, '.', host) AS dst_addr,
        CAST(32768 + ${dice(2)} * 28000 AS USMALLINT) AS src_port, CAST(443 AS USMALLINT) AS dst_port,
        CAST(6 AS UTINYINT) AS protocol, CAST(100 + 1000000 * pow(${dice(3)}, 8) AS UBIGINT) AS bytes,
        CAST(1 + 700 * pow(${dice(3)}, 8) AS UBIGINT) AS packets, 1.0::DOUBLE AS sampling_rate,
        '192.0.2.1' AS exporter, 'out' AS direction
      FROM (SELECT n, ${start} AS "start", CAST(floor(1400 * ${dice(4)}) AS INTEGER) AS server,
          CAST(floor(4000 * pow(${dice(5)}, 3)) AS INTEGER) AS network, CAST(floor(50 * ${dice(6)}) AS INTEGER) AS host
        FROM range(${each}) AS rows(n)) ORDER BY src_addr, dst_addr, "start")
      TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd)`)
    const rolled = rangePath(folder, 'rollup', hour, range)
    mkdirSync(join(rolled, '..'), { recursive: true })
    await rollUp([path], rolled, async () => 0)
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`made ${each * hours} flows of ${hours} hours, and their roll-ups, in ${seconds} s`)
  writeFileSync(commitPath(folder), JSON.stringify({ ...emptyCommit, through: hours }))
  return folder
}

async function ask(folder: string): Promise<void> {
  const until = new Date((firstHour + hours) * hourMs).toISOString().slice(0, 10)
  const questions = [
    ['--by', 'src_addr'],
    ['--by', 'dst_addr'],
    ['--by', 'day'],
    ['--by', 'dst_addr', '--where', 'src_addr=10.1.2.3'],
    ['--by', 'dst_country'],
    ['--by', 'src_addr,dst_country', '--of', 'rollup'],
    ['--by', 'dst_network', '--where', 'src_addr=10.1.2.3', '--until', until],
  ]
  for (const argv of questions) {
    const seconds = [1, 2, 3].map(() => timed(folder, argv)).sort((a, b) => a - b)
    console.log(
      `flows ${argv.join(' ')}: ${seconds[1]!.toFixed(2)} s (of three, ${seconds[0]!.toFixed(2)} to ${seconds[2]!.toFixed(2)})`,
    )
  }
}

function timed(folder: string, argv: readonly string[]): number {
  const began = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [main, 'flows', folder, ...argv], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return (performance.now() - began) / 1000
}

/** Both collectors take the same datagrams, and answer: bytes by source address. */
async function besidePeer(records: number): Promise<void> {
  if (spawnSync('nfcapd', ['-V']).error !== undefined) {
    console.log('nfcapd is not installed: nothing to compare with')
    return
  }
  const folders = { own: join(values.folder, 'collected'), peer: join(values.folder, 'nfcapd') }
  for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true })
  mkdirSync(folders.peer, { recursive: true })
  const listen = ['--listen', '127.0.0.1:29995']
  await fed(records, spawn(process.execPath, [main, 'collect', folders.own, ...listen], { stdio: 'ignore' }))
  const nfcapd = [
    '-p',
    '29995',
    '-b',
    '127.0.0.1',
    '-w',
    folders.peer,
    '-B',
    '4194304',
    '-t',
    '3600',
    '-I',
    'bench',
  ]
  await fed(records, spawn('nfcapd', nfcapd, { stdio: 'ignore' }))
  const question = ['--by', 'src_addr', '--top', '10']
  const own = [1, 2, 3].map(() => timed(folders.own, question)).sort((a, b) => a - b)[1]!
  const peer = [1, 2, 3]
    .map(() => {
      const began = performance.now()
      const { stdout } = spawnSync('nfdump', ['-R', folders.peer, '-A', 'srcip', '-O', 'bytes'], {
        encoding: 'utf8',
      })
      peerFlows = Number(/Total flows processed: (\d+)/.exec(stdout)?.[1] ?? 0)
      return (performance.now() - began) / 1000
    })
    .sort((a, b) => a - b)[1]!
  const { stdout } = spawnSync(process.execPath, [main, 'flows', folders.own, '--json'], { encoding: 'utf8' })
  const ownFlows = (JSON.parse(stdout) as { total: { flows: number } }).total.flows
  console.log(`holdfast flows --by src_addr over ${ownFlows} flows: ${own.toFixed(2)} s`)
  console.log(`nfdump -A srcip over ${peerFlows} flows: ${peer.toFixed(2)} s`)
  console.log(`ratio, flows a second: ${(ownFlows / own / (peerFlows / peer)).toFixed(2)}`)
}

/** Sends to a collector that is being started, and ends it. */
async function fed(records: number, collector: ChildProcess): Promise<void> {
  await sleep(2000)
  const rate = 250_000
  const args = ['--send', 'now', '--rate', String(rate), '--seconds', String(records / rate)]
  const sender = spawn(process.execPath, [join(import.meta.dirname, 'collect.ts'), ...args], {
    stdio: 'ignore',
  })
  await once(sender, 'close')
  await sleep(1000)
  const closed = once(collector, 'close')
  collector.kill('SIGTERM')
  await closed
}
