import type { FileHandle } from 'node:fs/promises'
import { captureHeader, datagramFrame, endFrame } from './capture-writer.ts'
import { openUdp } from './udp-socket.ts'

export type ListenCounts = { readonly datagrams: number; readonly bytes: number; readonly exporters: number }

export type FlowListener = AsyncDisposable & {
  readonly address: string
  readonly port: number
  readonly counts: () => ListenCounts
  /** Closes the socket, writes what arrived, marks the end and syncs the file. Safe to call twice. */
  readonly stop: () => Promise<ListenCounts>
}

const flushAfterBytes = 256 * 1024
const flushAfterMs = 500

/** Writes every datagram that arrives to `file` (see `capture-format.ts`). It receives only, and answers nobody. */
export async function listenForFlows(options: {
  readonly host: string
  readonly port: number
  readonly file: FileHandle
  readonly now: () => number
  readonly onError: (error: unknown) => void
}): Promise<FlowListener> {
  const { file, now } = options
  const exporters = new Set<string>()
  let datagrams = 0
  let bytes = 0
  let waiting: Buffer[] = [captureHeader()]
  let waitingBytes = 0
  let writing: Promise<void> = Promise.resolve()

  // One write at a time, in order; a failure (a full disk) is reported once and ends the capture.
  const flush = (): Promise<void> => {
    if (waiting.length === 0) return writing
    const batch = Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    writing = writing.then(() => file.appendFile(batch))
    writing.catch(options.onError)
    return writing
  }
  const onDatagram = (payload: Buffer, address: string, port: number): void => {
    datagrams += 1
    bytes += payload.length
    if (exporters.size < 100_000) exporters.add(address)
    const frame = datagramFrame({ arrivedUnixMs: now(), address, port, payload })
    waiting.push(frame)
    waitingBytes += frame.length
    if (waitingBytes >= flushAfterBytes) void flush().catch(() => {})
  }
  const socket = await openUdp(options, onDatagram, options.onError)
  const timer = setInterval(() => void flush().catch(() => {}), flushAfterMs)
  const counts = () => ({ datagrams, bytes, exporters: exporters.size })

  let stopping: Promise<ListenCounts> | null = null
  const stop = (): Promise<ListenCounts> => {
    stopping ??= (async () => {
      clearInterval(timer)
      await new Promise<void>(done => socket.close(done))
      waiting.push(endFrame(datagrams))
      await flush()
      await file.sync()
      await file.close()
      return counts()
    })()
    return stopping
  }
  const { address, port } = socket.address()
  return { address, port, counts, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}
