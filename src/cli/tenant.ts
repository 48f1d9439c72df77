import { randomBytes } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'
import { noRules } from '../verify/approver-set.ts'
import { callApi } from './api-client.ts'
import { readPublicKey } from './approvers.ts'
import { createTenant, type GivenAccount } from './create-tenant.ts'
import { customerFolder, loadHolderConfig, tenantFolders, tenantsFolder } from './customer-folder.ts'
import { createIamClient } from './iam-client.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { joinTenant } from './join-tenant.ts'
import { operatorOf, operatorOptions } from './operator.ts'
import { parseOptions, required } from './options.ts'
import { readPolicyFile } from './policy/policy-file.ts'

const options = {
  name: { type: 'string' },
  home: { type: 'string' },
  customer: { type: 'string' },
  approvers: { type: 'string', default: '1' },
  quorum: { type: 'string', default: '1' },
  recovery: { type: 'string', multiple: true },
  'recovery-quorum': { type: 'string', default: '1' },
  abroad: { type: 'string', default: '0' },
  policy: { type: 'string' },
  'user-id': { type: 'string' },
  'account-id': { type: 'string' },
  'display-name': { type: 'string' },
  email: { type: 'string' },
  'access-key': { type: 'string' },
  'secret-key': { type: 'string' },
  user: { type: 'string' },
  'classic-buckets': { type: 'boolean' },
  ...operatorOptions,
  endpoint: { type: 'string' },
  site: { type: 'string' },
  keyholder: { type: 'string' },
  json: { type: 'boolean' },
} as const

export async function tenantCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({ args: argv, allowPositionals: true, options })
  const { api, token: operatorToken } = operatorOf(values, io)
  switch (positionals[0]) {
    case 'list': {
      const { tenants } = (await callApi(api, 'GET', '/tenants', operatorToken)) as { tenants: TenantRow[] }
      if (values.json) io.stdout.write(`${JSON.stringify({ tenants })}\n`)
      else
        for (const { tenant, name, home } of tenants)
          io.stdout.write(`${tenant}  ${home.padEnd(16)} ${name}\n`)
      return 0
    }
    case 'create': {
      const name = required(values.name, '--name')
      const parent = customerFolder(io.env)
      const folder = values.customer ?? join(tenantsFolder(parent), folderName(name))
      // Under the customer's folder its key holder answers for the new tenant; elsewhere one must be started.
      const [host, port] =
        values.keyholder !== undefined
          ? splitHostPort(values.keyholder)
          : values.customer !== undefined
            ? ['127.0.0.1', 9002]
            : ['127.0.0.1', await freeHolderPort(parent, Number(new URL(api).port) + 200)]
      const given = { id: values['access-key'], secret: values['secret-key'] }
      if ((given.id === undefined) !== (given.secret === undefined))
        throw new UsageError('--access-key and --secret-key go together')
      const ofRoot = values.user === undefined
      const account: GivenAccount = {
        ...(values['user-id'] !== undefined && { canonicalId: values['user-id'] }),
        ...(values['account-id'] !== undefined && { accountId: values['account-id'] }),
        ...(values['display-name'] !== undefined && { displayName: values['display-name'] }),
        ...(values.email !== undefined && { email: values.email }),
        ...(ofRoot && given.id !== undefined && { accessKeyId: given.id, secretAccessKey: given.secret! }),
        ...(values['classic-buckets'] && { newBuckets: 'classic' as const }),
      }
      const credentials = await createTenant({
        folder,
        name,
        home: required(values.home, '--home'),
        api,
        endpoint: values.endpoint ?? `http://127.0.0.1:${io.env.HOLDFAST_S3_PORT ?? 9000}`,
        operatorToken,
        holder: { host, port },
        approvers: count(values.approvers, '--approvers'),
        quorum: count(values.quorum, '--quorum'),
        ...(values.recovery && {
          recovery: {
            approvers: values.recovery.map(readPublicKey),
            quorum: count(values['recovery-quorum'], '--recovery-quorum'),
          },
        }),
        ...((values.abroad !== '0' || values.policy !== undefined) && {
          rules: {
            ...noRules,
            abroad: values.abroad === '0' ? 0 : count(values.abroad, '--abroad'),
            policy: values.policy === undefined ? null : readPolicyFile(values.policy),
          },
        }),
        nowUnixMs: Date.now(),
        randomBytes: length => randomBytes(length),
        account,
      })
      let { accessKeyId, secretAccessKey } = credentials
      if (values.user !== undefined) {
        const iam = createIamClient(credentials, folder)
        ;({ accessKeyId, secretAccessKey } = await iam.createUser(values.user, {
          isAdministrator: true,
          ...(given.id !== undefined && { accessKeyId: given.id, secretAccessKey: given.secret! }),
        }))
      }
      const isServed = values.customer === undefined && (await answers(host, port))
      const { tenant } = credentials
      if (values.json) {
        const out = {
          tenant,
          customer: folder,
          ...credentials.account,
          accessKeyId,
          secretAccessKey,
          keyHolder: isServed,
        }
        io.stdout.write(`${JSON.stringify(out)}\n`)
      } else {
        io.stdout.write(
          `tenant ${tenant}\n  its keys, trust file and credentials are in ${folder}\n` +
            `  user id ${credentials.account!.canonicalId}, account ${credentials.account!.accountId}, access key ${accessKeyId}\n` +
            (isServed ? '' : `  start its key holder:  holdfast keyholder --customer ${folder}\n`),
        )
      }
      return 0
    }
    case 'join': {
      const joined = await joinTenant({
        folder: values.customer ?? customerFolder(io.env),
        site: required(values.site, '--site NAME'),
        api,
        endpoint: values.endpoint ?? api,
        operatorToken,
        randomBytes: length => randomBytes(length),
      })
      if (values.json) {
        const { folder: customer, regions } = joined
        io.stdout.write(`${JSON.stringify({ customer, regions })}\n`)
      } else
        io.stdout.write(
          `joined ${joined.regions.join(', ')}\n  credentials for there are in ${joined.folder}; the trust file knows the new logs\n  start the key holder again: it answers the new regions from then on\n`,
        )
      return 0
    }
    default:
      throw new UsageError('create, join or list')
  }
}

interface TenantRow {
  readonly tenant: string
  readonly name: string
  readonly home: string
}

function folderName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-').replace(/^\.+/, '') || 'tenant'
}

/** The first from `from` on that no tenant's key holder under the folder has, and nobody listens on. */
async function freeHolderPort(parent: string, from: number): Promise<number> {
  const taken = new Set(tenantFolders(parent).map(folder => loadHolderConfig(folder).port))
  for (let port = from; port < from + 1000; port++) if (!taken.has(port) && (await isFree(port))) return port
  throw new HoldfastError('conflict', `no port from ${from} on is free for a key holder`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

const answersWithinMs = 10_000

/** A key holder that runs takes a new folder up within a second. */
async function answers(host: string, port: number): Promise<boolean> {
  for (const until = Date.now() + answersWithinMs; Date.now() < until; await setTimeout(100)) {
    const isThere = await new Promise<boolean>(resolve => {
      const socket = connect(port, host, () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isThere) return true
  }
  return false
}

function splitHostPort(text: string): [string, number] {
  const match = /^(.+):(\d{1,5})$/.exec(text)
  if (match === null) throw new UsageError('--keyholder takes HOST:PORT')
  return [match[1]!, Number(match[2])]
}

function count(text: string, name: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new UsageError(`${name} takes a number from 1 to 99`)
  return Number(text)
}
