import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import { captureLoopback, exportCapture, exportersMissing, ownLoopbackNet } from '../support/exporters.ts'
import { readFlows } from '../support/read-flows.ts'

const why = exportersMissing()
const net = ownLoopbackNet()
const server = `${net}.2`

/** Real connections over loopback between addresses that play hosts. */
async function traffic(): Promise<void> {
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
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-exporters-'))
  let captured: FlowRecord[] = []
  beforeAll(async () => {
    captured = (await readFlows(await captureLoopback(folder, net, traffic))).records
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('shows every connection in the capture', () => {
    expect(Object.keys(totals(captured))).toHaveLength(6)
    const sent = captured.filter(({ srcAddr }) => srcAddr === server)
    const payload = sent.reduce((sum, { payloadBytes }) => sum + (payloadBytes ?? 0), 0)
    expect(payload).toBeGreaterThanOrEqual(2_801_000)
  })

  it.each([
    [5, 'NetFlow v5'],
    [9, 'NetFlow v9'],
    [10, 'IPFIX'],
  ])('agrees with the capture to the byte: version %i (%s)', async version => {
    const { records, input } = await readFlows(readFileSync(await exportCapture(folder, version)))
    expect(totals(records)).toEqual(totals(captured))
    expect(input).toMatchObject({ formats: ['flow-capture'], unread: [], lost: [] })
    expect(input.remarks.filter(remark => remark.includes('cut off'))).toEqual([])
    // The exporter counts milliseconds from a start of its own choosing, so times may differ by a little.
    const first = captured[0]!
    const same = records.find(
      ({ srcPort, dstPort }) => srcPort === first.srcPort && dstPort === first.dstPort,
    )!
    expect(Math.abs(same.startUnixMs - first.startUnixMs)).toBeLessThan(5000)
  })
})
