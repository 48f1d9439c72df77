/** Configuration, parsed once at the edge into what the rest of the program takes as given. */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { HoldfastError } from './core/errors.ts'
import { type CountryCode, parseCountryCode, parseRegionId, type RegionId } from './core/ids.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { followRotations, type LogKeys } from './verify/log-keys.ts'
import { parseTypedVerifierKey, parseVerifierKey, type TypedVerifierKey } from './verify/verifier-key.ts'

export interface Config {
  readonly dataFolder: string
  readonly host: string
  readonly s3Port: number
  readonly s3Tls: { readonly port: number; readonly keyFile: string; readonly certificateFile: string } | null
  /** Under which `<bucket>.<domain>` is a bucket. */
  readonly s3Domains: readonly string[]
  /** A connection in the middle of a request or an answer is given up after so long without a byte. */
  readonly s3IdleMs: number
  /** Whether browser forms may be signed with version 2. */
  readonly formsVersion2: boolean
  /** Whether clients may send keys of their own (SSE-C) over connections that are not encrypted. */
  readonly customerKeysOverHttp: boolean
  readonly apiPort: number
  /** Processes that serve S3 beside the main one; 0: the main process serves it itself. */
  readonly workers: number
  /** Stands in front of `/log/<region>` in the origins of the logs. Must never change for a data folder. */
  readonly publicHost: string
  readonly leaseMs: number
  /** What another region knows of a tenant's approvers and verdicts counts as old after so long: nothing goes abroad. */
  readonly staleMs: number
  /** How long a moved object stays at its source after its arrival is in the books. */
  readonly moveUndoMs: number
  /** Of all transfers out of one region together; 0: without limit. */
  readonly transferBytesPerSecond: number
  /** How long bytes that were given up stay readable for whoever began to read them. */
  readonly trashGraceMs: number
  /** Over all processes that serve S3 together; `null`: none. */
  readonly limits: {
    readonly tenantRequestsPerSecond: number | null
    readonly keyRequestsPerSecond: number | null
  }
  /** How long a file of many short objects may get. */
  readonly segmentBytes: number
  /** Nothing is added to a disk that has less left. */
  readonly diskReserveBytes: number
  /** How fast stored bytes are read back and checked, and how long after a round the next one begins. 0: never. */
  readonly scrubBytesPerSecond: number
  readonly scrubEveryMs: number
  /** How long a day of a lifecycle rule is; shorter than a day for trying things out only. */
  readonly lifecycleDayMs: number
  /** A message to a webhook that could not be told for so long is given up. */
  readonly webhookGiveUpMs: number
  /** How often logs of buckets are written as objects. */
  readonly accessLogMs: number
  /** How long a period of the books is. */
  readonly closeBooksMs: number
  readonly regions: readonly RegionConfig[]
  /** Regions of other processes, with the keys that they are pinned to. */
  readonly peers: readonly PeerConfig[]
  readonly witnesses: readonly WitnessConfig[]
  readonly places: readonly { readonly cidr: string; readonly country: CountryCode }[]
  /** Loopback clients count as at home; for trying things on one machine only. */
  readonly loopbackIsHome: boolean
  /** Where the jurisdiction packs are that transfers are decided by; `null`: those that come with Holdfast. */
  readonly packsFolder: string | null
  /** Stores of others, by S3, for backups and for copies of public logs. */
  readonly remotes: readonly RemoteConfig[]
}

/** A bucket elsewhere. The credentials are read from their file when they are used, and are in no log. */
export interface RemoteConfig {
  readonly name: string
  readonly endpoint: string
  /** As its signatures have it. */
  readonly region: string
  readonly bucket: string
  /** In front of every key, without `/` at its ends; empty: none. */
  readonly prefix: string
  /** Where the operator says that it is; what its address says counts. */
  readonly country: CountryCode | null
  /** JSON with `accessKeyId` and `secretAccessKey`. */
  readonly credentialsFile: string
  /** PEM file of the one certificate that it must show; `null`: one that a public authority vouches for. */
  readonly certificateFile: string | null
  /** `<endpoint>/<bucket>/…` and not `<bucket>.<endpoint>/…`. */
  readonly pathStyle: boolean
}

/** Where a copy of a public log is kept: a folder, or a remote by its name. */
export type PublishTarget = { readonly folder: string } | { readonly remote: string }

/** Whom the regions' logs are shown to, so that others can say that there is one history. */
export interface WitnessConfig {
  readonly name: string
  readonly key: TypedVerifierKey
  readonly vkey: string
  /** The submission prefix. */
  readonly url: string
  readonly operator: string
  readonly country: CountryCode | null
  /** PEM; empty: what public authorities vouch for. */
  readonly certificate: string
}

/** A region that another process runs, as its operator told of it (`holdfast region show`). */
export interface PeerConfig {
  readonly id: RegionId
  readonly country: CountryCode
  readonly operator: string
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly certificate: string
  readonly log: LogKeys
  /** Where its clients go: what a redirect names. */
  readonly s3?: string
}

export interface RegionConfig {
  readonly id: RegionId
  readonly country: CountryCode
  readonly operator: string
  /** Where other regions reach this one. */
  readonly peer: { readonly host: string; readonly port: number }
  /** Where its public log is copied to, those for all regions included; a folder is the log's own. */
  readonly publish: readonly PublishTarget[]
}

const port = z.int().min(0).max(65_535)
const country = z.string().transform((text, context) => {
  const code = parseCountryCode(text)
  if (code !== null) return code
  context.addIssue(`“${text}” is not an ISO 3166-1 alpha-2 country code`)
  return z.NEVER
})
const regionId = z.string().transform((text, context) => {
  const id = parseRegionId(text)
  if (id !== null) return id
  context.addIssue(`“${text}” is not a region id (a-z, 0-9 and - inside, at most 32)`)
  return z.NEVER
})

const publish = z
  .array(z.union([z.strictObject({ folder: z.string().min(1) }), z.strictObject({ remote: z.string() })]))
  .default([])

const remote = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be of a-z, 0-9 and -'),
  endpoint: z
    .string()
    .regex(/^https?:\/\/[^/?#@\s]+\/?$/, 'must be http(s)://host, with a port or without, and no path'),
  region: z.string().min(1),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  prefix: z
    .string()
    .regex(/^(?:[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*)?$/, 'must be of letters, digits, . _ - and / inside')
    .default(''),
  country: country.optional(),
  credentialsFile: z.string().min(1),
  certificate: z.string().optional(),
  pathStyle: z.boolean().default(true),
})

const witness = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$/, 'must be a-z, 0-9, . and -, at most 64'),
  vkey: z.string(),
  url: z.string().refine(isWitnessUrl, 'must be an http or https URL without user, query and fragment'),
  operator: z.string().min(1),
  country: country.optional(),
  certificate: z.string().optional(),
})

const schema = z.strictObject({
  data: z.string().default('./data'),
  host: z.string().default('127.0.0.1'),
  publicHost: z
    .string()
    .regex(/^[^\s+/]+$/, 'must be a host, with a port or without')
    .optional(),
  s3: z
    .strictObject({
      port: port.default(9000),
      idleSeconds: z.int().min(1).max(3600).default(60),
      domains: z.array(z.string().toLowerCase()).default(['localhost', 's3.localhost']),
      formsVersion2: z.boolean().default(false),
      sseCOverHttp: z.boolean().optional(),
      tls: z.strictObject({ port, key: z.string(), certificate: z.string() }).optional(),
    })
    .prefault({}),
  api: z.strictObject({ port: port.default(9001) }).prefault({}),
  workers: z.int().min(0).max(256).optional(),
  leaseSeconds: z.int().min(1).max(3600).default(300),
  transferBytesPerSecond: z.int().min(0).default(0),
  staleSeconds: z.int().min(1).max(86_400).default(300),
  moveUndoSeconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(0),
  trashGraceSeconds: z.int().min(0).max(86_400).default(120),
  limits: z
    .strictObject({
      tenantRequestsPerSecond: z.number().positive().nullable().default(null),
      keyRequestsPerSecond: z.number().positive().nullable().default(null),
    })
    .prefault({}),
  scrub: z
    .strictObject({
      mebibytesPerSecond: z.number().min(0).max(10_000).default(4),
      everyHours: z.number().min(0).max(10_000).default(168),
    })
    .prefault({}),
  segmentMiB: z.int().min(1).max(4096).default(64),
  closeBooksSeconds: z
    .int()
    .min(1)
    .max(31 * 86_400)
    .default(86_400),
  accessLogSeconds: z.int().min(1).max(86_400).default(300),
  webhookGiveUpSeconds: z.int().min(1).max(2_592_000).default(86_400),
  lifecycleDaySeconds: z.int().min(1).max(86_400).default(86_400),
  diskReserveMiB: z.int().min(0).default(128),
  loopbackIsHome: z.boolean().default(false),
  places: z.array(z.strictObject({ cidr: z.string(), country })).default([]),
  packs: z.string().min(1).optional(),
  remotes: z.array(remote).default([]),
  publish,
  witnesses: z.array(witness).max(32).default([]),
  peers: z
    .array(
      z.strictObject({
        id: regionId,
        country,
        operator: z.string().default('unnamed'),
        host: z.string().min(1),
        port: z.int().min(1).max(65_535),
        certificate: z.string().regex(/^-----BEGIN CERTIFICATE-----/, 'must be a certificate in PEM'),
        vkey: z.string(),
        rotations: z.array(z.string()).default([]),
        s3: z
          .string()
          .regex(/^[a-z0-9.-]{1,253}(?::\d{1,5})?$/, 'must be a host, or host:port')
          .optional(),
      }),
    )
    .max(256)
    .default([]),
  regions: z
    .array(
      z.strictObject({
        id: regionId,
        country,
        operator: z.string().default('unnamed'),
        peer: z.strictObject({ host: z.string(), port }),
        publish,
      }),
    )
    .min(1),
})

/** Every fault of the file at once, each with where it stands. */
export function loadConfig(path: string, env: Env): Config {
  if (!existsSync(path)) throw new HoldfastError('bad-input', `there is no configuration at ${path}`)
  let value: unknown
  try {
    value = parseYaml(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new HoldfastError('bad-input', `${path} is not YAML`, {}, error)
  }
  return toConfig(value, env, dirname(resolve(path)), path)
}

/** Three regions on this machine, so that everything can be tried on a laptop. */
export function embeddedConfig(env: Env): Config {
  const operator = 'Holdfast embedded'
  const apiPort = Number(env.HOLDFAST_API_PORT || 9001)
  const peerPort = (offset: number): number => (apiPort === 0 ? 0 : apiPort + 100 + offset)
  const regions = (
    [
      ['in-mumbai', 'IN'],
      ['de-frankfurt', 'DE'],
      ['sg-singapore', 'SG'],
    ] as const
  ).map(([id, code], index) => ({
    id,
    country: code,
    operator,
    peer: { host: '127.0.0.1', port: peerPort(index) },
  }))
  return toConfig({ regions, loopbackIsHome: true }, env, process.cwd(), 'the embedded configuration')
}

export type Env = Readonly<Record<string, string | undefined>>

/** Looked for in the raw value: it must be said along with the other faults, not after they are mended. */
function regionsTwice(value: unknown): string[] {
  const regions = (value as { regions?: unknown } | null)?.regions
  if (!Array.isArray(regions)) return []
  const ids = regions.map(region => (region as { id?: unknown } | null)?.id)
  return ids.flatMap((id, index) =>
    typeof id === 'string' && ids.indexOf(id) < index
      ? [`✖ region ${id} is there twice\n  → at regions[${index}].id`]
      : [],
  )
}

/** A peer is another region than those here, and its log can be checked. */
function peerFaults({ peers, regions }: z.infer<typeof schema>): string[] {
  return peers.flatMap((peer, at) => {
    const faults: string[] = []
    if (regions.some(({ id }) => id === peer.id)) faults.push('it is a region of this process')
    if (peers.findIndex(({ id }) => id === peer.id) < at) faults.push('it is there twice')
    const log = peerLog(peer)
    if (typeof log === 'string') faults.push(log)
    else if (!log.origin.endsWith(`/log/${peer.id}`)) faults.push(`its vkey is of the log ${log.origin}`)
    return faults.map(fault => `✖ peer ${peer.id}: ${fault}\n  → at peers[${at}]`)
  })
}

function peerLog({ vkey, rotations }: z.infer<typeof schema>['peers'][number]): LogKeys | string {
  const first = parseVerifierKey(vkey, nodeVerifyCrypto)
  return first === null ? 'its vkey is no verifier key' : followRotations(first, rotations, nodeVerifyCrypto)
}

/** Names that nothing has, and remotes that are there twice. */
function remoteFaults(config: z.infer<typeof schema>): string[] {
  const names = config.remotes.map(({ name }) => name)
  const faults = names.flatMap((name, index) =>
    names.indexOf(name) < index ? [`✖ remote ${name} is there twice\n  → at remotes[${index}].name`] : [],
  )
  const check = (targets: readonly PublishTarget[], at: string): void => {
    for (const [index, target] of targets.entries())
      if ('remote' in target && !names.includes(target.remote))
        faults.push(`✖ there is no remote ${target.remote}\n  → at ${at}publish[${index}].remote`)
  }
  check(config.publish, '')
  for (const [index, { publish }] of config.regions.entries()) check(publish, `regions[${index}].`)
  return faults
}

function isWitnessUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

/** What only shows when the parts are held against each other. */
function witnessFaults({ witnesses, regions }: z.infer<typeof schema>): string[] {
  const operators = regions.map(({ operator }) => operator.trim().toLowerCase())
  const keys = witnesses.map(({ vkey }) => parseTypedVerifierKey(vkey, nodeVerifyCrypto))
  const publicKeys = keys.map(key => (key === null ? null : Buffer.from(key.publicKey).toString('hex')))
  return witnesses.flatMap(({ name, operator }, at) => {
    const faults: string[] = []
    const key = keys[at]
    if (key === null || key?.kind === 'ed25519')
      faults.push('its vkey is not one of a witness (type 0x04 or 0x06)')
    if (witnesses.findIndex(each => each.name === name) < at) faults.push('its name is there twice')
    if (key !== null && publicKeys.indexOf(publicKeys[at]!) < at) faults.push('its key is there twice')
    if (operators.includes(operator.trim().toLowerCase()))
      faults.push(`its operator, ${operator}, runs a region too: nobody is a witness for himself`)
    return faults.map(fault => `✖ witness ${name}: ${fault}\n  → at witnesses[${at}]`)
  })
}

function readCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new HoldfastError('bad-input', `there is no certificate at ${path}`, {}, error)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

function toConfig(value: unknown, env: Env, base: string, name: string): Config {
  const parsed = schema.safeParse(value)
  const faults: string[] = parsed.success ? [] : [z.prettifyError(parsed.error)]
  faults.push(...regionsTwice(value))
  if (parsed.success) faults.push(...witnessFaults(parsed.data))
  if (parsed.success) faults.push(...remoteFaults(parsed.data), ...peerFaults(parsed.data))
  const envNumber = (key: string, min: number, max: number, what: string): number | undefined => {
    const text = env[key]
    if (text === undefined || text === '') return undefined
    if (/^\d{1,5}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text)
    faults.push(`✖ ${key}=${text} is not ${what}`)
    return undefined
  }
  const s3Port = envNumber('HOLDFAST_S3_PORT', 0, 65_535, 'a port')
  const apiPort = envNumber('HOLDFAST_API_PORT', 0, 65_535, 'a port')
  const formsVersion2 = envNumber('HOLDFAST_FORMS_VERSION_2', 0, 1, '0 or 1')
  const workers = envNumber('HOLDFAST_WORKERS', 0, 256, 'a number of processes, 0 to 256')
  const leaseSeconds = envNumber('HOLDFAST_LEASE_SECONDS', 1, 3600, 'a lease of 1 to 3600 seconds')
  const lifecycleDaySeconds = envNumber(
    'HOLDFAST_LIFECYCLE_DAY_SECONDS',
    1,
    86_400,
    'a day of 1 to 86400 seconds',
  )
  if (!parsed.success || faults.length > 0)
    throw new HoldfastError('bad-input', `${name} has faults:\n${faults.join('\n')}`)
  const config = parsed.data
  const host = env.HOLDFAST_HOST ?? config.host
  const tls = config.s3.tls
  return {
    dataFolder: env.HOLDFAST_DATA !== undefined ? resolve(env.HOLDFAST_DATA) : resolve(base, config.data),
    host,
    s3Port: s3Port ?? config.s3.port,
    s3Tls:
      tls === undefined
        ? null
        : {
            port: tls.port,
            keyFile: resolve(base, tls.key),
            certificateFile: resolve(base, tls.certificate),
          },
    s3Domains: config.s3.domains,
    s3IdleMs: config.s3.idleSeconds * 1000,
    formsVersion2: formsVersion2 === undefined ? config.s3.formsVersion2 : formsVersion2 === 1,
    customerKeysOverHttp: config.s3.sseCOverHttp ?? isLoopback(host),
    apiPort: apiPort ?? config.api.port,
    workers: workers ?? config.workers ?? Math.min(availableParallelism(), 16),
    publicHost: config.publicHost ?? `${host}:${apiPort ?? config.api.port}`,
    leaseMs: (leaseSeconds ?? config.leaseSeconds) * 1000,
    staleMs: config.staleSeconds * 1000,
    moveUndoMs: config.moveUndoSeconds * 1000,
    transferBytesPerSecond: config.transferBytesPerSecond,
    trashGraceMs: config.trashGraceSeconds * 1000,
    limits: config.limits,
    segmentBytes: config.segmentMiB * 2 ** 20,
    diskReserveBytes: config.diskReserveMiB * 2 ** 20,
    scrubBytesPerSecond: config.scrub.mebibytesPerSecond * 2 ** 20,
    scrubEveryMs: config.scrub.everyHours * 3600e3,
    accessLogMs: config.accessLogSeconds * 1000,
    closeBooksMs: config.closeBooksSeconds * 1000,
    webhookGiveUpMs: config.webhookGiveUpSeconds * 1000,
    lifecycleDayMs: (lifecycleDaySeconds ?? config.lifecycleDaySeconds) * 1000,
    regions: config.regions.map(({ publish, ...region }) => ({
      ...region,
      publish: [
        // A folder for all regions has one of its own for each, as the logs are served.
        ...config.publish.map(target =>
          'folder' in target ? { folder: resolve(base, target.folder, region.id) } : target,
        ),
        ...publish.map(target => ('folder' in target ? { folder: resolve(base, target.folder) } : target)),
      ],
    })),
    witnesses: config.witnesses.map(({ name, vkey, url, operator, country = null, certificate }) => ({
      name,
      vkey,
      key: parseTypedVerifierKey(vkey, nodeVerifyCrypto)!,
      url,
      operator,
      country,
      certificate: certificate === undefined ? '' : readCertificate(resolve(base, certificate)),
    })),
    peers: config.peers.map(({ vkey, rotations, s3, ...peer }) => ({
      ...peer,
      ...(s3 !== undefined && { s3 }),
      log: peerLog({ ...peer, vkey, rotations }) as LogKeys,
    })),
    places: config.places,
    packsFolder: config.packs === undefined ? null : resolve(base, config.packs),
    loopbackIsHome: config.loopbackIsHome,
    remotes: config.remotes.map(({ country, credentialsFile, certificate, endpoint, ...remote }) => ({
      ...remote,
      endpoint: endpoint.replace(/\/$/, ''),
      country: country ?? null,
      credentialsFile: resolve(base, credentialsFile),
      certificateFile: certificate === undefined ? null : resolve(base, certificate),
    })),
  }
}
