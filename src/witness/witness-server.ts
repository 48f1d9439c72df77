/** The witness over HTTP: `add-checkpoint` for logs, and what it has seen for everybody. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { maxRequestBytes, type Witness, type WitnessedLog } from './witness.ts'

export interface WitnessServerDeps {
  readonly witness: Witness
  readonly name: string
  readonly vkey: string
  readonly log: Log
}

/** For `createServer`: who is slow to send what is small is not waited for. */
export const witnessHttpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 8192,
} as const

const plain = 'text/plain; charset=utf-8'

export function createWitnessHandler(deps: WitnessServerDeps): RequestListener {
  return (request, response) => {
    answer(deps, request, response).catch(error => {
      if (response.headersSent || request.destroyed) response.destroy()
      else if (error instanceof HoldfastError && error.code === 'bad-input') {
        // What is still coming is not read: the connection is not good for another request.
        response.setHeader('connection', 'close')
        send(response, 400, plain, `${error.message}\n`)
      } else {
        deps.log('error', 'witness-failed', { error: messageOf(error) })
        send(response, 503, plain, 'the witness cannot say\n')
      }
    })
  }
}

async function answer(
  { witness, name, vkey }: WitnessServerDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0]!
  if (path === '/add-checkpoint') {
    if (request.method !== 'POST') return notAllowed(response, 'POST')
    const added = await witness.addCheckpoint(await readBody(request))
    return added.status === 409
      ? send(response, 409, 'text/x.tlog.size', `${added.size}\n`)
      : send(response, added.status, plain, added.text)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed(response, 'GET, HEAD')
  const logs = await witness.logs()
  if (path === '/') {
    const listed = logs.map(({ origin, size }) => ({
      origin,
      size,
      checkpoint: checkpointUrl(origin),
    }))
    return send(response, 200, 'application/json', `${JSON.stringify({ name, vkey, logs: listed })}\n`)
  }
  const found = logs.find((each): each is WitnessedLog => checkpointUrl(each.origin) === path)
  if (found === undefined) return send(response, 404, plain, 'not found\n')
  if (found.note === null) return send(response, 404, plain, 'nothing of this log was cosigned yet\n')
  response.setHeader('cache-control', 'no-cache')
  send(response, 200, plain, found.note)
}

/** By the hash of the origin, since an origin can hold what a path cannot. */
function checkpointUrl(origin: string): string {
  return `/${createHash('sha256').update(origin).digest('hex')}/checkpoint`
}

/** What is too long is read to its end and dropped, so that the answer arrives; the time for it is bounded. */
function readBody(request: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxRequestBytes) chunks.push(chunk)
      else {
        chunks.length = 0
        reject(new HoldfastError('bad-input', `the body is longer than ${maxRequestBytes} bytes`))
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
    request.on('close', () => reject(new Error('the request was cut off')))
  })
}

function notAllowed(response: ServerResponse, allow: string): void {
  response.setHeader('allow', allow)
  send(response, 405, plain, `only ${allow}\n`)
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }
  response.writeHead(status, headers).end(response.req.method === 'HEAD' ? undefined : text)
}
