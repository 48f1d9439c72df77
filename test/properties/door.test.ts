import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createTlsIdentity } from '../../src/crypto/tls-identity.ts'
import { createDoor, type OutboundAnswer } from '../../src/outbound/door.ts'

describe('a connection that the other end closed while it was idle', () => {
  it('is no failure: what was sent on it goes out again on another', async () => {
    const used = new Map<Socket, number>()
    const server = createServer((message, response) => {
      const before = used.get(message.socket) ?? 0
      used.set(message.socket, before + 1)
      // It had decided to close before this came in.
      if (before > 0) message.socket.destroy()
      else response.end('done')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    using door = createDoor(await createTlsIdentity('test', ['localhost'], Date.now()))
    const { port } = server.address() as AddressInfo
    const remote = { name: '127.0.0.1', isPlain: true }
    const op = { host: '127.0.0.1', port, purpose: 'backup', certificate: '', instruction: null, remote }
    const send = (): Promise<OutboundAnswer> =>
      door.send({ op } as never, {
        method: 'POST',
        path: '/',
        headers: {},
        body: Buffer.from('x'),
        idleMs: 5000,
      })
    for (let i = 0; i < 4; i++) expect((await send()).body.toString()).toBe('done')
    expect(used.size).toBe(4)
    server.close()
    server.closeAllConnections()
  })
})
