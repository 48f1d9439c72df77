/** A plain client of the query protocol: it signs, and leaves everything else to the test. */
import {
  amzDateOf,
  canonicalRequest,
  scopeText,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
} from '../../src/crypto/sigv4.ts'

export interface IamReply {
  readonly status: number
  readonly text: string
  /** `<Code>` of an error. */
  readonly code: string | null
  /** Content of the first element of that name. */
  readonly of: (name: string) => string | null
  readonly all: (name: string) => string[]
  readonly entry: string | null
}

export interface IamIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export type Iam = (action: string, parameters?: Readonly<Record<string, string>>) => Promise<IamReply>

export function createIam(endpoint: string, identity: IamIdentity, service: 'iam' | 'sts' = 'iam'): Iam {
  const url = new URL(endpoint)
  return async (action, parameters = {}) => {
    const version = service === 'iam' ? '2010-05-08' : '2011-06-15'
    const body = new URLSearchParams({ Action: action, Version: version, ...parameters }).toString()
    const headers = sign(url, body, identity, service)
    const response = await fetch(`${url.origin}/`, { method: 'POST', headers, body })
    return readReply(response.status, await response.text(), response.headers.get('x-holdfast-entry'))
  }
}

/** Over the body's hash, which no header repeats: so botocore signs for services that are not S3. */
function sign(
  url: URL,
  body: string,
  { accessKeyId, secretAccessKey, sessionToken }: IamIdentity,
  service: string,
): Record<string, string> {
  const amzDate = amzDateOf(Date.now())
  const scope = { date: amzDate.slice(0, 8), region: 'us-east-1', service }
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    host: url.host,
    'x-amz-date': amzDate,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers)
  const canonical = canonicalRequest(
    { method: 'POST', path: '/', query: [], headers },
    names,
    sha256Hex(body),
  )
  const signature = signatureOf(signingKey(secretAccessKey, scope), stringToSign(amzDate, scope, canonical))
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scopeText(scope)}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return headers
}

function readReply(status: number, text: string, entry: string | null): IamReply {
  const all = (name: string): string[] =>
    [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, value]) => value!)
  const of = (name: string): string | null => all(name)[0] ?? null
  return { status, text, entry, of, all, code: status >= 400 ? of('Code') : null }
}
