/** Real programs that look at real packets: tcpdump captures loopback, softflowd exports a capture over UDP. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenForFlows } from '../../src/flows/collect/listen.ts'

/** Why they cannot be used here, to stand in the title of what is skipped; empty when they can. */
export function exportersMissing(programs: readonly string[] = ['tcpdump', 'softflowd']): string {
  const missing = programs.filter(program => spawnSync(program, ['-h']).error !== undefined)
  if (missing.length > 0) return ` (skipped: ${missing.join(' and ')} not installed)`
  const rights = spawnSync('tcpdump', ['-i', 'lo', '-L'], { timeout: 5000 })
  return rights.status === 0 ? '' : ' (skipped: no right to capture on lo)'
}

/** The first three numbers of loopback addresses of this run's own: other tests must not be in its capture. */
export function ownLoopbackNet(): string {
  return `127.${64 + (process.pid % 64)}.${Math.floor(process.pid / 64) % 250}`
}

/** `lo.pcap` in the folder: what went over loopback between the addresses of `net` meanwhile. */
export async function captureLoopback(
  folder: string,
  net: string,
  meanwhile: () => Promise<void>,
  snapBytes = 128,
): Promise<Buffer> {
  const file = join(folder, 'lo.pcap')
  const options = ['-i', 'lo', '-s', String(snapBytes), '-B', '16384', '-U', '--immediate-mode', '-w', file]
  const tcpdump = spawn('tcpdump', [...options, `net ${net}.0/24`], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tcpdump.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  for (let i = 0; !said.includes('listening'); i++) {
    if (i === 1200 || tcpdump.exitCode !== null) throw new Error(`tcpdump does not listen: ${said}`)
    await sleep(50)
  }
  try {
    await meanwhile()
    // The kernel hands packets over in blocks; the capture is whole once it has stopped growing.
    let size = -1
    for (let same = 0; same < 3; ) {
      await sleep(200)
      const now = statSync(file).size
      same = now === size && now >= 1000 ? same + 1 : 0
      size = now
    }
  } finally {
    const closed = once(tcpdump, 'close')
    tcpdump.kill('SIGINT')
    await closed
  }
  if (!/\n0 packets dropped/.test(said)) throw new Error(`tcpdump lost packets: ${said}`)
  return readFileSync(file)
}

/** What softflowd exports of `lo.pcap`, received by our listener: the path of the flow capture. */
export function exportCapture(folder: string, version: number): Promise<string> {
  // Relative names, because softflowd waits on its control socket for ever when the path of the capture is long.
  const files = ['-p', `${version}.pid`, '-c', `${version}.ctl`]
  return received(folder, `v${version}.hfcap`, port => ({
    program: 'softflowd',
    argv: ['-r', 'lo.pcap', '-n', `127.0.0.1:${port}`, '-v', String(version), '-d', ...files],
  }))
}

/** What pmacctd exports of `lo.pcap` by one of its probes: NetFlow 5 or 9, IPFIX (10), or sFlow with every packet. */
export function pmacctExport(folder: string, kind: 5 | 9 | 10 | 'sflow'): Promise<string> {
  return received(folder, `pmacct-${kind}.hfcap`, port => {
    const receiver = `127.0.0.1:${port}`
    const probe =
      kind === 'sflow'
        ? [
            'plugins: sfprobe[p]',
            `sfprobe_receiver: ${receiver}`,
            'sfprobe_agentip: 127.0.0.1',
            'sampling_rate: 1',
          ]
        : ['plugins: nfprobe[p]', `nfprobe_receiver: ${receiver}`, `nfprobe_version: ${kind}`]
    return pmacct(folder, `probe-${kind}`, [...probe, `aggregate[p]: ${pmacctKey}`])
  })
}

/** A row for each packet of `lo.pcap`, by the printing plugin of pmacctd: the path of the CSV. */
export async function pmacctTable(folder: string): Promise<string> {
  const path = join(folder, 'pmacct.csv')
  const plugin = ['plugins: print[p]', `aggregate[p]: ${pmacctKey}, timestamp_start`, 'print_output[p]: csv']
  const { program, argv } = pmacct(folder, 'print', [
    ...plugin,
    `print_output_file[p]: ${path}`,
    'print_refresh_time[p]: 60',
  ])
  await ended(program, argv, folder)
  return path
}

/** The flows that nfpcapd makes of `lo.pcap`, as nfdump prints them. */
export async function nfdumpTable(folder: string): Promise<string> {
  const into = join(folder, 'nfcapd')
  mkdirSync(into)
  await ended('nfpcapd', ['-r', join(folder, 'lo.pcap'), '-l', into], folder)
  const { stdout } = spawnSync('nfdump', ['-R', into, '-o', 'csv'], { encoding: 'utf8' })
  writeFileSync(join(folder, 'nfdump.csv'), stdout)
  return join(folder, 'nfdump.csv')
}

/** A row for each packet of `lo.pcap`, as Wireshark dissects it. */
export function tsharkTable(folder: string): string {
  const fields = ['frame.time_epoch', 'ip.src', 'ip.dst', 'tcp.srcport', 'tcp.dstport', 'ip.proto', 'ip.len']
  const argv = ['-r', 'lo.pcap', '-T', 'fields', '-E', 'header=y', '-E', 'separator=,', '-Y', 'tcp']
  const { stdout, status } = spawnSync('tshark', [...argv, ...fields.flatMap(field => ['-e', field])], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error('tshark cannot read the capture')
  writeFileSync(join(folder, 'tshark.csv'), stdout)
  return join(folder, 'tshark.csv')
}

const pmacctKey = 'src_host, dst_host, src_port, dst_port, proto'

function pmacct(folder: string, name: string, lines: readonly string[]) {
  const file = join(folder, `${name}.conf`)
  // It waits before it ends, so that its plugin has sent what it holds.
  const read = [`pcap_savefile: ${join(folder, 'lo.pcap')}`, 'pcap_savefile_wait: 3']
  writeFileSync(file, `${[...read, ...lines].join('\n')}\n`)
  return { program: 'pmacctd', argv: ['-f', file] }
}

async function ended(program: string, argv: readonly string[], cwd: string): Promise<void> {
  await once(spawn(program, argv, { cwd, stdio: 'ignore', timeout: 20_000 }), 'close')
}

/** Runs an exporter that sends to our listener: the path of what was received. */
async function received(
  folder: string,
  name: string,
  exporter: (port: number) => { readonly program: string; readonly argv: readonly string[] },
): Promise<string> {
  const path = join(folder, name)
  const file = await open(path, 'wx')
  const failures: unknown[] = []
  const onError = (error: unknown) => failures.push(error)
  await using listener = await listenForFlows({ host: '127.0.0.1', port: 0, file, now: Date.now, onError })
  const { program, argv } = exporter(listener.port)
  await ended(program, argv, folder)
  for (let i = 0; i < 100 && listener.counts().datagrams === 0; i++) await sleep(20)
  await sleep(200)
  const { datagrams } = await listener.stop()
  if (datagrams === 0 || failures.length > 0) throw new Error(`nothing was exported: ${failures.join()}`)
  return path
}
