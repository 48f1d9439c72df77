/** `instruct access` and `instruct disclose`: who is let see what, why, and for how long. */
import { accessActions } from '../instructions/kinds/people.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { draftOf, findBucketPlace, order, ordererOf, orderOptions } from './order.ts'

export async function instructAccessCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      ...orderOptions,
      bucket: { type: 'string' },
      prefix: { type: 'string', default: '' },
      action: { type: 'string', multiple: true },
      operator: { type: 'string' },
      country: { type: 'string' },
      ticket: { type: 'string' },
      mechanism: { type: 'string' },
    },
  })
  const actions = [...new Set(values.action ?? [])].sort()
  const unknown = actions.find(action => !(accessActions as readonly string[]).includes(action))
  if (unknown !== undefined || actions.length === 0)
    throw new UsageError(`--action is one or more of ${accessActions.join(', ')}`)
  const orderer = ordererOf(values, io)
  const place = await findBucketPlace(orderer.credentials, required(values.bucket, '--bucket'))
  const draft = draftOf(
    orderer,
    values,
    {
      actions,
      bucket: place.bucket,
      kind: 'access',
      ledger: place.ledger,
      ...mechanismIn(values),
      operator: {
        country: required(values.country, '--country CC'),
        name: required(values.operator, '--operator NAME'),
      },
      region: place.region,
      scope: { prefix: values.prefix },
      ticket: required(values.ticket, '--ticket NUMBER'),
    },
    '1h',
  )
  return order(orderer, draft, 'Nobody is let in', values, io)
}

export async function instructDiscloseCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      ...orderOptions,
      bucket: { type: 'string' },
      prefix: { type: 'string', default: '' },
      form: { type: 'string', default: 'ciphertext' },
      recipient: { type: 'string' },
      country: { type: 'string' },
      basis: { type: 'string' },
      case: { type: 'string' },
      'max-objects': { type: 'string' },
      'max-bytes': { type: 'string' },
      mechanism: { type: 'string' },
    },
  })
  if (values.form !== 'ciphertext' && values.form !== 'plaintext')
    throw new UsageError('--form is ciphertext or plaintext')
  const orderer = ordererOf(values, io)
  const place = await findBucketPlace(orderer.credentials, required(values.bucket, '--bucket'))
  const draft = draftOf(orderer, values, {
    basis: required(values.basis, '--basis TEXT'),
    bucket: place.bucket,
    case: values.case ?? null,
    form: values.form,
    kind: 'disclose',
    ledger: place.ledger,
    limits: {
      bytes: count(values['max-bytes'], '--max-bytes'),
      objects: count(values['max-objects'], '--max-objects'),
    },
    ...mechanismIn(values),
    recipient: {
      country: required(values.country, '--country CC'),
      name: required(values.recipient, '--recipient NAME'),
    },
    region: place.region,
    scope: { prefix: values.prefix },
  })
  return order(orderer, draft, 'Nothing is handed over', values, io)
}

/** Regions of before know no such field. */
const mechanismIn = ({ mechanism }: { readonly mechanism?: string | undefined }) =>
  mechanism === undefined ? {} : { mechanism }

function count(text: string | undefined, name: string): number {
  const given = required(text, name)
  if (!/^\d{1,15}$/.test(given)) throw new UsageError(`${name} takes a number`)
  return Number(given)
}
