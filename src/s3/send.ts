/** Answers on the wire: headers, streams with back-pressure, errors as S3 writes them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { drained } from '../core/drained.ts'
import type { S3Error } from './errors.ts'
import type { S3Answer, S3Stream } from './operation.ts'
import { xmlDocument } from './xml.ts'

export interface AnswerFacts {
  readonly requestId: string
  /** What it tells of the entries that it made. */
  readonly entryHeaders: Readonly<Record<string, string>>
  readonly isHead: boolean
}

export async function sendAnswer(
  message: IncomingMessage,
  response: ServerResponse,
  answer: S3Answer,
  { requestId, entryHeaders, isHead }: AnswerFacts,
): Promise<void> {
  const { status, body } = answer
  const headers: Record<string, string> = {
    ...answer.headers,
    ...entryHeaders,
    'x-amz-request-id': requestId,
    server: 'Holdfast',
  }
  if (typeof body === 'string') {
    headers['content-type'] ??= 'application/xml'
    headers['content-length'] = String(Buffer.byteLength(body))
  } else if (body === null && !isHead && status !== 304 && status !== 204) {
    headers['content-length'] = '0'
  }
  drainBody(message, response, headers)
  response.writeHead(status, headers)
  if (isHead || body === null) response.end()
  else if (typeof body === 'string' || body instanceof Uint8Array) response.end(body)
  else await sendStream(response, body)
}

/**
 * An error before the body came in: a client that waits for `100 Continue` gets the error instead and never sends
 * it; of another, the connection is closed after the answer, so that what is still on its way is not read as a new
 * request.
 */
export async function sendError(
  message: IncomingMessage,
  response: ServerResponse,
  error: S3Error,
  requestId: string,
  continued: boolean,
): Promise<void> {
  if (response.headersSent) {
    // The status is out already: the only honest end is to break the connection before its promised length.
    response.destroy()
    return
  }
  const headers: Record<string, string> = {
    ...error.headers,
    'x-amz-request-id': requestId,
    server: 'Holdfast',
  }
  if (error.status === 503) headers['retry-after'] = '1'
  // What stopped coming may come yet, and is not the next request.
  if (!continued || error.code === 'RequestTimeout') headers.connection = 'close'
  if (error.fields.Region !== undefined) headers['x-amz-bucket-region'] = error.fields.Region
  drainBody(message, response, headers)
  if (message.method === 'HEAD' || error.status === 304) {
    response.writeHead(error.status, headers).end()
    return
  }
  const body = xmlDocument(
    'Error',
    {
      Code: error.code,
      Message: error.message,
      ...error.fields,
      Resource: decodePath(message.url),
      RequestId: requestId,
    },
    null,
  )
  headers['content-type'] = 'application/xml'
  headers['content-length'] = String(Buffer.byteLength(body))
  response.writeHead(error.status, headers).end(body)
}

const maxDrainBytes = 256 * 1024

/** A short unread body is read and dropped, so that the connection can be used again; a long one ends it. */
function drainBody(
  message: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string>,
): void {
  if (message.readableEnded || message.complete) return
  const left = Number(message.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  if (left > maxDrainBytes) {
    headers.connection = 'close'
    response.once('finish', () => message.socket.destroySoon())
  }
  message.resume()
}

async function sendStream(response: ServerResponse, stream: S3Stream): Promise<void> {
  let sent = 0
  let complete = false
  try {
    for await (const chunk of stream.chunks) {
      if (response.destroyed) return
      sent += chunk.length
      if (!response.write(chunk)) await drained(response)
    }
    // The client has gone, at the last moment or before: nobody is left to be told.
    if (response.destroyed) return
    complete = sent === stream.bytes
    if (!complete) throw new Error(`the stream ended after ${sent} of ${stream.bytes} bytes`)
    response.end()
  } finally {
    stream.onEnd(sent, complete)
  }
}

function decodePath(url: string | undefined): string {
  const path = (url ?? '').split('?', 1)[0]!
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
