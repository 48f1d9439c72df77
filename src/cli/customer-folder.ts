/** The customer's side on disk: everything that the provider must not have. One folder, files mode 0600. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { writeFileDurable } from '../store/durable-file.ts'

export interface CustomerFiles {
  readonly folder: string
  readonly credentials: string
  readonly approverKey: string
  readonly trust: string
  readonly checkpoints: string
  readonly keyring: string
  readonly journal: string
  /** A folder. */
  readonly promises: string
  readonly holderTls: string
  readonly holder: string
}

export function customerFiles(folder: string): CustomerFiles {
  return {
    folder,
    credentials: join(folder, 'credentials.json'),
    approverKey: join(folder, 'approver.key'),
    trust: join(folder, 'trust.json'),
    checkpoints: join(folder, 'checkpoints.json'),
    keyring: join(folder, 'keyring.json'),
    journal: join(folder, 'journal.jsonl'),
    promises: join(folder, 'promises'),
    holderTls: join(folder, 'keyholder-tls.json'),
    holder: join(folder, 'keyholder.json'),
  }
}

export function customerFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env.HOLDFAST_CUSTOMER ?? 'customer'
}

/** Where `tenant create` puts a tenant that is given no folder; the key holder of `folder` answers for those too. */
export function tenantsFolder(folder: string): string {
  return join(folder, 'tenants')
}

/** The folders of the tenants under `folder` that are complete. */
export function tenantFolders(folder: string): string[] {
  const parent = tenantsFolder(folder)
  if (!existsSync(parent)) return []
  return readdirSync(parent)
    .map(name => join(parent, name))
    .filter(each => existsSync(customerFiles(each).credentials))
    .sort()
}

const credentialsSchema = z.object({
  endpoint: z.string(),
  api: z.string(),
  region: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  tenant: z.string(),
  approverKey: z.string(),
  trust: z.string(),
  apiToken: z.string(),
  account: z
    .object({
      accountId: z.string(),
      canonicalId: z.string(),
      displayName: z.string(),
      email: z.string().nullable(),
    })
    .optional(),
})
export type CustomerCredentials = z.infer<typeof credentialsSchema>

export function loadCredentials(folder: string): CustomerCredentials {
  return loadJson(
    customerFiles(folder).credentials,
    credentialsSchema,
    'run `npm start` or `holdfast tenant create` first',
  )
}

const holderSchema = z.strictObject({
  host: z.string(),
  port: z.int(),
  clients: z.array(
    z.strictObject({
      name: z.string(),
      certificate: z.string(),
      accessKeyId: z.string(),
      secretAccessKey: z.string(),
    }),
  ),
})
export type HolderConfig = z.infer<typeof holderSchema>

export function loadHolderConfig(folder: string): HolderConfig {
  return loadJson(customerFiles(folder).holder, holderSchema, 'run `holdfast tenant create` first')
}

function loadJson<Schema extends z.ZodType>(path: string, schema: Schema, hint: string): z.infer<Schema> {
  if (!existsSync(path)) throw new HoldfastError('not-found', `there is no ${path}: ${hint}`)
  const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success) throw new HoldfastError('bad-input', `${path}: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

export async function saveSecret(path: string, value: unknown): Promise<void> {
  await writeFileDurable(
    path,
    utf8(typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`),
    0o600,
  )
}

export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}
