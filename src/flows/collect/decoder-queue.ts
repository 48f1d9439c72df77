/**
 * Finished segments on their way through the decoder's process, one at a time and in order, with maintenance between
 * them. Nothing that happens there stops the receiving: what fails is asked for again, a process that died is started
 * anew, and a segment at which it fails three times is set aside whole.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { messageOf } from '../../core/errors.ts'
import type { CommitSummary, DecoderData, FromDecoder, ToDecoder } from './collect-messages.ts'

export type DecoderQueue = AsyncDisposable & {
  readonly add: (segment: number) => void
  readonly commit: () => CommitSummary | null
  readonly waiting: () => number
  readonly alerts: () => number
  /** What is wrong at the moment, in words. */
  readonly faults: () => readonly string[]
  /** Answers when everything that was added is decoded, or when it cannot be: the disk is full, or the decoder fails at everything. */
  readonly drained: () => Promise<void>
}

const mostAttempts = 3
/** It is idle when it is told to end, unless the disk is full. */
const longestEndMs = 10_000

export function createDecoderQueue(options: {
  readonly data: DecoderData
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly retryMs: number
  readonly maintainEveryMs: number
}): DecoderQueue {
  const { monotonicMs, retryMs } = options
  const pending: number[] = []
  let child: ChildProcess | null = null
  let isReady = false
  let sent: ToDecoder | null = null
  let attempts = 0
  /** Since it did something last. */
  let deaths = 0
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
    const started = fork(new URL('./decoder-process.ts', import.meta.url), {
      execArgv: ['--single-threaded-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    child = started
    started.on('message', message => {
      if (child === started) hear(message as unknown as FromDecoder)
    })
    const ended = (why: string) => {
      if (child !== started || isClosed) return
      child = null
      deaths += 1
      failed(`the decoder ended: ${why}`)
    }
    started.on('error', error => ended(messageOf(error)))
    started.on('exit', (code, signal) => ended(signal ?? `exit ${code}`))
    tell(started, options.data)
  }

  const failed = (message: string): void => {
    const kind = sent?.kind
    sent = null
    notBeforeMs = monotonicMs() + retryMs
    if (kind === 'maintain') maintenanceFault = message
    else decodeFault = message
    // A disk that is full is no segment's fault.
    if (kind !== 'maintain' && !isFull) attempts += 1
    if (isFull || deaths >= mostAttempts || attempts >= 2 * mostAttempts) onDrained?.()
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
        deaths = 0
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
    if (child === null) {
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
    if (sent !== null) tell(child, sent)
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
      const last = child
      if (last === null || last.exitCode !== null || last.signalCode !== null) return
      const gone = once(last, 'exit')
      if (last.connected) last.disconnect()
      const impatient = setTimeout(() => last.kill('SIGKILL'), longestEndMs)
      await gone
      clearTimeout(impatient)
    },
  }
}

/** One that is gone by now is noticed by its end. */
function tell(child: ChildProcess, message: DecoderData | ToDecoder): void {
  child.send(message, () => {})
}
