/** `flows`: what collectors have stored, by questions; and their hours into ClickHouse. */
import { realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { plain } from '../core/plain-text.ts'
import { openClickHouseStore } from '../flows/ask/clickhouse-store.ts'
import { collectedIn } from '../flows/ask/collected.ts'
import { gapsIn } from '../flows/ask/gaps.ts'
import { loadCollected } from '../flows/ask/load.ts'
import { openParquetStore } from '../flows/ask/parquet-store.ts'
import {
  type Answer,
  checkLayer,
  type FlowStore,
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
  try {
    switch (options.mode) {
      case 'help':
        io.stdout.write(flowsUsage)
        return 0
      case 'load':
        return await load(options, io)
      case 'ask':
        return await ask(options, io)
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error
    // The engine's own words about a file, without its query.
    const [what] = messageOf(error).split('\n', 1)
    throw new HoldfastError(
      'bad-input',
      `what is stored there cannot be read: ${plain(what ?? '')}`,
      {},
      error,
    )
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
  const counts = await loadCollected(send, duck, collected)
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
  checkLayer(options.question, layer)
  await using store =
    clickHouse === null
      ? await openFolders(folders, options.memoryMiB)
      : await openClickHouseStore(clickHouseAt(clickHouse.url, clickHouse.database, io.env))
  const question = await withAddresses(store, options.question, layer)
  const answer = await store.ask(question, layer)
  const notes = gapsIn(await store.hours(), question, layer)
  if (answer.exporters > 1 && !question.by.includes('exporter'))
    notes.push(`${answer.exporters} exporters: what several saw counts several times`)
  if (print === 'json')
    io.stdout.write(`${JSON.stringify({ layer, by: question.by, ...answer, notes }, null, 2)}\n`)
  else if (print === 'csv') io.stdout.write(csv(question, answer))
  else
    io.stdout.write(`${table(question, answer)}\n${plural(answer.total.flows, 'flow')}, ${words[layer]}.\n`)
  if (print !== 'json') for (const note of notes) io.stderr.write(`note: ${plain(note)}\n`)
  return 0
}

async function openFolders(folders: readonly string[], memoryMiB: number): Promise<FlowStore> {
  // The same folder by two names must not count twice.
  const distinct = new Set<string>()
  for (const folder of folders) distinct.add(await realpath(folder).catch(() => folder))
  const duck = await Duck.open({ memoryMiB, threads: availableParallelism(), inMemory: true })
  return openParquetStore(duck, () => Promise.all([...distinct].map(collectedIn)))
}

function table({ by }: Question, { rows, total, groups }: Answer): string {
  const head = [...by, ...measures]
  const cells = rows.map(row => [
    ...row.keys.map(key => (key === null ? '-' : plain(String(key)))),
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
    [...row.keys.map(key => plain(String(key ?? ''))), ...measures.map(name => row[name])].join(','),
  )
  return `${[[...by, ...measures].join(','), ...lines].join('\n')}\n`
}
