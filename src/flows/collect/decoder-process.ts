/**
 * The process that decodes segments and looks after the files. A process of its own, because receiving must not wait for
 * it: not for its locks on memory, not for its place in the queue of the disk, and not when it runs out of memory.
 *
 * It ends with the collector that started it. One that is still busy when the next collector's comes is waited for.
 */

import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasCode, messageOf } from '../../core/errors.ts'
import { isDiskFull } from '../../store/durable-file.ts'
import { takeProcessLock } from '../../store/process-lock.ts'
import type { CommitSummary, DecoderData, FromDecoder, ToDecoder } from './collect-messages.ts'
import { openSegmentDecoder, type SegmentDecoder } from './decode-segments.ts'
import { createMaintenance } from './maintain.ts'

const niceness = 5
const lockRetryMs = 100

// A terminal tells everybody in it; whoever started this one says when it is done.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
try {
  setPriority(0, niceness)
} catch {
  // As before, then.
}

/** Nobody may be left to hear it. */
const say = (message: FromDecoder): void => void process.send?.(message, undefined, {}, () => {})

const owned = new AsyncDisposableStack()

async function begin(data: DecoderData): Promise<(message: ToDecoder) => Promise<void>> {
  owned.use(await lock(join(data.folder, 'decoder.lock')))
  const decoder = owned.use(await openSegmentDecoder(data))
  const maintenance = createMaintenance(data.folder, decoder.duck, data.maintenance)
  say({ kind: 'ready', commit: summaryOf(decoder) })
  return async message => {
    if (message.kind === 'maintain') {
      const { through, agreedUnixMs = null } = decoder.commit()
      const { nowUnixMs } = message
      try {
        const at = { nowUnixMs, monotonicMs: performance.now(), agreedUnixMs, through }
        const { alerts, fault } = await maintenance.run(at)
        say({ kind: 'maintained', message: fault, alerts })
      } catch (error) {
        say({ kind: 'maintained', message: messageOf(error), alerts: 0 })
      }
      return
    }
    try {
      if (message.kind === 'decode') await decoder.decode(message.segment)
      else await decoder.setAside(message.segment)
      say({ kind: 'done', commit: summaryOf(decoder) })
    } catch (error) {
      // The engine says in words of its own that a disk is full.
      const text = messageOf(error)
      const isFull = isDiskFull(error) || /no space|disk full|failed to write/i.test(text)
      say({ kind: 'failed', isFull, message: text })
    }
  }
}

async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      return await takeProcessLock(path, 'a decoder of before is still busy')
    } catch (error) {
      // Without room there is nothing to do anyway.
      if (!hasCode(error, 'conflict') && !isDiskFull(error)) throw error
      await sleep(lockRetryMs)
    }
  }
}

function summaryOf(decoder: SegmentDecoder): CommitSummary {
  const { decoder: _, carried: __, ...rest } = decoder.commit()
  return rest
}

let turn: Promise<unknown> = Promise.resolve()
process.once('message', (data: DecoderData) => {
  turn = begin(data).then(handle => {
    process.on('message', (message: ToDecoder) => {
      turn = turn.then(() => handle(message))
    })
  })
  turn.catch(error => {
    process.stderr.write(`the decoder cannot begin: ${messageOf(error)}\n`)
    process.exit(1)
  })
})
// The collector has stopped, or is dead: what was begun is finished, and nothing more comes.
process.once('disconnect', async () => {
  await turn.catch(() => {})
  await owned.disposeAsync()
  process.exit(0)
})
