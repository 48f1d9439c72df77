/** The control API, the public logs, health and metrics, on one port. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { drained } from '../core/drained.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { equalSecrets } from '../crypto/constant-time.ts'
import type { LogKeyHistory } from '../ledger/log-keys.ts'
import type { Promiser } from '../ledger/promises.ts'
import type { TileStore } from '../ledger/tile-store.ts'
import { isAccountRequest } from '../pipes/account.ts'
import { type EntryHeaders, entryHeaders } from '../pipes/entry-headers.ts'
import { checkpointPath, witnessedPath } from '../verify/tile-path.ts'
import { openApiDocument } from './openapi.ts'
import { type ApiAnswer, type ApiRoute, type Caller, readJson, statusOf } from './routes.ts'

export interface PublicLog {
  readonly tiles: TileStore
  readonly vkey: string
  readonly history: LogKeyHistory
}

export interface ApiOptions {
  readonly routes: readonly ApiRoute[]
  readonly regions: ReadonlyMap<RegionId, { readonly promiser: Promiser }>
  readonly logs: ReadonlyMap<string, PublicLog>
  readonly operatorToken: string
  readonly tenantOfToken: (token: string) => Promise<TenantId | null>
  /** What is wrong right now; empty when requests can be served. */
  readonly faults: () => readonly string[]
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  readonly log: Log
  /** The verifier as a page (`console/verify`); `null` where it was not built. */
  readonly verifyPage: string | null
  /** Answers queries of IAM and STS. */
  readonly account: (message: IncomingMessage, response: ServerResponse) => Promise<void>
}

const prefix = '/api/v1'

export function createApiHandler(
  options: ApiOptions,
): (message: IncomingMessage, response: ServerResponse) => void {
  return (message, response) => {
    serve(options, message, response).catch(error => {
      const status = statusOf(error)
      if (status >= 500)
        options.log('error', 'api-failed', { url: message.url ?? '', error: messageOf(error) })
      if (response.headersSent) response.destroy()
      else {
        const code = error instanceof HoldfastError ? error.code : 'internal'
        const text = error instanceof HoldfastError ? error.message : 'internal error'
        sendJson(response, status, { error: code, message: text })
      }
    })
  }
}

async function serve(options: ApiOptions, message: IncomingMessage, response: ServerResponse): Promise<void> {
  if (isAccountRequest(message)) return options.account(message, response)
  const url = new URL(message.url ?? '/', 'http://api')
  const { pathname } = url
  if (pathname.startsWith('/log/')) return serveLog(options, message, response, pathname)
  if (message.method === 'GET' && pathname === '/healthz') return sendText(response, 200, 'ok\n')
  if (message.method === 'GET' && pathname === '/readyz') {
    const faults = options.faults()
    return sendText(
      response,
      faults.length === 0 ? 200 : 503,
      faults.length === 0 ? 'ready\n' : `${faults.join('\n')}\n`,
    )
  }
  if (message.method === 'GET' && pathname === '/metrics') {
    return sendText(response, 200, await options.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
  }
  if (isRead(message) && pathname === '/verify' && options.verifyPage !== null)
    return sendText(response, 200, options.verifyPage, 'text/html; charset=utf-8')
  if (message.method === 'GET' && pathname === `${prefix}/openapi.json`)
    return sendJson(response, 200, openApiDocument(options.routes))
  const found = findRoute(options.routes, message.method ?? '', pathname)
  if (found === null) throw new HoldfastError('not-found', `there is no ${message.method} ${pathname}`)
  const caller = await callerOf(options, message)
  if (!mayCall(found.route.caller, caller)) {
    response.setHeader('www-authenticate', 'Bearer')
    return sendJson(response, 401, {
      error: 'unauthorized',
      message: `this needs the bearer token of ${found.route.caller === 'operator' ? 'the operator' : 'a tenant'}`,
    })
  }
  const body = message.method === 'POST' ? await readJson(message) : null
  const answer = await found.route.run({ caller, path: found.path, query: url.searchParams, body })
  await sendAnswer(options, response, answer)
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** C2SP tlog-tiles: checkpoints must not be cached for long, everything else never changes. */
async function serveLog(
  options: ApiOptions,
  message: IncomingMessage,
  response: ServerResponse,
  pathname: string,
): Promise<void> {
  const match = /^\/log\/([^/]+)\/(.+)$/.exec(pathname)
  const log = options.logs.get(match?.[1] ?? '')
  if (!isRead(message)) return sendText(response, 405, 'only GET\n')
  if (match === null || log === undefined) return sendText(response, 404, 'no such log\n')
  if (match[2] === 'vkey') return sendText(response, 200, `${log.vkey}\n`)
  if (match[2] === 'keys') return sendJson(response, 200, { format: 'holdfast/log-keys/v1', ...log.history })
  const bytes = await log.tiles.read(match[2]!)
  if (bytes === null) return sendText(response, 404, 'no such resource\n')
  const isCheckpoint = match[2] === checkpointPath || match[2] === witnessedPath
  response.writeHead(200, {
    'content-type': isCheckpoint ? 'text/plain; charset=utf-8' : 'application/octet-stream',
    'content-length': bytes.length,
    'cache-control': isCheckpoint ? 'max-age=1' : 'public, max-age=31536000, immutable',
    'access-control-allow-origin': '*',
  })
  response.end(message.method === 'HEAD' ? undefined : bytes)
}

async function callerOf(options: ApiOptions, message: IncomingMessage): Promise<Caller> {
  const match = /^Bearer ([\w.~+/-]{16,200}=*)$/.exec(message.headers.authorization ?? '')
  if (match === null) return { kind: 'public' }
  if (equalSecrets(match[1]!, options.operatorToken)) return { kind: 'operator' }
  const tenant = await options.tenantOfToken(match[1]!)
  return tenant === null ? { kind: 'public' } : { kind: 'tenant', tenant }
}

/** The operator is no tenant: its token opens none of a tenant's routes. */
function mayCall(wanted: Caller['kind'], caller: Caller): boolean {
  return wanted === 'public' || wanted === caller.kind
}

function findRoute(
  routes: readonly ApiRoute[],
  method: string,
  pathname: string,
): { route: ApiRoute; path: Record<string, string> } | null {
  if (!pathname.startsWith(`${prefix}/`)) return null
  const given = pathname.slice(prefix.length).split('/')
  for (const route of routes) {
    const wanted = route.path.split('/')
    if (route.method !== method || wanted.length !== given.length) continue
    const path: Record<string, string> = {}
    const fits = wanted.every((part, index) => {
      if (!part.startsWith('{')) return part === given[index]
      path[part.slice(1, -1)] = decodeURIComponent(given[index]!)
      return given[index] !== ''
    })
    if (fits) return { route, path }
  }
  return null
}

async function sendAnswer(
  { regions }: ApiOptions,
  response: ServerResponse,
  answer: ApiAnswer,
): Promise<void> {
  if ('json' in answer) {
    const { status, json, entered = [] } = answer
    return sendJson(response, status, json, await entryHeaders(regions, entered))
  }
  if ('text' in answer) return sendText(response, answer.status, answer.text, answer.contentType)
  const lines = answer.lines[Symbol.asyncIterator]()
  // The first line before the status: what fails at once is answered as the error that it is.
  let { value: line, done } = await lines.next()
  response.writeHead(answer.status, { 'content-type': answer.contentType })
  while (!done) {
    if (response.destroyed) {
      await lines.return?.()
      return
    }
    if (!response.write(line)) await drained(response)
    ;({ value: line, done } = await lines.next())
  }
  response.end()
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: EntryHeaders = {},
): void {
  sendText(response, status, `${JSON.stringify(value)}\n`, 'application/json', headers)
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
  headers: EntryHeaders = {},
): void {
  const length = Buffer.byteLength(text)
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': length }).end(text)
}
