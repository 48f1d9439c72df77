/** `transfers`: how far they are; and `pause`, `resume` and `limit` of one that runs. */
import { plain } from '../core/plain-text.ts'
import { callApi } from './api-client.ts'
import { type CustomerCredentials, customerFolder, loadCredentials } from './customer-folder.ts'
import { instructionsCommand, progressText } from './instruct.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions } from './options.ts'
import { fetchInstruction, type InstructionAnswer } from './order.ts'

interface TransferAnswer {
  readonly paused: boolean
  readonly objects: number
  readonly bytes: number
  readonly ofObjects: number | null
  readonly ofBytes: number | null
  readonly voided: number
  readonly verified: number
  readonly bytesPerSecond: number | null
  readonly remainingSeconds: number | null
  readonly limitBytesPerSecond: number | null
  /** Why it does not go on at the moment. */
  readonly waitingFor: string | null
  /** Of a standing transfer that follows. */
  readonly lagSeconds: number | null
}

const followMs = 500
/** The other end is told that it is over a moment later; one that cannot be told is not waited for. */
const otherEndMs = 5000
const running = ['drafted', 'approved', 'running']

export async function transfersCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      follow: { type: 'boolean' },
      'bytes-per-second': { type: 'string' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const [first, id] = positionals
  if (first === undefined) return instructionsCommand(argv, io)
  const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
  if (first === 'pause' || first === 'resume' || first === 'limit') {
    if (id === undefined) throw new UsageError(`transfers ${first} takes the id of a transfer`)
    const body = first === 'limit' ? { bytesPerSecond: readRate(values['bytes-per-second']) } : undefined
    const answer = await askTransfer(credentials, 'POST', id, `/${first}`, body)
    io.stdout.write(values.json ? `${JSON.stringify(answer)}\n` : `${id}: ${stateText(answer)}\n`)
    return 0
  }
  let overSinceMs: number | null = null
  for (;;) {
    const answer = await fetchInstruction(credentials, first)
    const transfer = await askTransfer(credentials, 'GET', first, '').catch(() => null)
    const isOver = !running.includes(answer.state)
    if (isOver) overSinceMs ??= performance.now()
    const isOverEverywhere = isOver && answer.ends.every(({ state }) => !running.includes(state))
    const isWaitedFor = overSinceMs === null || performance.now() - overSinceMs < otherEndMs
    const goesOn = values.follow === true && !isOverEverywhere && isWaitedFor
    if (!goesOn) {
      if (io.isTty && values.follow && !values.json) io.stderr.write('\n')
      io.stdout.write(values.json ? `${JSON.stringify(jsonOf(answer, transfer))}\n` : text(answer, transfer))
      return values.follow === true && answer.state !== 'completed' ? 1 : 0
    }
    if (io.isTty && !values.json) {
      const line =
        transfer === null ? `${answer.objects} objects, ${answer.bytes} bytes` : stateText(transfer)
      io.stderr.write(`\r\u001b[K${answer.state}: ${line} `)
    }
    await new Promise(resolve => setTimeout(resolve, followMs))
  }
}

/** `null`: no limit of its own. */
function readRate(text: string | undefined): number | null {
  if (text === 'none') return null
  const rate = Number(text)
  if (text === undefined || !Number.isSafeInteger(rate) || rate <= 0)
    throw new UsageError('transfers limit takes --bytes-per-second N, or none')
  return rate
}

async function askTransfer(
  { api, apiToken }: CustomerCredentials,
  method: 'GET' | 'POST',
  id: string,
  what: '' | '/pause' | '/resume' | '/limit',
  body?: object,
): Promise<TransferAnswer> {
  return (await callApi(api, method, `/transfers/${id}${what}`, apiToken, body)) as TransferAnswer
}

function jsonOf(
  { id, state, reason, objects, bytes, ends }: InstructionAnswer,
  transfer: TransferAnswer | null,
): object {
  return { ...transfer, id, state, reason, objects, bytes, ends }
}

function text(answer: InstructionAnswer, transfer: TransferAnswer | null): string {
  const { verified = 0, voided = 0, paused = false, lagSeconds = null, waitingFor = null } = transfer ?? {}
  const more = [
    ...(verified > 0 ? [`${verified} verified`] : []),
    ...(voided > 0 ? [`${voided} voided`] : []),
    ...(lagSeconds === null ? [] : [`${lagSeconds} s behind`]),
    ...(paused && running.includes(answer.state) ? ['paused'] : []),
    ...(waitingFor === null ? [] : [`waiting (${plain(waitingFor)})`]),
  ]
  return `${progressText(answer)}${more.length > 0 ? `  ${more.join(', ')}\n` : ''}`
}

function stateText(transfer: TransferAnswer): string {
  const { objects, ofObjects, bytes, ofBytes, bytesPerSecond, remainingSeconds } = transfer
  const { paused, voided, limitBytesPerSecond, lagSeconds, waitingFor } = transfer
  const of = (total: number | null): string => (total === null ? '' : ` of ${total}`)
  return [
    `${objects}${of(ofObjects)} objects`,
    `${bytes}${of(ofBytes)} bytes`,
    ...(voided > 0 ? [`${voided} voided`] : []),
    ...(paused ? ['paused'] : []),
    ...(bytesPerSecond !== null && !paused ? [`${(bytesPerSecond / 1e6).toFixed(1)} MB/s`] : []),
    ...(limitBytesPerSecond === null ? [] : [`at most ${(limitBytesPerSecond / 1e6).toFixed(1)} MB/s`]),
    ...(remainingSeconds === null || lagSeconds !== null ? [] : [`${remainingSeconds} s to go`]),
    ...(lagSeconds === null ? [] : [`${lagSeconds} s behind`]),
    ...(waitingFor === null ? [] : [`waiting (${plain(waitingFor)})`]),
  ].join(', ')
}
