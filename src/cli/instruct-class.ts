/** `instruct class`: what a bucket holds, and so which rules its data is under. */
import { classOfKey } from '../policy/bucket-classes.ts'
import { dataClasses, parseDataClass } from '../policy/data-classes.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { draftOf, findBucketPlace, order, ordererOf, orderOptions } from './order.ts'

export async function instructClassCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      ...orderOptions,
      bucket: { type: 'string' },
      prefix: { type: 'string' },
      class: { type: 'string' },
    },
  })
  const dataClass = parseDataClass(required(values.class, '--class'))
  if (dataClass === null) throw new UsageError(`--class is one of ${dataClasses.join(', ')}`)
  const orderer = ordererOf(values, io)
  const place = await findBucketPlace(orderer.credentials, required(values.bucket, '--bucket'))
  const draft = draftOf(orderer, values, {
    bucket: place.bucket,
    class: dataClass,
    kind: 'class',
    ledger: place.ledger,
    ...(values.prefix !== undefined && { prefix: values.prefix }),
    region: place.region,
    was: values.prefix === undefined ? place.dataClass : classOfKey(place, values.prefix),
  })
  return order(orderer, draft, 'It changes nothing', values, io)
}
