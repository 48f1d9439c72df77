import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, get } from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterAll, describe, expect, it } from 'vitest'
import { captureLoopback, exportersMissing, ownLoopbackNet } from '../../support/exporters.ts'
import { nameLine, namesIn } from '../../support/names.ts'

const missing = exportersMissing()
const folder = mkdtempSync(join(tmpdir(), 'holdfast-names-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(missing !== '')(`names of real connections over loopback${missing}`, () => {
  it('TLS and HTTP, as tcpdump saw them', async () => {
    const net = ownLoopbackNet()
    const [client, far] = [`${net}.1`, `${net}.2`]
    // Without a certificate no handshake is ever done; what the client says first is said all the same.
    const tls = createServer({}).on('tlsClientError', () => {})
    const web = createHttpServer((_, response) => response.end('ok'))
    await Promise.all([once(tls.listen(0, far), 'listening'), once(web.listen(0, far), 'listening')])
    const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
    const [tlsPort, webPort] = [portOf(tls), portOf(web)]
    const capture = await captureLoopback(
      folder,
      net,
      async () => {
        for (const servername of ['one.example', 'two.example']) {
          const socket = connect({
            socket: connectTcp({ host: far, port: tlsPort, localAddress: client }),
            servername,
          })
          await once(socket, 'error')
        }
        const request = get({
          host: far,
          port: webPort,
          localAddress: client,
          headers: { host: 'web.example:80' },
        })
        const [response] = await once(request, 'response')
        response.resume()
        await once(response, 'end')
      },
      65_535,
    )
    tls.close()
    web.close()
    web.closeAllConnections()
    const { seen } = await namesIn(capture)
    expect(seen.map(nameLine)).toEqual([
      `one.example sni ${far}:${tlsPort}`,
      `two.example sni ${far}:${tlsPort}`,
      `web.example http ${far}:${webPort}`,
    ])
  })
})
