/** `instruct key`: a new key for a bucket, or the end of those that it has. */
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { draftOf, findBucketPlace, order, ordererOf, orderOptions } from './order.ts'

export async function instructKeyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: { ...orderOptions, bucket: { type: 'string' }, act: { type: 'string' } },
  })
  const act = required(values.act, '--act rotate|shred')
  if (act !== 'rotate' && act !== 'shred') throw new UsageError('--act is rotate or shred')
  const orderer = ordererOf(values, io)
  const place = await findBucketPlace(orderer.credentials, required(values.bucket, '--bucket'))
  const draft = draftOf(orderer, values, {
    act,
    bucket: place.bucket,
    kind: 'key',
    ledger: place.ledger,
    region: place.region,
  })
  return order(orderer, draft, 'It changes nothing', values, io)
}
