/**
 * Tells a tenant's webhooks of instructions that wait for somebody: when one is drafted, once a day while it waits, and
 * shortly before it expires. A change of the approvers is told of too while it waits for its time: somebody may want to
 * stop it. The message goes the way of all notifications, within the country only.
 *
 * Crash points: the message and the row that says it was made are one transaction, so each is made once.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import type { InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { type Clock, isoTime } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import { eventPut, listWebhooks } from '../store/webhooks.ts'
import { dueUnixMs } from './due.ts'
import { placeOf } from './instruction.ts'
import { type InstructionBook, type KnownInstruction, waitingPrefix } from './instruction-book.ts'

export interface ReminderDeps {
  readonly region: {
    readonly id: RegionId
    readonly catalog: Catalog
    readonly book: InstructionBook
    readonly lawfulNow: Clock
  }
  readonly everyMs: number
  readonly isHalted: () => boolean
  readonly clock: Clock
  readonly log: Log
}

interface RemindedRow {
  readonly v: 1
  readonly event: ReminderEvent
  readonly atUnixMs: number
}

export type ReminderEvent =
  | 'instruction.drafted'
  | 'instruction.waiting'
  | 'instruction.expiring'
  | 'approvers.waiting'

const againMs = 24 * 3600e3
const longestNoticeMs = 2 * 3600e3
const remindedKey = (id: InstructionId): Uint8Array => utf8(`reminded/${id}`)

export function startReminders(deps: ReminderDeps): AsyncDisposable {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    if (deps.isHalted()) return
    running ??= remind(deps)
      .catch(error =>
        deps.log('error', 'reminders-failed', { region: deps.region.id, error: messageOf(error) }),
      )
      .finally(() => {
        running = null
      })
  }, deps.everyMs)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

/** One round over what waits in this region. */
async function remind({ region, clock }: ReminderDeps): Promise<void> {
  const { book, catalog } = region
  for await (const { value } of rowsOf(catalog, 'approvers', { prefix: waitingPrefix })) {
    const known = await book.look(fromUtf8(value) as InstructionId)
    // The other end of a transfer has the draft as well, and leaves the reminding to the source.
    if (known === null || (placeOf(known.instruction) ?? region.id) !== region.id) continue
    const key = remindedKey(known.row.id)
    const bytes = await catalog.get('approvers', key)
    const before = bytes === null ? null : decodeRow<RemindedRow>(bytes)
    const event = nextReminder(known, before, region.lawfulNow())
    if (event === null) continue
    const now = clock()
    const message = JSON.stringify(messageFor(event, known, region.id, now))
    const webhooks = (await listWebhooks(catalog, known.row.tenant)).filter(webhook => webhook.instructions)
    const row: RemindedRow = { v: 1, event, atUnixMs: region.lawfulNow() }
    await catalog.commit({
      checks: [{ table: 'approvers', key, expected: bytes }],
      puts: [
        { table: 'approvers', key, value: encodeRow(row) },
        ...webhooks.map(({ name }) =>
          eventPut({
            v: 1,
            tenant: known.row.tenant,
            webhook: name,
            bucket: '',
            key: known.row.id,
            event,
            madeUnixMs: now,
            message,
          }),
        ),
      ],
    })
  }
}

/** What is to be told of it now; `null`: nothing, or nothing new. */
export function nextReminder(
  { instruction, row }: KnownInstruction,
  before: { readonly event: string; readonly atUnixMs: number } | null,
  nowUnixMs: number,
): ReminderEvent | null {
  const isOld = before === null || nowUnixMs - before.atUnixMs >= againMs
  if (row.state === 'approved')
    return instruction.kind === 'approvers' && (isOld || before.event !== 'approvers.waiting')
      ? 'approvers.waiting'
      : null
  if (row.state !== 'drafted') return null
  const { notBeforeUnixMs, expiresUnixMs } = instruction
  const noticeMs = Math.min(longestNoticeMs, (expiresUnixMs - notBeforeUnixMs) / 10)
  if (expiresUnixMs - nowUnixMs <= noticeMs)
    return before?.event === 'instruction.expiring' ? null : 'instruction.expiring'
  if (before === null) return 'instruction.drafted'
  return isOld ? 'instruction.waiting' : null
}

function messageFor(event: ReminderEvent, known: KnownInstruction, region: RegionId, nowUnixMs: number) {
  const { instruction, row, standing } = known
  const { id, kind, purpose, expiresUnixMs } = instruction
  const { approvals, quorum } = standing
  return {
    event,
    time: isoTime(nowUnixMs),
    region,
    tenant: row.tenant,
    instruction: id,
    kind,
    purpose,
    approvals,
    quorum,
    expires: isoTime(expiresUnixMs),
    ...(event === 'approvers.waiting' && { inForce: isoTime(dueUnixMs(known)) }),
    // Who is told looks for itself what it orders: the command shows the document that it signs.
    command:
      event === 'approvers.waiting' ? `holdfast revoke ${id} --key …` : `holdfast approve ${id} --key …`,
  }
}
