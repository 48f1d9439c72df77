import { open, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError, hasCode, messageOf } from '../core/errors.ts'
import { plain, plainLines } from '../core/plain-text.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { parseEd25519Key } from '../crypto/signatures.ts'
import { collectorInputs } from '../flows/collect/folder-inputs.ts'
import { listenForFlows } from '../flows/collect/listen.ts'
import { type CsvMapping, parseCsvMapping } from '../flows/decode/csv-mapping.ts'
import type { ReadInput } from '../flows/decode/read-input.ts'
import { parseExpected } from '../flows/detect/expected.ts'
import type { FlowSource } from '../flows/engine/read-flows.ts'
import { writeParquet } from '../flows/engine/write-parquet.ts'
import type { DirectorySources } from '../flows/locate/directory.ts'
import { parseServiceLists } from '../flows/names/service-list.ts'
import { distinctEntries, runsOf } from '../flows/reconcile/books.ts'
import { parseCanaries } from '../flows/reconcile/canary.ts'
import { createSignedOrders } from '../flows/reconcile/quorum.ts'
import { evidenceBundle } from '../flows/report/bundle.ts'
import { parseEarlier } from '../flows/report/compare.ts'
import { csvReport } from '../flows/report/csv.ts'
import { htmlReport } from '../flows/report/html.ts'
import { ocsfReport } from '../flows/report/ocsf.ts'
import type { AuditReport } from '../flows/report/report-types.ts'
import { printBundle } from '../flows/report/sign-bundle.ts'
import { stixReport } from '../flows/report/stix.ts'
import { terminalReport } from '../flows/report/terminal.ts'
import { humanCount } from '../flows/report/units.ts'
import { type Audit, type AuditSources, auditFlows } from '../pipes/flow.ts'
import type { NoteSigner } from '../verify/note.ts'
import { printVerifierKey } from '../verify/verifier-key.ts'
import { type AuditOptions, auditUsage, parseAuditOptions } from './audit-options.ts'
import { readInputFile, statOf, textOf } from './input-file.ts'
import { verifiedBooks } from './verified-books.ts'

type CommandIo = {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly env: { readonly [name: string]: string | undefined }
  readonly isTty: boolean
}

type Chosen<Mode> = Extract<AuditOptions, { readonly mode: Mode }>

const done = 0
const notVerified = 1
const wrongUsage = 2

/** `holdfast audit`. Answers the exit code: 0 done, 1 a statement does not verify, 2 wrong usage or input. */
export async function auditCommand(argv: string[], io: CommandIo): Promise<number> {
  try {
    const options = parseAuditOptions(argv)
    switch (options.mode) {
      case 'help':
        io.stdout.write(auditUsage)
        return done
      case 'listen':
        return await listen(options, io)
      case 'audit':
        return await audit(options, io)
    }
  } catch (error) {
    const isNotVerified = hasCode(error, 'not-verified')
    if (!isNotVerified && !hasCode(error, 'bad-input') && !hasCode(error, 'conflict')) throw error
    io.stderr.write(`holdfast audit: ${plainLines(messageOf(error))}\n`)
    return isNotVerified ? notVerified : wrongUsage
  }
}

async function audit(options: Chosen<'audit'>, io: CommandIo): Promise<number> {
  const inventoryFile = await readInputFile(options.servers)
  const placesFile = options.places === null ? null : await readInputFile(options.places)
  const rangeFiles = await Promise.all(options.ranges.map(readInputFile))
  const directory: DirectorySources = {
    inventory: { name: options.servers, text: textOf(options.servers, inventoryFile.content) },
    places:
      placesFile === null
        ? null
        : { name: options.places!, text: textOf(options.places!, placesFile.content) },
    ranges: rangeFiles.map(({ content }, i) => ({
      name: options.ranges[i]!,
      text: textOf(options.ranges[i]!, content),
    })),
    home: options.home,
    databases: 'installed',
  }
  const expectedFile = options.expected === null ? null : await readInputFile(options.expected)
  const expected = expectedFile === null ? null : parseExpected(options.expected!, expectedFile.content)
  const canaryFile = options.canary === null ? null : await readInputFile(options.canary)
  const canaries =
    canaryFile === null ? null : parseCanaries(options.canary!, textOf(options.canary!, canaryFile.content))
  const earlier =
    options.compare === null
      ? null
      : parseEarlier(options.compare, textOf(options.compare, (await readInputFile(options.compare)).content))
  const serviceFiles = await Promise.all(options.services.map(readInputFile))
  const services =
    serviceFiles.length === 0
      ? null
      : parseServiceLists(
          serviceFiles.map(({ content }, i) => ({
            name: options.services[i]!,
            text: textOf(options.services[i]!, content),
          })),
        )
  const mappingFile = options.csvMap === null ? null : await readInputFile(options.csvMap)
  const mapping = mappingFile === null ? null : mappingOf(options.csvMap!, mappingFile.content)
  const signer = options.sign === null ? null : await loadSigner(options.sign, options.signer)
  const { books, statements, trusts } = await verifiedBooks(options, io.env)
  const entries = distinctEntries(books)
  // Each instruction by the approvers of its own tenant.
  const orders = trusts.map(({ genesis, regions }) => {
    const countries = new Map([...regions].map(([id, { country }]) => [id, country]))
    return createSignedOrders(entries, runsOf(books), { genesis, countries })
  })
  const { report, evidence } = await auditInputs(options.flows, io, {
    mapping,
    directory,
    books,
    orders: id => orders.map(orderOf => orderOf(id)).find(order => order !== null) ?? null,
    inputs: {
      inventory: inventoryFile.input,
      places: placesFile?.input ?? null,
      ranges: rangeFiles.map(({ input }) => input),
      expected: expectedFile?.input ?? null,
      canaries: canaryFile?.input ?? null,
      services: serviceFiles.map(({ input }) => input),
      mapping: mappingFile?.input ?? null,
      statements,
      home: options.home,
    },
    expected,
    canaries,
    services,
    earlier,
    engine: { memoryMiB: options.memoryMiB, threads: availableParallelism() },
    nowUnixMs: Date.now(),
    onProgress: progressTo(io),
  })
  if (io.isTty) io.stderr.write('\r\u001b[K')
  const written: [string, string | null, (report: AuditReport) => string][] = [
    ['Report', options.html, htmlReport],
    ['Table', options.csv, csvReport],
    ['OCSF events', options.ocsf, ocsfReport],
    ['STIX bundle', options.stix, stixReport],
  ]
  for (const [, path, print] of written) if (path !== null) await writeOutput(path, print(report))
  if (options.parquet !== null) await writeParquet(options.parquet, csvReport(report))
  if (options.bundle !== null) {
    await writeOutput(options.bundle, printBundle(evidenceBundle(report, evidence), signer))
  }
  io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : terminalReport(report, io.isTty))
  if (!options.json) {
    for (const [what, path] of [...written, ['Table', options.parquet] as const])
      if (path !== null) io.stdout.write(`${what}: ${path}\n`)
    if (options.bundle !== null)
      io.stdout.write(
        `Evidence, ${signer === null ? 'not signed' : `signed by ${vkeyOf(signer)}`}: ${options.bundle}\n`,
      )
  }
  return done
}

const mostAttempts = 5

/** A collector that is at work merges the files of an hour that is over. */
async function auditInputs(
  paths: readonly string[],
  io: CommandIo,
  sources: Omit<AuditSources, 'flows' | 'accounts'>,
): Promise<Audit> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A missing file is told at once, and not after an hour with the one before it.
      return await auditFlows({ ...sources, ...(await flowInputs(paths)) })
    } catch (error) {
      if (!hasCode(error, 'conflict') || attempt === mostAttempts) throw error
      if (io.isTty) io.stderr.write('\r\u001b[K')
      io.stderr.write('files are gone since the audit began, which begins again with those that there are\n')
    }
  }
}

/** Files as they are; a folder is a collector's, and stands for the files in it. */
async function flowInputs(paths: readonly string[]): Promise<{ flows: FlowSource[]; accounts: ReadInput[] }> {
  const flows: FlowSource[] = []
  const accounts: ReadInput[] = []
  for (const path of paths) {
    const found = await statOf(path)
    if (!found.isDirectory()) {
      flows.push({ name: basename(path), path, sizeBytes: found.size })
      continue
    }
    const inputs = await collectorInputs(path)
    if (inputs === null)
      throw new HoldfastError('bad-input', `${path} is a folder, and no collector's: name the files in it`)
    flows.push(...inputs.files)
    accounts.push(inputs.account)
  }
  return { flows, accounts }
}

function mappingOf(path: string, content: Uint8Array): CsvMapping {
  try {
    return parseCsvMapping(textOf(path, content))
  } catch (error) {
    throw new HoldfastError('bad-input', `${path}: ${messageOf(error)}`)
  }
}

async function loadSigner(path: string, name: string): Promise<NoteSigner> {
  const key = parseEd25519Key(textOf(path, (await readInputFile(path)).content), 'the key of an auditor')
  return { name, publicKey: key.publicKey, sign: message => key.sign(message) }
}

function vkeyOf({ name, publicKey }: NoteSigner): string {
  return printVerifierKey(name, publicKey, nodeVerifyCrypto)
}

async function listen(options: Chosen<'listen'>, io: CommandIo): Promise<number> {
  const out = options.out ?? `flows-${new Date().toISOString().replace(/[:.]/g, '-')}.hfcap`
  const file = await open(out, 'wx').catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EEXIST' ? 'exists already, and a capture is never written over' : messageOf(error)
    throw new HoldfastError('bad-input', `${out}: ${why}`)
  })
  const stopped = Promise.withResolvers<void>()
  const listener = await listenForFlows({
    host: options.host,
    port: options.port,
    file,
    now: Date.now,
    onError: stopped.reject,
  }).catch(async error => {
    await file.close()
    throw new HoldfastError(
      'bad-input',
      `cannot listen on ${options.host}:${options.port}: ${messageOf(error)}`,
    )
  })
  io.stderr.write(`listening on ${listener.address}:${listener.port} (UDP), writing ${out}; Ctrl-C ends it\n`)
  const onSignal = () => stopped.resolve()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const timer = options.forMs === null ? null : setTimeout(onSignal, options.forMs)
  try {
    await stopped.promise
  } finally {
    if (timer !== null) clearTimeout(timer)
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    const counts = await listener.stop()
    const { datagrams, bytes, exporters } = counts
    const text = `${humanCount(datagrams)} datagrams (${humanCount(bytes)} bytes) from ${humanCount(exporters)} exporters in ${out}`
    io.stdout.write(options.json ? `${JSON.stringify({ file: out, ...counts })}\n` : `${text}\n`)
  }
  return done
}

function progressTo(io: CommandIo): (input: string, records: number) => void {
  let shownMs = 0
  return (input, records) => {
    if (!io.isTty || Date.now() - shownMs < 200) return
    shownMs = Date.now()
    io.stderr.write(`\r\u001b[K${plain(input)}: ${humanCount(records)} records`)
  }
}

async function writeOutput(path: string, text: string): Promise<void> {
  await writeFile(path, utf8(text)).catch(error => {
    throw new HoldfastError('bad-input', `cannot write ${path}: ${messageOf(error)}`)
  })
}
