/** A thread that reads and attributes files of flow records, and hands what left to the thread that keeps it. */
import { parentPort, workerData } from 'node:worker_threads'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { createInputReader } from '../attribute/attribute-inputs.ts'
import { openDirectory } from '../locate/directory.ts'
import type { FromReader, ReaderData, ReaderFile, RowTable, ToReader } from './read-messages.ts'

/** Batches on their way that nobody has taken: more would only wait in memory. */
const mostWaiting = 8
const progressMs = 200

const port = parentPort!
const { directory, ...settings } = workerData as ReaderData
let waiting = 0
let wake: (() => void) | null = null

const say = (message: FromReader, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, [...transfer])

type Arrays = Readonly<Record<string, Uint8Array | Uint16Array | Uint32Array | Float64Array>>

/** The columns are filled again at once, so what leaves is a copy. */
const hand = (table: RowTable) => (columns: Arrays, rows: number) => {
  const copies: Record<string, ArrayBufferView<ArrayBuffer>> = {}
  for (const [name, array] of Object.entries(columns)) {
    const width = name === 'src' || name === 'dst' || name === 'address' ? 4 : 1
    copies[name] = array.slice(0, rows * width) as ArrayBufferView<ArrayBuffer>
  }
  waiting += 1
  say(
    { kind: 'rows', table, rows, columns: copies },
    Object.values(copies).map(({ buffer }) => buffer),
  )
}

const reader = createInputReader(openDirectory(directory), settings, {
  abroad: hand('abroad'),
  received: hand('received'),
  outsiders: hand('outsiders'),
  domestic: hand('domestic'),
})

async function read({ index, name, path }: ReaderFile): Promise<void> {
  let toldMs = 0
  const input = await reader.read({ name, path }, async records => {
    while (waiting >= mostWaiting) await new Promise<void>(resolve => (wake = resolve))
    if (Date.now() - toldMs < progressMs) return
    toldMs = Date.now()
    say({ kind: 'progress', name, records })
  })
  say({ kind: 'read', index, input })
}

port.on('message', (message: ToReader) => {
  switch (message.kind) {
    case 'read':
      read(message.file).catch(error =>
        say({
          kind: 'failed',
          message: messageOf(error),
          code: error instanceof HoldfastError ? error.code : null,
        }),
      )
      return
    case 'taken':
      waiting -= 1
      wake?.()
      wake = null
      return
    case 'finish':
      say({ kind: 'finished', attributed: reader.finish() })
  }
})
