/**
 * A local S3 proxy that changes nothing: requests go on as they came (their signatures cover the host that the client
 * named), answers come back as they are. It reads one header on the way, and holds the answer back until the promise
 * in it is on disk. Programs that cannot be sent through it hand their promises in at `/.holdfast/promises`, which
 * no bucket can be called.
 */
import {
  createServer,
  type IncomingMessage,
  request as requestHttp,
  type Server,
  type ServerResponse,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../../core/errors.ts'

export interface ProxyOptions {
  readonly endpoint: URL
  /** Verifies and stores; resolves when they are on disk. What is no promise is told, and the answer goes on. */
  readonly onPromises: (header: string) => Promise<void>
  /** An answer that entered something and promised nothing. */
  readonly onMissing: (request: string) => void
}

const intake = '/.holdfast/promises'
const maxIntakeBytes = 1 << 20

export function createProxy(options: ProxyOptions): Server {
  const handle = (message: IncomingMessage, response: ServerResponse, expects: boolean): void => {
    const handled =
      message.url === intake && message.method === 'POST'
        ? takeIn(options, message, response)
        : forward(options, message, response, expects)
    handled.catch(error => {
      if (response.headersSent) response.destroy()
      else {
        response.writeHead(502, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
        response.end(`holdfast watch: ${messageOf(error)}\n`)
      }
    })
  }
  const server = createServer((message, response) => handle(message, response, false))
  server.on('checkContinue', (message, response) => handle(message, response, true))
  server.requestTimeout = 0
  return server
}

function forward(
  { endpoint, onPromises, onMissing }: ProxyOptions,
  message: IncomingMessage,
  response: ServerResponse,
  expects: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isAnswered = false
    const request = endpoint.protocol === 'https:' ? requestHttps : requestHttp
    const sent = request({
      hostname: endpoint.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: endpoint.port,
      method: message.method,
      path: message.url,
      headers: message.rawHeaders,
      setHost: false,
    })
    sent.on('error', error => {
      // Once there is an answer, it decides: a region that refuses a long body closes before it took all of it.
      if (!isAnswered)
        reject(new Error(`the region's S3 endpoint cannot be reached: ${messageOf(error)}`, { cause: error }))
    })
    response.on('close', () => {
      if (!response.writableFinished) sent.destroy()
      resolve()
    })
    if (expects) sent.on('continue', () => response.writeContinue())
    const passOn = async (answer: IncomingMessage): Promise<void> => {
      const promises = answer.headers['x-holdfast-promise']
      if (typeof promises === 'string') await onPromises(promises)
      else if (mustPromise(message, answer)) onMissing(`${message.method} ${message.url?.split('?', 1)[0]}`)
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      // Fails also for an answer that was cut off while its promise was being stored.
      await pipeline(answer, response)
      message.unpipe(sent).resume()
    }
    sent.on('response', answer => {
      isAnswered = true
      passOn(answer).catch(error => {
        sent.destroy()
        reject(error)
      })
    })
    message.pipe(sent)
    message.on('error', () => sent.destroy())
  })
}

/**
 * What enters something says so. Of a whole object that was stored it is known without being told: a region that left
 * both headers out would otherwise never be noticed.
 */
function mustPromise(
  { method, url = '' }: IncomingMessage,
  { headers, statusCode }: IncomingMessage,
): boolean {
  if (headers['x-holdfast-entry'] !== undefined) return true
  if (method !== 'PUT' || statusCode !== 200) return false
  const [path = '', query = ''] = url.split('?', 2)
  const isObject = path.split('/').filter(part => part !== '').length >= 2
  return isObject && [...new URLSearchParams(query).keys()].every(name => /^x-(?:id$|amz-)/i.test(name))
}

/** From an SDK's hook: lines of promises. */
async function takeIn(
  { onPromises }: ProxyOptions,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let text = ''
  for await (const chunk of message as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1')
    if (text.length > maxIntakeBytes) {
      response.writeHead(413, { connection: 'close' }).end()
      return
    }
  }
  await onPromises(text.trim())
  response.writeHead(204).end()
}
