/**
 * The life of a request, top to bottom:
 *
 *     authenticate → decide → seal → store → enter → answer
 *
 * Seal, store and enter are the operation's own (`s3/ops`), which runs only with the proof that `decide` gives out.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from '../core/errors.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import { newSortableId, parseBucketName } from '../core/ids.ts'
import { findElsewhere } from '../instructions/elsewhere.ts'
import {
  type CountedSocket,
  plainAddress,
  type TrackedConnection,
  trackConnection,
} from '../ledger/connections.ts'
import type { Drafted } from '../ledger/drafts.ts'
import { askAccess } from '../policy/access.ts'
import { isRefusal, type Refusal } from '../policy/authorized.ts'
import { decide } from '../policy/decide.ts'
import type { ClientOperation, Principal } from '../policy/operations.ts'
import { authenticate, createSigningKeys } from '../s3/authenticate.ts'
import { answerPreflight, corsHeaders } from '../s3/cors.ts'
import { S3Error } from '../s3/errors.ts'
import { createKeyFinder } from '../s3/iam/find-key.ts'
import { anonymousIdentity } from '../s3/iam/identities.ts'
import { type AskingContext, listQuestion, questionOf, questionsOf } from '../s3/iam/questions.ts'
import type { AccessLog } from '../s3/logging/access-log.ts'
import type {
  AskedKeys,
  Client,
  ClientPlace,
  Identity,
  LocatedBucket,
  PartNeed,
  S3Answer,
  S3Context,
  S3Region,
  S3Services,
} from '../s3/operation.ts'
import { clientSeenFrom } from '../s3/operation.ts'
import { findRoute } from '../s3/operations.ts'
import { parseCopySource } from '../s3/ops/copy-object.ts'
import { readForm } from '../s3/post/form-request.ts'
import { isForm, openForm, type PostForm } from '../s3/post/open-form.ts'
import { withQueryHeaders } from '../s3/presigned.ts'
import { createRateLimiter } from '../s3/rate-limit.ts'
import { parseRequest, type S3Request } from '../s3/request.ts'
import { sendAnswer, sendError } from '../s3/send.ts'
import { refuseUnsupported } from '../s3/unsupported-headers.ts'
import { findBucket } from '../store/buckets.ts'
import { createRowCache } from '../store/row-cache.ts'
import type { BucketRow } from '../store/rows.ts'
import { accountOf, findTenant } from '../store/tenants.ts'
import { createAccountPipe, isAccountRequest } from './account.ts'
import { entryHeaders } from './entry-headers.ts'
import { type Logged, noteInLog } from './log-line.ts'
import { causeOf, toS3Error } from './s3-error.ts'

export interface RequestPipeOptions {
  readonly services: S3Services
  readonly accessLog: AccessLog
  readonly domains: readonly string[]
  /** Requests a second, in this process; `null`: no limit. */
  readonly limits: { readonly tenant: number | null; readonly key: number | null }
  readonly formsVersion2: boolean
  /** Where an address is, by the operator's places first; `null` when nobody knows. */
  readonly placeOf: (address: string) => ClientPlace
  readonly onAnswered: (operation: string, ms: number) => void
  /** Regions of other processes, each with where its clients go, if that is known. */
  readonly elsewhere: ReadonlyMap<RegionId, string | null>
}

export interface RequestPipe extends AsyncDisposable {
  handle(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void
  /** Bytes are counted on the TCP socket itself, under TLS too. */
  connected(socket: CountedSocket & { once(event: 'close', then: () => void): void }): void
}

const scopeErrors: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'AuthorizationQueryParametersError',
])

/** What is learnt about a request on its way, for the answer and for the books. */
interface Trace {
  readonly requestId: string
  readonly continueBody: () => void
  /** Headers that go out with the answer, be it an error. */
  readonly answerAlso: (headers: Readonly<Record<string, string>>) => void
  readonly entries: Drafted[]
  operation: string
  /** Whose bytes they are, and in which region. */
  noted: { readonly region: S3Region; readonly tenant: TenantId } | null
  /** What a log of the bucket says, where there is one. */
  logged: Logged | null
}

interface Connection {
  readonly client: Client
  readonly tracked: TrackedConnection
}

export function createRequestPipe(options: RequestPipeOptions): RequestPipe {
  const { services } = options
  const { regions, targets, clock, randomBytes, log, metrics } = services
  const signingKey = createSigningKeys()
  const decodeBucket = createRowCache<BucketRow>()
  const regionIds = [...regions.keys()]
  const connections = new Map<string, Connection>()
  const ending = new Set<Promise<void>>()

  const connectionOf = (socket: CountedSocket): Connection => {
    const client = {
      address: plainAddress(socket.remoteAddress),
      port: socket.remotePort ?? 0,
      place: options.placeOf(plainAddress(socket.remoteAddress)),
    }
    const id = newSortableId(clock(), randomBytes)
    const facts = {
      id,
      role: 's3',
      initiator: 'remote',
      instruction: null,
      remoteCountry: client.place === 'home' ? null : client.place,
      openedUnixMs: clock(),
    } as const
    return { client, tracked: trackConnection(socket, facts, clock, log) }
  }

  const findKey = createKeyFinder(regions, clock)
  const tenantLimit = createRateLimiter(options.limits.tenant, clock)
  const keyLimit = createRateLimiter(options.limits.key, clock)
  const account = createAccountPipe({ regions, findKey, clock, randomBytes, log })

  const locate = async (name: string): Promise<LocatedBucket> => {
    const bucket = parseBucketName(name)
    if (bucket === null) throw new S3Error('NoSuchBucket', undefined, { BucketName: name })
    for (const region of regions.values()) {
      const known = await findBucket(region.catalog, bucket, decodeBucket)
      if (known === null) continue
      const stopped = region.stopped()
      if (stopped !== null)
        throw new S3Error('ServiceUnavailable', `${stopped}: what cannot be entered is not done.`)
      const { tenant, dataClass } = known.row
      const facts = { name: bucket, tenant, region: region.id, country: region.country, dataClass }
      return { ...known, region, facts }
    }
    throw new S3Error('NoSuchBucket', undefined, { BucketName: name })
  }

  const locateIfThere = async (name: string | null): Promise<LocatedBucket | null> => {
    if (name === null) return null
    try {
      return await locate(name)
    } catch (error) {
      if (error instanceof S3Error && error.code === 'NoSuchBucket') return null
      throw error
    }
  }

  /**
   * A bucket of the caller's own that its transfers named in a region of another process. To everybody else it is as if
   * there were none.
   */
  const redirectOf = async (name: string, { tenant, caller }: Identity): Promise<S3Error | null> => {
    const bucket = parseBucketName(name)
    if (bucket === null || caller === null) return null
    for (const { catalog } of regions.values()) {
      const region = await findElsewhere(catalog, tenant, bucket)
      const endpoint = region === null ? undefined : options.elsewhere.get(region)
      if (region === null || endpoint === undefined) continue
      const fields = { Bucket: name, Region: region, ...(endpoint !== null && { Endpoint: endpoint }) }
      return new S3Error('PermanentRedirect', undefined, fields)
    }
    return null
  }

  /**
   * A client that was redirected may sign for the other region and ask here once more. Its signature lets it do nothing
   * here; it is told again where the bucket is, and not that its region is wrong.
   */
  const signedForElsewhere = async (
    error: unknown,
    parsed: S3Request,
    keys: Parameters<typeof authenticate<Identity>>[1],
  ): Promise<never> => {
    const isScope = error instanceof S3Error && scopeErrors.has(error.code)
    if (!isScope || parsed.bucket === null || options.elsewhere.size === 0) throw error
    const there = await authenticate(parsed, { ...keys, regions: [...options.elsewhere.keys()] }).catch(
      () => null,
    )
    const signer = there?.identity ?? null
    throw (signer === null ? null : await redirectOf(parsed.bucket, signer)) ?? error
  }

  const openFormOf = (message: IncomingMessage, parsed: S3Request, trace: Trace): Promise<PostForm> => {
    if (!keyLimit(plainAddress(message.socket.remoteAddress))) throw new S3Error('SlowDown')
    trace.continueBody()
    return openForm(message, parsed)
  }

  /** The whole of it. What it throws, `serve` turns into an answer. */
  const run = async (
    message: IncomingMessage,
    connection: Connection,
    trace: Trace,
  ): Promise<{ request: S3Request; answer: S3Answer }> => {
    const parsed = parseRequest(message.method ?? '', message.url ?? '', message.headers, options.domains)
    if (parsed.method === 'OPTIONS') {
      trace.operation = 'Preflight'
      if (!keyLimit(connection.client.address)) throw new S3Error('SlowDown')
      const answer = await answerPreflight(services, parsed, await locateIfThere(parsed.bucket))
      return { request: parsed, answer }
    }
    if (parsed.headers.origin !== undefined) {
      const bucket = await locateIfThere(parsed.bucket)
      if (bucket !== null) trace.answerAlso(await corsHeaders(services, parsed, bucket))
    }
    const keys = { find: findKey, signingKey, nowUnixMs: clock(), regions: regionIds }
    // Who signed a form, and what it asks for, stands in its body.
    await using opened = isForm(parsed) ? await openFormOf(message, parsed, trace) : null
    const read =
      opened === null
        ? null
        : await readForm(parsed, opened, { ...keys, allowsVersion2: options.formsVersion2 })
    const {
      identity: signer,
      proof,
      payload,
    } = read?.authenticated ??
    (await authenticate(parsed, keys).catch(error => signedForElsewhere(error, parsed, keys)))
    const request =
      read?.request ?? (proof?.authType === 'REST-QUERY-STRING' ? withQueryHeaders(parsed) : parsed)
    const form = opened === null ? null : { ...opened, size: read!.size }
    const identity = signer ?? anonymousIdentity(regionIds[0]!)
    // The anonymous are told apart by where they come from.
    const caller = signer === null ? connection.client.address : identity.accessKeyId
    if (!keyLimit(caller) || !tenantLimit(signer === null ? caller : identity.tenant))
      throw new S3Error('SlowDown')
    const principal: Principal =
      identity.caller === null ? { kind: 'anonymous' } : { kind: 'tenant', caller: identity.caller }
    const route = findRoute(form === null ? request : parsed)
    const { operation: found } = route
    trace.operation = found.name
    refuseUnsupported(request.headers)
    const located = new Map<string, LocatedBucket>()
    // Of the bucket that is asked of alone: what a copy names as its source is no place to go on to.
    const redirected = async (error: unknown, name: string): Promise<never> => {
      const isGone = error instanceof S3Error && error.code === 'NoSuchBucket' && name === request.bucket
      throw (isGone ? await redirectOf(name, identity) : null) ?? error
    }
    const asking: AskingContext = {
      services,
      request,
      message,
      identity,
      proof,
      clock,
      client: connection.client,
      locate: async name => {
        const known = located.get(name) ?? (await locate(name).catch(error => redirected(error, name)))
        located.set(name, known)
        if (name === request.bucket && known.row.configs?.logging !== undefined)
          trace.logged = { bucket: known, request, asking }
        // Another tenant's bucket is noted nowhere yet: nothing of this request concerns its owner until it is let in.
        if (known.row.tenant === identity.tenant) trace.noted = notedOf(known)
        return known
      },
    }
    let asked: AskedKeys = {}
    const context: S3Context = {
      ...asking,
      payload,
      form,
      connectionId: connection.tracked.id,
      requestId: trace.requestId,
      continueBody: trace.continueBody,
      entered: entry => void trace.entries.push(entry),
      decideOn: async (op, need) => {
        const decision = decide(principal, op, [await questionOf(targets, asking, need, asked)])
        if (isRefusal(decision)) await noteRefusal(identity, found.name, resourceOf(need), op, decision)
        else trace.noted ??= notedOf(need.bucket)
        return decision
      },
      mayAlso: async need => {
        const question = await questionOf(targets, asking, need, asked)
        return askAccess(identity.caller, question) === 'allowed'
      },
    }
    const prepared = await found.prepare(context)
    asked = prepared.asked
    // A bucket that is made is nobody's yet.
    if (prepared.op.action !== 'bucket.create') await checkExpectedOwners(asking)
    const questions = await questionsOf(targets, asking, route, prepared.op, asked)
    const decision = decide(principal, prepared.op, questions)
    if (isRefusal(decision)) {
      const resource = `${request.bucket ?? ''}${request.key === null ? '' : `/${request.key}`}`
      await noteRefusal(identity, found.name, resource, prepared.op, decision)
      throw new S3Error('AccessDenied', decision.message, { HoldfastRule: decision.rule })
    }
    for (const bucket of located.values()) trace.noted ??= notedOf(bucket)
    demandRoom(prepared.op)
    try {
      return { request, answer: await prepared.run(decision) }
    } catch (error) {
      throw await withoutTelling(error, asking, located.values())
    }
  }

  /** Before the body is asked for: what a disk has no room for need not be sent. */
  const demandRoom = (op: ClientOperation): void => {
    if (op.action !== 'object.write' && op.action !== 'object.copy' && op.action !== 'bucket.create') return
    const full =
      regions.get(op.action === 'bucket.create' ? op.region : op.bucket.region)?.room.full() ?? null
    if (full !== null)
      throw new S3Error(
        'ServiceUnavailable',
        `Nothing can be stored now: ${full}. Reading and deleting go on.`,
      )
  }

  /** That a key is not there is told to those who may list the bucket; to others it is as if it were and is not theirs. */
  const withoutTelling = async (
    error: unknown,
    context: AskingContext,
    buckets: Iterable<LocatedBucket>,
  ): Promise<unknown> => {
    if (!(error instanceof S3Error) || (error.code !== 'NoSuchKey' && error.code !== 'NoSuchVersion'))
      return error
    for (const bucket of buckets) {
      const question = await listQuestion(targets, context, bucket)
      if (askAccess(context.identity.caller, question) !== 'allowed') return new S3Error('AccessDenied')
    }
    return error
  }

  const checkExpectedOwners = async ({ request, locate }: AskingContext): Promise<void> => {
    const source = request.headers['x-amz-copy-source']
    const checks = [
      [request.bucket, request.headers['x-amz-expected-bucket-owner']],
      [
        typeof source === 'string' ? parseCopySource(source).source : null,
        request.headers['x-amz-source-expected-bucket-owner'],
      ],
    ] as const
    for (const [bucket, expected] of checks) {
      if (bucket === null || expected === undefined) continue
      const { region, row } = await locate(bucket)
      const owner = accountOf((await findTenant(region.catalog, row.tenant)) ?? { tenant: row.tenant })
      if (owner.accountId !== expected) throw new S3Error('AccessDenied')
    }
  }

  /** In the books of every region that it concerns (of a copy, both), or of the tenant's home. */
  const noteRefusal = async (
    { tenant, home, accessKeyId, caller }: Identity,
    operation: string,
    resource: string,
    op: ClientOperation,
    refusal: Refusal,
  ): Promise<void> => {
    metrics.count('holdfast_refusals_total', { rule: refusal.rule })
    // Nobody's books are those of the anonymous.
    if (caller === null) return
    const buckets = 'source' in op ? [op.source, op.bucket] : 'bucket' in op ? [op.bucket] : []
    // A refusal about another tenant's bucket is the caller's own affair, and stands where the caller is at home.
    const own = buckets.filter(bucket => bucket.tenant === tenant).map(bucket => bucket.region)
    for (const id of new Set(own.length > 0 ? own : [home])) {
      const facts = { principal: accessKeyId, rule: refusal.rule, operation, resource }
      await regions.get(id)?.sums.refusal(tenant, facts)
    }
  }

  const serve = async (
    message: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> => {
    const startedUnixMs = clock()
    const requestId = newSortableId(startedUnixMs, randomBytes)
    const connection = connections.get(socketKey(message.socket)) ?? connectionOf(message.socket)
    if (isAccountRequest(message)) {
      if (expectsContinue) response.writeContinue()
      await account(message, response, connection.client)
      metrics.count('holdfast_requests_total', { operation: 'Account', status: String(response.statusCode) })
      return
    }
    let continued = !expectsContinue
    const continueBody = (): void => {
      if (!continued) response.writeContinue()
      continued = true
    }
    const answerAlso: Trace['answerAlso'] = headers => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    }
    const trace: Trace = {
      requestId,
      continueBody,
      answerAlso,
      entries: [],
      operation: 'unknown',
      noted: null,
      logged: null,
    }
    let errorCode: string | null = null
    let bytesSent = 0
    try {
      const { request, answer } = await run(message, connection, trace)
      const told = await entryHeaders(regions, trace.entries)
      bytesSent = bytesOf(answer)
      const facts = { requestId, entryHeaders: told, isHead: request.method === 'HEAD' }
      await sendAnswer(message, response, answer, facts)
    } catch (error) {
      const s3Error = toS3Error(error)
      errorCode = s3Error.code
      // Not implemented, or a key holder that is away, is no fault of ours to look into.
      if (s3Error.status === 500) {
        log('error', 'request-failed', {
          requestId,
          method: message.method ?? '',
          error: messageOf(error),
          cause: causeOf(error),
        })
      }
      await sendError(message, response, s3Error, requestId, continued)
    } finally {
      charge(connection, trace)
      if (trace.logged !== null) {
        const facts = { requestId, startedUnixMs, errorCode, bytesSent, totalMs: clock() - startedUnixMs }
        noteInLog(options.accessLog, trace.logged, {
          ...facts,
          url: message.url ?? '',
          status: response.statusCode,
        })
      }
      const { operation } = trace
      metrics.count('holdfast_requests_total', { operation, status: String(response.statusCode) })
      options.onAnswered(operation, clock() - startedUnixMs)
    }
  }

  const charge = (connection: Connection, { noted, entries }: Trace): void => {
    if (noted === null) return
    const { region, tenant } = noted
    if (clientSeenFrom(connection.client, region).country === region.country) return
    const book = {
      region: region.id,
      country: region.country,
      catalog: region.catalog,
      drafts: region.drafts,
    }
    const ids = entries.map(({ entryId }) => entryId)
    connection.tracked.charge(book, tenant, ids)
  }

  const hourly = setInterval(() => {
    for (const { tracked } of connections.values()) void tracked.enter(true)
  }, 3600e3)
  hourly.unref()

  return {
    handle(message, response, expectsContinue) {
      serve(message, response, expectsContinue).catch(error => {
        log('error', 'answer-failed', { error: messageOf(error) })
        message.socket.destroy()
      })
    },

    connected(socket) {
      const key = socketKey(socket)
      const connection = connectionOf(socket)
      connections.set(key, connection)
      metrics.count('holdfast_connections_total', {})
      socket.once('close', () => {
        connections.delete(key)
        metrics.count('holdfast_received_bytes_total', {}, socket.bytesRead)
        metrics.count('holdfast_sent_bytes_total', {}, socket.bytesWritten)
        const entering = connection.tracked.enter(false)
        ending.add(entering)
        void entering.finally(() => ending.delete(entering))
      })
    },

    async [Symbol.asyncDispose]() {
      clearInterval(hourly)
      await Promise.all([...connections.values()].map(({ tracked }) => tracked.enter(false)))
      await Promise.all(ending)
    },
  }
}

function bytesOf({ body }: S3Answer): number {
  if (body === null) return 0
  return typeof body === 'string' ? Buffer.byteLength(body) : 'bytes' in body ? body.bytes : body.length
}

function notedOf({ region, row }: LocatedBucket): Trace['noted'] {
  return { region, tenant: row.tenant }
}

function resourceOf({ bucket, key }: PartNeed): string {
  return `${bucket.row.name}${key === null ? '' : `/${key}`}`
}

/** Both sockets of a TLS connection (the raw one and the decrypting one) have the same addresses and ports. */
function socketKey(socket: CountedSocket): string {
  return `${socket.remoteAddress}:${socket.remotePort}>${socket.localAddress}:${socket.localPort}`
}
