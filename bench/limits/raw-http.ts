/** The limit that HTTP in Node sets: takes and gives the same bytes, does nothing else. Prints its port. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const sizeBytes = Number(process.argv[2])
const body = Buffer.alloc(Math.min(sizeBytes, 65_536), 7)
const server = createServer((request, response) => {
  // A load that ends in the middle of a request is no failure.
  answer(request, response).catch(() => request.destroy())
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'PUT') {
    for await (const _chunk of request) {
      // Read and dropped.
    }
    response.writeHead(200, { 'content-length': 0 }).end()
    return
  }
  response.writeHead(200, { 'content-length': sizeBytes })
  for (let sent = 0; sent < sizeBytes; sent += body.length) {
    if (!response.write(body)) await new Promise(resolve => response.once('drain', resolve))
  }
  response.end()
}
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
