import { readFileSync } from 'node:fs'
import { callApi, orderApi } from './api-client.ts'
import { loadCredentials } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { folderOf, whoseOptions } from './user.ts'

interface Webhook {
  readonly arn: string
  readonly url: string
}

/** Where a tenant's notifications may go. */
export async function webhookCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      ...whoseOptions,
      region: { type: 'string' },
      name: { type: 'string' },
      url: { type: 'string' },
      certificate: { type: 'string' },
      instructions: { type: 'boolean' },
    },
  })
  const folder = folderOf(values, io)
  const credentials = loadCredentials(folder)
  const region = values.region ?? credentials.region
  const print = (result: object, text: string): ExitCode => {
    io.stdout.write(values.json ? `${JSON.stringify(result)}\n` : text)
    return 0
  }
  switch (positionals[0]) {
    case 'create': {
      const name = required(values.name, '--name')
      const url = required(values.url, '--url')
      const certificate = values.certificate === undefined ? null : readFileSync(values.certificate, 'utf8')
      const made = (await orderApi(credentials, folder, '/webhooks', {
        region,
        name,
        url,
        certificate,
        ...(values.instructions && { instructions: true }),
      })) as Webhook
      return print(made, `${made.arn}\n`)
    }
    case 'list': {
      const answer = (await callApi(credentials.api, 'GET', '/webhooks', credentials.apiToken)) as {
        webhooks: Webhook[]
      }
      return print(answer, answer.webhooks.map(({ arn, url }) => `${arn}  ${url}\n`).join(''))
    }
    case 'delete': {
      const name = required(values.name ?? positionals[1], '--name')
      const deleted = await orderApi(credentials, folder, `/webhooks/${region}/${name}/delete`, {})
      return print(deleted as object, `${name}  deleted\n`)
    }
    default:
      throw new UsageError('create, list or delete')
  }
}
