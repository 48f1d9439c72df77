/**
 * Finished segments on their way through the decoder's thread, one at a time and in order, with maintenance between
 * them. Nothing that happens there stops the receiving: what fails is asked for again, a thread that died is started
 * anew, and a segment at which it fails three times is set aside whole.
 */
import { Worker } from 'node:worker_threads'
import { messageOf } from '../../core/errors.ts'
import type { CommitSummary, DecoderData, FromDecoder, ToDecoder } from './collect-messages.ts'

export type DecoderQueue = AsyncDisposable & {
  readonly add: (segment: number) => void
  readonly commit: () => CommitSummary | null
  readonly waiting: () => number
  readonly alerts: () => number
  /** What is wrong at the moment, in words. */
  readonly faults: () => readonly string[]
  /** Answers when everything that was added is decoded, or when it cannot be because the disk is full. */
  readonly drained: () => Promise<void>
}

const mostAttempts = 3

export function createDecoderQueue(options: {
  readonly data: DecoderData
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly retryMs: number
  readonly maintainEveryMs: number
}): DecoderQueue {
  const { monotonicMs, retryMs } = options
  const pending: number[] = []
  let worker: Worker | null = null
  let isReady = false
  let sent: ToDecoder | null = null
  let attempts = 0
  let notBeforeMs = Number.NEGATIVE_INFINITY
  let maintainedMs = Number.NEGATIVE_INFINITY
  let commit: CommitSummary | null = null
  let alerts = 0
  let decodeFault: string | null = null
  let maintenanceFault: string | null = null
  let isFull = false
  let isClosed = false
  let onDrained: (() => void) | null = null

  const begin = (): void => {
    isReady = false
    const started = new Worker(new URL('./decoder-thread.ts', import.meta.url), { workerData: options.data })
    worker = started
    started.on('message', (message: FromDecoder) => {
      if (worker === started) hear(message)
    })
    const ended = (why: string) => {
      if (worker !== started || isClosed) return
      worker = null
      failed(`the decoder ended: ${why}`)
    }
    started.on('error', error => ended(messageOf(error)))
    started.on('exit', code => ended(`exit ${code}`))
  }

  const failed = (message: string): void => {
    const kind = sent?.kind
    sent = null
    notBeforeMs = monotonicMs() + retryMs
    if (kind === 'maintain') maintenanceFault = message
    else decodeFault = message
    // A disk that is full is no segment's fault.
    if (kind === 'decode' && !isFull) attempts += 1
    if (isFull) onDrained?.()
  }

  const hear = (message: FromDecoder): void => {
    switch (message.kind) {
      case 'ready':
        isReady = true
        commit = message.commit
        break
      case 'done':
        commit = message.commit
        sent = null
        pending.shift()
        attempts = 0
        decodeFault = null
        isFull = false
        break
      case 'failed':
        isFull = message.isFull
        failed(message.message)
        break
      case 'maintained':
        sent = null
        alerts += message.alerts
        maintenanceFault = message.message
        break
    }
    pump()
  }

  const pump = (): void => {
    if (isClosed || sent !== null) return
    if (pending.length === 0 && onDrained !== null) {
      onDrained()
      return
    }
    const nowMs = monotonicMs()
    const isEarly = nowMs < notBeforeMs
    if (worker === null) {
      if (!isEarly) begin()
      return
    }
    if (!isReady) return
    const segment = pending[0]
    // First, and not when there is nothing else to do: a decoder that is always behind must not fill the disk.
    if (onDrained === null && nowMs - maintainedMs >= options.maintainEveryMs) {
      maintainedMs = nowMs
      sent = { kind: 'maintain', nowUnixMs: options.now() }
    } else if (segment !== undefined && !isEarly)
      sent = { kind: attempts >= mostAttempts ? 'set-aside' : 'decode', segment }
    if (sent !== null) worker.postMessage(sent)
  }

  begin()
  const timer = setInterval(pump, 100)
  return {
    add(segment) {
      pending.push(segment)
      pump()
    },
    commit: () => commit,
    waiting: () => pending.length,
    alerts: () => alerts,
    faults: () => [decodeFault, maintenanceFault].filter(fault => fault !== null),
    drained: () =>
      new Promise(resolve => {
        onDrained = resolve
        pump()
      }),
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearInterval(timer)
      await worker?.terminate()
    },
  }
}
