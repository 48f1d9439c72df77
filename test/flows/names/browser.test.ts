import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import puppeteer from 'puppeteer-core'
import { describe, expect, it } from 'vitest'
import { namesIn, tcpPacket, udpPacket } from '../../support/names.ts'
import { pcap } from '../../support/packets.ts'

const chromium = '/usr/bin/chromium'
const missing = existsSync(chromium) ? '' : ` (skipped: ${chromium} not installed)`
const raw = 101
const waitMs = 30_000

/** Sockets that take what comes and never answer; what came, as packets. */
async function openDeafServer() {
  const frames: Buffer[] = []
  const ends = (srcPort: number) => ({ from: '10.0.0.1', to: '203.0.113.9', srcPort, dstPort: 443 })
  const udp = createSocket('udp4').on('message', (message, { port }) => {
    frames.push(udpPacket(ends(port), message))
  })
  const tcp = createServer(socket => {
    let sequence = 1000
    socket
      .on('error', () => {})
      .on('data', data => {
        frames.push(tcpPacket(ends(socket.remotePort ?? 0), data, sequence))
        sequence += data.length
      })
  })
  await Promise.all([
    once(udp.bind(0, '127.0.0.1'), 'listening'),
    once(tcp.listen(0, '127.0.0.1'), 'listening'),
  ])
  return {
    udpPort: udp.address().port,
    tcpPort: (tcp.address() as AddressInfo).port,
    names: async () => {
      const { seen } = await namesIn(pcap(raw, frames))
      return [
        ...new Set(seen.map(({ name, source, mayBeOuter }) => `${name} ${source} ${mayBeOuter}`)),
      ].sort()
    },
    close() {
      udp.close()
      tcp.close()
    },
  }
}

describe.skipIf(missing !== '')(`what Chromium says first${missing}`, () => {
  it('has its name, over QUIC in several datagrams and over TLS, beside what looks like an encrypted hello', async () => {
    const server = await openDeafServer()
    const { udpPort, tcpPort } = server
    const browser = await puppeteer.launch({
      timeout: 120_000,
      executablePath: chromium,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--enable-quic'],
        `--origin-to-force-quic-on=quic.example:${udpPort}`,
        '--host-resolver-rules=MAP *.example 127.0.0.1',
      ],
    })
    try {
      for (const url of [`https://quic.example:${udpPort}/`, `https://tls.example:${tcpPort}/`]) {
        const page = await browser.newPage()
        // It ends in an error, when the browser is closed at the latest.
        void page.goto(url).catch(() => {})
      }
      await expect
        .poll(server.names, { timeout: waitMs })
        .toEqual(['quic.example quic true', 'tls.example sni true'])
    } finally {
      await browser.close()
      server.close()
    }
  })
})
