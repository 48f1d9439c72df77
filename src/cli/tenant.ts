import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import { callApi } from './api-client.ts'
import { createTenant } from './create-tenant.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'

export const tenantUsage =
  'holdfast tenant create --name NAME --home REGION --customer DIR [--approvers N --quorum K]\n' +
  '                         [--api URL] [--endpoint URL] [--keyholder HOST:PORT] [--operator-token FILE] [--json]\n' +
  '       holdfast tenant list [--api URL] [--operator-token FILE] [--json]'

export async function tenantCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      home: { type: 'string' },
      customer: { type: 'string' },
      approvers: { type: 'string', default: '1' },
      quorum: { type: 'string', default: '1' },
      api: { type: 'string' },
      endpoint: { type: 'string' },
      keyholder: { type: 'string', default: '127.0.0.1:9002' },
      'operator-token': { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const api = values.api ?? `http://127.0.0.1:${io.env.HOLDFAST_API_PORT ?? 9001}`
  const operatorToken = loadOperatorToken(
    values['operator-token'] ?? join(io.env.HOLDFAST_DATA ?? 'data', 'operator.token'),
  )
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
      const folder = required(values.customer, '--customer DIR')
      const [host, port] = splitHostPort(values.keyholder)
      const credentials = await createTenant({
        folder,
        name: required(values.name, '--name'),
        home: required(values.home, '--home'),
        api,
        endpoint: values.endpoint ?? `http://127.0.0.1:${io.env.HOLDFAST_S3_PORT ?? 9000}`,
        operatorToken,
        holder: { host, port },
        approvers: count(values.approvers, '--approvers'),
        quorum: count(values.quorum, '--quorum'),
        nowUnixMs: Date.now(),
        randomBytes: length => randomBytes(length),
      })
      const { tenant } = credentials
      if (values.json) io.stdout.write(`${JSON.stringify({ tenant, customer: folder })}\n`)
      else {
        io.stdout.write(
          `tenant ${tenant}\n  its keys, trust file and credentials are in ${folder}\n` +
            `  start its key holder:  holdfast keyholder --customer ${folder}\n`,
        )
      }
      return 0
    }
    default:
      throw new UsageError('create or list')
  }
}

interface TenantRow {
  readonly tenant: string
  readonly name: string
  readonly home: string
}

function loadOperatorToken(path: string): string {
  if (!existsSync(path))
    throw new HoldfastError(
      'not-found',
      `there is no operator token at ${path}; making a tenant is the operator's act`,
    )
  return readFileSync(path, 'utf8').trim()
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
