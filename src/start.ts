/**
 * `npm start`: the embedded default, both sides on one machine. The customer's key holder is a process of its own
 * with a folder of its own; here it is merely started along, so that there is something to try.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { reloadCertificate, startApp } from './app.ts'
import { createTenant } from './cli/create-tenant.ts'
import {
  type CustomerCredentials,
  customerFiles,
  customerFolder,
  loadCredentials,
  loadHolderConfig,
} from './cli/customer-folder.ts'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { parseOptions } from './cli/options.ts'
import { untilStopped } from './cli/until-stopped.ts'
import { embeddedConfig } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { jsonLinesLog } from './core/log.ts'

const home = 'in-mumbai'

export async function startCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  parseOptions({ args: argv, options: {} })
  const config = embeddedConfig(io.env)
  const folder = resolve(customerFolder(io.env))
  const log = jsonLinesLog(line => io.stderr.write(line), Date.now)
  await using app = await startApp(config, { log, clock: Date.now })
  const isNew = !existsSync(customerFiles(folder).credentials)
  const credentials = isNew
    ? await createTenant({
        folder,
        name: 'demo',
        home,
        api: `http://${config.host}:${app.apiPort}`,
        endpoint: `http://${config.host}:${app.s3Port}`,
        operatorToken: readFileSync(join(config.dataFolder, 'operator.token'), 'utf8').trim(),
        holder: { host: '127.0.0.1', port: Number(io.env.HOLDFAST_KEYHOLDER_PORT ?? app.apiPort + 1) },
        approvers: 1,
        quorum: 1,
        nowUnixMs: Date.now(),
        randomBytes: length => randomBytes(length),
      })
    : loadCredentials(folder)
  await using _holder = await startHolder(folder, io)
  io.stdout.write(tryIt(credentials, folder, isNew))
  io.stdout.write(
    `holdfast ready: S3 on http://${config.host}:${app.s3Port}, API on http://${config.host}:${app.apiPort}\n`,
  )
  process.on('SIGHUP', () => reloadCertificate(app, log))
  await untilStopped()
  return 0
}

/** Waits until the key holder listens; a start that could not seal anything would be ready for nothing. */
async function startHolder(folder: string, io: CommandIo): Promise<AsyncDisposable> {
  const main = join(import.meta.dirname, 'main.ts')
  const child: ChildProcess = spawn(process.execPath, [main, 'keyholder', '--customer', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Its own group: Ctrl-C reaches it through us, after the server has drained.
    detached: true,
  })
  const { port } = loadHolderConfig(folder)
  let stopping = false
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => {
      reject(
        new HoldfastError(
          'key-holder-unavailable',
          `the key holder ended with code ${code}; is port ${port} taken?`,
        ),
      )
      if (!stopping)
        io.stderr.write(
          'holdfast: the key holder has ended; nothing can be sealed or opened until it is back\n',
        )
    })
    child.stdout!.on('data', (chunk: Buffer) => {
      if (chunk.includes('ready')) resolve()
    })
  })
  return {
    async [Symbol.asyncDispose]() {
      stopping = true
      const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
      if (child.exitCode === null && child.kill('SIGTERM')) await ended
    },
  }
}

function tryIt(credentials: CustomerCredentials, folder: string, isNew: boolean): string {
  const { endpoint, accessKeyId, secretAccessKey, region, tenant } = credentials
  return `
${isNew ? 'A tenant “demo” was made' : 'Tenant “demo”'} (${tenant.slice(0, 16)}…), at home in ${region}. Its keys are in ${folder}, the provider's data elsewhere.

Try it, with any S3 client:

  export AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_DEFAULT_REGION=${region}
  export AWS_ENDPOINT_URL=${endpoint} HOLDFAST_CUSTOMER=${folder}
  aws s3 mb s3://papers && echo 'stays at home' > note.txt && aws s3 cp note.txt s3://papers/
  aws s3api create-bucket --bucket papers-abroad --create-bucket-configuration LocationConstraint=de-frankfurt
  aws s3 cp s3://papers/note.txt s3://papers-abroad/      # refused: it leaves the country
  id=$(bin/holdfast instruct transfer --bucket papers --to-bucket papers-abroad --mode copy --purpose "for the Frankfurt office" --json | cut -d'"' -f4)
  bin/holdfast approve $id --key ${folder}/approver.key && bin/holdfast transfers $id --follow
  bin/holdfast statement --region ${region} -o statement.json && bin/holdfast verify statement.json

`
}
