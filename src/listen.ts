/** Servers of this process: listening with an error that says where, closing without cutting off who is served. */
import type { Server } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { HoldfastError, messageOf } from './core/errors.ts'

export function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      reject(
        new HoldfastError('conflict', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {}, error),
      )
    })
    server.listen(port, host, resolve)
  })
}

const drainMs = 10_000

/** Takes no new connections, lets running requests end, then closes what is still open. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const done = new AbortController()
  void setTimeout(drainMs, undefined, { signal: done.signal, ref: false }).then(
    () => server.closeAllConnections(),
    () => {},
  )
  await closed
  done.abort()
}
