/**
 * The life of a request about an account, in the query protocol of IAM and STS:
 *
 *     authenticate → decide → change → enter → answer
 *
 * It comes to the S3 port (where SDKs are pointed at one endpoint) or to the control API's, to `/` of either.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { hasCode, messageOf } from '../core/errors.ts'
import type { RandomBytes, RegionId } from '../core/ids.ts'
import { newSortableId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Promiser } from '../ledger/promises.ts'
import type { Sums } from '../ledger/sums.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decide } from '../policy/decide.ts'
import { authenticate, createSigningKeys } from '../s3/authenticate.ts'
import { S3Error } from '../s3/errors.ts'
import type { IamAction, IamContext } from '../s3/iam/api/action.ts'
import { iamActions, versions } from '../s3/iam/api/actions.ts'
import { fromS3Error, IamError } from '../s3/iam/api/iam-error.ts'
import { createParams } from '../s3/iam/api/params.ts'
import { conditionKeys } from '../s3/iam/condition-keys.ts'
import type { KeyFinder } from '../s3/iam/find-key.ts'
import type { Client } from '../s3/operation.ts'
import { parseRequest } from '../s3/request.ts'
import { type XmlNode, xmlDocument } from '../s3/xml.ts'
import type { Catalog } from '../store/catalog.ts'
import { type EntryHeaders, entryHeaders } from './entry-headers.ts'

export interface AccountRegion {
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly promiser: Promiser
  readonly sums: Sums
  readonly stopped: () => string | null
}

export interface AccountPipeOptions {
  readonly regions: ReadonlyMap<RegionId, AccountRegion>
  readonly findKey: KeyFinder
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

export type AccountPipe = (
  message: IncomingMessage,
  response: ServerResponse,
  client: Client,
) => Promise<void>

const maxFormBytes = 512 * 1024
const maxFormMs = 30_000

/** A query of IAM or STS: a form posted to `/`, or the same in the address. */
export function isAccountRequest(message: IncomingMessage): boolean {
  const url = message.url ?? ''
  if (message.method === 'POST' && /^\/(?:\?|$)/.test(url))
    return /^application\/x-www-form-urlencoded\b/i.test(message.headers['content-type'] ?? '')
  return message.method === 'GET' && /^\/\?(?:.*&)?Action=\w/.test(url)
}

export function createAccountPipe(options: AccountPipeOptions): AccountPipe {
  const { regions, clock, randomBytes, log } = options
  const signingKey = createSigningKeys()

  const run = async (
    message: IncomingMessage,
    client: Client,
    requestId: string,
    entered: (entry: Drafted) => void,
  ): Promise<string> => {
    const body = await readForm(message)
    const request = parseRequest(message.method ?? '', message.url ?? '', message.headers, [])
    const form =
      message.method === 'POST'
        ? new URLSearchParams(body.toString('utf8'))
        : new URLSearchParams([...request.query])
    const { identity, proof } = await authenticate(request, {
      find: options.findKey,
      signingKey,
      nowUnixMs: clock(),
      regions: null,
      services: ['iam', 'sts'],
      payloadHash: sha256Hex(body),
    })
    if (identity?.caller == null)
      throw new IamError('MissingAuthenticationToken', 'Request is missing Authentication Token')
    const action = actionOf(form)
    const home = regions.get(identity.home)
    const stopped = home === undefined ? 'the tenant’s home region is not served here' : home.stopped()
    if (stopped !== null)
      throw new IamError('ServiceUnavailable', `${stopped}: what cannot be entered is not done.`)
    const context: IamContext = {
      tenant: identity.tenant,
      account: identity.account,
      caller: identity.caller,
      accessKeyId: identity.accessKeyId,
      isSession: identity.isSession,
      home: identity.home,
      catalog: home!.catalog,
      drafts: home!.drafts,
      regions,
      keys: conditionKeys({
        context: { request, message, identity, client, proof, clock },
        bucket: null,
        versionId: null,
        existingTags: null,
        asked: askedOf(form),
      }),
      params: createParams(form),
      clock,
      randomBytes,
      entered,
    }
    const resource = action.resource === null ? null : await action.resource(context)
    const decision = decideOn(action, context, resource)
    if (isRefusal(decision)) {
      await home!.sums.refusal(identity.tenant, {
        principal: identity.accessKeyId,
        rule: decision.rule,
        operation: action.name,
        resource: resource ?? '',
      })
      throw new IamError('AccessDenied', decision.message)
    }
    return answerXml(action, await action.run(context, decision), requestId)
  }

  return async (message, response, client) => {
    const requestId = newSortableId(clock(), randomBytes)
    const entries: Drafted[] = []
    const service = message.headers.authorization?.includes('/sts/aws4_request') === true ? 'sts' : 'iam'
    let status = 200
    let text: string
    let told: EntryHeaders = {}
    try {
      text = await run(message, client, requestId, entry => void entries.push(entry))
      told = await entryHeaders(regions, entries)
    } catch (error) {
      const known = toIamError(error)
      status = known.status
      if (status === 500) log('error', 'account-request-failed', { requestId, error: messageOf(error) })
      text = errorXml(known, service, requestId)
    }
    response.writeHead(status, {
      'content-type': 'text/xml',
      'content-length': Buffer.byteLength(text),
      'x-amzn-requestid': requestId,
      ...told,
      // What is still on its way must not be read as the next request.
      ...(!message.complete && { connection: 'close' }),
    })
    response.end(text)
  }
}

function actionOf(form: URLSearchParams): IamAction {
  const name = form.get('Action') ?? ''
  const action = iamActions.get(name)
  const version = form.get('Version')
  if (action === undefined || (version !== null && version !== versions[action.service])) {
    throw new IamError(
      'InvalidAction',
      `Could not find operation ${name.slice(0, 128)} for version ${version ?? 'NO_VERSION_SPECIFIED'}`,
    )
  }
  return action
}

/** Anyone who signed may ask who it is; for the rest its own account's policies must say yes. */
function decideOn(action: IamAction, context: IamContext, resource: string | null) {
  const op = { action: 'account.use', tenant: context.tenant } as const
  const principal = { kind: 'tenant', caller: context.caller } as const
  if (resource === null) return decide(principal, op, [])
  const question = { action: `${action.service}:${action.name}`, resource, target: null, keys: context.keys }
  return decide(principal, op, [question])
}

/** Parameters that conditions of trust policies ask for. */
function askedOf(form: URLSearchParams): Record<string, readonly string[]> {
  const asked: Record<string, readonly string[]> = {}
  for (const [key, name] of [
    ['sts:externalid', 'ExternalId'],
    ['sts:rolesessionname', 'RoleSessionName'],
  ] as const) {
    const value = form.get(name)
    if (value !== null) asked[key] = [value]
  }
  return asked
}

/** Nobody has signed yet: what comes too slowly, or is too long, is not waited for. */
async function readForm(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  const late = setTimeout(() => message.destroy(), maxFormMs)
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxFormBytes) throw new IamError('ValidationError', 'The request is too long.')
      chunks.push(chunk)
    }
  } finally {
    clearTimeout(late)
  }
  return Buffer.concat(chunks)
}

const namespaceOf = (service: 'iam' | 'sts'): string =>
  `https://${service}.amazonaws.com/doc/${versions[service]}/`

function answerXml({ name, service }: IamAction, result: XmlNode | null, requestId: string): string {
  const content: Record<string, XmlNode> = result === null ? {} : { [`${name}Result`]: result }
  content.ResponseMetadata = { RequestId: requestId }
  return xmlDocument(`${name}Response`, content, namespaceOf(service))
}

function errorXml({ code, message, status }: IamError, service: 'iam' | 'sts', requestId: string): string {
  const Type = status < 500 ? 'Sender' : 'Receiver'
  const content = { Error: { Type, Code: code, Message: message }, RequestId: requestId }
  return xmlDocument('ErrorResponse', content, namespaceOf(service))
}

function toIamError(error: unknown): IamError {
  if (error instanceof IamError) return error
  if (error instanceof S3Error) return fromS3Error(error)
  if (hasCode(error, 'store-full') || hasCode(error, 'shutting-down'))
    return new IamError('ServiceUnavailable', messageOf(error))
  if (hasCode(error, 'bad-input')) return new IamError('InvalidInput', messageOf(error))
  return new IamError('ServiceFailure', 'The request processing has failed because of an unknown error.')
}
