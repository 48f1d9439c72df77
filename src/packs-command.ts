/**
 * `packs compare`: what newer packs would change for each bucket and each order that is under way, before they take
 * effect (they do when the configuration names them and the process starts again). Reads a region's catalog, and writes
 * nothing.
 */
import { existsSync } from 'node:fs'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { parseOptions, required } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { type CountryCode, parseCountryCode } from './core/ids.ts'
import { isoTime } from './core/time.ts'
import { parseEnvelope } from './crypto/dsse.ts'
import { openInstruction } from './instructions/instruction.ts'
import type { InstructionRow } from './instructions/instruction-book.ts'
import { mechanismsOf } from './instructions/kinds/mechanisms.ts'
import type { TransferInstruction } from './instructions/kinds/transfer.ts'
import { actOfPermission, type PermissionOrder } from './instructions/law-of-permission.ts'
import { regionFiles } from './open-region.ts'
import { dataClassesWithin } from './policy/bucket-classes.ts'
import { compareOutcomes, comparePacks, type OutcomeChange } from './policy/packs/compare.ts'
import { loadPackBook, packsFolder } from './policy/packs/load-packs.ts'
import { notSaid, type PackBook, type PackFacts } from './policy/packs/pack-book.ts'
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
  readonly action: PackFacts['action']
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
      const of = { region: id as string, bucket: row.name as string, tenant: row.tenant as string }
      for (const dataClass of dataClassesWithin(row, ''))
        for (const to of countries.filter(each => each !== country)) {
          const facts = { ...copyAct(country, parseCountryCode(to)!), dataClass }
          changed.push(...told(before, after, facts, now, { ...of, mechanism: null, instruction: null }))
        }
    }
    for (const { order, row } of await ordersIn(catalog, id)) {
      const act = actOf(order, country, places)
      const name = 'bucket' in order ? order.bucket : order.from.bucket
      const bucket = await catalog.get('buckets', Buffer.from(name))
      if (act === null || bucket === null) continue
      const { mechanism } = order
      const of = { region: id as string, bucket: name as string, tenant: row.tenant as string }
      for (const dataClass of dataClassesWithin(decodeRow<BucketRow>(bucket), order.prefix))
        changed.push(
          ...told(before, after, { ...act, dataClass }, now, { ...of, mechanism, instruction: row.id }),
        )
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

function copyAct(from: CountryCode, to: CountryCode): Omit<PackFacts, 'dataClass'> {
  return {
    action: 'transfer',
    ...{ from, to, mode: 'copy', mechanisms: [] },
    ...notSaid,
  }
}

/** What the packs are asked of it; `null`: where it goes to is not known here. */
function actOf(
  order: TransferInstruction | PermissionOrder,
  from: CountryCode,
  places: ReadonlyMap<string, CountryCode>,
): Omit<PackFacts, 'dataClass'> | null {
  if ('bucket' in order) return actOfPermission(order, from)
  const to = places.get(order.to.region)
  const { mode, mechanism } = order
  return to === undefined ? null : { ...copyAct(from, to), mode, mechanisms: mechanismsOf(mechanism) }
}

function told(
  before: PackBook,
  after: PackBook,
  facts: PackFacts,
  nowUnixMs: number,
  of: Omit<Changed, keyof OutcomeChange | 'from' | 'to' | 'dataClass' | 'action'>,
): Changed[] {
  const { action, to, dataClass } = facts
  return compareOutcomes(before, after, facts, nowUnixMs).map(({ fromUnixMs, ...change }) => ({
    ...of,
    ...{ action, to, dataClass },
    ...change,
    from: fromUnixMs === nowUnixMs ? 'now' : isoTime(fromUnixMs).slice(0, 10),
  }))
}

/** What leaves this region, or is let see here, and has not ended. */
async function ordersIn(catalog: Catalog, region: string) {
  const found = []
  for await (const { value } of rowsOf(catalog, 'instructions', { from: Buffer.from('0') })) {
    const row = decodeRow<InstructionRow>(value)
    if (!['drafted', 'approved', 'running'].includes(row.state)) continue
    const envelope = parseEnvelope(row.envelope)
    const order = envelope === null ? 'none' : openInstruction(envelope)
    if (typeof order === 'string') continue
    switch (order.kind) {
      case 'transfer':
      case 'standing-transfer':
        if (order.from.region === region) found.push({ order, row })
        break
      case 'access':
      case 'disclose':
        if (order.region === region) found.push({ order, row })
        break
      default:
    }
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
      ({ region, bucket, dataClass, action, to, before, after, from, rules, instruction, mechanism }) =>
        `${region}/${bucket} (${dataClass}) → ${action === 'disclose' ? 'disclosed to ' : ''}${to}${mechanism === null ? '' : `, ${mechanism}`}: ${before} → ${after}, from ${from} on [${rules.join(', ')}]${instruction === null ? '' : ` (instruction ${instruction})`}`,
    ),
    `${changed.length} change(s) of what is let through, for ${buckets} bucket(s).`,
    '',
  ]
  return lines.join('\n')
}
