import { type CountryCode, parseCountryCode } from '../core/ids.ts'
import { durationMs, fail, hostPort, sizeBytes, sizeMiB } from './option-values.ts'
import { parseOptions } from './options.ts'

export type CollectOptions =
  | { readonly mode: 'help' }
  | { readonly mode: 'status'; readonly folder: string; readonly json: boolean }
  | {
      readonly mode: 'collect'
      readonly folder: string
      readonly listen: readonly { readonly host: string; readonly port: number }[]
      readonly segmentMs: number
      readonly keepRawMs: number
      readonly keepRollUpMs: number
      readonly keepFreeBytes: number
      readonly bufferBytes: number
      readonly memoryMiB: number
      readonly places: string | null
      readonly alerts: AlertOptions | null
      readonly json: boolean
    }

type AlertOptions = {
  readonly servers: string
  readonly home: CountryCode | null
  readonly ranges: readonly string[]
  readonly leastBytes: number
}

/** NetFlow, IPFIX and sFlow, each at its customary port. */
const usualPorts = [2055, 4739, 6343]

export const collectUsage = `Usage: holdfast collect FOLDER [--listen HOST:PORT]… [options]
       holdfast collect FOLDER --status [--json]

Receives NetFlow, IPFIX and sFlow over UDP and keeps it in FOLDER as Parquet, by hour, until interrupted. What it
counts as stored survives a crash; what was lost is counted. holdfast audit FOLDER audits what was collected
(docs/collect.md).

  --listen HOST:PORT where to receive; repeat for several (default: 0.0.0.0, ports ${usualPorts.join(', ')})
  --segment T        after how long at most what arrived is decoded (default: 60s)
  --keep-raw T       how long single records are kept, such as 30d (default: 30d); their roll-up is made before
  --keep-rollup T    how long roll-ups are kept (default: 730d)
  --keep-free SIZE   left free on the disk: below it nothing is stored, and counted (default: 1G)
  --buffer SIZE      what may wait in memory for a slow or full disk (default: 256M)
  --memory SIZE      what the engine may hold in memory (default: 512M)
  --places FILE      what you know better than the databases: cidr,country[,asn,name]
  --servers FILE     inventory; with it, servers that send abroad to networks that they had not sent to are told in
                     FOLDER/alerts.jsonl and on standard output, an object a line, when the hour is over
  --home CC          country of the servers whose row names none
  --ranges FILE      ranges that a provider publishes of itself; repeatable
  --alert-bytes SIZE least that a server sent to such networks in an hour to be told (default: 10M)
  --status           say what is stored and what was lost, by exporter; also while it runs
  --json             status, and the last line at the end, as JSON
`

/** Throws `UsageError` or `bad-input` with what is wrong and what would be right. */
export function parseCollectOptions(argv: string[]): CollectOptions {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      status: { type: 'boolean' },
      json: { type: 'boolean' },
      listen: { type: 'string', multiple: true },
      segment: { type: 'string', default: '60s' },
      'keep-raw': { type: 'string', default: '30d' },
      'keep-rollup': { type: 'string', default: '730d' },
      'keep-free': { type: 'string', default: '1G' },
      buffer: { type: 'string', default: '256M' },
      memory: { type: 'string', default: '512M' },
      places: { type: 'string' },
      servers: { type: 'string' },
      home: { type: 'string' },
      ranges: { type: 'string', multiple: true },
      'alert-bytes': { type: 'string', default: '10M' },
    },
  })
  if (values.help === true) return { mode: 'help' }
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) fail('name one folder to collect into')
  const json = values.json === true
  if (values.status === true) return { mode: 'status', folder, json }
  const isAlone = values.servers === undefined
  if (isAlone && (values.home !== undefined || values.ranges !== undefined))
    fail('--home and --ranges belong to --servers')
  const home = values.home === undefined ? null : parseCountryCode(values.home.toUpperCase())
  if (values.home !== undefined && home === null)
    fail(`--home "${values.home}" is not a two-letter country code`)
  return {
    mode: 'collect',
    folder,
    listen: values.listen?.map(hostPort) ?? usualPorts.map(port => ({ host: '0.0.0.0', port })),
    segmentMs: durationMs('segment', values.segment),
    keepRawMs: durationMs('keep-raw', values['keep-raw']),
    keepRollUpMs: durationMs('keep-rollup', values['keep-rollup']),
    keepFreeBytes: sizeBytes('keep-free', values['keep-free']),
    bufferBytes: sizeBytes('buffer', values.buffer, 4),
    memoryMiB: sizeMiB('memory', values.memory, 256),
    places: values.places ?? null,
    alerts: isAlone
      ? null
      : {
          servers: values.servers!,
          home,
          ranges: values.ranges ?? [],
          leastBytes: sizeBytes('alert-bytes', values['alert-bytes']),
        },
    json,
  }
}
