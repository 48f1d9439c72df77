/**
 * `packs compare`: what newer packs would change for each bucket and each order that is under way, before they take
 * effect (they do when the configuration names them and the process starts again). Reads a region's catalog, and writes
 * nothing.
 */
import { existsSync } from 'node:fs'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { parseCountryCode } from './core/ids.ts'
import { isoTime } from './core/time.ts'
import { parseEnvelope } from './crypto/dsse.ts'
import { openInstruction } from './instructions/instruction.ts'
import type { InstructionRow } from './instructions/instruction-book.ts'
import { mechanismsOf } from './instructions/kinds/mechanisms.ts'
import { regionFiles } from './open-region.ts'
import { compareOutcomes, comparePacks, type OutcomeChange } from './policy/packs/compare.ts'
import { loadPackBook, packsFolder } from './policy/packs/load-packs.ts'
import type { PackBook, PackFacts } from './policy/packs/pack-book.ts'
import type { Catalog } from './store/catalog.ts'
import { openLmdbCatalog } from './store/lmdb-catalog.ts'
import { type BucketRow, decodeRow } from './store/rows.ts'
import { rowsOf } from './store/rows-of.ts'

interface Changed extends Omit<OutcomeChange, 'fromUnixMs'> {
  readonly region: string
  readonly bucket: string
  readonly dataClass: string
  readonly tenant: string
  readonly to: string
  readonly mechanism: string | null
  /** `null`: of no order, but of what could be ordered. */
  readonly instruction: string | null
  readonly from: string
}

export async function packsCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      packs: { type: 'string' },
      config: { type: 'string' },
      to: { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
  })
  if (positionals.length !== 1 || positionals[0] !== 'compare') throw new UsageError('packs compare')
  const config = values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const before = loadPackBook(config.packsFolder ?? packsFolder)
  const after = loadPackBook(required(values.packs, '--packs DIR'))
  const places = new Map(
    [...config.regions, ...config.peers].map(({ id, country }) => [id as string, country]),
  )
  const more = (values.to ?? []).flatMap(text => text.split(',')).map(text => parseCountryCode(text))
  if (more.includes(null)) throw new UsageError('--to takes countries, such as US,CN')
  const countries = [...new Set([...places.values(), ...(more as string[])])].sort()
  const now = Date.now()
  const changed: Changed[] = []
  let buckets = 0
  for (const { id, country } of config.regions) {
    const path = regionFiles(config.dataFolder, id).catalog
    if (!existsSync(path)) continue
    await using catalog = await openLmdbCatalog(path)
    for await (const { key, value } of rowsOf(catalog, 'buckets')) {
      // An index of them stands beside.
      if (key[0] === 0) continue
      const row = decodeRow<BucketRow>(value)
      buckets++
      const of = {
        region: id as string,
        bucket: row.name as string,
        dataClass: row.dataClass,
        tenant: row.tenant as string,
      }
      for (const to of countries.filter(each => each !== country)) {
        const facts = factsOf(country, to, row.dataClass, 'copy', [])
        changed.push(...told(before, after, facts, now, { ...of, to, mechanism: null, instruction: null }))
      }
    }
    for (const { order, row } of await ordersIn(catalog, id)) {
      const to = places.get(order.to.region)
      const bucket = await catalog.get('buckets', Buffer.from(order.from.bucket))
      if (to === undefined || bucket === null) continue
      const { dataClass } = decodeRow<BucketRow>(bucket)
      const { mechanism, mode } = order
      const facts = factsOf(country, to, dataClass, mode, mechanismsOf(mechanism))
      const of = {
        region: id as string,
        bucket: order.from.bucket as string,
        dataClass,
        tenant: row.tenant as string,
      }
      changed.push(...told(before, after, facts, now, { ...of, to, mechanism, instruction: row.id }))
    }
  }
  const packs = comparePacks(before, after)
  if (values.json)
    io.stdout.write(
      `${JSON.stringify({ before: before.hash, after: after.hash, ...packs, buckets, changed })}\n`,
    )
  else io.stdout.write(textOf(packs, buckets, changed))
  return 0
}

function factsOf(
  from: string,
  to: string,
  dataClass: string,
  mode: PackFacts['mode'],
  mechanisms: readonly string[],
): PackFacts {
  const places = { from: parseCountryCode(from)!, to: parseCountryCode(to)! }
  return {
    action: 'transfer',
    ...places,
    dataClass,
    mode,
    mechanisms,
    capacities: null,
    toOperator: null,
    persons: null,
  }
}

function told(
  before: PackBook,
  after: PackBook,
  facts: PackFacts,
  nowUnixMs: number,
  of: Omit<Changed, keyof OutcomeChange | 'from'>,
): Changed[] {
  return compareOutcomes(before, after, facts, nowUnixMs).map(({ fromUnixMs, ...change }) => ({
    ...of,
    ...change,
    from: fromUnixMs === nowUnixMs ? 'now' : isoTime(fromUnixMs).slice(0, 10),
  }))
}

/** Transfers that this region is the source of and that have not ended. */
async function ordersIn(catalog: Catalog, region: string) {
  const found = []
  for await (const { value } of rowsOf(catalog, 'instructions', { from: Buffer.from('0') })) {
    const row = decodeRow<InstructionRow>(value)
    if (!['drafted', 'approved', 'running'].includes(row.state)) continue
    const envelope = parseEnvelope(row.envelope)
    const order = envelope === null ? 'none' : openInstruction(envelope)
    if (typeof order === 'string' || (order.kind !== 'transfer' && order.kind !== 'standing-transfer'))
      continue
    if (order.from.region === region) found.push({ order, row })
  }
  return found
}

function textOf(
  { packs, rules }: ReturnType<typeof comparePacks>,
  buckets: number,
  changed: readonly Changed[],
): string {
  const lines = [
    ...packs.map(({ id, before, after }) => `pack ${id}: ${before ?? 'not there'} → ${after ?? 'not there'}`),
    ...rules.map(({ id, change }) => `rule ${id}: ${change}`),
    ...(packs.length + rules.length === 0 ? ['The packs are the same.'] : []),
    '',
    ...changed.map(
      ({ region, bucket, dataClass, to, before, after, from, rules, instruction, mechanism }) =>
        `${region}/${bucket} (${dataClass}) → ${to}${mechanism === null ? '' : `, ${mechanism}`}: ${before} → ${after}, from ${from} on [${rules.join(', ')}]${instruction === null ? '' : ` (instruction ${instruction})`}`,
    ),
    `${changed.length} change(s) of what is let through, for ${buckets} bucket(s).`,
    '',
  ]
  return lines.join('\n')
}
