/**
 * Whether `holdfast collect` keeps up: `node bench/collect.ts [--rate N] [--seconds S] [--protocol 9|10] [--keep NAME]`.
 *
 * A process of its own sends N records a second over loopback, 24 a datagram, all of them different; ours and nfcapd take
 * them in turn. What was sent is the sender's own count; what was stored is counted in the files afterwards. The
 * collector decodes behind its spool, so it also says how much of that was left when the sending ended, and how long it
 * took. `--alone` leaves nfcapd out.
 *
 * `--trouble` is about exactness instead: the collector's disk (a tmpfs, which takes root) is full for a third of the
 * time, and in the middle of that it is killed (kill -9) and started again. What was sent must be what is stored and what
 * is stated as lost.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { statusOf } from '../src/flows/collect/status-report.ts'
import { templated } from './export-datagrams.ts'
import { cpuMs, rssAnonBytes, withChildren } from './processes.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500000' },
    seconds: { type: 'string', default: '20' },
    protocol: { type: 'string', default: '9' },
    alone: { type: 'boolean', default: false },
    peer: { type: 'boolean', default: false },
    send: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    keep: { type: 'string' },
    trouble: { type: 'boolean', default: false },
  },
})
const rate = Number(values.rate)
const seconds = Number(values.seconds)
const version = values.protocol === '10' ? 10 : 9
const recordsEach = 24
const port = 29_995
/** The tmpfs, what the collector leaves free of it, and what may wait in its memory. */
const trouble = { diskMiB: 768, keepFree: '64M', buffer: '64M' }

if (values.send !== undefined) await sendAll()
else if (values.trouble) await troubled()
else await compare()

/** Sends on time: what a pause of the machine held up is sent in bursts of at most 64. */
async function sendAll(): Promise<void> {
  const socket = createSocket('udp4')
  const made = Array.from({ length: 4096 }, () => templated(version, 0, recordsEach, false))
  // A receiver that is away answers that nobody is there.
  socket.on('error', () => {})
  await new Promise<void>(done => socket.connect(port, '127.0.0.1', done))
  const total = Math.floor((rate / recordsEach) * seconds)
  let sent = 0
  let failed = 0
  const send = (datagram: Buffer): Promise<void> =>
    new Promise(done =>
      socket.send(datagram, error => {
        if (error) failed += 1
        done()
      }),
    )
  // Dated now, as an exporter's are, and numbered as the protocol does.
  const unixSeconds = Math.floor(Date.now() / 1000)
  for (const datagram of made) date(datagram, unixSeconds)
  const template = templated(version, 0, 0, true)
  date(template, unixSeconds)
  await send(template)
  const start = performance.now()
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * (rate / recordsEach)))
    const burst: Promise<void>[] = []
    for (let i = Math.min(due - sent, 64); i > 0; i--) {
      const datagram = made[sent % made.length]!
      datagram.writeUInt32BE(version === 9 ? sent + 1 : (sent * recordsEach) >>> 0, version === 9 ? 12 : 8)
      burst.push(send(datagram))
      sent += 1
    }
    if (burst.length > 0) await Promise.all(burst)
    else await sleep(1)
  }
  const ms = performance.now() - start
  socket.close()
  process.stdout.write(JSON.stringify({ datagrams: sent + 1, records: sent * recordsEach, failed, ms }))
}

/** The header's date, and in IPFIX the records' own times. */
function date(datagram: Buffer, unixSeconds: number): void {
  datagram.writeUInt32BE(unixSeconds, version === 9 ? 8 : 4)
}

type Sent = {
  readonly datagrams: number
  readonly records: number
  readonly failed: number
  readonly ms: number
}

type Result = {
  readonly name: string
  readonly sent: Sent
  readonly storedRecords: number
  readonly kernelDrops: number | null
  readonly cpuMs: number
  readonly peakBytes: number
  readonly note: string
}

async function underLoad(receiver: ChildProcess): Promise<{ sent: Sent; cpuMs: number; peakBytes: number }> {
  const pids = withChildren(receiver.pid!)
  const before = cpuMs(pids)
  let peakBytes = 0
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, rssAnonBytes(pids))
  }, 500)
  const args = [import.meta.filename, '--send', 'now', '--rate', values.rate, '--seconds', values.seconds]
  const sender = spawn(process.execPath, [...args, '--protocol', String(version)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  sender.stdout.on('data', (text: Buffer) => {
    said += text.toString()
  })
  await once(sender, 'close')
  clearInterval(timer)
  return { sent: JSON.parse(said) as Sent, cpuMs: cpuMs(pids) - before, peakBytes }
}

async function startOurs(folder: string, ...more: readonly string[]): Promise<ChildProcess> {
  const main = join(import.meta.dirname, '..', 'src', 'main.ts')
  const args = ['--single-threaded-gc', main, 'collect', folder, '--listen', `127.0.0.1:${port}`, ...more]
  const collector = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(collector.stdout!, 'data')
  return collector
}

async function ours(folder: string): Promise<Result> {
  const collector = await startOurs(folder)
  const load = await underLoad(collector)
  const { received } = JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8')) as { received: number }
  const { stored } = await statusOf(folder, Date.now())
  const behind = stored.inSpool
  const stopped = performance.now()
  const closed = once(collector, 'close')
  collector.kill('SIGTERM')
  await closed
  const drainSeconds = (performance.now() - stopped) / 1000
  const after = await statusOf(folder, Date.now())
  return {
    name: 'holdfast collect',
    ...load,
    storedRecords: after.stored.records,
    kernelDrops: after.lost.kernelDrops,
    note: `${received} datagrams received a second before the end; ${behind} not decoded then, decoded ${drainSeconds.toFixed(1)} s later; ${after.lost.notStored.datagrams} not stored`,
  }
}

async function troubled(): Promise<void> {
  const mountPoint = mkdtempSync(join(values.folder, 'holdfast-bench-full-'))
  const size = `size=${trouble.diskMiB}m`
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', size, 'holdfast-bench', mountPoint])
  if (mounted.status !== 0) throw new Error('--trouble mounts a tmpfs, for which it must be root')
  try {
    const folder = join(mountPoint, 'flows')
    const start = () => startOurs(folder, '--keep-free', trouble.keepFree, '--buffer', trouble.buffer)
    let collector = await start()
    const sending = underLoad(collector)
    await sleep((seconds * 1000) / 3)
    // What decoding makes room of is taken, too.
    const ballast = join(mountPoint, 'ballast')
    mkdirSync(ballast)
    let isFilling = true
    const filling = (async () => {
      for (let piece = 0; isFilling; piece++) {
        const { bavail, bsize } = statfsSync(mountPoint)
        if (bavail > 0)
          await once(
            spawn('fallocate', ['-l', String(bavail * bsize), join(ballast, String(piece))]),
            'close',
          )
        await sleep(20)
      }
    })()
    await sleep((seconds * 1000) / 6)
    const unwritten = (await statusOf(folder, Date.now())).lost.notStored.datagrams
    collector.kill('SIGKILL')
    await once(collector, 'close')
    collector = await start()
    await sleep((seconds * 1000) / 6)
    isFilling = false
    await filling
    rmSync(ballast, { recursive: true })
    const { sent } = await sending
    await sleep(1000)
    const closed = once(collector, 'close')
    collector.kill('SIGTERM')
    await closed
    const { stored, lost } = await statusOf(folder, Date.now())
    const stated = lost.byProtocol.reduce((sum, { lost: count }) => sum + count, 0)
    process.stdout.write(
      [
        `${sent.datagrams} datagrams sent at ${Math.round((sent.records / sent.ms) * 1000)} records/s`,
        `${stored.datagrams} stored, ${stored.decoded} decoded`,
        `${lost.notStored.datagrams} arrived and could not be stored (${unwritten} of them written down before the kill), kernel drops ${lost.kernelDrops}`,
        `lost by the exporter's numbers: ${JSON.stringify(lost.byProtocol)}`,
        version === 9
          ? `sent - stored - lost = ${sent.datagrams - stored.datagrams - stated} datagrams`
          : `sent - stored - lost = ${sent.records - stored.records - stated} records`,
        '',
      ].join('\n'),
    )
  } finally {
    spawnSync('umount', [mountPoint])
    rmSync(mountPoint, { recursive: true, force: true })
  }
}

async function nfcapd(folder: string): Promise<Result> {
  const args = [
    '-p',
    String(port),
    '-b',
    '127.0.0.1',
    '-w',
    folder,
    '-B',
    '4194304',
    '-t',
    '60',
    '-I',
    'bench',
  ]
  const collector = spawn('nfcapd', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  collector.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  await sleep(1000)
  const load = await underLoad(collector)
  await sleep(1000)
  const drops = dropsOf(port)
  const closed = once(collector, 'close')
  collector.kill('SIGTERM')
  await closed
  let storedRecords = 0
  for (const name of readdirSync(folder)) {
    const { stdout } = spawnSync('nfdump', ['-r', join(folder, name), '-I'], { encoding: 'utf8' })
    storedRecords += Number(/^Flows: (\d+)/m.exec(stdout)?.[1] ?? 0)
  }
  if (storedRecords === 0) throw new Error(`nfcapd stored nothing: ${said}`)
  return { name: 'nfcapd', ...load, storedRecords, kernelDrops: drops, note: '' }
}

/** Of whatever listens there, by the kernel's own count. */
function dropsOf(at: number): number | null {
  const cell = `:${at.toString(16).toUpperCase().padStart(4, '0')}`
  const line = readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .find(text => text.trim().split(/\s+/)[1]?.endsWith(cell))
  return line === undefined ? null : Number(line.trim().split(/\s+/)[12])
}

async function compare(): Promise<void> {
  const hasPeer = !values.alone && spawnSync('nfcapd', ['-V']).error === undefined
  const targets = [...(values.peer ? [] : [ours]), ...(hasPeer || values.peer ? [nfcapd] : [])]
  const lines = [
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}`,
    `node bench/collect.ts ${process.argv.slice(2).join(' ')}`,
    `${rate} records/s asked for, ${recordsEach} a datagram, version ${version}, ${seconds} s, sender on the same machine`,
    `net.core.rmem_max ${readFileSync('/proc/sys/net/core/rmem_max', 'utf8').trim()}`,
  ]
  const results: Result[] = []
  for (const target of targets) {
    const folder = mkdtempSync(join(values.folder, 'holdfast-bench-collect-'))
    try {
      const result = await target(folder)
      results.push(result)
      lines.push('', ...describe(result))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const [own, peer] = results
  if (own !== undefined && peer !== undefined)
    lines.push('', `ratio, stored records a second: ${(perSecond(own) / perSecond(peer)).toFixed(2)}`)
  const text = `${lines.join('\n')}\n`
  process.stdout.write(text)
  if (values.keep !== undefined)
    writeFileSync(join(import.meta.dirname, 'results', `${values.keep}.txt`), text)
}

function perSecond({ storedRecords, sent }: Result): number {
  return storedRecords / (sent.ms / 1000)
}

function describe(result: Result): string[] {
  const { name, sent, storedRecords, kernelDrops, peakBytes, note } = result
  const lost = sent.records - storedRecords
  return [
    `${name}: ${sent.records} records sent in ${(sent.ms / 1000).toFixed(1)} s (${Math.round((sent.records / sent.ms) * 1000)}/s), ${storedRecords} stored (${Math.round(perSecond(result))}/s), ${lost} lost`,
    `  kernel drops ${kernelDrops ?? 'unknown'}, sender failures ${sent.failed}, CPU ${((result.cpuMs / sent.ms) * 100).toFixed(0)} % of a core while sending, ${Math.round(peakBytes / 2 ** 20)} MiB at most${note === '' ? '' : `\n  ${note}`}`,
  ]
}
