/** What a browser is told before and after it lets a web page call a bucket ("Cross-origin resource sharing"). */
import type { IncomingHttpHeaders } from 'node:http'
import type { CorsRule } from './configs/cors.ts'
import { S3Error } from './errors.ts'
import type { LocatedBucket, S3Answer, S3Services } from './operation.ts'
import type { S3Request } from './request.ts'

const varies = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'

/** `null`: there is no such bucket, which is answered as if it allowed nothing. */
export async function answerPreflight(
  { corsOf }: Pick<S3Services, 'corsOf'>,
  { headers, key }: S3Request,
  bucket: LocatedBucket | null,
): Promise<S3Answer> {
  const origin = headers.origin
  const method = headers['access-control-request-method']
  if (origin === undefined)
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.')
  if (method === undefined) throw new S3Error('BadRequest', 'Invalid Access-Control-Request-Method: null')
  const about = { Method: method, ResourceType: key === null ? 'BUCKET' : 'OBJECT' }
  const rules = bucket === null ? null : await corsOf(bucket)
  if (rules === null)
    throw new S3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.', about)
  const wanted = namesIn(headers['access-control-request-headers'])
  const rule = rules.find(
    each => allows(each, origin, method) && wanted.every(name => matchesAny(each.headers, name)),
  )
  if (rule === undefined)
    throw new S3Error(
      'AccessForbidden',
      "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      about,
    )
  const allowed = wanted.length === 0 ? {} : { 'access-control-allow-headers': wanted.join(', ') }
  return { status: 200, headers: { ...ruleHeaders(rule, origin), ...allowed }, body: null }
}

/** Of a request itself, whatever its outcome. */
export async function corsHeaders(
  { corsOf }: Pick<S3Services, 'corsOf'>,
  { headers, method }: S3Request,
  bucket: LocatedBucket,
): Promise<Record<string, string>> {
  const { origin } = headers
  // S3 goes by the method that is announced, also where no browser would announce one.
  const announced = headers['access-control-request-method'] ?? method
  const rule =
    origin === undefined ? undefined : (await corsOf(bucket))?.find(each => allows(each, origin, announced))
  return rule === undefined ? {} : ruleHeaders(rule, origin!)
}

function ruleHeaders(rule: CorsRule, origin: string): Record<string, string> {
  const isAnyone = rule.origins.find(pattern => matches(pattern, origin)) === '*'
  return {
    'access-control-allow-origin': isAnyone ? '*' : origin,
    'access-control-allow-methods': rule.methods.join(', '),
    ...(rule.exposed.length > 0 && { 'access-control-expose-headers': rule.exposed.join(', ') }),
    ...(rule.maxAgeSeconds !== null && { 'access-control-max-age': String(rule.maxAgeSeconds) }),
    ...(!isAnyone && { 'access-control-allow-credentials': 'true' }),
    vary: varies,
  }
}

function allows(rule: CorsRule, origin: string, method: string): boolean {
  return rule.methods.includes(method) && rule.origins.some(pattern => matches(pattern, origin))
}

function matchesAny(patterns: readonly string[], header: string): boolean {
  return patterns.some(pattern => matches(pattern.toLowerCase(), header))
}

/** With one star at most. */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === text
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)]
  return text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
}

function namesIn(header: IncomingHttpHeaders[string]): string[] {
  return String(header ?? '')
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '')
}
