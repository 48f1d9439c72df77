/**
 * The decision, pure: the same facts give the same answer, here and when an auditor asks later. Rules are tried in
 * order and the first that refuses speaks. Nothing unknown is ever allowed.
 */
import { unreachable } from '../core/errors.ts'
import { type AccessQuestion, askAccess, type Caller } from './access.ts'
import type { Authorized, Obligations, Refusal, RuleId } from './authorized.ts'
import { dataClasses, parseDataClass } from './data-classes.ts'
import { mint, noObligations } from './mint.ts'
import type { BucketFacts, ClientOperation, ObjectCopy, Outbound, Principal } from './operations.ts'

/** `questions`: what the customers' policies must allow for it. */
export function decide<Op extends ClientOperation>(
  principal: Principal,
  op: Op,
  questions: readonly AccessQuestion[],
): Authorized<Op> | Refusal {
  const refusal = refusePrincipal(principal, op, questions) ?? refuseOperation(op)
  return refusal ?? mint(op, obligationsOf(op))
}

export function decideOutbound(op: Outbound): Authorized<Outbound> | Refusal {
  if (!op.registered) {
    return refuse('outbound-not-registered', `${op.host}:${op.port} is not registered as a ${op.purpose}.`)
  }
  if ((op.purpose === 'transfer' || op.purpose === 'knowledge') && op.instruction === null) {
    return refuse(
      'transfer-needs-an-instruction',
      `Data leaves for ${op.host} only under a customer's instruction.`,
    )
  }
  return refuseWebhook(op) ?? refuseRemoteStore(op) ?? refuseWitness(op) ?? mint(op, noObligations)
}

/** Names of keys leave with a message, so it stays in the country, whatever its bucket's policies say. */
function refuseWebhook({ purpose, webhook, host }: Outbound): Refusal | null {
  if (purpose !== 'webhook') return null
  if (webhook === undefined || webhook.country === null)
    return refuse(
      'webhook-place-unknown',
      `The country of ${host} is not known. The operator can say where it is (places in the configuration).`,
    )
  if (webhook.country !== 'home' && webhook.country !== webhook.from)
    return refuse(
      'webhook-leaves-the-country',
      `${webhook.name} is in ${webhook.country}: names of keys would leave ${webhook.from}.`,
    )
  if (webhook.isPlain && webhook.country !== 'home')
    return refuse('webhook-place-unknown', `${webhook.name} is not on this machine, so it takes https.`)
  return null
}

/**
 * A backup has tenants' names, names and sizes of objects, and sealed contents: it stays in the country of its region.
 * The public log has nothing of a tenant (a leaf is a time, a label and a commitment, none of which tells anything
 * without the tenant's chain key and salts), and is for everybody to read: its mirror may be anywhere.
 */
function refuseRemoteStore({ purpose, remote, host }: Outbound): Refusal | null {
  if (purpose !== 'remote-store') return null
  if (remote === undefined)
    return refuse('outbound-not-registered', `${host} is not registered as a ${purpose}.`)
  const { name, isPlain, country, declared, from, holds } = remote
  if (declared !== null && country !== null && country !== 'home' && country !== declared)
    return refuse(
      'remote-place-contradicts',
      `${name} is configured to be in ${declared}, and its address ${host} is in ${country}.`,
    )
  if (isPlain && country !== 'home' && !/^127\.|^::1$/.test(host))
    return refuse('remote-takes-tls', `${name} is not on this machine, so it takes https.`)
  if (holds === 'public-log') return null
  if (country === null)
    return refuse(
      'remote-place-unknown',
      `The country of ${name} (${host}) is not known, and a backup must not leave ${from}. The operator can say where ` +
        'it is (places in the configuration).',
    )
  if (country !== 'home' && country !== from)
    return refuse(
      'backup-leaves-the-country',
      `${name} is in ${country}: a backup holds tenants’ names, sizes and sealed objects, which would leave ${from}. ` +
        'That takes an instruction of each tenant, and there is no kind of instruction for it yet.',
    )
  return null
}

/**
 * What leaves for a witness is public already: a checkpoint and hashes of the log, which anybody can fetch. So it may
 * be abroad, and best is, and its place need not be known; the operator registers it by name. Only the way there must
 * be one on which nobody else can answer.
 */
function refuseWitness({ purpose, witness, host }: Outbound): Refusal | null {
  if (purpose !== 'witness') return null
  if (witness === undefined)
    return refuse('outbound-not-registered', `${host} is not registered as a witness.`)
  if (witness.isPlain && !witness.isHere)
    return refuse('witness-takes-https', `${witness.name} is not on this machine, so it takes https.`)
  return null
}

function refusePrincipal(
  principal: Principal,
  op: ClientOperation,
  questions: readonly AccessQuestion[],
): Refusal | null {
  switch (principal.kind) {
    case 'operator':
    case 'region':
      return refuse(
        'operator-needs-an-instruction',
        'An operator has no access to a tenant’s data: it takes an instruction of kind access, signed by the customer.',
      )
    case 'anonymous':
      return refuseAccess(null, op, questions)
    case 'tenant':
      return refuseAccess(principal.caller, op, questions)
    default:
      return unreachable(principal)
  }
}

function refuseAccess(
  caller: Caller | null,
  op: ClientOperation,
  questions: readonly AccessQuestion[],
): Refusal | null {
  // The anonymous have no buckets, so there is nothing that the list could tell.
  if (caller === null && op.action === 'bucket.list') return null
  for (const question of questions) {
    const verdict = askAccess(caller, question)
    if (verdict === 'allowed') continue
    const isOutside = question.target !== null && caller?.tenant !== question.target.tenant
    if (caller === null) return refuse('authentication-required', 'Access Denied.')
    // The same words whether the bucket is another's or does not let this key in: existence is not told.
    if (isOutside) return refuse('not-the-owner', 'Access Denied.')
    const does = `User: ${caller.policy.arn} is not authorized to perform: ${question.action} on resource: ${question.resource}`
    return verdict === 'denied'
      ? refuse('policy-denies', `${does} with an explicit deny in a policy.`)
      : refuse('policy-does-not-allow', `${does} because no policy allows it.`)
  }
  if (op.action === 'account.use' && op.tenant !== caller?.tenant)
    return refuse('not-the-owner', 'Access Denied.')
  // A bucket that no policy was asked about is its owner's alone.
  for (const bucket of bucketsOf(op)) {
    if (bucket.tenant === caller?.tenant) continue
    if (!questions.some(({ target }) => target?.bucket === bucket.name))
      return refuse('not-the-owner', 'Access Denied.')
  }
  return null
}

function refuseOperation(op: ClientOperation): Refusal | null {
  switch (op.action) {
    case 'bucket.list':
    case 'bucket.use':
    case 'object.delete':
    case 'objects.delete':
    case 'account.use':
      return null
    case 'bucket.create':
      if (!op.joined) {
        return refuse('region-not-joined', `The tenant has not joined region ${op.region}.`)
      }
      return refuseClass(op.dataClass)
    case 'object.write':
      return refuseClass(op.bucket.dataClass)
    case 'object.read':
      if (op.client.country !== null) return null
      return refuse(
        'client-place-unknown',
        `The country of ${op.client.address} is not known, so whether the data would leave ${op.bucket.country} is not ` +
          'known either. The operator can say where the address is (places in the configuration).',
      )
    case 'object.copy':
      return refuseCopy(op) ?? refuseClass(op.bucket.dataClass)
    default:
      return unreachable(op)
  }
}

function refuseCopy({ source, bucket }: ObjectCopy): Refusal | null {
  if (source.region === bucket.region) return null
  const abroad = source.country !== bucket.country
  const command = `holdfast instruct transfer --bucket ${source.name} --to-bucket ${bucket.name} --mode copy --purpose "…"`
  return refuse(
    abroad ? 'copy-leaves-the-country' : 'copy-leaves-the-region',
    `A copy from ${source.region} (${source.country}) to ${bucket.region} (${bucket.country}) leaves the ` +
      `${abroad ? 'country' : 'region'} and needs a signed instruction: ${command}`,
  )
}

function refuseClass(dataClass: string): Refusal | null {
  if (parseDataClass(dataClass) !== null) return null
  return refuse(
    'data-class-needs-review',
    `Data class “${dataClass}” is not one that the rules know (${dataClasses.join(', ')}): it needs review.`,
  )
}

function obligationsOf(op: ClientOperation): Obligations {
  return op.action === 'object.read' && op.client.country !== op.bucket.country
    ? { enterRead: true }
    : noObligations
}

function bucketsOf(op: ClientOperation): readonly BucketFacts[] {
  switch (op.action) {
    case 'bucket.list':
    case 'bucket.create':
    case 'account.use':
    // Nothing is done to the bucket before each key was decided.
    case 'objects.delete':
      return []
    case 'object.copy':
      return [op.source, op.bucket]
    default:
      return [op.bucket]
  }
}

function refuse(rule: RuleId, message: string): Refusal {
  return { refused: true, rule, message }
}
