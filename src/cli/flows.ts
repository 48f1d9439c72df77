/** `flows`: what collectors have stored, by questions; and their hours into ClickHouse. */
import { availableParallelism } from 'node:os'
import { openClickHouseStore } from '../flows/ask/clickhouse-store.ts'
import { type Collected, collectedIn } from '../flows/ask/collected.ts'
import { loadCollected } from '../flows/ask/load.ts'
import { openParquetStore } from '../flows/ask/parquet-store.ts'
import {
  type Answer,
  type FlowStore,
  type Layer,
  layerOf,
  measures,
  type Question,
  withAddresses,
  words,
} from '../flows/ask/question.ts'
import { Duck } from '../flows/engine/duck.ts'
import { plural } from '../flows/report/findings.ts'
import { humanBytes, humanCount } from '../flows/report/units.ts'
import { clickHouseAt } from './clickhouse-http.ts'
import { type FlowsOptions, flowsUsage, parseFlowsOptions } from './flows-options.ts'
import type { CommandIo, ExitCode } from './io.ts'

type Ask = Extract<FlowsOptions, { readonly mode: 'ask' }>
type Load = Extract<FlowsOptions, { readonly mode: 'load' }>

export async function flowsCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const options = parseFlowsOptions(argv, Date.now())
  switch (options.mode) {
    case 'help':
      io.stdout.write(flowsUsage)
      return 0
    case 'load':
      return await load(options, io)
    case 'ask':
      return await ask(options, io)
  }
}

const loadMemoryMiB = 512

async function load({ folder, clickHouse, json }: Load, io: CommandIo): Promise<ExitCode> {
  const collected = await collectedIn(folder)
  await using duck = await Duck.open({
    memoryMiB: loadMemoryMiB,
    threads: availableParallelism(),
    inMemory: true,
  })
  const send = clickHouseAt(clickHouse.url, clickHouse.database, io.env)
  const counts = await loadCollected(send, duck, collected, Date.now)
  const { hours, rows, unchanged } = counts
  io.stdout.write(
    json
      ? `${JSON.stringify(counts)}\n`
      : `${plural(hours, 'hour')} loaded, ${plural(rows, 'row')}; ${humanCount(unchanged)} were there already\n`,
  )
  return 0
}

async function ask(options: Ask, io: CommandIo): Promise<ExitCode> {
  const { clickHouse, folders, print } = options
  const layer = layerOf(options.question, options.layer)
  const notes: string[] = []
  await using store =
    clickHouse === null
      ? await openFolders(folders, layer, options.memoryMiB, notes)
      : openClickHouseStore(clickHouseAt(clickHouse.url, clickHouse.database, io.env))
  const question = await withAddresses(store, options.question, layer)
  const answer = await store.ask(question, layer)
  if (answer.exporters > 1 && !question.by.includes('exporter'))
    notes.push(`${answer.exporters} exporters: what several saw counts several times`)
  if (print === 'json')
    io.stdout.write(`${JSON.stringify({ layer, by: question.by, ...answer, notes }, null, 2)}\n`)
  else if (print === 'csv') io.stdout.write(csv(question, answer))
  else
    io.stdout.write(`${table(question, answer)}\n${plural(answer.total.flows, 'flow')}, ${words[layer]}.\n`)
  if (print !== 'json') for (const note of notes) io.stderr.write(`note: ${note}\n`)
  return 0
}

async function openFolders(
  folders: readonly string[],
  layer: Layer,
  memoryMiB: number,
  notes: string[],
): Promise<FlowStore> {
  const collected = () => Promise.all(folders.map(collectedIn))
  const first = await collected()
  if (layer === 'rollup')
    for (const { name, notRolledUp } of first)
      if (notRolledUp > 0)
        notes.push(`${name}: ${plural(notRolledUp, 'hour')} not rolled up yet, and not in this answer`)
  const files = (all: readonly Collected[], of: Layer) =>
    all.flatMap(one => one[of].flatMap(({ hour, paths }) => paths.map(path => ({ path, hour }))))
  const duck = await Duck.open({ memoryMiB, threads: availableParallelism(), inMemory: true })
  return openParquetStore(duck, async () => {
    const now = await collected()
    return { raw: files(now, 'raw'), rollup: files(now, 'rollup') }
  })
}

function table({ by }: Question, { rows, total, groups }: Answer): string {
  const head = [...by, ...measures]
  const cells = rows.map(row => [
    ...row.keys.map(key => (key === null ? '-' : String(key))),
    humanBytes(row.bytes),
    humanCount(row.packets),
    humanCount(row.flows),
  ])
  if (by.length > 0) {
    const all = [humanBytes(total.bytes), humanCount(total.packets), humanCount(total.flows)]
    cells.push([`all ${humanCount(groups)}`, ...by.slice(1).map(() => ''), ...all])
  }
  const widths = head.map((name, column) => Math.max(name.length, ...cells.map(row => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column < by.length ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd()
  return [head, ...cells].map(line).join('\n')
}

/** Keys need no quotes: they are addresses, numbers, words and times. */
function csv({ by }: Question, { rows }: Answer): string {
  const lines = rows.map(row =>
    [...row.keys.map(key => key ?? ''), ...measures.map(name => row[name])].join(','),
  )
  return `${[[...by, ...measures].join(','), ...lines].join('\n')}\n`
}
