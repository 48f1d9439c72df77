/**
 * A key holder behind the AWS XKS proxy API v1.0 (aws-kms-xksproxy-api-spec). Reason, bucket key and instruction
 * ride along in a field of their own, which other vendors' proxies ignore.
 */
import { fromUtf8, toBase64 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import { type Credentials, signHeaders } from '../crypto/sigv4.ts'
import type { KeyHolder, KeyUse, WrappedKey } from './key-holder.ts'

/** One POST to the holder, through the one door out. Rejects when no answer came. */
export type HolderPost = (
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string,
) => Promise<{ readonly status: number; readonly body: Uint8Array }>

export interface XksClientOptions {
  readonly host: string
  readonly keyId: string
  readonly credentials: Credentials
  /** Names the requester in the holder's journal. */
  readonly principal: string
  readonly post: HolderPost
  readonly clock: Clock
  readonly newRequestId: () => string
}

const scope = { region: 'holdfast', service: 'kms-xks-proxy' }

export function createXksClient(options: XksClientOptions): KeyHolder {
  const call = async (
    operation: string,
    keyId: string,
    fields: object,
    use: KeyUse,
  ): Promise<Record<string, unknown>> => {
    const path = `/kms/xks/v1/keys/${encodeURIComponent(keyId)}/${operation}`
    const body = JSON.stringify({
      requestMetadata: {
        awsPrincipalArn: options.principal,
        kmsOperation: operation === 'encrypt' ? 'Encrypt' : 'Decrypt',
        kmsRequestId: options.newRequestId(),
      },
      ...fields,
      encryptionAlgorithm: 'AES_GCM',
      holdfast: use,
    })
    const request = {
      method: 'POST',
      path,
      query: [],
      headers: { host: options.host, 'content-type': 'application/json' },
    }
    const headers = signHeaders(request, body, options.credentials, scope, options.clock())
    const answer = await options.post(path, headers, body)
    const value = parseAnswer(answer.body)
    if (answer.status === 200) return value
    const name = typeof value.errorName === 'string' ? value.errorName : `HTTP ${answer.status}`
    const refused = answer.status >= 400 && answer.status < 500 && name !== 'ThrottlingException'
    throw new HoldfastError(
      refused ? 'key-holder-refused' : 'key-holder-unavailable',
      `the key holder answered ${name} to ${operation}`,
      { name, operation },
    )
  }

  return {
    async wrap(plaintext, binding, use) {
      const fields = {
        plaintext: toBase64(plaintext),
        additionalAuthenticatedData: toBase64(binding),
        ciphertextDataIntegrityValueAlgorithm: 'SHA_256',
      }
      const answer = await call('encrypt', options.keyId, fields, use)
      return {
        holderKeyId: options.keyId,
        ciphertext: field(answer, 'ciphertext'),
        initializationVector: field(answer, 'initializationVector'),
        authenticationTag: field(answer, 'authenticationTag'),
      }
    },

    async unwrap(wrapped: WrappedKey, binding, use) {
      const { holderKeyId, ...rest } = wrapped
      const fields = { ...rest, additionalAuthenticatedData: toBase64(binding) }
      const answer = await call('decrypt', holderKeyId, fields, use)
      return Buffer.from(field(answer, 'plaintext'), 'base64')
    },
  }
}

function parseAnswer(body: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(fromUtf8(body))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function field(answer: Record<string, unknown>, name: string): string {
  const value = answer[name]
  if (typeof value === 'string') return value
  throw new HoldfastError('key-holder-unavailable', `the key holder's answer has no ${name}`)
}
