/** `instruct class`: what a bucket holds, and so which rules its data is under. */
import { randomBytes } from 'node:crypto'
import { toHex } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { isoTime, parseDurationMs } from '../core/time.ts'
import { createDocument } from '../crypto/signed-document.ts'
import { instructionPayloadType } from '../instructions/instruction.ts'
import { dataClasses, parseDataClass } from '../policy/data-classes.ts'
import { customerFolder, loadCredentials } from './customer-folder.ts'
import { findBucketPlace, sendDraft } from './instruct.ts'
import { describeInstruction } from './instruction-text.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'

export async function instructClassCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      bucket: { type: 'string' },
      class: { type: 'string' },
      purpose: { type: 'string' },
      expires: { type: 'string', default: '24h' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const dataClass = parseDataClass(required(values.class, '--class'))
  if (dataClass === null) throw new UsageError(`--class is one of ${dataClasses.join(', ')}`)
  const lifeMs = parseDurationMs(values.expires)
  if (lifeMs === null || lifeMs === 0) throw new UsageError('--expires takes a time like 30m, 24h or 7d')
  const folder = values.customer ?? customerFolder(io.env)
  const credentials = loadCredentials(folder)
  const place = await findBucketPlace(credentials, required(values.bucket, '--bucket'))
  const now = Date.now()
  const draft = createDocument(instructionPayloadType, {
    bucket: place.bucket,
    class: dataClass,
    expires: isoTime(now + lifeMs),
    kind: 'class',
    ledger: place.ledger,
    nonce: toHex(randomBytes(16)),
    notBefore: isoTime(now),
    purpose: required(values.purpose, '--purpose'),
    region: place.region,
    tenant: credentials.tenant,
    v: 1,
    was: place.dataClass,
  } satisfies Json)
  const { id, answer, instruction } = await sendDraft(credentials, folder, draft)
  if (values.json) io.stdout.write(`${JSON.stringify({ id, state: answer.state })}\n`)
  else
    io.stdout.write(
      `instruction ${id}\n${describeInstruction(instruction)}\nIt changes nothing until ${answer.quorum} approver(s) sign it:\n  holdfast approve ${id} --key ${credentials.approverKey}\n`,
    )
  return 0
}
