import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { listenForFlows } from '../../src/flows/collect/listen.ts'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import { readFlows } from '../support/read-flows.ts'

const missing = ['tcpdump', 'softflowd'].filter(program => spawnSync(program, ['-h']).error !== undefined)
const canCapture =
  missing.length === 0 && spawnSync('tcpdump', ['-i', 'lo', '-L'], { timeout: 5000 }).status === 0
const why =
  missing.length > 0
    ? ` (skipped: ${missing.join(' and ')} not installed; apt-get install tcpdump softflowd)`
    : canCapture
      ? ''
      : ' (skipped: no right to capture on lo)'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-exporters-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Own addresses for each run, so that other tests on this machine are not in the capture. */
const net = `127.${64 + (process.pid % 64)}.${Math.floor(process.pid / 64) % 250}`
const server = `${net}.2`

/** Real connections over loopback between addresses that play hosts, as tcpdump saw them. */
async function captured(): Promise<Buffer> {
  const file = join(folder, 'lo.pcap')
  const args = [
    '-i',
    'lo',
    '-s',
    '128',
    '-B',
    '16384',
    '-U',
    '--immediate-mode',
    '-w',
    file,
    `net ${net}.0/24`,
  ]
  const tcpdump = spawn('tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tcpdump.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  for (let i = 0; i < 100 && !said.includes('listening'); i++) await sleep(50)

  const listening = createServer(socket => {
    socket.once('data', request => socket.end(Buffer.alloc(Number(request.toString()))))
  })
  await new Promise<void>(done => listening.listen(0, server, done))
  const { port } = listening.address() as { port: number }
  for (const [client, bytes] of [
    [`${net}.3`, 1000],
    [`${net}.3`, 300_000],
    [`${net}.4`, 2_500_000],
  ] as const) {
    const socket = connect({ host: server, port, localAddress: client })
    socket.end(String(bytes))
    socket.resume()
    await once(socket, 'close')
  }
  listening.close()
  // The kernel hands packets over in blocks; the capture is whole once it has stopped growing.
  for (let size = -1; size !== statSync(file).size || size < 1000; ) {
    size = statSync(file).size
    await sleep(400)
  }
  tcpdump.kill('SIGINT')
  await once(tcpdump, 'close')
  return readFileSync(file)
}

/** What softflowd exports of that capture, as our listener wrote it down. */
async function exported(version: number): Promise<Buffer> {
  const path = join(folder, `v${version}.hfcap`)
  const file = await open(path, 'wx')
  const failures: unknown[] = []
  const onError = (error: unknown) => failures.push(error)
  await using listener = await listenForFlows({ host: '127.0.0.1', port: 0, file, now: Date.now, onError })
  // Relative names, because softflowd waits on its control socket for ever when the path of the capture is long.
  const files = ['-p', `${version}.pid`, '-c', `${version}.ctl`]
  const args = ['-r', 'lo.pcap', '-n', `127.0.0.1:${listener.port}`, '-v', String(version), '-d']
  const softflowd = spawn('softflowd', [...args, ...files], { cwd: folder, stdio: 'ignore', timeout: 20_000 })
  await once(softflowd, 'close')
  for (let i = 0; i < 100 && listener.counts().datagrams === 0; i++) await sleep(20)
  await sleep(200)
  const { datagrams } = await listener.stop()
  expect(datagrams).toBeGreaterThan(0)
  expect(failures).toEqual([])
  return readFileSync(path)
}

function totals(records: readonly FlowRecord[]): Record<string, { packets: number; ipBytes: number }> {
  const sums: Record<string, { packets: number; ipBytes: number }> = {}
  for (const { srcAddr, srcPort, dstAddr, dstPort, protocol, packets, ipBytes } of records) {
    const key = `${srcAddr}:${srcPort}>${dstAddr}:${dstPort}/${protocol}`
    const sum = sums[key] ?? { packets: 0, ipBytes: 0 }
    sums[key] = { packets: sum.packets + packets, ipBytes: sum.ipBytes + ipBytes }
  }
  return sums
}

describe.skipIf(why !== '')(`a real exporter, over UDP${why}`, () => {
  const capture = why === '' ? captured() : Promise.resolve(Buffer.alloc(0))

  it('shows every connection in the capture', async () => {
    const { records } = await readFlows(await capture)
    const sums = totals(records)
    expect(Object.keys(sums)).toHaveLength(6)
    const sent = records.filter(({ srcAddr }) => srcAddr === server)
    const payload = sent.reduce((sum, { payloadBytes }) => sum + (payloadBytes ?? 0), 0)
    expect(payload).toBeGreaterThanOrEqual(2_801_000)
  })

  it.each([
    [5, 'NetFlow v5'],
    [9, 'NetFlow v9'],
    [10, 'IPFIX'],
  ])('agrees with the capture to the byte: version %i (%s)', async version => {
    const expected = await readFlows(await capture)
    const { records, input } = await readFlows(await exported(version))
    expect(totals(records)).toEqual(totals(expected.records))
    expect(input.formats).toEqual(['flow-capture'])
    expect(input.unread).toEqual([])
    expect(input.remarks.filter(remark => remark.includes('cut off'))).toEqual([])
    // The exporter counts milliseconds from a start of its own choosing, so times may differ by a little.
    const [first] = expected.records
    const same = records.find(
      ({ srcPort, dstPort }) => srcPort === first!.srcPort && dstPort === first!.dstPort,
    )!
    expect(Math.abs(same.startUnixMs - first!.startUnixMs)).toBeLessThan(5000)
  })
})
