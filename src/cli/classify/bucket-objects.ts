/** The customer's objects, listed and read with its own access key. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { type Credentials, signHeaders, uriEncode } from '../../crypto/sigv4.ts'
import { children, childText, parseXml, type XmlElement } from '../../s3/xml.ts'

interface ListedObject {
  readonly key: string
  readonly bytes: number
}

interface BucketObjects extends Disposable {
  /** At most `most`; its `more` says whether some were left. */
  list(prefix: string, most: number): AsyncGenerator<ListedObject, { readonly more: boolean }>
  /** The object's first bytes, one more than `maxBytes` when it has them, so that the reader can tell. */
  read(object: ListedObject, maxBytes: number): Promise<AsyncIterable<Uint8Array>>
}

/** Nothing came for so long: given up. */
const idleMs = 60_000
/** Of an answer that is held in memory: a page of a thousand of the longest keys, in URL encoding, has less. */
const mostAnswerBytes = 8 << 20

/** `region`: the bucket's. */
export function createBucketObjects(
  { endpoint, accessKeyId, secretAccessKey }: Credentials & { readonly endpoint: string },
  region: string,
  bucket: string,
): BucketObjects {
  const url = new URL(endpoint)
  const isPlain = url.protocol === 'http:'
  const agent = new (isPlain ? HttpAgent : HttpsAgent)({ keepAlive: true })

  // Not `fetch`: it would tidy up keys such as `a/../b`.
  const get = async (
    key: string,
    query: readonly (readonly [string, string])[],
    headers: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage> => {
    const path = key === '' ? `/${bucket}` : `/${bucket}/${key}`
    const signed = signHeaders(
      { method: 'GET', path, query, headers: { host: url.host, ...headers } },
      '',
      { accessKeyId, secretAccessKey },
      { region, service: 's3' },
      Date.now(),
    )
    const text = query.map(pair => pair.map(each => uriEncode(each, false)).join('=')).join('&')
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (isPlain ? httpRequest : httpsRequest)(
        {
          agent,
          host: url.hostname.replace(/^\[|\]$/g, ''),
          port: url.port,
          path: uriEncode(path, true) + (text === '' ? '' : `?${text}`),
          headers: signed,
          timeout: idleMs,
        },
        resolve,
      )
      request.on('timeout', () => request.destroy(new Error(`nothing came for ${idleMs / 1000} seconds`)))
      request.on('error', reject)
      request.end()
    }).catch((error: unknown) => {
      throw new HoldfastError('peer-unavailable', `${url.origin}: ${messageOf(error)}`, {}, error)
    })
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer
    throw new HoldfastError('peer-refused', await refusalOf(answer))
  }

  return {
    async *list(prefix, most) {
      let left = most
      for (let token: string | undefined; ; ) {
        const query: (readonly [string, string])[] = [
          ['list-type', '2'],
          ['encoding-type', 'url'],
          ['prefix', prefix],
        ]
        if (token !== undefined) query.push(['continuation-token', token])
        const page = listingIn(await textOf(await get('', query, {})))
        for (const each of children(page, 'Contents')) {
          if (left-- === 0) return { more: true }
          // S3 writes a space as `+`, Holdfast as `%20`; a plus is `%2B` in both.
          const key = decodeURIComponent((childText(each, 'Key') ?? '').replaceAll('+', ' '))
          yield { key, bytes: Number(childText(each, 'Size')) }
        }
        token = childText(page, 'NextContinuationToken')
        if (token === undefined) return { more: false }
      }
    },

    read: ({ key, bytes }, maxBytes) =>
      get(key, [], bytes > maxBytes ? { range: `bytes=0-${maxBytes}` } : {}),

    [Symbol.dispose]: () => agent.destroy(),
  }
}

function listingIn(answer: Uint8Array): XmlElement {
  try {
    return parseXml(answer, 'ListBucketResult')
  } catch (error) {
    throw new HoldfastError('peer-refused', 'what was answered is no listing', {}, error)
  }
}

async function textOf(answer: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > mostAnswerBytes) throw new HoldfastError('peer-refused', 'an answer that is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function refusalOf(answer: IncomingMessage): Promise<string> {
  const status = `HTTP ${answer.statusCode}`
  try {
    const error = parseXml(await textOf(answer), 'Error')
    return `${childText(error, 'Code') ?? status}: ${childText(error, 'Message') ?? ''}`
  } catch {
    return status
  }
}
