import { parseArgs } from 'node:util'
import { messageOf } from '../core/errors.ts'
import { type CountryCode, parseCountryCode } from '../core/ids.ts'
import { durationMs, fail, hostPort, sizeMiB } from './option-values.ts'

export type AuditOptions =
  | { readonly mode: 'help' }
  | {
      readonly mode: 'listen'
      readonly host: string
      readonly port: number
      readonly out: string | null
      readonly forMs: number | null
      readonly json: boolean
    }
  | {
      readonly mode: 'audit'
      readonly flows: readonly string[]
      readonly servers: string
      readonly statements: readonly string[]
      /** Empty: the customer's own. */
      readonly trust: readonly string[]
      readonly places: string | null
      readonly ranges: readonly string[]
      readonly expected: string | null
      readonly canary: string | null
      /** Lists that say which service a domain belongs to. */
      readonly services: readonly string[]
      /** How a table of one's own is to be read. */
      readonly csvMap: string | null
      readonly home: CountryCode | null
      readonly html: string | null
      readonly csv: string | null
      readonly parquet: string | null
      readonly ocsf: string | null
      readonly stix: string | null
      readonly compare: string | null
      readonly bundle: string | null
      readonly sign: string | null
      readonly signer: string
      readonly memoryMiB: number
      readonly json: boolean
    }

export const auditUsage = `Usage: holdfast audit FLOWS… --servers inventory.csv [options]
       holdfast audit --listen HOST:PORT [--out FILE] [--for 30s]

Says where each byte went that your servers sent, and who ordered it. FLOWS are files, known by their content:
NetFlow, IPFIX and sFlow, flow logs of AWS, Alibaba Cloud, Azure and Google Cloud, Zeek, Suricata, pcap, pcapng,
CSV and JSON tables, and what --listen wrote; gzip and zstd are taken off. A folder is one of holdfast collect.

  --servers FILE     inventory: cidr,server[,tenant,region,country,role,valid_from,valid_to]
  --home CC          country of the servers whose row names none (two letters, such as IN)
  --statement FILE   a region's statement to reconcile with; repeat for each region
  --trust FILE       what statements are checked against; several for several tenants' and a region's own
                     (default: trust.json in $HOLDFAST_CUSTOMER or ./customer)
  --places FILE      what you know better than the databases: cidr,country[,asn,name]
  --csv-map FILE     how a table whose columns are not recognised is to be read (docs/audit.md)
  --ranges FILE      ranges that a provider publishes of itself (AWS, Google, Azure, Oracle, geofeeds); repeatable
  --expected FILE    what you have looked at and found in order (docs/formats/expected.md)
  --canary FILE      reads that you made from abroad on purpose: time,server,client,bytes
  --services FILE    which service a domain belongs to, with tags (docs/formats/services.md); repeatable
  --html FILE        write the report as one page that stands alone
  --csv FILE         write a row for each server and destination; --parquet FILE the same as Parquet
  --ocsf FILE        write findings as OCSF events (Detection Finding, 2004), a JSON object a line
  --stix FILE        write what was detected as a STIX 2.1 bundle
  --compare FILE     say what changed since an earlier report (what --json printed)
  --bundle FILE      write the evidence behind it as JSON
  --sign KEY         sign the bundle with this key (from holdfast keygen), so that holdfast verify accepts it
  --signer NAME      in whose name (default: auditor); no spaces and no +
  --memory SIZE      what the engine may hold in memory, such as 500M or 4G (default: 1G); more is written to disk
  --json             print the report as JSON
  --listen HOST:PORT receive flow exports over UDP and write them to a file, until interrupted
  --out FILE         that file (default: flows-<time>.hfcap)
  --for DURATION     stop listening after this long, such as 30s, 15m, 24h
`

/** Throws `bad-input` with what is wrong and what would be right. */
export function parseAuditOptions(argv: readonly string[]): AuditOptions {
  const { values, positionals } = parsed(argv)
  if (values.help === true) return { mode: 'help' }
  if (values.listen !== undefined) {
    const extra = ['servers', 'statement', 'trust', 'places', 'csv-map', 'home', 'html', 'bundle'].filter(
      name => values[name as keyof typeof values] !== undefined,
    )
    if (positionals.length > 0 || extra.length > 0) {
      fail(`--listen only receives; audit its file afterwards (without ${positionals[0] ?? `--${extra[0]}`})`)
    }
    return {
      mode: 'listen',
      ...hostPort(values.listen),
      out: values.out ?? null,
      forMs: values.for === undefined ? null : durationMs('for', values.for),
      json: values.json === true,
    }
  }
  if (values.out !== undefined || values.for !== undefined) fail('--out and --for belong to --listen')
  if (positionals.length === 0) fail('no flow records: name at least one file')
  if (values.servers === undefined)
    fail('no inventory: --servers inventory.csv says which addresses are yours')
  if (values.sign !== undefined && values.bundle === undefined)
    fail('--sign signs a bundle: name it with --bundle')
  if (!/^[^\s+]+$/u.test(values.signer ?? 'auditor')) fail('--signer is a name without spaces and without +')
  const home = values.home === undefined ? null : parseCountryCode(values.home.toUpperCase())
  if (values.home !== undefined && home === null)
    fail(`--home "${values.home}" is not a two-letter country code`)
  return {
    mode: 'audit',
    flows: positionals,
    servers: values.servers,
    statements: values.statement ?? [],
    trust: values.trust ?? [],
    places: values.places ?? null,
    ranges: values.ranges ?? [],
    expected: values.expected ?? null,
    canary: values.canary ?? null,
    services: values.services ?? [],
    csvMap: values['csv-map'] ?? null,
    home,
    html: values.html ?? null,
    csv: values.csv ?? null,
    parquet: values.parquet ?? null,
    ocsf: values.ocsf ?? null,
    stix: values.stix ?? null,
    compare: values.compare ?? null,
    bundle: values.bundle ?? null,
    sign: values.sign ?? null,
    signer: values.signer ?? 'auditor',
    memoryMiB: sizeMiB('memory', values.memory ?? '1G', 128),
    json: values.json === true,
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        servers: { type: 'string' },
        statement: { type: 'string', multiple: true },
        trust: { type: 'string', multiple: true },
        places: { type: 'string' },
        ranges: { type: 'string', multiple: true },
        expected: { type: 'string' },
        canary: { type: 'string' },
        services: { type: 'string', multiple: true },
        'csv-map': { type: 'string' },
        home: { type: 'string' },
        html: { type: 'string' },
        csv: { type: 'string' },
        parquet: { type: 'string' },
        ocsf: { type: 'string' },
        stix: { type: 'string' },
        compare: { type: 'string' },
        bundle: { type: 'string' },
        sign: { type: 'string' },
        signer: { type: 'string' },
        memory: { type: 'string' },
        json: { type: 'boolean' },
        listen: { type: 'string' },
        out: { type: 'string' },
        for: { type: 'string' },
      },
    })
  } catch (error) {
    return fail(messageOf(error))
  }
}
