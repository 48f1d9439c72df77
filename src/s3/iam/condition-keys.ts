/** The values that a request has for the condition keys of policies. */
import type { IncomingHttpHeaders } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { type Clock, isoTime } from '../../core/time.ts'
import type { Keys } from '../../policy/conditions.ts'
import type { LocatedBucket, S3Context } from '../operation.ts'
import type { Tag } from '../tags.ts'

export interface KeyFacts {
  readonly context: Pick<S3Context, 'request' | 'message' | 'identity' | 'client' | 'proof'> & {
    readonly clock: Clock
  }
  /** `null` where the question is about no bucket. */
  readonly bucket: LocatedBucket | null
  readonly versionId: string | null
  /** Of the object that is there; `null` when nobody looked, or it is not there. */
  readonly existingTags: readonly Tag[] | null
  /** From the request's body. */
  readonly asked: Readonly<Record<string, readonly string[]>>
}

type Value = string | readonly string[] | null | undefined

const principalTypes = { root: 'Account', user: 'User', role: 'AssumedRole', federated: 'FederatedUser' }

const fixed: Readonly<Record<string, (facts: KeyFacts) => Value>> = {
  'aws:sourceip': ({ context }) => context.client.address,
  'aws:securetransport': ({ context }) => String(tlsOf(context) !== null),
  'aws:currenttime': ({ context }) => isoTime(context.clock()),
  'aws:epochtime': ({ context }) => String(Math.floor(context.clock() / 1000)),
  'aws:useragent': ({ context }) => context.request.headers['user-agent'],
  'aws:referer': ({ context }) => context.request.headers.referer,
  'aws:username': ({ context }) => context.identity.caller?.policy.userName,
  'aws:userid': ({ context }) => context.identity.caller?.policy.userId ?? 'anonymous',
  'aws:principalarn': ({ context }) => context.identity.caller?.policy.arn,
  'aws:principalaccount': ({ context }) => context.identity.caller?.policy.accountId,
  'aws:principaltype': ({ context }) => {
    const kind = context.identity.caller?.policy.kind
    return kind === undefined ? 'Anonymous' : principalTypes[kind]
  },
  'aws:principalisawsservice': () => 'false',
  'aws:viaawsservice': () => 'false',
  'aws:requestedregion': ({ bucket }) => bucket?.region.id,
  's3:authtype': ({ context }) => context.proof?.authType,
  's3:signatureversion': ({ context }) => (context.proof === null ? null : 'AWS4-HMAC-SHA256'),
  's3:signatureage': ({ context: { proof, clock } }) =>
    proof === null ? null : String(Math.max(0, clock() - proof.signedUnixMs)),
  's3:tlsversion': ({ context }) => tlsOf(context),
  's3:prefix': ({ context }) => context.request.query.get('prefix'),
  's3:delimiter': ({ context }) => context.request.query.get('delimiter'),
  's3:max-keys': ({ context }) => context.request.query.get('max-keys'),
  's3:versionid': ({ versionId }) => versionId,
  's3:locationconstraint': () => null,
  's3:x-amz-copy-source': ({ context }) => copySource(context.request.headers),
  's3:if-match': ({ context }) => context.request.headers['if-match'],
  's3:if-none-match': ({ context }) => context.request.headers['if-none-match'],
  's3:object-lock-mode': ({ context }) => header(context.request.headers, 'x-amz-object-lock-mode'),
  's3:object-lock-legal-hold': ({ context }) =>
    header(context.request.headers, 'x-amz-object-lock-legal-hold'),
  's3:object-lock-retain-until-date': ({ context }) =>
    header(context.request.headers, 'x-amz-object-lock-retain-until-date'),
  's3:object-lock-remaining-retention-days': ({ context: { request, clock } }) => {
    const until = Date.parse(header(request.headers, 'x-amz-object-lock-retain-until-date') ?? '')
    return Number.isNaN(until) ? null : String(Math.ceil((until - clock()) / 86_400e3))
  },
  's3:requestobjecttagkeys': ({ context }) => headerTags(context.request.headers).map(([name]) => name),
}

export function conditionKeys(facts: KeyFacts): Keys {
  return key => {
    const value = facts.asked[key] ?? valueFor(key, facts)
    if (value === null || value === undefined) return null
    return typeof value === 'string' ? [value] : value
  }
}

function valueFor(key: string, facts: KeyFacts): Value {
  const own = Object.hasOwn(fixed, key) ? fixed[key] : undefined
  if (own !== undefined) return own(facts)
  const [kind, name] = splitTagKey(key)
  if (kind === 's3:existingobjecttag') return facts.existingTags?.find(tag => tag.key === name)?.value
  if (kind === 's3:requestobjecttag')
    return headerTags(facts.context.request.headers).find(([tag]) => tag === name)?.[1]
  // Every other header of S3's goes by its own name.
  return key.startsWith('s3:x-amz-') ? header(facts.context.request.headers, key.slice(3)) : null
}

function splitTagKey(key: string): [string, string] {
  const slash = key.indexOf('/')
  return slash < 0 ? [key, ''] : [key.slice(0, slash), key.slice(slash + 1)]
}

function headerTags(headers: IncomingHttpHeaders): [string, string][] {
  return [...new URLSearchParams(header(headers, 'x-amz-tagging') ?? '')]
}

/** Without the slash that may stand in front, and decoded, as the examples of the S3 User Guide have it. */
function copySource(headers: IncomingHttpHeaders): string | null {
  const text = header(headers, 'x-amz-copy-source')?.split('?', 1)[0]
  if (text === undefined) return null
  try {
    return decodeURIComponent(text).replace(/^\//, '')
  } catch {
    return null
  }
}

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

/** `1.3`; `null`: not encrypted. */
function tlsOf({ message }: KeyFacts['context']): string | null {
  const socket = message.socket as Partial<TLSSocket>
  if (socket.encrypted !== true) return null
  return /^TLSv([\d.]+)$/.exec(socket.getProtocol?.() ?? '')?.[1] ?? 'unknown'
}
