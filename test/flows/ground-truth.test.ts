/** The same packets, seen by the exporters that people run: an audit says the same of each server and destination. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditCommand } from '../../src/cli/audit.ts'
import type { AuditReport } from '../../src/flows/report/report-types.ts'
import {
  captureLoopback,
  exportCapture,
  exportersMissing,
  nfdumpTable,
  ownLoopbackNet,
  pmacctExport,
  pmacctTable,
  tsharkTable,
} from '../support/exporters.ts'

const programs = ['tcpdump', 'softflowd', 'pmacctd', 'nfpcapd', 'nfdump', 'tshark']
const why = exportersMissing(programs)
const net = ownLoopbackNet()

const inventory = `cidr,server,country
${net}.2,delhi-1,IN
${net}.3,delhi-2,IN
${net}.4,paris-1,FR
${net}.5,austin-1,US
`

/** From, to, bytes asked for and given. */
const exchanges = [
  [4, 2, 1_000],
  [4, 2, 300_000],
  [5, 2, 2_500_000],
  [5, 3, 40_000],
  [3, 4, 700_000],
  [2, 3, 90_000],
] as const

/** Real connections over loopback between addresses that play hosts. */
async function traffic(): Promise<void> {
  for (const [from, to, bytes] of exchanges) {
    const listening = createServer(socket => {
      socket.once('data', request => socket.end(Buffer.alloc(Number(request.toString()))))
    })
    await new Promise<void>(done => listening.listen(0, `${net}.${to}`, done))
    const { port } = listening.address() as { port: number }
    const socket = connect({ host: `${net}.${to}`, port, localAddress: `${net}.${from}` })
    socket.end(String(bytes))
    socket.resume()
    await once(socket, 'close')
    listening.close()
  }
  await padding()
}

/** An sFlow agent that ends keeps the samples of its last datagram to itself: let these be of no server. */
async function padding(): Promise<void> {
  const from = createSocket('udp4')
  const to = createSocket('udp4')
  await Promise.all([
    new Promise<void>(done => from.bind(0, `${net}.8`, done)),
    new Promise<void>(done => to.bind(0, `${net}.9`, done)),
  ])
  for (let i = 0; i < 50; i++)
    await new Promise<unknown>(done => from.send(Buffer.alloc(10), to.address().port, `${net}.9`, done))
  from.close()
  to.close()
}

describe.skipIf(why !== '')(`the same packets, seen by${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-truth-'))

  /** Bytes abroad by server and destination, and the bytes that stayed at home. */
  async function audited(flows: string) {
    let stdout = ''
    const io = { write: (text: string) => (stdout += text) }
    const argv = [flows, '--servers', join(folder, 'inventory.csv'), '--json']
    const code = await auditCommand(argv, { stdout: io, stderr: io, env: {}, isTty: false })
    expect(code).toBe(0)
    const { servers, coverage } = JSON.parse(stdout) as AuditReport
    expect([...coverage.unread, ...coverage.lost]).toEqual([])
    return Object.fromEntries(
      servers
        .flatMap(({ server, bytesDomestic, destinations }) => [
          [`${server} at home`, bytesDomestic] as const,
          ...destinations.map(({ country, bytes }) => [`${server} to ${country}`, bytes] as const),
        ])
        .toSorted(),
    )
  }
  let captured: Awaited<ReturnType<typeof audited>> = {}

  beforeAll(async () => {
    writeFileSync(join(folder, 'inventory.csv'), inventory)
    await captureLoopback(folder, net, traffic)
    captured = await audited(join(folder, 'lo.pcap'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('a capture: each byte that was given, and headers', () => {
    const given = {
      'delhi-1 to FR': 301_000,
      'delhi-1 to US': 2_500_000,
      'delhi-2 to US': 40_000,
      'delhi-2 at home': 90_000,
      'paris-1 to IN': 700_000,
    }
    for (const [way, bytes] of Object.entries(given)) {
      expect(captured[way], way).toBeGreaterThan(bytes)
      expect(captured[way], way).toBeLessThan(bytes * 1.02 + 2000)
    }
  })

  it.each([
    ['softflowd, NetFlow v5', () => exportCapture(folder, 5)],
    ['softflowd, NetFlow v9', () => exportCapture(folder, 9)],
    ['softflowd, IPFIX', () => exportCapture(folder, 10)],
    ['pmacctd, NetFlow v5', () => pmacctExport(folder, 5)],
    ['pmacctd, NetFlow v9', () => pmacctExport(folder, 9)],
    ['pmacctd, IPFIX', () => pmacctExport(folder, 10)],
    ['pmacctd, sFlow of every packet', () => pmacctExport(folder, 'sflow')],
    ['pmacctd, its own table', () => pmacctTable(folder)],
    ['nfpcapd and nfdump', () => nfdumpTable(folder)],
    ['tshark, a row for each packet', async () => tsharkTable(folder)],
  ])('%s: the same to the byte', async (_, flows) => {
    expect(await audited(await flows())).toEqual(captured)
  })
})
