/**
 * A customer that is there already joins the regions of another process: the same genesis, key holder and approvers, a
 * chain key and an access key more. What that process gave it is kept in a folder of its own, `sites/NAME`.
 *
 * Crash points: the key holder's configuration first (it lets nobody in that has not the region's certificate), then the
 * trust file, once the regions have taken it, and the site's credentials last; without those it is asked again, and told
 * that the tenant has joined.
 */
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import { callApi, fetchApi } from './api-client.ts'
import { fetchApproverSets } from './approver-set.ts'
import type { JoinAnswer, RegionAnswer } from './create-tenant.ts'
import {
  type CustomerCredentials,
  customerFiles,
  loadCredentials,
  loadHolderConfig,
  makeFolder,
  saveSecret,
} from './customer-folder.ts'
import { keepPromises } from './kept-promises.ts'

export interface JoinOptions {
  /** The customer's own. */
  readonly folder: string
  readonly site: string
  readonly api: string
  readonly endpoint: string
  readonly operatorToken: string
  readonly randomBytes: RandomBytes
}

export interface JoinedSite {
  readonly folder: string
  readonly credentials: CustomerCredentials
  readonly regions: readonly string[]
}

function siteFolder(folder: string, site: string): string {
  return join(folder, 'sites', site)
}

export async function joinTenant(options: JoinOptions): Promise<JoinedSite> {
  const { folder, api, randomBytes } = options
  const own = loadCredentials(folder)
  const files = customerFiles(folder)
  const trust = JSON.parse(readFileSync(files.trust, 'utf8')) as {
    readonly genesis: unknown
    readonly regions: Readonly<Record<string, unknown>>
  }
  const holder = loadHolderConfig(folder)
  const holderTls = JSON.parse(readFileSync(files.holderTls, 'utf8')) as TlsIdentity
  const { regions } = (await callApi(api, 'GET', '/regions', null)) as { regions: RegionAnswer[] }
  const known = regions.find(({ id }) => id in trust.regions)
  if (known !== undefined) throw new HoldfastError('conflict', `the tenant has joined ${known.id} before`)
  const site = customerFiles(siteFolder(folder, options.site))
  if (existsSync(site.credentials)) throw new HoldfastError('conflict', `${site.folder} is there already`)
  // Followed from the genesis in the customer's folder, so that the new regions begin where the others are.
  const chain = (await fetchApproverSets({ credentials: own }))[0]?.chain ?? []
  const chainKeys = Object.fromEntries(regions.map(({ id }) => [id, toHex(randomBytes(32))]))
  const clients = regions.map(region => ({
    name: region.id,
    certificate: region.certificate,
    accessKeyId: `HFK${toHex(randomBytes(8)).toUpperCase()}`,
    secretAccessKey: Buffer.from(randomBytes(30)).toString('base64url'),
  }))
  const others = holder.clients.filter(({ name }) => !regions.some(({ id }) => id === name))
  await saveSecret(files.holder, { ...holder, clients: [...others, ...clients] })
  const response = await fetchApi(api, 'POST', '/tenants', options.operatorToken, {
    genesis: trust.genesis,
    home: own.region,
    chain,
    chainKeys,
    holder: {
      host: holder.host,
      port: holder.port,
      certificate: holderTls.certificate,
      keyId: 'tenant-key-1',
      credentials: Object.fromEntries(
        clients.map(({ name, accessKeyId, secretAccessKey }) => [name, { accessKeyId, secretAccessKey }]),
      ),
    },
  })
  makeFolder(site.folder)
  await keepPromises(site.promises, response.headers.get('x-holdfast-promise'))
  const joined = (await response.json()) as JoinAnswer
  const added = Object.fromEntries(
    regions.map(({ id, origin, vkey, country }) => [id, { origin, vkey, chainKey: chainKeys[id], country }]),
  )
  await saveSecret(files.trust, { ...trust, regions: { ...trust.regions, ...added } })
  // One trust file for all: statements of every region are judged from one genesis.
  symlinkSync(join('..', '..', basename(files.trust)), site.trust)
  const credentials: CustomerCredentials = {
    ...own,
    endpoint: options.endpoint,
    api,
    region: regions[0]!.id,
    accessKeyId: joined.accessKeyId,
    secretAccessKey: joined.secretAccessKey,
    apiToken: joined.apiToken,
    account: joined.account,
  }
  await saveSecret(site.credentials, credentials)
  return { folder: site.folder, credentials, regions: regions.map(({ id }) => id) }
}
