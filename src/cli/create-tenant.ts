/**
 * A customer comes into being, on its own side: approver keys, genesis, chain keys, keyring and the key holder's
 * identity are made here. The provider gets the genesis, the chain keys and how to reach the key holder.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import { printEnvelope } from '../crypto/dsse.ts'
import { generatePrivateKey } from '../crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../crypto/signed-document.ts'
import { createTlsIdentity } from '../crypto/tls-identity.ts'
import { createKeyring } from '../keys/keyring.ts'
import type { ApproverRules } from '../verify/approver-set.ts'
import { type Approver, printApprover } from '../verify/approvers.ts'
import { genesisPayloadType } from '../verify/genesis.ts'
import { callApi, fetchApi } from './api-client.ts'
import { printRules } from './approver-set.ts'
import {
  type CustomerCredentials,
  customerFiles,
  type HolderConfig,
  makeFolder,
  saveSecret,
} from './customer-folder.ts'
import { keepPromises } from './kept-promises.ts'

export interface NewTenant {
  readonly folder: string
  readonly name: string
  readonly home: string
  readonly api: string
  readonly endpoint: string
  readonly operatorToken: string
  readonly holder: { readonly host: string; readonly port: number }
  /** How many approver keys are made, and how many of them must agree. */
  readonly approvers: number
  readonly quorum: number
  /** Kept offline, by others or in another place; left out: none. */
  readonly recovery?: { readonly approvers: readonly Approver[]; readonly quorum: number }
  readonly rules?: ApproverRules
  readonly nowUnixMs: number
  readonly randomBytes: RandomBytes
  /** What it brings along; each that is left out is made. */
  readonly account?: GivenAccount
}

export interface GivenAccount {
  readonly accountId?: string
  readonly canonicalId?: string
  readonly displayName?: string
  readonly email?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly newBuckets?: 'classic'
}

export interface RegionAnswer {
  readonly id: string
  readonly country: string
  readonly origin: string
  readonly vkey: string
  readonly certificate: string
}

export interface JoinAnswer {
  readonly tenant: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly apiToken: string
  readonly account: {
    readonly accountId: string
    readonly canonicalId: string
    readonly displayName: string
    readonly email: string | null
  }
}

/**
 * Crash points: until `credentials.json` is written at the very end, the folder counts as unfinished and a new
 * attempt is told so; nothing of a keyring is ever written over.
 */
export async function createTenant(options: NewTenant): Promise<CustomerCredentials> {
  const { folder, randomBytes, nowUnixMs } = options
  const files = customerFiles(folder)
  if (existsSync(files.keyring)) {
    throw new HoldfastError(
      'conflict',
      `${folder} holds a customer's keys already; nothing there is written over`,
    )
  }
  makeFolder(folder)
  const keys = Array.from({ length: options.approvers }, () => generatePrivateKey('ed25519'))
  const approvers = keys.map(key => ({ algorithm: key.algorithm, publicKey: toHex(key.publicKey) }))
  const draft = createDocument(genesisPayloadType, {
    approvers,
    created: isoTime(nowUnixMs),
    name: options.name,
    nonce: toHex(randomBytes(16)),
    quorum: options.quorum,
    recovery: {
      approvers: (options.recovery?.approvers ?? []).map(printApprover),
      quorum: options.recovery?.quorum ?? 0,
    },
    ...(options.rules && { rules: printRules(options.rules) }),
    v: 1,
  })
  const genesis = printEnvelope(signDocument(draft, ...keys))
  const tenant = documentId(draft)

  const { regions } = (await callApi(options.api, 'GET', '/regions', null)) as { regions: RegionAnswer[] }
  const holderTls = await createTlsIdentity(
    'holdfast key holder',
    [options.holder.host, 'localhost'],
    nowUnixMs,
  )
  const chainKeys = Object.fromEntries(regions.map(({ id }) => [id, toHex(randomBytes(32))]))
  const clients = regions.map(region => ({
    name: region.id,
    certificate: region.certificate,
    accessKeyId: `HFK${toHex(randomBytes(8)).toUpperCase()}`,
    secretAccessKey: Buffer.from(randomBytes(30)).toString('base64url'),
  }))
  const keyId = 'tenant-key-1'
  for (const [index, key] of keys.entries()) {
    await saveSecret(
      index === 0 ? files.approverKey : files.approverKey.replace(/\.key$/, `-${index + 1}.key`),
      key.toPem(),
    )
  }
  await createKeyring(files.keyring, keyId, isoTime(nowUnixMs), randomBytes)
  await saveSecret(files.holderTls, holderTls)
  await saveSecret(files.holder, { ...options.holder, clients } satisfies HolderConfig)
  const response = await fetchApi(options.api, 'POST', '/tenants', options.operatorToken, {
    genesis,
    home: options.home,
    ...(options.account && { account: options.account }),
    chainKeys,
    holder: {
      ...options.holder,
      certificate: holderTls.certificate,
      keyId,
      credentials: Object.fromEntries(
        clients.map(({ name, accessKeyId, secretAccessKey }) => [name, { accessKeyId, secretAccessKey }]),
      ),
    },
  })
  await keepPromises(files.promises, response.headers.get('x-holdfast-promise'))
  const joined = (await response.json()) as JoinAnswer
  await saveSecret(files.trust, {
    format: 'holdfast/trust/v1',
    tenant,
    genesis,
    regions: Object.fromEntries(
      regions.map(({ id, origin, vkey, country }) => [
        id,
        { origin, vkey, chainKey: chainKeys[id], country },
      ]),
    ),
  })
  const credentials: CustomerCredentials = {
    endpoint: options.endpoint,
    api: options.api,
    region: options.home,
    accessKeyId: joined.accessKeyId,
    secretAccessKey: joined.secretAccessKey,
    tenant,
    approverKey: resolve(files.approverKey),
    trust: resolve(files.trust),
    apiToken: joined.apiToken,
    account: joined.account,
  }
  await saveSecret(files.credentials, credentials)
  return credentials
}
