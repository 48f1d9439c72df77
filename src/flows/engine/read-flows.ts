import { Worker } from 'node:worker_threads'
import { HoldfastError } from '../../core/errors.ts'
import type { AttributedRows } from '../attribute/abroad-columns.ts'
import { type Attributed, createInputReader, mergeAttributed } from '../attribute/attribute-inputs.ts'
import type { ReadInput } from '../decode/read-input.ts'
import type { Directory } from '../locate/directory.ts'
import type { FromReader, ReaderData, ToReader } from './read-messages.ts'

type SourceFile = {
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  /** It may be gone before long, and is read before others. */
  readonly isFleeting?: boolean
}

/** A file by its path, or bytes from anywhere else. */
export type FlowSource =
  | SourceFile
  | { readonly name: string; readonly open: () => AsyncIterable<Uint8Array> }

export type ReadPlan = ReaderData

export type ReadFlows = { readonly inputs: readonly ReadInput[]; readonly attributed: Attributed }

/** Less than this is read sooner than threads are started. */
const worthThreads = 64 * 1024 * 1024

/**
 * Reads all inputs and hands on what left, in no order. With several files, several threads read. Throws `bad-input` for an
 * input that is in no format that we read, and `conflict` for a file that is gone by the time that it is its turn.
 */
export async function readFlows(
  sources: readonly FlowSource[],
  directory: Directory,
  plan: ReadPlan,
  rows: AttributedRows,
  onProgress: (name: string, records: number) => void,
): Promise<ReadFlows> {
  const files = sources.filter(source => 'path' in source)
  const size = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const threads = Math.min(plan.engine.threads, files.length)
  if (threads > 1 && files.length === sources.length && size >= worthThreads)
    return readInThreads(files, threads, plan, rows, onProgress)

  const reader = createInputReader(directory, plan, rows)
  const inputs = new Array<ReadInput>(sources.length)
  for (const [index, source] of [...sources.entries()].sort(([, a], [, b]) => urgency(b) - urgency(a)))
    inputs[index] = await reader.read(source, records => onProgress(source.name, records))
  return { inputs, attributed: reader.finish() }
}

const urgency = (source: FlowSource): number => ('path' in source && source.isFleeting === true ? 1 : 0)

async function readInThreads(
  files: readonly SourceFile[],
  threads: number,
  plan: ReadPlan,
  rows: AttributedRows,
  onProgress: (name: string, records: number) => void,
): Promise<ReadFlows> {
  const inputs = new Array<ReadInput>(files.length)
  // From its end: then the largest first, so that no thread is left alone with one at the end.
  const queue = files
    .map((file, index) => ({ ...file, index }))
    .sort((a, b) => urgency(a) - urgency(b) || a.sizeBytes - b.sizeBytes)
  const workers: Worker[] = []
  const run = (): Promise<Attributed> =>
    new Promise((resolve, reject) => {
      // Each has its share of the memory and one thread, for files that the engine reads.
      const engine = { ...plan.engine, memoryMiB: Math.ceil(plan.engine.memoryMiB / threads), threads: 1 }
      const workerData: ReaderData = { ...plan, engine }
      const worker = new Worker(new URL('./reader-thread.ts', import.meta.url), { workerData })
      workers.push(worker)
      const say = (message: ToReader) => worker.postMessage(message)
      const next = () => {
        const file = queue.pop()
        say(file === undefined ? { kind: 'finish' } : { kind: 'read', file })
      }
      worker.on('error', reject)
      worker.on('exit', code => reject(new Error(`a reader of flow records ended with ${code}`)))
      worker.on('message', (message: FromReader) => {
        switch (message.kind) {
          case 'rows':
            try {
              // The table's name says which columns these are.
              rows[message.table](message.columns as never, message.rows)
            } catch (error) {
              reject(error)
              return
            }
            say({ kind: 'taken' })
            return
          case 'progress':
            onProgress(message.name, message.records)
            return
          case 'read':
            inputs[message.index] = message.input
            next()
            return
          case 'failed':
            reject(
              message.code === null
                ? new Error(message.message)
                : new HoldfastError(message.code, message.message),
            )
            return
          case 'finished':
            resolve(message.attributed)
        }
      })
      next()
    })
  try {
    const parts = await Promise.all(Array.from({ length: threads }, run))
    return { inputs, attributed: mergeAttributed(parts) }
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()))
  }
}
