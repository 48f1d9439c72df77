/** The thread that decodes segments and looks after the files: receiving must not wait for either. */
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../core/errors.ts'
import { isDiskFull } from '../../store/durable-file.ts'
import type { CommitSummary, DecoderData, FromDecoder, ToDecoder } from './collect-messages.ts'
import { openSegmentDecoder } from './decode-segments.ts'
import { createMaintenance } from './maintain.ts'

const port = parentPort!
const data = workerData as DecoderData
const niceness = 5

// On Linux a priority is a thread's own: whoever receives goes first, for what is not received is gone.
if (process.platform === 'linux') {
  try {
    setPriority(0, niceness)
  } catch {
    // As before, then.
  }
}

const say = (message: FromDecoder): void => port.postMessage(message)
const decoder = await openSegmentDecoder(data)
const maintenance = createMaintenance(data.folder, decoder.duck, data.maintenance)

function summary(): CommitSummary {
  const { decoder: _, carried: __, ...rest } = decoder.commit()
  return rest
}

async function handle(message: ToDecoder): Promise<void> {
  if (message.kind === 'maintain') {
    const { through } = decoder.commit()
    try {
      const { alerts } = await maintenance.run({ ...message, through })
      say({ kind: 'maintained', message: null, alerts })
    } catch (error) {
      say({ kind: 'maintained', message: messageOf(error), alerts: 0 })
    }
    return
  }
  try {
    if (message.kind === 'decode') await decoder.decode(message.segment)
    else await decoder.setAside(message.segment)
    say({ kind: 'done', commit: summary() })
  } catch (error) {
    // The engine says in words of its own that a disk is full.
    const text = messageOf(error)
    const isFull = isDiskFull(error) || /no space|disk full|failed to write/i.test(text)
    say({ kind: 'failed', isFull, message: text })
  }
}

let turn: Promise<void> = Promise.resolve()
port.on('message', (message: ToDecoder) => {
  turn = turn.then(() => handle(message))
})
say({ kind: 'ready', commit: summary() })
