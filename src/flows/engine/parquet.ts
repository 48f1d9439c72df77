/**
 * Flow records in Parquet: those that `holdfast collect` writes, that a cloud delivers, or anybody's whose columns have
 * names that tables of flows have (`decode/table-fields.ts`). The engine reads the file and turns columns into numbers.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { CsvMapping } from '../decode/csv-mapping.ts'
import { Notes } from '../decode/notes.ts'
import type { ReadInput } from '../decode/read-input.ts'
import { countsBack, planTable, type TablePlan } from '../decode/table-plan.ts'
import { beforeEarliest, countsBoth, earliestUnixMs } from '../decode/table-row.ts'
import { type FlowBatch, flowSpecs } from '../flow-columns.ts'
import type { ObserverBook } from '../observer.ts'
import { Duck, type DuckOptions } from './duck.ts'
import { columnsIn, factsOf } from './parquet-columns.ts'
import { nameAddresses, nameObservers, nameProtocols, wayOf } from './parquet-names.ts'
import { withParquetNotes } from './parquet-notes.ts'
import { hasNumericProtocol, type Moments, openRows, selectRows } from './parquet-rows.ts'

const magic = 'PAR1'

export async function isParquet(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1', 0, bytesRead) === magic
  } finally {
    await file.close()
  }
}

/** Throws `bad-input` for a file whose columns are no flows, or that is damaged. A batch is valid until the next step. */
export async function* readParquet(
  name: string,
  path: string,
  mapping: CsvMapping | null,
  observers: ObserverBook,
  options: DuckOptions,
): AsyncGenerator<FlowBatch, ReadInput> {
  await using duck = await Duck.open(options)
  const notes = new Notes()
  const refuse = (what: string): never => {
    throw new HoldfastError('bad-input', `${name} ${what}`)
  }
  const unreadable = (error: unknown): never => {
    if (error instanceof HoldfastError) throw error
    // The engine shows its SQL behind the first line.
    return refuse(`is Parquet that cannot be read: ${messageOf(error).split('\n', 1)[0]}`)
  }
  const columns = await columnsIn(duck, path).catch(unreadable)
  const plan =
    planTable(
      columns.map(column => column.name),
      mapping,
    ) ?? refuse('is Parquet whose columns name no flows: addresses, bytes and a time are needed')
  const { sha256, bytes } = await hashOf(path)
  try {
    const facts = await factsOf(duck, path, columns, plan)
    await duck.run(`CREATE VIEW stored AS ${selectRows(facts, plan, mapping, path)}`)
    const moments = await openRows(duck, notes)
    if (plan.at.bytes.length === 0) notes.remark(countsBoth)
    await nameAddresses(duck, notes)
    await nameObservers(duck, observers, name)
    const isNumbered = hasNumericProtocol(columns, plan)
    if (!isNumbered) await nameProtocols(duck)
    const { records, times } = yield* streamRows(duck, flowsSql(plan, isNumbered, moments))
    if (times.fromUnixMs !== null && times.fromUnixMs < earliestUnixMs) notes.remark(beforeEarliest)
    const noted = await withParquetNotes(duck, path, notes.summary())
    return { ...noted, name, formats: ['parquet'], bytes, sha256, records, ...times }
  } catch (error) {
    return unreadable(error)
  }
}

async function hashOf(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** Other bases are brought to IP bytes as `decode/two-way-record.ts` does. */
const ipBytes = (bytes: string, packets: string) => `CASE basis WHEN 'ip' THEN ${bytes}
  WHEN 'frame' THEN greatest(0, ${bytes} - ${packets} * 14)
  ELSE ${bytes} + ${packets} * ((CASE WHEN contains(srcText, ':') THEN 40 ELSE 20 END) + (CASE number WHEN 6 THEN 20 WHEN 17 THEN 8 ELSE 0 END)) END`

const double = (expression: string) => `CAST(${expression} AS DOUBLE)`

const port = (column: string) =>
  `CASE WHEN ${column} BETWEEN 0 AND 65535 THEN CAST(${column} AS USMALLINT) ELSE CAST(0 AS USMALLINT) END`

type Ends = { readonly from: 'src' | 'dst'; readonly to: 'src' | 'dst' }

function way(
  { from, to }: Ends,
  bytes: string,
  packets: string,
  observer: string,
  isNumbered: boolean,
  wanted: string,
): string {
  return `SELECT ${from}.words AS sender, ${to}.words AS receiver, ${port(`${from}Port`)} AS senderPort,
    ${port(`${to}Port`)} AS receiverPort, number, ${double('startMs')} AS startMs, ${double('untilMs')} AS untilMs,
    ${double(`round((${ipBytes(bytes, packets)}) * rate)`)} AS ipBytes, ${double(`round(${packets} * rate)`)} AS counted,
    ${double('-1')} AS payload, ${observer} AS observer, ${double(packets)} AS sampled, ${double('rate')} AS rate
    FROM rows JOIN named AS src ON src.text = srcText JOIN named AS dst ON dst.text = dstText
    JOIN seen ON seen.exporter = coalesce(rows.exporter, '') AND seen.way = ${wayOf}
    ${isNumbered ? '' : "JOIN numbered ON numbered.text = coalesce(rows.protocol, '')"}
    WHERE ${bytes} + ${packets} > 0${wanted}`
}

/** In the order of `flowSpecs`. */
function flowsSql(plan: TablePlan, isNumbered: boolean, moments: Moments): string {
  const flows = (wanted: string) => {
    const there = way({ from: 'src', to: 'dst' }, 'bytes', 'packets', 'observer', isNumbered, wanted)
    if (!countsBack(plan)) return there
    const back = way({ from: 'dst', to: 'src' }, 'backBytes', 'backPackets', 'back', isNumbered, wanted)
    return `${there} UNION ALL ${back}`
  }
  if (moments === 'none') return flows('')
  if (moments === 'all') return summedByMoment(flows(''))
  return `${flows(' AND NOT isMoment')} UNION ALL ${summedByMoment(flows(' AND isMoment'))}`
}

/** As `MomentFlows`: of two packets that are alike both are true, while of two flows one is a copy. */
const summedByMoment = (
  flows: string,
) => `SELECT sender, receiver, senderPort, receiverPort, number, startMs, untilMs,
  sum(ipBytes), sum(counted), payload, observer, sum(sampled), rate FROM (${flows}) GROUP BY ALL`

async function* streamRows(duck: Duck, sql: string) {
  let records = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for await (const batch of duck.stream(sql, flowSpecs)) {
    const { columns, rows } = batch
    records += rows
    for (let row = 0; row < rows; row++) {
      if (columns.startUnixMs[row]! < fromUnixMs) fromUnixMs = columns.startUnixMs[row]!
      if (columns.endUnixMs[row]! > untilUnixMs) untilUnixMs = columns.endUnixMs[row]!
    }
    yield batch
  }
  const times = records === 0 ? { fromUnixMs: null, untilUnixMs: null } : { fromUnixMs, untilUnixMs }
  return { records, times }
}
