/** `instruct residency`: where the bytes of a bucket may rest. */
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { draftOf, findBucketPlace, order, ordererOf, orderOptions } from './order.ts'

export async function instructResidencyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: { ...orderOptions, bucket: { type: 'string' }, regions: { type: 'string' } },
  })
  const orderer = ordererOf(values, io)
  const place = await findBucketPlace(orderer.credentials, required(values.bucket, '--bucket'))
  const given = required(values.regions, '--regions R,R…|any')
  const regions = given === 'any' ? null : [...new Set(given.split(','))].sort()
  if (regions !== null && !regions.includes(place.region))
    throw new UsageError(`the bucket is in ${place.region}, where its bytes rest in any case: name it too`)
  const draft = draftOf(orderer, values, {
    bucket: place.bucket,
    kind: 'residency',
    ledger: place.ledger,
    region: place.region,
    regions,
    was: place.residency === null ? null : [...place.residency],
  })
  return order(orderer, draft, 'It changes nothing', values, io)
}
