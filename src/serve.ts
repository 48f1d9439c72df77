import { reloadCertificate, startApp } from './app.ts'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { parseOptions } from './cli/options.ts'
import { untilStopped } from './cli/until-stopped.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { jsonLinesLog } from './core/log.ts'

/** The provider's side: the regions that the configuration names, until it is stopped. */
export async function serveCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({ args: argv, options: { config: { type: 'string' } } })
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const log = jsonLinesLog(line => io.stderr.write(line), Date.now)
  await using app = await startApp(config, { log, clock: Date.now })
  const names = [...app.regions.keys()].join(', ')
  const tls = app.s3TlsPort === null ? '' : ` and https://${config.host}:${app.s3TlsPort}`
  io.stdout.write(
    `holdfast ready: S3 on http://${config.host}:${app.s3Port}${tls}, API on http://${config.host}:${app.apiPort}, regions ${names}\n`,
  )
  process.on('SIGHUP', () => reloadCertificate(app, log))
  await untilStopped()
  return 0
}
