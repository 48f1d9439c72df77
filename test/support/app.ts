/** The provider's side in this process, with a customer of several approvers and its key holder, on free ports. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, startApp } from '../../src/app.ts'
import { createTenant, type GivenAccount, type NewTenant } from '../../src/cli/create-tenant.ts'
import { type CustomerCredentials, customerFiles, loadHolderConfig } from '../../src/cli/customer-folder.ts'
import type { Config } from '../../src/config.ts'
import type { CountryCode, RegionId, TenantId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { type PrivateKey, parsePrivateKey } from '../../src/crypto/signatures.ts'
import { signHeaders } from '../../src/crypto/sigv4.ts'
import type { TlsIdentity } from '../../src/crypto/tls-identity.ts'
import { createHolderServer } from '../../src/keys/holder-server.ts'
import { openJournal } from '../../src/keys/journal.ts'
import { loadKeyring } from '../../src/keys/keyring.ts'
import { freePorts } from './free-ports.ts'

export interface Customer {
  readonly folder: string
  readonly tenant: TenantId
  readonly credentials: CustomerCredentials
  readonly approvers: readonly PrivateKey[]
  /** Signed S3 request as this customer. */
  s3(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Record<string, string>,
  ): Promise<Response>
}

export interface TestApp extends AsyncDisposable {
  readonly app: App
  readonly folder: string
  readonly api: string
  customer(
    name: string,
    approvers: number,
    quorum: number,
    account?: GivenAccount,
    more?: Pick<NewTenant, 'recovery' | 'rules'>,
  ): Promise<Customer>
  /** Stops and starts the provider on the same folder, with another configuration if need be. */
  restart(change?: Partial<Config>, clock?: () => number): Promise<void>
}

/** `more`: regions beside Mumbai, Frankfurt and Singapore. */
export async function startTestApp(
  change: Partial<Config> = {},
  more: readonly (readonly [id: string, country: string])[] = [],
): Promise<TestApp> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-app-'))
  const servers: Server[] = []
  const journals: AsyncDisposable[] = []
  const ports = await freePorts(5 + more.length)
  const regions = [['in-mumbai', 'IN'], ['de-frankfurt', 'DE'], ['sg-singapore', 'SG'], ...more].map(
    ([id, country], index) => ({
      id: id as RegionId,
      country: country as CountryCode,
      operator: 'test',
      peer: { host: '127.0.0.1', port: ports[index + 2]! },
      publish: [],
    }),
  )
  const config: Config = {
    dataFolder: join(folder, 'data'),
    host: '127.0.0.1',
    s3Port: ports[0]!,
    s3Tls: null,
    s3Domains: ['localhost'],
    s3IdleMs: 60_000,
    formsVersion2: false,
    customerKeysOverHttp: true,
    apiPort: ports[1]!,
    workers: 0,
    publicHost: 'holdfast.test',
    leaseMs: 60_000,
    staleMs: 300_000,
    moveUndoMs: 0,
    transferBytesPerSecond: 0,
    trashGraceMs: 120_000,
    diskReserveBytes: 0,
    segmentBytes: 64 << 20,
    scrubBytesPerSecond: 0,
    scrubEveryMs: 0,
    accessLogMs: 300_000,
    closeBooksMs: 86_400_000,
    webhookGiveUpMs: 86_400_000,
    lifecycleDayMs: 86_400_000,
    limits: { tenantRequestsPerSecond: null, keyRequestsPerSecond: null },
    regions,
    peers: [],
    witnesses: [],
    places: [],
    packsFolder: null,
    loopbackIsHome: true,
    remotes: [],
    ...change,
  }
  let app = await startApp(config, { log: silentLog, clock: Date.now })
  const api = `http://127.0.0.1:${config.apiPort}`
  const endpoint = `http://127.0.0.1:${config.s3Port}`

  return {
    get app() {
      return app
    },
    folder,
    api,

    async restart(change = {}, clock = Date.now) {
      await app[Symbol.asyncDispose]()
      app = await startApp({ ...config, ...change }, { log: silentLog, clock })
    },

    async customer(name, approvers, quorum, account, more = {}) {
      const own = join(folder, name)
      const holder = { host: '127.0.0.1', port: (await freePorts(1))[0]! }
      const credentials = await createTenant({
        folder: own,
        name,
        home: 'in-mumbai',
        api,
        endpoint,
        operatorToken: readFileSync(join(config.dataFolder, 'operator.token'), 'utf8').trim(),
        holder,
        approvers,
        quorum,
        nowUnixMs: Date.now(),
        randomBytes: length => randomBytes(length),
        ...(account && { account }),
        ...more,
      })
      const files = customerFiles(own)
      const journal = await openJournal(files.journal, Date.now)
      journals.push(journal)
      const server = createHolderServer({
        identity: JSON.parse(readFileSync(files.holderTls, 'utf8')) as TlsIdentity,
        clients: loadHolderConfig(own).clients,
        keyring: loadKeyring(files.keyring, length => randomBytes(length)),
        journal,
        clock: Date.now,
        log: silentLog,
      })
      await new Promise<void>(resolve => server.listen(holder.port, holder.host, resolve))
      servers.push(server)
      const keys = Array.from({ length: approvers }, (_, i) =>
        parsePrivateKey(
          readFileSync(
            i === 0 ? files.approverKey : files.approverKey.replace(/\.key$/, `-${i + 1}.key`),
            'utf8',
          ),
        ),
      )
      return {
        folder: own,
        tenant: credentials.tenant as TenantId,
        credentials,
        approvers: keys,
        s3(method, path, body = '', headers = {}) {
          const [pathname, query = ''] = path.split('?') as [string, string?]
          const signed = signHeaders(
            {
              method,
              path: decodeURIComponent(pathname),
              query: [...new URLSearchParams(query)],
              headers: { host: new URL(endpoint).host, ...headers },
            },
            body,
            credentials,
            { region: 'in-mumbai', service: 's3' },
            Date.now(),
          )
          const bare = method === 'GET' || method === 'HEAD'
          return fetch(`${endpoint}${path}`, {
            method,
            headers: signed,
            ...(!bare && { body: body as string }),
          })
        },
      }
    },

    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
      for (const journal of journals) await journal[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
