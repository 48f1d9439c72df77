import { HoldfastError } from '../core/errors.ts'
import { parseTenantId } from '../core/ids.ts'
import { callApi } from './api-client.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { operatorOf, operatorOptions } from './operator.ts'
import { parseOptions, required } from './options.ts'

interface Usage {
  readonly objects: number
  readonly bytes: number
  readonly quota: { readonly objects: number | null; readonly bytes: number | null }
}

interface RegionUsage extends Usage {
  readonly region: string
  readonly buckets: readonly (Usage & { readonly name: string })[]
}

/** What tenants and buckets hold, and how much they may: the operator's. */
export async function quotaCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      ...operatorOptions,
      tenant: { type: 'string' },
      bucket: { type: 'string' },
      objects: { type: 'string' },
      bytes: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const { api, token } = operatorOf(values, io)
  const tenant = await tenantOf(api, token, required(values.tenant, '--tenant'))
  switch (positionals[0]) {
    case 'set': {
      const quota = { objects: limitOf(values.objects, '--objects'), bytes: limitOf(values.bytes, '--bytes') }
      const bucket = values.bucket === undefined ? {} : { bucket: values.bucket }
      const set = await callApi(api, 'POST', '/quotas', token, { tenant, ...bucket, ...quota })
      io.stdout.write(
        values.json ? `${JSON.stringify(set)}\n` : `${values.bucket ?? tenant}: ${shown(quota)}\n`,
      )
      return 0
    }
    case 'show': {
      const answer = (await callApi(api, 'GET', `/tenants/${tenant}/usage`, token)) as {
        regions: RegionUsage[]
      }
      if (values.json) io.stdout.write(`${JSON.stringify(answer)}\n`)
      else {
        for (const { region, buckets, ...usage } of answer.regions) {
          io.stdout.write(`${region}: ${line(usage)}\n`)
          for (const bucket of buckets) io.stdout.write(`  ${bucket.name}: ${line(bucket)}\n`)
        }
      }
      return 0
    }
    default:
      throw new UsageError('set or show')
  }
}

/** By its id, or by its name where that is no other's. */
async function tenantOf(api: string, token: string, text: string): Promise<string> {
  if (parseTenantId(text) !== null) return text
  const { tenants } = (await callApi(api, 'GET', '/tenants', token)) as {
    tenants: { tenant: string; name: string }[]
  }
  const named = tenants.filter(({ name }) => name === text)
  if (named.length === 1) return named[0]!.tenant
  throw new HoldfastError(
    'not-found',
    `${named.length === 0 ? 'no tenant is' : 'several tenants are'} called ${text}`,
  )
}

/** `none` takes the limit away. */
function limitOf(text: string | undefined, name: string): number | null {
  if (text === 'none') return null
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${name} takes a number, or none`)
}

function line({ objects, bytes, quota }: Usage): string {
  return `${objects} objects, ${bytes} bytes (${shown(quota)})`
}

function shown({ objects, bytes }: Usage['quota']): string {
  return objects === null && bytes === null
    ? 'no limit'
    : `at most ${objects ?? 'any'} objects, ${bytes ?? 'any'} bytes`
}
