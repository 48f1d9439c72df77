/** HEAD over plain sockets: one request at a time on each connection, as wrk does it. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Load, LoadResult } from './wrk.ts'

export async function loadHeads(options: Omit<Load, 'bodyBytes'>): Promise<LoadResult> {
  const { url, requestsFile, connections, seconds } = options
  const { hostname, port, host } = new URL(url)
  const requests = readFileSync(requestsFile, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => Buffer.from(`HEAD ${line.slice(line.indexOf(' ') + 1)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`))
  const latencies: number[] = []
  let errors = 0
  const started = performance.now()
  const until = started + seconds * 1000
  const one = (): Promise<void> =>
    new Promise(resolve => {
      const socket = connect(Number(port), hostname)
      socket.setNoDelay(true)
      let sentAt = 0
      let seen = ''
      const ask = (): void => {
        sentAt = performance.now()
        if (sentAt >= until) {
          socket.destroy()
          resolve()
          return
        }
        socket.write(requests[Math.floor(Math.random() * requests.length)]!)
      }
      socket.on('connect', ask)
      socket.on('data', chunk => {
        seen += chunk.toString('latin1')
        if (!seen.includes('\r\n\r\n')) return
        if (!seen.startsWith('HTTP/1.1 200')) errors++
        seen = ''
        latencies.push(performance.now() - sentAt)
        ask()
      })
      socket.on('error', () => {
        errors++
        resolve()
      })
      socket.on('close', () => resolve())
    })
  await Promise.all(Array.from({ length: connections }, one))
  const durationSeconds = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    requests: latencies.length,
    perSecond: latencies.length / durationSeconds,
    bytesPerSecond: 0,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    errors,
  }
}
