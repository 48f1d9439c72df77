/**
 * The embedded key holder: a small XKS proxy (API v1.0) on the customer's side, a process of its own. TLS with
 * pinned client certificates, SigV4 on every request, a journal line synced before any key leaves.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { equalSecrets } from '../crypto/constant-time.ts'
import {
  canonicalRequest,
  parseAmzDate,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
} from '../crypto/sigv4.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import type { Journal } from './journal.ts'
import type { Keyring } from './keyring.ts'

export interface HolderClient {
  /** Region id; what the journal calls the requester. */
  readonly name: string
  readonly certificate: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface HolderServerOptions {
  readonly identity: TlsIdentity
  readonly clients: readonly HolderClient[]
  readonly keyring: Keyring
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
}

const maxBodyBytes = 64 * 1024
const maxPlaintextBytes = 4300
const maxAadBytes = 8192
const maxSkewMs = 5 * 60e3

/** The specification's error names with their HTTP status. */
const errors = {
  ValidationException: 400,
  InvalidStateException: 400,
  InvalidCiphertextException: 400,
  InvalidKeyUsageException: 400,
  AuthenticationFailedException: 401,
  KeyNotFoundException: 404,
  UnsupportedOperationException: 400,
  InternalException: 500,
} as const

class XksError extends Error {
  readonly errorName: keyof typeof errors
  constructor(errorName: keyof typeof errors, message: string) {
    super(message)
    this.errorName = errorName
  }
}

export function createHolderServer(options: HolderServerOptions): Server {
  return createServer(
    {
      key: options.identity.key,
      cert: options.identity.certificate,
      ca: options.clients.map(client => client.certificate),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      answer(options, request).then(
        value => send(response, 200, value),
        error => {
          const errorName = error instanceof XksError ? error.errorName : 'InternalException'
          if (errorName === 'InternalException')
            options.log('error', 'holder-failed', { error: messageOf(error) })
          else options.log('warn', 'holder-refused', { errorName, error: messageOf(error) })
          send(response, errors[errorName], { errorName, errorMessage: messageOf(error) })
        },
      )
    },
  )
}

async function answer(options: HolderServerOptions, request: IncomingMessage): Promise<object> {
  const body = await readBody(request)
  const client = authenticate(options, request, body)
  const path = (request.url ?? '').split('?', 1)[0]!
  if (path === '/kms/xks/v1/health')
    return { xksProxyFleetDetails: [], xksProxyVendor: 'Holdfast', xksProxyModel: 'embedded' }
  const match = /^\/kms\/xks\/v1\/keys\/([^/]+)\/(metadata|encrypt|decrypt)$/.exec(path)
  if (request.method !== 'POST' || match === null)
    throw new XksError('UnsupportedOperationException', 'no such operation')
  const keyId = decodeURIComponent(match[1]!)
  const { keyring, journal } = options
  if (!keyring.has(keyId)) throw new XksError('KeyNotFoundException', 'no such key')
  if (match[2] === 'metadata') {
    return {
      keySpec: 'AES_256',
      keyUsage: ['ENCRYPT', 'DECRYPT'],
      keyStatus: keyring.enabled(keyId) ? 'ENABLED' : 'DISABLED',
    }
  }
  const fields = parseBody(body)
  const use = typeof fields.holdfast === 'object' && fields.holdfast !== null ? fields.holdfast : {}
  const booked = {
    operation: match[2]!,
    keyId,
    requester: client.name,
    reason: text(use, 'reason'),
    bucketKeyId: text(use, 'bucketKeyId'),
    instruction: text(use, 'instruction'),
  }
  if (!keyring.enabled(keyId)) {
    await journal.append({ ...booked, outcome: 'refused' })
    throw new XksError('InvalidStateException', 'the key is disabled')
  }
  if (fields.encryptionAlgorithm !== 'AES_GCM') throw new XksError('InvalidKeyUsageException', 'only AES_GCM')
  const aad = bytes(fields, 'additionalAuthenticatedData', maxAadBytes, true)
  if (match[2] === 'encrypt') {
    const plaintext = bytes(fields, 'plaintext', maxPlaintextBytes)
    const sealed = keyring.encrypt(keyId, plaintext, aad)
    await journal.append({ ...booked, outcome: 'done' })
    return {
      authenticationTag: sealed.authenticationTag.toString('base64'),
      ciphertext: sealed.ciphertext.toString('base64'),
      initializationVector: sealed.initializationVector.toString('base64'),
      ...(fields.ciphertextDataIntegrityValueAlgorithm === 'SHA_256' && {
        ciphertextDataIntegrityValue: integrityValue(aad, sealed),
      }),
    }
  }
  const sealed = {
    ciphertext: bytes(fields, 'ciphertext', maxPlaintextBytes),
    initializationVector: bytes(fields, 'initializationVector', 12),
    authenticationTag: bytes(fields, 'authenticationTag', 16),
  }
  const plaintext = keyring.decrypt(keyId, sealed, aad)
  await journal.append({ ...booked, outcome: plaintext === null ? 'refused' : 'done' })
  if (plaintext === null)
    throw new XksError('InvalidCiphertextException', 'the ciphertext does not authenticate')
  return { plaintext: plaintext.toString('base64') }
}

/** SHA-256 over AAD ‖ metadata (none here) ‖ IV ‖ ciphertext ‖ tag, as the specification concatenates them. */
function integrityValue(
  aad: Uint8Array,
  sealed: { initializationVector: Buffer; ciphertext: Buffer; authenticationTag: Buffer },
): string {
  const all = Buffer.concat([aad, sealed.initializationVector, sealed.ciphertext, sealed.authenticationTag])
  return Buffer.from(sha256Hex(all), 'hex').toString('base64')
}

function authenticate(options: HolderServerOptions, request: IncomingMessage, body: Buffer): HolderClient {
  const failed = new XksError('AuthenticationFailedException', 'the signature does not match')
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms-xks-proxy\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
  const match = pattern.exec(request.headers.authorization ?? '')
  if (match === null) throw failed
  const [, accessKeyId, date, region, signedHeaders, signature] = match as unknown as string[]
  const client = options.clients.find(candidate => candidate.accessKeyId === accessKeyId)
  const amzDate = String(request.headers['x-amz-date'] ?? '')
  const sent = parseAmzDate(amzDate)
  if (client === undefined || sent === null || Math.abs(options.clock() - sent) > maxSkewMs) throw failed
  const names = signedHeaders!.split(';')
  if (!names.includes('host') || !names.includes('x-amz-date') || !amzDate.startsWith(date!)) throw failed
  const signed = {
    method: request.method ?? '',
    path: decodeURIComponent((request.url ?? '').split('?', 1)[0]!),
    query: [],
    headers: request.headers as Record<string, string>,
  }
  const scope = { date: date!, region: region!, service: 'kms-xks-proxy' }
  const canonical = canonicalRequest(signed, names, sha256Hex(body))
  const expected = signatureOf(
    signingKey(client.secretAccessKey, scope),
    stringToSign(amzDate, scope, canonical),
  )
  if (!equalSecrets(expected, signature!)) throw failed
  return client
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) throw new XksError('ValidationException', 'the request is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseBody(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {}
  throw new XksError('ValidationException', 'the body is not a JSON object')
}

function bytes(fields: Record<string, unknown>, name: string, maxBytes: number, optional = false): Buffer {
  const value = fields[name]
  if (optional && value === undefined) return Buffer.alloc(0)
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new XksError('ValidationException', `${name} is not base64`)
  }
  const decoded = Buffer.from(value, 'base64')
  if (decoded.length > maxBytes) throw new XksError('ValidationException', `${name} is too long`)
  return decoded
}

function text(use: object, name: string): string | null {
  const value = (use as Record<string, unknown>)[name]
  return typeof value === 'string' ? value.slice(0, 200) : null
}

function send(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
