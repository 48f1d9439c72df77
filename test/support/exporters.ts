/** Real programs that look at real packets: tcpdump captures loopback, softflowd exports a capture over UDP. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenForFlows } from '../../src/flows/collect/listen.ts'

/** Why they cannot be used here, to stand in the title of what is skipped; empty when they can. */
export function exportersMissing(): string {
  const missing = ['tcpdump', 'softflowd'].filter(program => spawnSync(program, ['-h']).error !== undefined)
  if (missing.length > 0) {
    return ` (skipped: ${missing.join(' and ')} not installed; apt-get install tcpdump softflowd)`
  }
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
): Promise<Buffer> {
  const file = join(folder, 'lo.pcap')
  const options = ['-i', 'lo', '-s', '128', '-B', '16384', '-U', '--immediate-mode', '-w', file]
  const tcpdump = spawn('tcpdump', [...options, `net ${net}.0/24`], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tcpdump.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  for (let i = 0; i < 100 && !said.includes('listening'); i++) await sleep(50)
  try {
    await meanwhile()
    // The kernel hands packets over in blocks; the capture is whole once it has stopped growing.
    for (let size = -1; size !== statSync(file).size || size < 1000; ) {
      size = statSync(file).size
      await sleep(400)
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
export async function exportCapture(folder: string, version: number): Promise<string> {
  const path = join(folder, `v${version}.hfcap`)
  const file = await open(path, 'wx')
  const failures: unknown[] = []
  const onError = (error: unknown) => failures.push(error)
  await using listener = await listenForFlows({ host: '127.0.0.1', port: 0, file, now: Date.now, onError })
  // Relative names, because softflowd waits on its control socket for ever when the path of the capture is long.
  const files = ['-p', `${version}.pid`, '-c', `${version}.ctl`]
  const args = ['-r', 'lo.pcap', '-n', `127.0.0.1:${listener.port}`, '-v', String(version), '-d', ...files]
  const softflowd = spawn('softflowd', args, { cwd: folder, stdio: 'ignore', timeout: 20_000 })
  await once(softflowd, 'close')
  for (let i = 0; i < 100 && listener.counts().datagrams === 0; i++) await sleep(20)
  await sleep(200)
  const { datagrams } = await listener.stop()
  if (datagrams === 0 || failures.length > 0) throw new Error(`nothing was exported: ${failures.join()}`)
  return path
}
